"""Faults of cameras and streams through the whole guide: each is announced and recovered from.

Real time, real zones and mixer, the real live source; cameras are stand-ins that misbehave. The
faults of engines are in test_guide, of processes in test_processes, of disks in test_recorder,
of sound devices and synthesizers in the tests of audio and speech.
"""

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from guide_kit import DEPTH, IMAGES, RAMP, Camera, Service

from sonar.capture import LiveSource, open_source
from sonar.capture.live import Waits
from sonar.config import SonarConfig
from sonar.testing.depth import FakeEngine
from sonar.types import DepthMap, Frame

pytestmark = pytest.mark.realtime

WORN = Waits(pause_s=0.2)


@pytest.fixture
def worn() -> Any:
    made: list[tuple[Service, Camera]] = []

    def start(**options: Any) -> tuple[Service, Camera]:
        camera = Camera()
        service = Service(
            source=lambda config, clock: LiveSource("camera", camera.device, WORN, clock),
            **options,
        )
        made.append((service, camera))
        service.wait(lambda: service.beats[-1:] and service.beats[-1].frames > 5, "guidance")
        return service, camera

    yield start
    for service, camera in made:
        camera.released.set()
        service.stop()


def told(service: Service, *reasons: str) -> Callable[[], bool]:
    return lambda: any(
        state == "degraded" and reason in reasons for state, reason in service.states()
    )


def last_state(service: Service) -> tuple[str, str]:
    return service.states()[-1]


@pytest.mark.parametrize("mood", ["unplugged", "blocks", "garbage"])
def test_a_camera_that_fails_is_announced_within_a_second_and_back_within_two(
    worn: Any, mood: str
) -> None:
    service, camera = worn()
    camera.mood = mood
    assert service.wait(told(service, "stale", "source_lost"), "degraded") < 1.0
    time.sleep(1.0)
    frames = service.beats[-1].frames
    camera.mood = "fine"
    took_s = service.wait(lambda: service.beats[-1].frames > frames, "frames")
    assert took_s < 2.0
    service.wait(lambda: last_state(service)[1] not in ("stale", "source_lost"), "guidance", 3.0)


def test_a_camera_that_comes_back_under_another_number(worn: Any) -> None:
    """camera:auto looks at what there is each time; the live source asks it for a new device."""
    service, camera = worn()
    other = Camera()
    source = service.guide.running.source
    camera.mood = "unplugged"
    service.wait(told(service, "stale"), "degraded")
    source._connect = other.device
    frames = service.beats[-1].frames
    assert service.wait(lambda: service.beats[-1].frames > frames, "frames") < 2.0
    assert other.opens == 1


@pytest.mark.parametrize(
    ("mood", "reasons"),
    [("black", ("dark", "covered")), ("covered", ("covered",)), ("frozen", ("frozen",))],
)
def test_frames_that_show_nothing_are_unknown_and_announced(
    worn: Any, mood: str, reasons: tuple[str, ...]
) -> None:
    service, camera = worn()
    camera.mood = mood
    service.wait(told(service, *reasons), "degraded", 5.0)
    camera.mood = "fine"
    service.wait(lambda: last_state(service)[1] not in reasons, "recovery", 5.0)


def test_a_frozen_frame_is_a_fault_though_it_arrives_on_time(worn: Any) -> None:
    service, camera = worn()
    camera.mood = "frozen"
    service.wait(told(service, "frozen"), "frozen", 5.0)
    service.wait(lambda: service.beats[-1].state == "degraded", "a beat that says so", 5.0)
    assert service.beats[-1].frames > 0


def test_nan_depth_through_the_real_zones_is_never_clear(worn: Any) -> None:
    bad = RAMP.copy()
    bad[10:40, 10:50] = np.nan
    calls: list[int] = []

    def depth(frame: Frame) -> DepthMap:
        calls.append(1)
        return DepthMap(bad) if 20 < len(calls) < 40 else DEPTH

    service, _ = worn(engine=lambda config: FakeEngine(depth))
    service.wait(lambda: len(calls) > 60, "frames")
    assert service.raised is None
    assert service._thread.is_alive()


class Stream:
    """An MJPEG server that can be killed and started again on the same port."""

    def __init__(self) -> None:
        import cv2

        jpegs = [
            cv2.imencode(".jpg", np.kron(p, np.ones((4, 4, 1), np.uint8)))[1].tobytes()
            for p in IMAGES
        ]
        self.alive = True
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=x")
                self.end_headers()
                i = 0
                try:
                    while outer.alive:
                        data = jpegs[i % len(jpegs)]
                        i += 1
                        self.wfile.write(
                            b"--x\r\nContent-Type: image/jpeg\r\nContent-Length: "
                            + str(len(data)).encode()
                            + b"\r\n\r\n"
                            + data
                            + b"\r\n"
                        )
                        time.sleep(1 / 25)
                except OSError:
                    return

            def log_message(self, *_: object) -> None:
                pass

        self.handler = Handler
        self.port = 0
        self.start()

    def start(self) -> None:
        self.alive = True
        ThreadingHTTPServer.allow_reuse_address = True
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), self.handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def kill(self) -> None:
        self.alive = False
        self.server.shutdown()
        self.server.server_close()


def test_a_stream_server_that_is_killed_and_back() -> None:
    stream = Stream()

    def source(config: SonarConfig, clock: Any) -> Any:
        url = f"http://user:secret@127.0.0.1:{stream.port}/stream"
        return open_source(url, config.capture, clock)

    service = Service(source=source)
    try:
        service.wait(lambda: service.beats[-1:] and service.beats[-1].frames > 5, "guidance", 20)
        stream.kill()
        service.wait(told(service, "stale", "source_lost"), "degraded", 3.0)
        time.sleep(1.0)
        frames = service.beats[-1].frames
        stream.start()
        assert service.wait(lambda: service.beats[-1].frames > frames, "frames") < 4.0
        health = [b.health for b in service.beats if b.health]
        assert "secret" not in repr((service.events, health))
    finally:
        service.stop()
        stream.kill()
