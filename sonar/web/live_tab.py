"""The part of the page that shows a running sonar and tells it things."""

from typing import Any

import gradio as gr

from sonar.audio.cues.mapping import SCHEMES
from sonar.audio.cues.phrases import VERBOSITIES
from sonar.errors import SonarError
from sonar.web import live, show

EVERY_S = 0.5
_START, _STOP = "Start watching", "Stop watching"
_BUTTONS = {
    "Mute": "mute",
    "Louder": "volume up",
    "Softer": "volume down",
    "Describe": "describe",
    "Repeat": "repeat",
}


def live_tab() -> None:
    """Lay it out, inside a tab. Nothing is asked of the sonar before the button is pressed."""
    start = gr.Button(_START, variant="primary")
    which = gr.Radio([], label="Which sonar, by its process number", visible=False)
    watching = gr.State(False)
    timer = gr.Timer(EVERY_S, active=False)
    now = gr.HTML("<p>Not watching.</p>", elem_id="now")
    with gr.Row():
        buttons = {gr.Button(name, min_width=110): words for name, words in _BUTTONS.items()}
    done = gr.HTML("<p>Each of these answers by sound too.</p>", elem_id="done")
    verbosity = gr.Radio(list(VERBOSITIES), label="How much is said")
    scheme = gr.Radio(list(SCHEMES), label="Kind of sound")

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    start.click(
        toggle, [watching, which], [watching, start, timer, which, now, verbosity, scheme], **quiet
    )
    timer.tick(shown, which, now, trigger_mode="once", **quiet)
    for button, words in buttons.items():
        button.click(lambda name, words=words: told(name, words), which, done, **quiet)
    verbosity.input(
        lambda name, to: told(name, f"verbosity {to}"), [which, verbosity], done, **quiet
    )
    scheme.input(lambda name, to: told(name, f"scheme {to}"), [which, scheme], done, **quiet)


def toggle(watching: bool, which: str | None) -> tuple[Any, ...]:
    """Start or stop watching: new values of what :func:`live_tab` lists."""
    if watching:
        timer = gr.Timer(active=False)
        return (
            False,
            gr.Button(_START),
            timer,
            gr.skip(),
            "<p>Not watching.</p>",
            gr.skip(),
            gr.skip(),
        )
    names = live.instances()
    name = which if which in names else names[-1] if names else None
    radio = gr.Radio(choices=names, value=name, visible=len(names) > 1)
    try:
        seen = live.look(name)
    except SonarError as error:
        return False, gr.Button(_START), gr.skip(), radio, _none(error), gr.skip(), gr.skip()
    return (
        True,
        gr.Button(_STOP),
        gr.Timer(active=True),
        radio,
        show.now(seen),
        seen.told["verbosity"],
        seen.told["scheme"],
    )


def shown(which: str | None) -> str:
    """What the sonar ``which`` sees and sounds now, or why that cannot be told."""
    try:
        return show.now(live.look(which))
    except SonarError as error:
        return _none(error)


def told(which: str | None, words: str) -> str:
    """Do it; what came of it."""
    return show.said(live.command(which, words))


def _none(error: SonarError) -> str:
    return show.problem(f"{str(error)[:1].upper()}{str(error)[1:]}.")
