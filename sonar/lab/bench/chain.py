"""The whole chain's figures on this machine: rate, cost of a stage, age of sound, start, memory."""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from sonar import app
from sonar.capture import LiveSource, VideoFileSource
from sonar.capture.live import Waits
from sonar.clock import SystemClock, quantiles_ms
from sonar.config import SonarConfig
from sonar.demo import CLIP, MOUNT
from sonar.errors import SourceError, SourceTimeout
from sonar.lab.bench.memory import resident_bytes
from sonar.pipeline import Pipeline
from sonar.ports import Clock
from sonar.records import Step, Update
from sonar.types import Frame, RgbImage

CAMERA_RATE_HZ = 30.0
_START_LIMIT_S = 60.0


class ChainFigures(BaseModel):
    """What one run on this machine gave; the built-in clip is 640x480.

    Attributes:
        replay_rate_hz: frames a second of a replay without video writing, decoding included.
        depth_ms, zones_ms, audio_ms: medians per frame in that replay; audio is mapping and
            rendering of the sound.
        age_median_ms, age_p95_ms: capture to the first sample that carries the change, of a
            live loop fed at 30 pictures a second into a sink that keeps real time.
        live_dropped: pictures that loop did not process, of ``live_captured``.
        ready_s: from starting the process to the word "ready" (median of several starts).
        resident_mb: of that process some seconds into guiding.
        import_s: ``import sonar`` beyond Python's own start.
        imports_torch: whether that brought torch in.
    """

    model: str
    replay_rate_hz: float
    depth_ms: float
    zones_ms: float
    audio_ms: float
    age_median_ms: float
    age_p95_ms: float
    live_captured: int
    live_dropped: int
    ready_s: float
    resident_mb: float
    import_s: float
    imports_torch: bool


def measure(config: SonarConfig, live_s: float = 10.0) -> ChainFigures:
    """All figures, one after the other; about half a minute."""
    config = config.model_copy(update={"mount": MOUNT})
    replayed = _replay(config)
    live = _live(config, live_s)
    ready_s, resident_mb = _start(starts=3)
    import_s, imports_torch = _import()
    return ChainFigures(
        **replayed,
        **live,
        ready_s=round(ready_s, 2),
        resident_mb=round(resident_mb, 1),
        import_s=round(import_s, 3),
        imports_torch=imports_torch,
    )


def _replay(config: SonarConfig) -> dict[str, float | str]:
    clock = SystemClock()
    watch = _FirstFrame(clock)
    with tempfile.TemporaryDirectory() as folder:
        running = app.assemble(
            config,
            VideoFileSource(CLIP),
            app.wav_sink(Path(folder) / "audio.wav"),
            clock=clock,
            wait_for_speech=True,
        )
        outcome = running.run(watch.consume)
        spent_s = clock.now() - watch.at_s
    timings = running.pipeline.timings
    return {
        "model": running.engine.label,
        "replay_rate_hz": round((outcome.frames - 1) / spent_s, 1),
        **{f"{stage}_ms": timings[stage]["median_ms"] for stage in ("depth", "zones", "audio")},
    }


class _FirstFrame:
    """When the first frame was done: loading and warming up do not count."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.at_s = 0.0

    def consume(self, update: Update) -> None:
        if not self.at_s and isinstance(update, Step):
            self.at_s = self._clock.now()


class _ClipCamera:
    """The built-in clip as a camera: a picture every 1/30 s, ready or not."""

    def __init__(self, pictures: list[RgbImage], clock: Clock) -> None:
        self._pictures, self._clock = pictures, clock
        self._next = 0
        self._due_s = 0.0

    rate_hz: float | None = CAMERA_RATE_HZ
    one_behind = False

    def open(self) -> None:
        self._due_s = self._clock.now()

    def wait(self) -> float | None:
        self._due_s += 1 / CAMERA_RATE_HZ
        self._clock.sleep(self._due_s - self._clock.now())
        return None

    def image(self) -> RgbImage:
        # Forth and back, so that the scene never jumps.
        length = len(self._pictures)
        place = self._next % (2 * length)
        self._next += 1
        return self._pictures[place if place < length else 2 * length - 1 - place].copy()

    def close(self) -> None:
        pass


def _pictures(most: int) -> list[RgbImage]:
    source = VideoFileSource(CLIP)
    source.open()
    try:
        frames = [source.read(5.0) for _ in range(most)]
    finally:
        source.close()
    return [frame.image for frame in frames if isinstance(frame, Frame)]


def _live(config: SonarConfig, seconds: float) -> dict[str, float | int]:
    from sonar.audio.output.null import NullSink

    clock = SystemClock()
    pictures = _pictures(120)
    source = LiveSource("clip", lambda: _ClipCamera(pictures, clock), Waits(), clock)
    running = app.assemble(
        config,
        source,
        lambda mixer: NullSink(mixer, clock),
        clock=clock,
        wait_for_speech=True,
    )
    sink = running.sink
    assert isinstance(sink, NullSink)
    with _stopping(running.pipeline, seconds):
        outcome = running.run()
    if outcome.error is not None:
        raise outcome.error
    ages_ms = [1000 * float(age) for age in sink.ages.ages_s]
    if not ages_ms:
        raise SourceTimeout("no change was heard in the live loop: nothing to measure")
    ages = quantiles_ms(ages_ms)
    return {
        "age_median_ms": ages["median_ms"],
        "age_p95_ms": ages["p95_ms"],
        "live_captured": outcome.frames + source.dropped,
        "live_dropped": source.dropped,
    }


class _stopping:
    """Stop a pipeline after some seconds of running."""

    def __init__(self, pipeline: Pipeline, seconds: float) -> None:
        self._timer = threading.Timer(seconds, pipeline.stop)

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def _start(starts: int) -> tuple[float, float]:
    """Seconds from the process's start to "ready", and its resident megabytes when guiding."""
    clock = SystemClock()
    seconds, resident = [], 0.0
    for _ in range(starts):
        began = clock.now()
        process = subprocess.Popen(
            [sys.executable, "-m", "sonar", "run", str(CLIP), "--plain"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "SONAR_AUDIO__OUTPUT": "null"},
        )
        guard = threading.Timer(_START_LIMIT_S, process.kill)
        guard.start()
        try:
            assert process.stdout is not None
            if not any(line.startswith("ready") for line in process.stdout):
                raise SourceError("sonar did not become ready")
            seconds.append(clock.now() - began)
            clock.sleep(4.0)
            resident = max(resident, resident_bytes(process.pid) / 2**20)
            process.send_signal(signal.SIGINT)
            process.wait(10)
        finally:
            guard.cancel()
            process.kill()
    return statistics.median(seconds), resident


def _import(runs: int = 7) -> tuple[float, bool]:
    clock = SystemClock()

    def run(code: str) -> float:
        began = clock.now()
        subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
        return clock.now() - began

    pairs = [(run("import sonar"), run("pass")) for _ in range(runs)]
    imported, bare = (float(np.median(column)) for column in zip(*pairs, strict=True))
    check = "import sys, sonar; sys.exit(3 if 'torch' in sys.modules else 0)"
    torch = subprocess.run([sys.executable, "-c", check], check=False, timeout=30).returncode == 3
    return max(0.0, imported - bare), torch
