"""``sonar run``: guide now, from a camera, a stream, or a recording at its own pace."""

from typing import TYPE_CHECKING, Annotated

import typer

from sonar.cli import streams
from sonar.cli.prepare import prepare
from sonar.cli.signals import stops
from sonar.cli.ui import Common, common, note, say
from sonar.ports import AudioSink
from sonar.records import Event, Step, Update
from sonar.types import State

if TYPE_CHECKING:
    from sonar.app import Running


def run(
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            envvar="SONAR_SOURCE",
            help="camera number or /dev/videoN, rtsp:// or http:// stream, video, images",
        ),
    ] = "0",
    headless: Annotated[
        bool,
        typer.Option("--headless", help="for supervisors: JSON log lines, health, SIGHUP reloads"),
    ] = False,
) -> None:
    """Guide live until Ctrl-C: tones and warnings on the sound card."""
    if headless:
        from sonar.cli.service_cmd import guide

        guide(common(ctx), source)
    from sonar import app
    from sonar.clock import SystemClock
    from sonar.controls.listen import listening

    options = common(ctx)
    config = options.load()
    streams.never_wait()
    prepare(config)
    clock = SystemClock()
    frames = app.open_source(source, config, clock, realtime=True)
    teller = _Teller(options)
    running = app.assemble(config, frames, app.device_sink(config, clock), clock=clock)
    teller.running = running
    if found := running.sink.status.note:
        note(found)
    with (
        stops(running.pipeline),
        listening(running.controls, config.controls, keyboard=True) as notes,
    ):
        for found in notes:
            note(found)
        outcome = running.run(teller.consume)
    if outcome.error is not None:
        raise outcome.error
    if not options.json:
        say(f"Stopped after {outcome.frames} frames.{_gaps(running.sink)}")
    if outcome.interrupted and not running.controls.quitting:
        raise typer.Exit(130)


class _Teller:
    """Tells what is heard: one line a change, or every frame's record with ``--json``."""

    def __init__(self, options: Common) -> None:
        self._options = options
        self.running: Running | None = None
        self._loss_told = False

    def consume(self, update: Update) -> None:
        for event in update.events:
            self._tell(event)
        if isinstance(update, Step):
            if self._options.json:
                say(update.record().model_dump_json())
            self._tell_loss()

    def _tell_loss(self) -> None:
        """Speech that is lost is told once, by sound and here."""
        lost = self.running.speech.status.lost if self.running is not None else None
        if lost and self.running is not None and not self._loss_told:
            self._loss_told = True
            self.running.controls.announce_speech_lost()
            note(f"{lost}. Tones go on without it.")

    def _tell(self, event: Event) -> None:
        if self._options.json:
            return
        if event.kind == "state":
            reason = f" ({event.why.replace('_', ' ')})" if event.why else ""
            say(f"{event.name}{reason}" + (": Ctrl-C ends" if event.name == State.READY else ""))
        elif event.kind == "speech":
            say(f'"{event.text}"')
        elif self._options.verbose and event.name != "silence":
            say(event.why or event.name)


def _gaps(sink: AudioSink) -> str:
    """How often the sound broke off, and how often sonar itself was too slow."""
    status = sink.status
    gaps = status.gaps
    return f" {gaps} gaps in the sound, {status.own_gaps or 0} of them sonar's own." if gaps else ""
