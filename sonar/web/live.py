"""The live tab: it shows and controls a running sonar of this user, by its control socket."""

import base64
import json
from typing import Any

import cv2
import gradio as gr
import numpy as np

from sonar.audio.cues import SCHEMES, VERBOSITIES
from sonar.controls.control_socket import choose_instance, running_instances, send
from sonar.controls.view import SCHEMA, WIDTH_PX
from sonar.errors import DeviceError, SonarError
from sonar.records import ZonesRecord
from sonar.replay.annotate import Annotator
from sonar.types import SIDES, RgbImage, Scene, State, ZoneReading
from sonar.web import show

EVERY_S = 0.5
_START, _STOP = "Start watching", "Stop watching"
_NOT_WATCHING = "<p>Not watching.</p>"
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
_SIDES = {"left": " on the left", "center": " in the middle", "right": " on the right"}
Report = dict[str, Any]  # a record ``sonar.controls.view/1``


def live_tab(page: gr.Blocks, tab: gr.Tab) -> None:
    """Lay it out, inside ``tab``. Nothing is asked of the sonar before the button is pressed."""
    start = gr.Button(_START, variant="primary")
    which = gr.Radio([], label="Which sonar, by its process number", visible=False)
    watching = gr.State(False)
    timer = gr.Timer(EVERY_S, active=False)
    now = gr.HTML(_NOT_WATCHING, elem_id="now")
    with gr.Row():
        buttons = [gr.Button(name, min_width=110, interactive=False) for name in _BUTTONS]
    done = gr.HTML("<p>Each of these answers by sound too.</p>", elem_id="done")
    verbosity = gr.Radio(list(VERBOSITIES), label="How much is spoken", interactive=False)
    scheme = gr.Radio(list(SCHEMES), label="Kind of sound", interactive=False)

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    # What writes the report runs one event at a time, in the order of arrival. Otherwise a report
    # that was asked for before "Stop watching" can arrive after it, and stay on the page.
    in_turn: dict[str, Any] = {"concurrency_id": "live", "concurrency_limit": 1, **quiet}
    controls = [*buttons, verbosity, scheme]
    changed = [watching, start, timer, which, now, *controls]
    start.click(toggle, [watching, which], changed, **in_turn)
    timer.tick(shown, [watching, which], now, trigger_mode="once", **in_turn)
    for event in (tab.select, page.load):
        event(at_hand, watching, [now, *controls], **in_turn)
    for button, words in zip(buttons, _BUTTONS.values(), strict=True):
        button.click(lambda name, words=words: send_command(name, words), which, done, **quiet)
    for choice, name in ((verbosity, "verbosity"), (scheme, "scheme")):
        choice.input(
            lambda instance, to, name=name: send_command(instance, f"{name} {to}"),
            [which, choice],
            done,
            **quiet,
        )


def at_hand(watching: bool) -> Any:
    """When the tab is opened: the newest news and controls, which a running sonar enables."""
    if watching:
        return gr.skip()
    running = bool(running_instances())
    return (_NOT_WATCHING if running else _NOTHING_RUNS, *_controls(running))


def toggle(watching: bool, which: str | None) -> tuple[Any, ...]:
    """Start or stop watching: new values of what :func:`live_tab` lists."""
    names = list(running_instances())
    radio = gr.skip()
    html = _NOT_WATCHING if names else _NOTHING_RUNS
    if not watching:
        name = which if which in names else names[-1] if names else None
        radio = gr.Radio(choices=names, value=name, visible=len(names) > 1)
        if names:
            try:
                report, html = look(name)
                values = _controls(True, report["verbosity"], report["scheme"])
                return (True, gr.Button(_STOP), gr.Timer(active=True), radio, html, *values)
            except SonarError as error:
                html, names = _problem(error), []
    timer = gr.Timer(active=False)
    return (False, gr.Button(_START), timer, radio, html, *_controls(bool(names)))


def _controls(enabled: bool, verbosity: str | None = None, scheme: str | None = None) -> list[Any]:
    """Updates of the buttons and the two choices; None keeps a choice as it is."""
    values = [{} if value is None else {"value": value} for value in (verbosity, scheme)]
    choices = [gr.Radio(interactive=enabled, **value) for value in values]
    return [gr.Button(interactive=enabled) for _ in _BUTTONS] + choices


def shown(watching: bool, which: str | None) -> Any:
    """What the sonar ``which`` sees and sounds now, or why nothing is known."""
    if not watching:  # a tick that waited behind "Stop watching"
        return gr.skip()
    try:
        return look(which)[1]
    except SonarError as error:
        return _problem(error)


def send_command(which: str | None, words: str) -> str:
    """Do what ``sonar control`` does; what came of it, as a sentence."""
    try:
        verdict, _, answer = send(choose_instance(which), words).partition(" ")
    except SonarError as error:
        verdict, answer = "", str(error)
    return show.sentence(f"{'Done' if verdict == 'ok' else 'Not done'}: {answer}.")


def look(which: str | None) -> tuple[Report, str]:
    """What the one that runs, or the one named, sees and sounds now: its report, and as HTML.

    Raises SonarError.
    """
    verdict, _, line = send(choose_instance(which), "view").partition(" ")
    try:
        report: Report = json.loads(line)
        if verdict != "ok" or report["schema"] != SCHEMA:
            raise ValueError(verdict)
        image = image_of(report)
        return report, show.fill(
            "live.html",
            report=report,
            sentence=show.capital(report["sentence"]),
            heard=_heard(report),
            image="" if image is None else show.image_address(image),
        )
    except (ValueError, KeyError, TypeError, cv2.error) as error:
        raise DeviceError("the running sonar is another version; it shows nothing here") from error


def image_of(report: Report) -> RgbImage | None:
    """The newest frame with the zones drawn in, uint8 (H, W, 3) RGB; None where images are off or
    no frame has come yet."""
    if report["picture"] is None:
        return None
    coded = np.frombuffer(base64.b64decode(report["picture"]), np.uint8)
    image = cv2.cvtColor(cv2.imdecode(coded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    zones = ZonesRecord.model_validate(report["zones"])
    left, center, right = (ZoneReading(side, **getattr(zones, side).model_dump()) for side in SIDES)
    scene = Scene(-1, report["t"], left, center, right, state=State(report["state"]))
    borders = report["borders"][0], report["borders"][1]
    annotator = Annotator(WIDTH_PX, lambda height, width: borders, 0.0)
    return annotator.draw(np.asarray(image, np.uint8), None, scene, None)


def _heard(report: Report) -> str:
    heard, cue = report["heard"], report["cue"]
    if heard is None or heard["name"] == "silence":
        return "No tone."
    text = heard["name"] + _SIDES.get(heard["side"], "")
    if cue is not None and cue["kind"] == "pulse":
        text += f", {cue['rate_hz']:.1f} a second"
    return show.capital(text + (f": {heard['why']}" if heard["why"] else ""))


def _problem(error: SonarError) -> str:
    return show.sentence(show.capital(str(error)), problem=True)
