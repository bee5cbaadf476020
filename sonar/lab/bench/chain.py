"""The whole chain's figures on this machine: rate, cost of a stage, age of sound, start, memory."""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import psutil

from sonar import app
from sonar.audio.output import NullSink
from sonar.audio.output.sinks import WavSink
from sonar.capture import LiveSource, VideoFileSource
from sonar.capture.live import Waits
from sonar.clock import SystemClock, quantiles_ms
from sonar.config import SonarConfig
from sonar.demo import CLIP, MOUNT
from sonar.errors import SourceError, SourceTimeout
from sonar.records import Step, Update
from sonar.types import RgbImage

CAMERA_RATE_HZ = 30.0
LIVE_S = 10.0
STARTS = 3
_START_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class ChainFigures:
    """What one run on this machine gave; the built-in clip is 640x480.

    Attributes:
        replay_rate_hz: frames a second of a replay without video writing, decoding included.
        depth_ms, zones_ms, audio_ms: medians per frame in that replay; audio is mapping and
            rendering of the sound.
        age_median_ms, age_p95_ms: capture to the first sample that carries the change, of a
            live loop fed at 30 frames a second into a sink that keeps real time.
        live_dropped: frames that loop did not process, of ``live_captured``.
        ready_s: from starting the process to the word "ready" (median of several starts).
        resident_mb: of that process some seconds into guiding (1 MB = 2**20 bytes).
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


def measure(config: SonarConfig) -> ChainFigures:
    """All figures, one after the other; about half a minute."""
    config = config.model_copy(update={"mount": MOUNT})
    return ChainFigures(**_replay(config), **_live(config), **_start())


def _replay(config: SonarConfig) -> dict[str, Any]:
    clock = SystemClock()
    first_s: list[float] = []  # when the first frame was done: loading and warming up do not count

    def watch(update: Update) -> None:
        if not first_s and isinstance(update, Step):
            first_s.append(clock.now())

    with tempfile.TemporaryDirectory() as folder:
        running = app.assemble(
            config,
            VideoFileSource(CLIP),
            partial(WavSink, path=Path(folder) / "audio.wav"),
            clock=clock,
            wait_for_speech=True,
        )
        outcome = running.run(watch)
        spent_s = clock.now() - first_s[0]
    timings = running.pipeline.timings
    return {
        "model": running.engine.label,
        "replay_rate_hz": round((outcome.frames - 1) / spent_s, 1),
        **{f"{stage}_ms": timings[stage]["median_ms"] for stage in ("depth", "zones", "audio")},
    }


def _clip_camera(images: list[RgbImage], clock: SystemClock) -> Generator[Any, None, None]:
    """The built-in clip as a camera: a frame every 1/30 s, ready or not."""
    yield CAMERA_RATE_HZ
    due_s = clock.now()
    for image in cycle([*images, *reversed(images)]):  # so that the scene never jumps
        due_s += 1 / CAMERA_RATE_HZ
        clock.sleep(due_s - clock.now())
        t = clock.now()
        yield image.copy(), t


def _live(config: SonarConfig) -> dict[str, Any]:
    clock = SystemClock()
    clip = VideoFileSource(CLIP)
    clip.open()
    with closing(clip):
        frames = [clip.read(5.0) for _ in range(120)]
    images = [frame.image for frame in frames if frame is not None]
    source = LiveSource("clip", lambda: _clip_camera(images, clock), Waits(), clock)
    running = app.assemble(
        config, source, lambda mixer: NullSink(mixer, clock), clock=clock, wait_for_speech=True
    )
    timer = threading.Timer(LIVE_S, running.pipeline.stop)
    timer.start()
    try:
        outcome = running.run()
    finally:
        timer.cancel()
    if outcome.error is not None:
        raise outcome.error
    assert isinstance(running.sink, NullSink)
    ages_ms = [1000 * float(age) for age in running.sink.status.ages_s]
    if not ages_ms:
        raise SourceTimeout("no change was heard in the live loop: nothing to measure")
    ages = quantiles_ms(ages_ms)
    return {
        "age_median_ms": ages["median_ms"],
        "age_p95_ms": ages["p95_ms"],
        "live_captured": outcome.frames + source.dropped,
        "live_dropped": source.dropped,
    }


def _start() -> dict[str, Any]:
    """Seconds from the process's start to "ready", and its resident megabytes when guiding."""
    clock = SystemClock()
    seconds, resident_mb = [], 0.0
    for _ in range(STARTS):
        began_s = clock.now()
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
            seconds.append(clock.now() - began_s)
            clock.sleep(4.0)
            resident_mb = max(resident_mb, psutil.Process(process.pid).memory_info().rss / 2**20)
            process.send_signal(signal.SIGINT)
            process.wait(10)
        finally:
            guard.cancel()
            process.kill()
    return {
        "ready_s": round(statistics.median(seconds), 2),
        "resident_mb": round(resident_mb, 1),
    }
