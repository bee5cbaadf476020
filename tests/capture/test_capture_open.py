"""What is named decides what is opened."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonar.capture import (
    ImageSource,
    LiveSource,
    PacedSource,
    VideoFileSource,
    open_source,
    redact_url,
)
from sonar.clock import ManualClock
from sonar.config import CaptureConfig
from sonar.errors import DeviceError, SourceError


def opened(spec, **kwargs):
    return open_source(str(spec), CaptureConfig(), ManualClock(), **kwargs)


def save(path):
    assert cv2.imwrite(str(path), np.full((4, 4, 3), 9, np.uint8))
    return path


def test_files_and_folders(tmp_path):
    image = save(tmp_path / "a.png")
    bare = tmp_path / "bare"
    bare.write_bytes(image.read_bytes())
    video = tmp_path / "walk.mp4"
    video.write_bytes(b"x")
    assert isinstance(opened(video), VideoFileSource)
    for source in (opened(image), opened(bare), opened(tmp_path)):
        assert isinstance(source, ImageSource)
        source.open()
        assert (source.read(1.0).image == 9).all()
    paced = opened(video, realtime=True)
    assert isinstance(paced, PacedSource) and paced.live is False


@pytest.mark.parametrize("spec", ["0", "camera:3", "camera:auto", "/dev/video7"])
@pytest.mark.parametrize("realtime", [True, False])
def test_cameras(spec, realtime):
    source = opened(spec, realtime=realtime)
    assert isinstance(source, LiveSource) and source.live is True


def test_absent_camera_is_a_device_error():
    source = opened("camera:93")
    with pytest.raises(DeviceError, match="/dev/video93"):
        source.open()
    source.close()


@pytest.mark.parametrize(
    ("spec", "label"),
    [
        ("rtsp://me:secret@cam/live?key=secret", "rtsp://***@cam/live?***"),
        ("RTSPS://cam/live", "rtsps://cam/live"),
        ("http://cam:8080/video", "http://cam:8080/video"),
        ("https://secret@cam/video#secret", "https://***@cam/video?***"),
        ("rtsp://me:sec?ret@cam/live", "rtsp://***"),
    ],
)
def test_streams_are_labelled_without_credentials(spec, label):
    source = opened(spec)
    assert isinstance(source, LiveSource)
    assert source.label == label


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nowhere.mp4", "nowhere.mp4 does not exist"),
        ("", "No source is named"),
        ("camera:front", "camera:0 or camera:auto"),
        ("ftp://me:secret@host/walk.mp4", r"^ftp://\*\*\*@host/walk.mp4 is not an address"),
        ("a" * 5000, "cannot be read: File name too long"),
        ("bad\0name", "cannot be read|does not exist"),
        ("synthetic:nothing_like_it", "nothing_like_it"),
    ],
)
def test_what_cannot_be_a_source(spec, message):
    with pytest.raises(SourceError, match=message) as caught:
        opened(spec)
    assert "secret" not in str(caught.value)


def test_folder_without_frames(tmp_path):
    with pytest.raises(SourceError, match="holds no images"):
        opened(tmp_path)


def test_drawn_scene():
    from sonar.capture.synthetic import SCENARIOS

    source = opened(f"synthetic:{sorted(SCENARIOS)[0]}")
    source.open()
    assert source.read(1.0).image.dtype == np.uint8
    source.close()


SECRET = st.text("abc012:/@%?#&=!", min_size=1, max_size=12).map(lambda s: f"SECRET{s}SECRET")


@given(SECRET, st.sampled_from(["rtsp", "rtsps", "http", "https", "RTSP"]))
def test_no_part_of_a_password_survives(password, scheme):
    shown = redact_url(f"{scheme}://user:{password}@cam.local:554/live?token={password}")
    assert "SECRET" not in shown and "user" not in shown


@pytest.mark.parametrize("text", ["walk.mp4", "0", "/dev/video0", "a@b:c", ""])
def test_what_is_no_url_is_left_alone(text):
    assert redact_url(text) == text


def test_importing_the_package_is_cheap():
    code = (
        "import sys, sonar.capture; print([m for m in ('cv2', 'av', 'torch') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
