"""``sonar run``: guide now, from a camera, a stream, or a recording at its own pace."""

import sys
from typing import Annotated

import typer

from sonar.cli.signals import stops
from sonar.cli.ui import Common, common, note, say
from sonar.records import Event, FrameRecord
from sonar.types import DepthMap, Frame, Scene, State


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
    from sonar.audio.listen import listening
    from sonar.clock import SystemClock

    options = common(ctx)
    config = options.load()
    clock = SystemClock()
    frames = app.open_source(source, config, clock, realtime=True)
    teller = _Teller(options)
    running = app.assemble(
        config, frames, app.device_sink(config, clock), clock=clock, observers=[teller]
    )
    if found := getattr(running.sink, "note", ""):
        note(found)
    with (
        stops(running.pipeline),
        listening(running.controls, config.controls, keyboard=True) as notes,
    ):
        for found in notes:
            note(found)
        outcome = running.pipeline.run()
    if outcome.error is not None:
        raise outcome.error
    if not options.json:
        say(f"Stopped after {outcome.frames} frames.")
    if outcome.interrupted and not running.controls.quitting:
        raise typer.Exit(130)


class _Teller:
    """Tells what is heard: one line a change, or every frame's record with ``--json``."""

    def __init__(self, options: Common) -> None:
        self._options = options

    def on_frame(
        self, record: FrameRecord, frame: Frame, depth: DepthMap | None, scene: Scene
    ) -> None:
        if self._options.json:
            sys.stdout.write(record.model_dump_json() + "\n")
            sys.stdout.flush()

    def on_event(self, event: Event) -> None:
        if self._options.json:
            return
        if event.kind == "state":
            reason = f" ({event.why.replace('_', ' ')})" if event.why else ""
            say(f"{event.name}{reason}" + (": Ctrl-C ends" if event.name == State.READY else ""))
        elif event.kind == "speech":
            say(f'"{event.text}"')
        elif self._options.verbose and event.name != "silence":
            say(event.why or event.name)
