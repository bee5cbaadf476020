"""A run whose steps the caller takes; the single step of an image."""

from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from sonar import app
from sonar.api.stages import Settings, borrowed, configured
from sonar.audio.output import UnheardSink
from sonar.audio.output.sinks import WavSink
from sonar.clock import SystemClock
from sonar.config import MountConfig, SonarConfig
from sonar.errors import OutputError
from sonar.pipeline import Outcome
from sonar.ports import AudioSink, Clock, Engine, FrameSource
from sonar.records import Step, Update
from sonar.types import Frame, RgbImage


class Session(AbstractContextManager["Session"]):
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
        self.source = source
        spoken = isinstance(sound, str | PathLike)
        self._pipeline = app.assemble(
            config,
            source,
            _sink_for(sound, config, clock),
            clock=clock,
            spoken=spoken,
            wait_for_speech=spoken and not source.live,
            engine=None if engine is None else borrowed(engine),
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
                scene = replace(update.scene, frame_id=newest.id)
                yield Step(
                    scene=scene,
                    cue=update.cue,
                    events=update.events,
                    frame=newest,
                    depth=None,
                    timings_ms={},
                )
        if self.outcome.error is not None:
            raise self.outcome.error

    def close(self) -> None:
        """Close source, network and sound; safe to call twice."""
        if self._updates is None:
            self._updates = self._pipeline.steps()  # never begun: nothing opens after this
        self._updates.close()  # it closes the pipeline, whatever happens
        self._pipeline.close()

    def __exit__(self, *_error: object) -> None:
        self.close()


def _sink_for(
    sound: str | PathLike[str] | AudioSink | None, config: SonarConfig, clock: Clock
) -> app.SinkFactory:
    if sound is None or not isinstance(sound, str | PathLike):
        return lambda mixer: UnheardSink() if sound is None else sound
    if fspath(sound) == "device":
        return app.device_sink(config, clock)
    return partial(WavSink, path=Path(fspath(sound)))


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
    if isinstance(source, str | PathLike | int):
        spec = str(source) if isinstance(source, int) else fspath(source)
        if isinstance(sound, str | PathLike):
            out, path = Path(fspath(sound)), Path(spec)
            if out.exists() and path.exists() and out.samefile(path):
                raise OutputError(f"{spec} is the recording; name another file for the sound")
        source = app.open_source(spec, config, clock, realtime=realtime)
    return Session(source, config, sound=sound, engine=engine, clock=clock)


def look(
    image: str | PathLike[str] | RgbImage | Any,
    model: str | PathLike[str] | None = None,
    mount: MountConfig | None = None,
    *,
    engine: Engine | None = None,
    settings: Settings | None = None,
) -> Step:
    """What sonar sees in one image, and the cue that it would be heard as.

    Args:
        image: a path, a PIL image, or a uint8 array of shape ``(H, W, 3)``, RGB.
        model: a model's name, or the path of a model file; the built-in model by default.
        mount: where the camera sits; distances in meters need its height.
        engine: an open :class:`DepthEngine` to use instead of ``model``; it stays open.
        settings: settings by dotted name.

    Returns:
        The step: ``frame``, ``depth``, ``scene`` and ``cue``. ``depth`` is None, and every band
        unknown, where the network failed.

    Raises SourceError for a file that is missing, damaged or no image, ValueError for an array that
    is none, ModelError and ConfigError as :func:`open` does.

    Examples:
        >>> import numpy as np, sonar
        >>> noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
        >>> step = sonar.look(noise, mount=sonar.Mount(height_m=1.4))
        >>> step.scene.center.side, step.frame.image.shape
        (<Side.CENTER: 'center'>, (48, 64, 3))
    """
    from sonar.capture import ImageSource

    if hasattr(image, "convert"):  # a PIL image, of any mode
        image = np.asarray(image.convert("RGB"), np.uint8)
    if isinstance(image, np.ndarray):
        source = ImageSource([image], "image")
    elif isinstance(image, str | PathLike):
        path = Path(fspath(image))
        source = ImageSource([path], path.name)
    else:
        raise ValueError("an image is a path, a PIL image, or a uint8 array (H, W, 3), RGB")
    with Session(source, configured(model, mount, settings), engine=engine) as session:
        *_, last = session
    return last
