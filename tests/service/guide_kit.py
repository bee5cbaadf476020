"""A guide in a thread, over whatever source and engine a test gives it."""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sonar.audio.output import NullSink
from sonar.clock import SystemClock
from sonar.config import SonarConfig
from sonar.config.load import load_config
from sonar.errors import DeviceError, SourceLost
from sonar.service.guide.guide import Guide
from sonar.service.heartbeat import LONGEST_BYTES, Heartbeat, HeartbeatSender
from sonar.service.logs import JsonLog
from sonar.service.machine import Sensors
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
    """A camera at 30 frames a second that does what ``mood`` says.

    "fine", "unplugged" (until it is fine again), "blocks" (in the driver, for ever), "garbage",
    "black", "covered", "frozen".
    """

    def __init__(self) -> None:
        self.mood = "fine"
        self.opens = 0
        self.released = threading.Event()
        self.count = 0

    def device(self) -> "Camera.Connection":
        return Camera.Connection(self)

    class Connection:
        rate_hz = 30.0
        one_behind = False

        def __init__(self, camera: "Camera") -> None:
            self.camera = camera

        def open(self) -> None:
            self.camera.opens += 1
            if self.camera.mood == "unplugged":
                raise DeviceError("There is no camera.")

        def wait(self) -> float | None:
            if self.camera.mood == "blocks":
                self.camera.released.wait(20)
            if self.camera.mood == "unplugged":
                raise SourceLost("gone")
            time.sleep(1 / 30)
            return None

        def image(self) -> RgbImage | None:
            camera = self.camera
            if camera.mood == "garbage":
                return None
            if camera.mood == "black":
                return np.random.default_rng(camera.count).integers(0, 3, (48, 64, 3), np.uint8)
            if camera.mood == "covered":  # a finger: smooth, not dark
                return np.random.default_rng(camera.count).integers(60, 64, (48, 64, 3), np.uint8)
            if camera.mood != "frozen":
                camera.count += 1
            return IMAGES[camera.count % len(IMAGES)]

        def close(self) -> None:
            pass


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
        sensors: Sensors | None = None,
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
        self._threads = [
            threading.Thread(target=self._read_log, daemon=True),
            threading.Thread(target=self._read_beats, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

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
            sender=HeartbeatSender(beat_writing),
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

    def stop(self) -> float:
        start = time.monotonic()
        self.guide.stop()
        self._thread.join(5)
        assert not self._thread.is_alive()
        return time.monotonic() - start


@contextmanager
def services() -> Iterator[Callable[..., Service]]:
    """Makes guides that guide already, and ends them."""
    made: list[Service] = []

    def start(**options: Any) -> Service:
        service = Service(**options)
        made.append(service)
        service.wait(lambda: service.beats[-1:] and service.beats[-1].frames > 5, "guidance")
        return service

    try:
        yield start
    finally:
        for service in made:
            if service._thread.is_alive():
                service.stop()


def told(service: Service) -> list[tuple[str | None, tuple[str, ...]]]:
    """Earcons and phrases that the newest mixer was asked for from now on."""
    asked: list[tuple[str | None, tuple[str, ...]]] = []
    mixer = service.mixers[-1]
    tell = mixer.announce

    def note(earcon: str | None = None, *keys: str) -> None:
        asked.append((earcon, keys))
        tell(earcon, *keys)

    mixer.announce = note
    return asked
