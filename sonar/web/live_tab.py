"""The part of the page that shows and controls a running sonar."""

from typing import Any

import gradio as gr
from gradio.components import Component

from sonar.audio.cues import SCHEMES, VERBOSITIES
from sonar.errors import SonarError
from sonar.web import live, show

EVERY_S = 0.5
# What writes the report runs one event at a time, in the order of arrival. Otherwise a report
# that was asked for before "Stop watching" can arrive after it, and stay on the page.
IN_TURN: dict[str, Any] = {"concurrency_id": "live", "concurrency_limit": 1}
_START, _STOP = "Start watching", "Stop watching"
_NOTHING_RUNS = show.sentence(
    "No sonar runs for you on this machine. Start one in a terminal, for example: sonar run 0 "
    "(camera 0). Then press Start watching."
)
_BUTTONS = {
    "Mute": "mute",
    "Louder": "volume up",
    "Softer": "volume down",
    "Describe": "describe",
    "Repeat": "repeat",
}


def live_tab() -> list[Component]:
    """Lay it out, inside a tab. Nothing is asked of the sonar before the button is pressed.

    Returns what :func:`at_hand` updates when the tab is opened.
    """
    start = gr.Button(_START, variant="primary")
    which = gr.Radio([], label="Which sonar, by its process number", visible=False)
    watching = gr.State(False)
    timer = gr.Timer(EVERY_S, active=False)
    now = gr.HTML("<p>Not watching.</p>", elem_id="now")
    with gr.Row():
        buttons = {
            gr.Button(name, min_width=110, interactive=False): words
            for name, words in _BUTTONS.items()
        }
    done = gr.HTML("<p>Each of these answers by sound too.</p>", elem_id="done")
    verbosity = gr.Radio(list(VERBOSITIES), label="How much is spoken", interactive=False)
    scheme = gr.Radio(list(SCHEMES), label="Kind of sound", interactive=False)
    controls: list[Component] = [*buttons, verbosity, scheme]

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    start.click(
        toggle,
        [watching, which],
        [watching, start, timer, which, now, *controls],
        **IN_TURN,
        **quiet,
    )
    timer.tick(shown, [watching, which], now, trigger_mode="once", **IN_TURN, **quiet)
    for button, words in buttons.items():
        button.click(lambda name, words=words: send_command(name, words), which, done, **quiet)
    verbosity.input(
        lambda name, to: send_command(name, f"verbosity {to}"), [which, verbosity], done, **quiet
    )
    scheme.input(
        lambda name, to: send_command(name, f"scheme {to}"), [which, scheme], done, **quiet
    )
    return [watching, now, *controls]


def at_hand(watching: bool) -> Any:
    """When the tab is opened: the newest news and controls, which a running sonar enables."""
    if watching:
        return gr.skip()
    running = bool(live.instances())
    return ("<p>Not watching.</p>" if running else _NOTHING_RUNS, *_controls(running))


def toggle(watching: bool, which: str | None) -> tuple[Any, ...]:
    """Start or stop watching: new values of what :func:`live_tab` lists."""
    names = live.instances()
    if watching:
        html = "<p>Not watching.</p>" if names else _NOTHING_RUNS
        timer = gr.Timer(active=False)
        return (False, gr.Button(_START), timer, gr.skip(), html, *_controls(bool(names)))
    name = which if which in names else names[-1] if names else None
    radio = gr.Radio(choices=names, value=name, visible=len(names) > 1)
    if not names:
        html = _NOTHING_RUNS
    else:
        try:
            view = live.look(name)
            values = (view.report["verbosity"], view.report["scheme"])
            timer = gr.Timer(active=True)
            return (True, gr.Button(_STOP), timer, radio, show.now(view), *_controls(True, *values))
        except SonarError as error:
            html = _none(error)
    return (False, gr.Button(_START), gr.skip(), radio, html, *_controls(False))


def _controls(enabled: bool, verbosity: str | None = None, scheme: str | None = None) -> list[Any]:
    """Updates of the buttons and the two choices; None keeps a choice as it is."""
    choices = []
    for value in (verbosity, scheme):
        given = {} if value is None else {"value": value}
        choices.append(gr.Radio(interactive=enabled, **given))
    return [gr.Button(interactive=enabled) for _ in _BUTTONS] + choices


def shown(watching: bool, which: str | None) -> Any:
    """What the sonar ``which`` sees and sounds now, or why nothing is known."""
    if not watching:  # a tick that waited behind "Stop watching"
        return gr.skip()
    try:
        return show.now(live.look(which))
    except SonarError as error:
        return _none(error)


def send_command(which: str | None, words: str) -> str:
    """Do it; what came of it."""
    return show.sentence(live.command(which, words))


def _none(error: SonarError) -> str:
    return show.problem(f"{str(error)[:1].upper()}{str(error)[1:]}.")
