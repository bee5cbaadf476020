"""Servers and files that the capture tests read from; all local, all made on the spot."""

import http.server
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from live_bench import LIMITS, Bench, Wire

from sonar.capture import VideoFileSource, open_source
from sonar.capture.live import Waits
from sonar.clock import ManualClock
from sonar.config import CaptureConfig


def jpeg(rgb: tuple[int, int, int], size: tuple[int, int] = (48, 64)) -> bytes:
    image = np.full((*size, 3), rgb, np.uint8)
    good, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert good
    return data.tobytes()


class MjpegServer:
    """A camera's HTTP page: one JPEG after the other, until killed.

    ``image`` is sent every ``period_s``; ``silent`` keeps the connection and sends nothing.
    """

    def __init__(self, port: int = 0) -> None:
        self.image = jpeg((255, 0, 0))
        self.period_s = 0.02
        self.part_type = b"image/jpeg"
        self.silent = threading.Event()
        self.paths: list[str] = []
        self._stop = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                outer.paths.append(self.path)
                if self.path.startswith("/missing"):
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                try:
                    while not outer._stop.wait(outer.period_s):
                        if outer.silent.is_set():
                            continue
                        data = outer.image
                        self.wfile.write(
                            b"--frame\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
                            % (outer.part_type, len(data))
                        )
                        self.wfile.write(data + b"\r\n")
                except OSError:
                    pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def url(self, path: str = "/video", login: str = "") -> str:
        return f"http://{login}127.0.0.1:{self.port}{path}"

    def kill(self) -> None:
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)


@pytest.fixture
def mjpeg_server() -> Iterator[Callable[..., MjpegServer]]:
    """Starts servers; kills them at the end."""
    servers: list[MjpegServer] = []

    def start(port: int = 0) -> MjpegServer:
        servers.append(MjpegServer(port))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


def write_video(
    path: Path,
    images: list[np.ndarray],
    *,
    rate: int = 10,
    codec: str = "libx264",
    pix_fmt: str = "yuv444p",
    pts: list[int] | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Encode RGB frames; ``pts`` in 1/1000 s gives a variable frame rate."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if pts is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if pts is not None:
                frame.pts, frame.time_base = pts[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture
def bench():
    made: list[Bench] = []

    def make(*devices: Wire, limits: Waits = LIMITS) -> Bench:
        made.append(Bench(*devices, limits=limits))
        return made[-1]

    yield make
    for each in made:
        for device in each.devices:
            device.release.set()
        each.source.close()


def opened(spec, **settings):
    return open_source(str(spec), CaptureConfig(**settings), ManualClock())


def drained(source) -> list:
    source.open()
    with closing(source):
        return list(iter(lambda: source.read(1.0), None))


def all_frames(spec, **settings) -> list:
    return drained(opened(spec, **settings))


def frames_of(path: Path) -> list:
    return drained(VideoFileSource(path))


def shades(count: int, size: tuple[int, int] = (48, 64)) -> list[np.ndarray]:
    return [np.full((*size, 3), 20 * (i + 1), np.uint8) for i in range(count)]


def seen(frames) -> list[int]:
    return [round(float(frame.image.mean()) / 20) for frame in frames]


def annexb(images: list[np.ndarray], orientation: str = "") -> bytes:
    """H.264 without a container; ``orientation`` as the filter h264_metadata wants it."""
    codec = av.CodecContext.create("libx264", "w")
    codec.height, codec.width = images[0].shape[:2]
    codec.pix_fmt, codec.time_base, codec.framerate = "yuv420p", Fraction(1, 30), 30
    packets = []
    for number, image in enumerate(images):
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts = number
        packets += codec.encode(frame)
    data = b"".join(bytes(packet) for packet in [*packets, *codec.encode(None)])
    if not orientation:
        return data
    with av.open(io.BytesIO(data), format="h264") as container:
        stream = container.streams.video[0]
        only = f"h264_metadata=display_orientation=insert:{orientation}"
        metadata = BitStreamFilterContext(only, stream)
        packets = [p for p in container.demux(stream) if p.size]
        filtered = [out for packet in packets for out in metadata.filter(packet)]
        return b"".join(bytes(packet) for packet in filtered)


def noise(count: int, size: tuple[int, int] = (120, 160)) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    return [rng.integers(0, 255, (*size, 3), np.uint8) for _ in range(count)]
