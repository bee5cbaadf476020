"""Faults of cameras and streams through the whole guide: each is announced and recovered from.

Real time, real zones and mixer, the real live source; cameras are stand-ins that misbehave.
"""

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from guide_kit import DEPTH, IMAGES, Camera, Service

from sonar.capture import LiveSource, open_source
from sonar.capture.live import Waits
from sonar.config import SonarConfig
from sonar.errors import DepthError
from sonar.testing.depth import FakeEngine

pytestmark = pytest.mark.realtime

WORN = Waits(pause_s=0.2)


@pytest.fixture
def worn(serve: Callable[..., Service]) -> Iterator[Callable[..., tuple[Service, Camera]]]:
    camera = Camera()

    def start(**options: Any) -> tuple[Service, Camera]:
        def source(_config: SonarConfig, clock: Any) -> LiveSource:
            return LiveSource("camera", camera.device, WORN, clock)

        return serve(source=source, **options), camera

    yield start
    camera.released.set()


@pytest.mark.parametrize("mood", ["unplugged", "blocks", "garbage"])
def test_a_camera_that_fails_is_announced_within_a_second_and_back_within_two(
    worn: Any, mood: str
) -> None:
    service, camera = worn()
    camera.mood = mood
    gone = ("stale", "source_lost")
    assert service.wait(lambda: service.degraded(*gone), "degraded") < 1.0
    time.sleep(1.0)
    frames = service.beats[-1].frames
    camera.mood = "fine"
    took_s = service.wait(lambda: service.beats[-1].frames > frames, "frames")
    assert took_s < 2.0
    service.wait_mended(*gone)


def test_a_camera_that_comes_back_under_another_number(worn: Any) -> None:
    """camera:auto looks at what there is each time; the live source asks it for a new device."""
    service, camera = worn()
    other = Camera()
    source = service.guide.running.source
    camera.mood = "unplugged"
    service.wait(lambda: service.degraded("stale"), "degraded")
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
    service.wait(lambda: service.degraded(*reasons), "degraded", 5.0)
    assert service.beats[-1].frames > 0
    camera.mood = "fine"
    service.wait_mended(*reasons)


def test_nan_depth_through_the_real_zones_is_never_clear(worn: Any) -> None:
    """The engine refuses a map with NaN (depth/test_engine.py)."""
    failures = {i: DepthError("NaN") for i in range(20, 40)}
    engine = FakeEngine(DEPTH, failures=failures)
    service, _ = worn(engine=lambda config: engine)
    service.wait(lambda: service.degraded("depth_failed"), "degraded")
    service.wait(lambda: engine.calls > 45, "frames")
    service.wait_mended("depth_failed")


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
                for data in itertools.cycle(jpegs):
                    if not outer.alive:
                        return
                    size = f"Content-Length: {len(data)}\r\n\r\n".encode()
                    with contextlib.suppress(OSError):
                        head = b"--x\r\nContent-Type: image/jpeg\r\n"
                        self.wfile.write(head + size + data + b"\r\n")
                    time.sleep(1 / 25)

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


def test_a_stream_server_that_is_killed_and_back(serve: Callable[..., Service]) -> None:
    stream = Stream()

    def source(config: SonarConfig, clock: Any) -> Any:
        url = f"http://user:secret@127.0.0.1:{stream.port}/stream"
        return open_source(url, config.capture, clock)

    service = serve(source=source)
    stream.kill()
    service.wait(lambda: service.degraded("stale", "source_lost"), "degraded", 3.0)
    time.sleep(1.0)
    frames = service.beats[-1].frames
    stream.start()
    assert service.wait(lambda: service.beats[-1].frames > frames, "frames") < 4.0
    health = [b.health for b in service.beats if b.health]
    assert "secret" not in repr((service.events, health))
    service.stop()
    stream.kill()
