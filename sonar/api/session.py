"""A run whose steps the caller takes."""

from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from types import TracebackType

from sonar import app
from sonar.api.engine import Borrowed
from sonar.api.settings import Settings, configured
from sonar.audio.output import UnheardSink
from sonar.clock import SystemClock
from sonar.config import MountConfig, SonarConfig
from sonar.errors import OutputError
from sonar.pipeline import Outcome
from sonar.ports import AudioSink, Clock, Engine, FrameSource
from sonar.records import Step, Update
from sonar.types import Frame


class Session:
    """A run over a recording or a live source: iterate over it once to take its steps.

    Made by :func:`sonar.open`. Use it in a ``with`` statement: leaving the block, by its end,
    ``break``, an exception or Ctrl-C, closes source, network and sound.

    While a live source gives no frame, steps go on coming: with the last frame again, without
    depth, and with every band unknown. What is not seen is never clear.

    Attributes:
        source: where frames come from.

    Examples:
        >>> import sonar
        >>> with sonar.open("synthetic:box") as run:
        ...     for step in run:
        ...         if step.frame.t > 0.2:
        ...             run.stop()  # ends the iteration after this step
        >>> run.outcome.interrupted
        True
    """

    def __init__(
        self,
        source: FrameSource,
        config: SonarConfig,
        *,
        sound: str | PathLike[str] | AudioSink | None = None,
        engine: Engine | None = None,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        borrowed = None if engine is None else Borrowed(engine)
        self.source = source
        spoken = isinstance(sound, str | PathLike)
        self._pipeline = app.assemble(
            config,
            source,
            _sink_for(sound, config, clock),
            clock=clock,
            spoken=spoken,
            wait_for_speech=spoken and not source.live,
            engine=borrowed,
        ).pipeline
        self._updates: Generator[Update, None, None] | None = None

    @property
    def outcome(self) -> Outcome:
        """How far the run has come: ``frames``, ``degraded``, ``error``."""
        return self._pipeline.outcome

    def stop(self) -> None:
        """End the iteration after the present step; from any thread or signal handler."""
        self._pipeline.stop()

    def __iter__(self) -> Iterator[Step]:
        """The steps, each as soon as it is there.

        Raises:
            SonarError: the source, the network or the sound cannot be opened; or, after the last
                step, what ended the run early (a damaged recording, a camera that is gone).
            RuntimeError: the steps were taken already.
        """
        if self._updates is not None:
            raise RuntimeError("the steps of a session can be taken once; open another")
        self._updates = self._pipeline.steps()
        newest: Frame | None = None
        for update in self._updates:
            if isinstance(update, Step):
                newest = update.frame
                yield update
            elif newest is not None and update.scene.reason is not None:
                yield _without_frame(update, newest)
        if self.outcome.error is not None:
            raise self.outcome.error

    def close(self) -> None:
        """Close source, network and sound; safe to call twice."""
        with ExitStack() as stack:
            stack.callback(self._pipeline.close)
            if self._updates is not None:
                stack.callback(self._updates.close)

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _sink_for(
    sound: str | PathLike[str] | AudioSink | None, config: SonarConfig, clock: Clock
) -> app.SinkFactory:
    if sound is None or not isinstance(sound, str | PathLike):
        return lambda mixer: UnheardSink() if sound is None else sound
    if fspath(sound) == "device":
        return app.device_sink(config, clock)
    return app.wav_sink(Path(fspath(sound)))


def open(
    source: str | PathLike[str] | int | FrameSource,
    model: str | PathLike[str] | None = None,
    mount: MountConfig | None = None,
    *,
    sound: str | PathLike[str] | AudioSink | None = None,
    realtime: bool = False,
    engine: Engine | None = None,
    settings: Settings | None = None,
    clock: Clock | None = None,
) -> Session:
    """Open a recording or a live source, and take its steps.

    Args:
        source: a video file, an image or a folder of images; a camera (``0``, ``"camera:auto"``);
            a stream's address; ``"synthetic:box"``; or a source of your own
            (:class:`sonar.ports.FrameSource`).
        model: a model's name, or the path of a model file; the built-in model by default.
        mount: where the camera sits; distances in meters need its height.
        sound: None for no sound; ``"device"`` for the sound card; the path of a WAV file to
            write, for recordings; or a sink of your own (:class:`sonar.ports.AudioSink`), which
            gets the cues.
        realtime: play a recording at its own pace, and skip frames that come too late.
        engine: an open :class:`DepthEngine`, or one of your own, to use instead of ``model``; it
            stays open.
        settings: settings by dotted name, such as ``{"audio.scheme": "scan"}``. Configuration
            files and environment variables are not read.
        clock: for tests; see :mod:`sonar.testing`.

    Returns:
        A :class:`Session`; nothing but the network is opened before its steps are taken.

    Raises:
        SourceError: there is no such source.
        ModelError: the model is not installed, or its file is damaged.
        ConfigError: a setting is wrong.
        OutputError: ``sound`` is the recording itself.

    Examples:
        >>> import sonar
        >>> with sonar.open("synthetic:box", mount=sonar.Mount(height_m=1.4)) as run:
        ...     for step in run:
        ...         if step.frame.id == 2:
        ...             break
        >>> step.scene.frame_id, run.outcome.frames
        (2, 3)
    """
    config = configured(model, mount, settings)
    clock = clock or SystemClock()
    opened: FrameSource
    if isinstance(source, str | PathLike | int):
        spec = str(source) if isinstance(source, int) else fspath(source)
        if isinstance(sound, str | PathLike) and _is_same(sound, spec):
            raise OutputError(f"{spec} is the recording; name another file for the sound")
        opened = app.open_source(spec, config, clock, realtime=realtime)
    else:
        opened = source
    return Session(opened, config, sound=sound, engine=engine, clock=clock)


def _is_same(out: str | PathLike[str], source: str) -> bool:
    out_path, source_path = Path(fspath(out)), Path(source)
    return out_path.exists() and source_path.exists() and out_path.samefile(source_path)


def _without_frame(update: Update, newest: Frame) -> Step:
    return Step(
        scene=replace(update.scene, frame_id=newest.id),
        cue=update.cue,
        events=update.events,
        frame=newest,
        depth=None,
        timings_ms={},
    )
