"""``sonar run``: guide now; ``sonar control``: a word to a sonar that is guiding; ``sonar web``."""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from sonar.cli import process
from sonar.cli.ui import INTERRUPTED, Source, as_sets, note, options, prepare, say
from sonar.config import SonarConfig
from sonar.controls import COMMANDS
from sonar.errors import ConfigError, DeviceError, MissingExtraError
from sonar.pipeline import Consumer
from sonar.records import Event, Step, Update
from sonar.types import State

if TYPE_CHECKING:
    from sonar.app import Running


def run(
    source: Source = "0",
    headless: Annotated[
        bool, Option("--headless", help="for the service: JSON log, health")
    ] = False,
) -> None:
    """Guide live until Ctrl-C: tones and warnings on the sound card."""
    if headless:
        from sonar.cli.service import guide

        guide(source)
    from sonar import app
    from sonar.clock import SystemClock
    from sonar.controls.listen import listening

    config = options.load()
    process.never_wait()
    prepare(config)
    clock = SystemClock()
    frames = app.open_source(source, config, clock, realtime=True)
    running = app.assemble(config, frames, app.device_sink(config, clock), clock=clock)
    if found := running.sink.status.note:
        note(found)
    with (
        process.stops(running.pipeline),
        listening(running.controls, config.controls, keyboard=True) as notes,
    ):
        for found in notes:
            note(found)
        outcome = running.run(_printer(running))
    if outcome.error is not None:
        raise outcome.error
    if not options.json:
        gaps = running.sink.status.gaps
        say(
            f"Stopped after {outcome.frames} frames." + (f" {gaps} gaps in the sound." * bool(gaps))
        )
    if outcome.interrupted and not running.controls.quitting:
        raise typer.Exit(INTERRUPTED)


def _printer(running: "Running") -> Consumer:
    """Prints what is heard: a line for each change, or every frame's record with ``--json``."""
    loss_reported = False

    def consume(update: Update) -> None:
        nonlocal loss_reported
        if not options.json:
            for line in filter(None, map(_line, update.events)):
                say(line)
        elif isinstance(update, Step):
            say(update.record().model_dump_json())
        lost = running.speech.status.lost
        if lost and not loss_reported:  # once, by sound and here
            loss_reported = True
            running.controls.announce_speech_lost()
            note(f"{lost}. Tones go on without it.")

    return consume


def _line(event: Event) -> str | None:
    if event.kind == "speech":
        return f'"{event.text}"'
    if event.kind == "cue":
        return event.why or event.name if options.verbose and event.name != "silence" else None
    reason = f" ({event.why.replace('_', ' ')})" if event.why else ""
    return event.name + reason + (": Ctrl-C ends" if event.name == State.READY else "")


def control(
    words: Annotated[
        list[str],
        Argument(metavar="COMMAND", help=COMMANDS),
    ],
    instance: Annotated[str | None, Option(metavar="PID", help="where several run")] = None,
) -> None:
    """Send a command to a running sonar, such as mute or describe."""
    from sonar.controls.control_socket import choose_instance, send

    verdict, _, text = send(choose_instance(instance), " ".join(words)).partition(" ")
    if verdict != "ok":
        raise ConfigError(text)
    options.answer({"answer": text}, [text])


def web(
    host: Annotated[str | None, Option("--host", help="0.0.0.0 lets the network in")] = None,
    port: Annotated[int | None, Option("--port", min=1, max=65535, help="TCP port")] = None,
) -> None:
    """Serve a page for photos, videos and a running sonar.

    Until Ctrl-C. On this machine only, unless asked; for others a password is needed.
    """
    if find_spec("gradio") is None:
        raise MissingExtraError("web", "The page")
    from sonar.web.gate import USER, password_for
    from sonar.web.page import serve

    own = as_sets(web__host=host, web__port=port)

    def load(more: list[str]) -> SonarConfig:
        return options.load("replay", [*own, *more])

    config = options.ready("replay", own).web
    password = password_for(config)
    if password is not None:
        shown = "what web.password_file holds" if config.password_file else password
        note(
            f"Who reaches {config.host}:{config.port} needs the user {USER} and the password "
            f"{shown}. It goes over the network as it is: let in only a network you trust."
        )
    try:
        with process.terminates():
            serve(load, password, lambda url: say(f"Open {url} in a browser. Ctrl-C ends."))
    except OSError as error:
        raise DeviceError(
            f"The page cannot be served at {config.host}:{config.port}: {error}"
        ) from error
