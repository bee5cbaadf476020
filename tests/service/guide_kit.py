"""A guide in a thread, over whatever source and engine a test gives it."""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np

from sonar.audio.output import NullSink
from sonar.clock import SystemClock
from sonar.config import SonarConfig
from sonar.config.load import load_config
from sonar.errors import DeviceError, SourceLost
from sonar.service.guide.guide import Guide
from sonar.service.heartbeat import LONGEST_BYTES, Heartbeat
from sonar.service.logs import JsonLog
from sonar.testing.capture import ScriptedSource
from sonar.testing.depth import FakeEngine
from sonar.types import DepthMap, Frame, RgbImage

CLOCK = SystemClock()
RNG = np.random.default_rng(3)
IMAGES = [RNG.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(8)]
RAMP = np.repeat(np.linspace(0.2, 1.0, 48, dtype=np.float32)[:, None], 64, axis=1)
DEPTH = DepthMap(RAMP)


class Hanging(FakeEngine):
    """Hangs at call ``at`` until released."""

    def __init__(self, at: int) -> None:
        super().__init__(DEPTH, label="hangs")
        self.at, self.release = at, threading.Event()

    def estimate(self, frame: Frame) -> DepthMap:
        if self.calls >= self.at:
            self.calls += 1
            self.release.wait(10)
        return super().estimate(frame)


class Camera:
    """A camera at 30 frames a second that does what ``mood`` says: "fine", "unplugged" (until it
    is fine again), "blocks" (in the driver, for ever), "garbage", "black", "covered", "frozen"."""

    def __init__(self, clock: Any = CLOCK) -> None:
        self.mood, self.clock = "fine", clock
        self.opens = self.count = 0
        self.released = threading.Event()

    def device(self) -> Generator[Any, None, None]:
        """As a connection of a LiveSource."""
        self.opens += 1
        if self.mood == "unplugged":
            raise DeviceError("There is no camera.")
        yield 30.0
        while True:
            if self.mood == "blocks":
                self.released.wait(20)
            if self.mood == "unplugged":
                raise SourceLost("gone")
            time.sleep(1 / 30)
            if self.mood != "garbage":
                yield self.image(), self.clock.now()

    def image(self) -> RgbImage:
        if self.mood in ("black", "covered"):  # covered by a finger: smooth, not dark
            low = 0 if self.mood == "black" else 60
            return RNG.integers(low, low + 3, (48, 64, 3), np.uint8)
        self.count += self.mood != "frozen"
        return IMAGES[self.count % len(IMAGES)]


class Service:
    """A guide in a thread, its log and its beats."""

    def __init__(
        self,
        *,
        sets: tuple[str, ...] = (),
        engine: Callable[[SonarConfig], Any] | None = None,
        script: Callable[[], list[Any]] | None = None,
        folder: Path | None = None,
        source: Callable[[SonarConfig, Any], Any] | None = None,
        clock: Any = CLOCK,
        sensors: Any = None,
        sink: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        self.sets: list[str] = ["speech.enabled=false", *sets]
        self.left: list[int] = []  # exit codes of a process that had to be ended
        self.mixers: list[Any] = []
        self.sources: list[ScriptedSource] = []
        self.script = script or (lambda: [IMAGES[i % 8] for i in range(2000)])
        self._log_reading, log_writing = os.pipe()
        self._beat_reading, beat_writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.beats: list[Heartbeat] = []
        self.events: list[dict[str, Any]] = []
        for read in (self._read_log, self._read_beats):
            threading.Thread(target=read, daemon=True).start()

        def open_source(config: SonarConfig, clock: Any) -> ScriptedSource:
            source = ScriptedSource(
                self.script(), live=True, clock=clock, rate_hz=40, then="silence"
            )
            self.sources.append(source)
            return source

        def make_sink(config: SonarConfig, clock: Any) -> Any:
            def make(mixer: Any) -> Any:
                self.mixers.append(mixer)
                return sink(mixer, clock) if sink is not None else NullSink(mixer, clock)

            return make

        self.guide = Guide(
            self._load,
            clock,
            JsonLog("guide", clock, log_writing),
            source or open_source,
            open_engine=engine or (lambda config: FakeEngine(DEPTH)),
            make_sink=make_sink,
            supervisor=beat_writing,
            recording_folder=folder,
            leave=self.left.append,
            sensors=sensors,
        )
        self.code: int | None = None
        self.raised: Exception | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _load(self) -> SonarConfig:
        return load_config(None, self.sets, {})

    def _run(self) -> None:
        try:
            self.code = self.guide.run()
        except Exception as error:  # looked at by the tests
            self.raised = error

    def _read_log(self) -> None:
        with os.fdopen(self._log_reading, "rb") as stream:
            for line in stream:
                self.events.append(json.loads(line))

    def _read_beats(self) -> None:
        while data := self._beat_reading.recv(LONGEST_BYTES):
            beat = Heartbeat.parse(data)
            assert beat is not None
            self.beats.append(beat)

    def wait(self, condition: Callable[[], bool], what: str, limit_s: float = 40.0) -> float:
        start = time.monotonic()
        while not condition():
            assert self.raised is None, f"raised {self.raised!r}"
            assert time.monotonic() - start < limit_s, f"no {what}: {self.events[-5:]}"
            time.sleep(0.01)
        return time.monotonic() - start

    def states(self) -> list[tuple[str, str]]:
        return [(e["name"], e.get("why", "")) for e in list(self.events) if e["event"] == "state"]

    def logged(self, name: str) -> list[dict[str, Any]]:
        return [event for event in list(self.events) if event["event"] == name]

    def wait_frames(self, count: int, limit_s: float = 20.0) -> float:
        """Until so many more frames were processed."""
        frames = self.beats[-1].frames
        return self.wait(lambda: self.beats[-1].frames >= frames + count, "frames", limit_s)

    def guiding(self) -> bool:
        return bool(self.beats) and self.beats[-1].state in ("guiding", "degraded")

    def degraded(self, *reasons: str) -> bool:
        return any(state == "degraded" and why in reasons for state, why in self.states())

    def wait_mended(self, *reasons: str) -> None:
        self.wait(lambda: self.states()[-1][1] not in reasons, "recovery", 5.0)

    def stop(self) -> float:
        start = time.monotonic()
        if self._thread.is_alive():
            self.guide.stop()
        self._thread.join(5)
        assert not self._thread.is_alive()
        return time.monotonic() - start


def announced(service: Service) -> list[tuple[str | None, tuple[str, ...]]]:
    """Earcons and phrases that the newest mixer is asked for from now on."""
    asked: list[tuple[str | None, tuple[str, ...]]] = []
    mixer = service.mixers[-1]
    announce = mixer.announce

    def note(earcon: str | None = None, *keys: str) -> None:
        asked.append((earcon, keys))
        announce(earcon, *keys)

    mixer.announce = note
    return asked
