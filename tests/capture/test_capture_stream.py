"""Network streams against real servers on this machine."""

import contextlib
import itertools
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import av
import numpy as np
import pytest
from conftest import jpeg, write_video

from sonar.capture import LiveSource, open_source
from sonar.capture.live import Waits
from sonar.clock import SystemClock
from sonar.config import CaptureConfig
from sonar.errors import SourceError, SourceTimeout
from sonar.types import Frame

CONFIG = CaptureConfig(open_timeout_s=5.0)
BRISK = Waits(5.0, silence_s=0.6, pause_s=0.05)
CLOCK = SystemClock()
PATIENCE_S = 20.0


@contextlib.contextmanager
def stream(url: str, limits: Waits = BRISK) -> Iterator[LiveSource]:
    source = open_source(url, CONFIG, CLOCK)
    assert isinstance(source, LiveSource)
    source._limits = limits
    try:
        source.open()
        yield source
    finally:
        source.close()


def read_until(source: LiveSource, wanted: Callable[[Frame], bool]) -> Frame:
    deadline = CLOCK.now() + PATIENCE_S
    while CLOCK.now() < deadline:
        with contextlib.suppress(SourceTimeout):
            frame = source.read(0.5)
            assert frame is not None
            if wanted(frame):
                return frame
    raise AssertionError("the stream did not recover")


def is_red(frame: Frame) -> bool:
    red, green, blue = frame.image.reshape(-1, 3).mean(axis=0)
    return bool(red > 230 and green < 25 and blue < 25)


def is_blue(frame: Frame) -> bool:
    red, green, blue = frame.image.reshape(-1, 3).mean(axis=0)
    return bool(blue > 230 and green < 25 and red < 25)


def test_mjpeg_is_rgb_fresh_and_numbered(mjpeg_server):
    with stream(mjpeg_server().url()) as source:
        frames = [source.read(5.0) for _ in range(5)]
        assert all(is_red(frame) for frame in frames)
        assert frames[0].image.shape == (48, 64, 3)
        ages = [CLOCK.now() - frame.t for frame in frames[-1:]]
        assert 0.0 <= ages[0] < 0.5
        assert all(b.t > a.t and b.id > a.id for a, b in itertools.pairwise(frames))


def test_a_slow_reader_gets_the_newest_frame(mjpeg_server):
    server = mjpeg_server()
    with stream(server.url()) as source:
        first = source.read(5.0)
        server.image = jpeg((0, 0, 255))
        CLOCK.sleep(0.5)  # about 25 frames come meanwhile
        frame = source.read(5.0)
        assert is_blue(frame)
        assert source.dropped >= frame.id - first.id - 1 >= 5


def test_server_killed_and_back(mjpeg_server):
    server = mjpeg_server()
    with stream(server.url(login="me:secret@")) as source:
        assert is_red(source.read(5.0))
        server.kill()
        with pytest.raises(SourceTimeout) as caught:
            for _ in range(20):
                source.read(0.1)
        assert "secret" not in str(caught.value)
        again = mjpeg_server(server.port)
        again.image = jpeg((0, 0, 255))
        assert read_until(source, is_blue).id > 0


def test_server_that_falls_silent(mjpeg_server):
    server = mjpeg_server()
    with stream(server.url()) as source:
        source.read(5.0)
        server.silent.set()
        with pytest.raises(SourceTimeout):
            for _ in range(20):
                source.read(0.1)
        deadline = CLOCK.now() + PATIENCE_S
        while len(server.paths) < 2 and CLOCK.now() < deadline:
            with contextlib.suppress(SourceTimeout):
                source.read(0.1)
        server.silent.clear()
        read_until(source, is_red)
        assert len(server.paths) >= 2, "it connected anew"


def test_garbage_between_frames(mjpeg_server):
    server = mjpeg_server()
    with stream(server.url()) as source:
        source.read(5.0)
        server.image = np.random.default_rng(0).bytes(3000)
        CLOCK.sleep(0.2)
        server.image = jpeg((0, 0, 255))
        read_until(source, is_blue)


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_nobody_listens(scheme):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"{scheme}://me:secret@127.0.0.1:{unused.getsockname()[1]}/live?x=secret"
        with pytest.raises(SourceError, match=r"\*\*\*@127.* cannot be opened: Conn") as caught:
            open_source(url, CONFIG, CLOCK).open()
    error: BaseException | None = caught.value
    while error is not None:  # a log with causes must be as clean
        assert "secret" not in str(error)
        error = error.__cause__


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_server_that_never_answers_neither_blocks_nor_holds_the_interpreter(scheme):
    ticks = 0
    done = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not done.wait(0.01):
            ticks += 1

    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(5)
        url = f"{scheme}://127.0.0.1:{mute.getsockname()[1]}/live"
        source = open_source(url, CONFIG.model_copy(update={"open_timeout_s": 0.5}), CLOCK)
        threading.Thread(target=tick, daemon=True).start()
        started = CLOCK.now()
        with pytest.raises(SourceTimeout, match="did not open within"):
            source.open()
        took_s = CLOCK.now() - started
        done.set()
        source.close()
    assert took_s < 3.0
    assert ticks >= 10


def test_missing_page(mjpeg_server):
    source = open_source(mjpeg_server().url("/missing"), CONFIG, CLOCK)
    with pytest.raises(SourceError, match="404"):
        source.open()


class FileServer(contextlib.AbstractContextManager):
    """Serves a folder over HTTP; ``kind`` is the content type of files without a suffix."""

    def __init__(self, folder: Path, kind: str = "application/octet-stream") -> None:
        import functools
        import http.server

        class Quiet(http.server.SimpleHTTPRequestHandler):
            extensions_map: ClassVar = {"": kind}

            def log_message(self, *args: object) -> None:
                pass

        handler = functools.partial(Quiet, directory=str(folder))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def __exit__(self, *args: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def test_a_recording_behind_a_url_is_not_taken_for_live(tmp_path):
    write_video(tmp_path / "walk.mp4", [np.zeros((48, 64, 3), np.uint8)] * 20)
    (tmp_path / "page.html").write_text("<html>login first</html>" * 100)
    with FileServer(tmp_path) as files:
        base = f"http://127.0.0.1:{files.server.server_address[1]}"
        with pytest.raises(SourceError, match="is a recording, not a live stream"):
            open_source(f"{base}/walk.mp4", CONFIG, CLOCK).open()
        with pytest.raises(SourceError, match="sends no video"):
            open_source(f"{base}/page.html", CONFIG, CLOCK).open()


@pytest.mark.parametrize(
    ("format", "playlist", "kind"),
    [
        ("hls", "live.m3u8", "application/vnd.apple.mpegurl"),
        ("dash", "live.mpd", "application/dash+xml"),
    ],
)
def test_streams_in_segments_are_too_old_to_guide_by(tmp_path, format, playlist, kind):
    options = {"hls_flags": "omit_endlist"} if format == "hls" else {"streaming": "1"}
    with av.open(str(tmp_path / playlist), "w", format=format, options=options) as out:
        video = out.add_stream("libx264", rate=10)
        video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
        for _ in range(20):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            out.mux(video.encode(frame))
        out.mux(video.encode())
    # The same where the address does not show it: ffmpeg says what it is.
    (tmp_path / "camera").write_bytes((tmp_path / playlist).read_bytes())
    with FileServer(tmp_path, kind) as files:
        base = f"http://127.0.0.1:{files.server.server_address[1]}"
        unnamed = ["camera"] if format == "hls" else []  # PyAV's ffmpeg does not know DASH
        for address in (playlist, f"{playlist}?token=1", *unnamed):
            with pytest.raises(SourceError, match=r"HLS, DASH.*too late to guide by.*RTSP"):
                open_source(f"{base}/{address}", CONFIG, CLOCK).open()


def test_parts_labelled_image_jpg_are_read_and_as_old_as_they_are(mjpeg_server):
    server = mjpeg_server()
    server.part_type, server.period_s = b"image/jpg", 0.1
    with stream(server.url()) as source:
        assert is_red(source.read(5.0))
        server.image = jpeg((0, 0, 255))
        sent_s = CLOCK.now()
        frame = read_until(source, is_blue)
        # It comes when the next one begins, 0.1 s later, and says so.
        assert CLOCK.now() - frame.t > 0.08
        assert frame.t - sent_s < 0.3


def test_a_page_of_text_is_no_mjpeg(tmp_path):
    (tmp_path / "page").write_text("<html>login first</html>" * 100)
    with FileServer(tmp_path) as files:
        url = f"http://127.0.0.1:{files.server.server_address[1]}/page"
        with pytest.raises(SourceError, match="sends no video that ffmpeg can read"):
            open_source(url, CONFIG, CLOCK).open()


@pytest.mark.parametrize("password", ["pa/ss", "pa?ss", "pa#ss"])
@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_password_that_must_be_encoded_is_hinted_at_and_goes_nowhere(
    scheme, password, monkeypatch
):
    asked = []
    monkeypatch.setattr(av, "open", lambda *args, **kwargs: asked.append(args))
    source = open_source(f"{scheme}://me:{password}@127.0.0.1:9/live", CONFIG, CLOCK)
    with pytest.raises(SourceError, match=r"%2F for /, %3F for ., %23 for #, %40 for @") as caught:
        source.open()
    assert password not in str(caught.value) and "me:" not in str(caught.value)
    assert asked == []  # not even a look-up of a host called "me"


@pytest.mark.parametrize("host", ["cam:554", "me:secret@cam:554", "[::1]:80", "[::1]", "cam"])
def test_ports_and_hosts_of_all_kinds_are_addresses(host, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(111, "asked")

    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(SourceError, match="cannot be opened: asked"):
        open_source(f"rtsp://{host}/live@2x?token=1", CONFIG, CLOCK).open()


SYSTEM_PYTHON = "/usr/bin/python3"
RTSP = Path(__file__).parent / "rtsp_server.py"


class RtspServer:
    def __init__(self, port: int = 0, login: tuple[str, ...] = ()) -> None:
        command = [SYSTEM_PYTHON, str(RTSP), str(port), *login]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline() or 0)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10.0)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def rtsp_server():
    if sys.platform != "linux" or not Path(SYSTEM_PYTHON).exists():
        pytest.skip("needs Linux and the system's Python")
    probe = (
        "import gi; gi.require_version('GstRtspServer', '1.0');"
        "from gi.repository import Gst, GstRtspServer; Gst.init(None);"
        "assert Gst.ElementFactory.find('x264enc') and Gst.ElementFactory.find('rtph264pay')"
    )
    if subprocess.run([SYSTEM_PYTHON, "-c", probe], capture_output=True).returncode:
        pytest.skip("needs GStreamer's RTSP server (gir1.2-gst-rtsp-server-1.0, x264enc)")
    servers: list[RtspServer] = []

    def start(*args, **kwargs) -> RtspServer:
        servers.append(RtspServer(*args, **kwargs))
        assert servers[-1].port > 0
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


def test_rtsp_with_login_killed_and_back(rtsp_server):
    limits = replace(BRISK, open_timeout_s=10.0, silence_s=2.0)
    server = rtsp_server(login=("me", "secret"))
    url = f"rtsp://me:secret@127.0.0.1:{server.port}/live"
    with stream(url, limits) as source:
        assert source.label == f"rtsp://***@127.0.0.1:{server.port}/live"
        assert source.rate_hz == pytest.approx(25.0)
        frames = [source.read(5.0) for _ in range(20)]
        assert all(is_red(frame) and frame.image.shape == (64, 96, 3) for frame in frames)
        assert CLOCK.now() - frames[-1].t < 0.5
        steps = np.diff([frame.t for frame in frames])
        assert (steps > 0).all()
        server.kill()
        rtsp_server(port=server.port, login=("me", "secret"))
        last = frames[-1].id
        assert read_until(source, is_red).id > last
        fresh = read_until(source, is_red)
        assert CLOCK.now() - fresh.t < 1.0


def test_rtsp_with_the_wrong_password(rtsp_server):
    server = rtsp_server(login=("me", "secret"))
    source = open_source(f"rtsp://me:guess@127.0.0.1:{server.port}/live", CONFIG, CLOCK)
    with pytest.raises(SourceError, match="401") as caught:
        source.open()
    assert "guess" not in str(caught.value)
