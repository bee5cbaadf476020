"""Cameras, with a fake driver."""

import cv2
import numpy as np
import pytest
from fake_camera import FakeVideoCapture

from sonar.capture import camera, list_cameras
from sonar.capture.camera import CameraInfo, camera_frames
from sonar.capture.live import LiveSource, Waits
from sonar.clock import ManualClock
from sonar.config import CaptureConfig
from sonar.errors import DeviceError, SourceLost
from sonar.testing.capture import Hang

RED_BGR = np.full((4, 6, 3), (0, 0, 255), np.uint8)


@pytest.fixture
def plug(tmp_path, monkeypatch):
    """Makes a device file that OpenCV opens as this stand-in; returns its path."""
    plugged: dict[str, FakeVideoCapture] = {}
    monkeypatch.setattr(cv2, "VideoCapture", lambda path, backend: plugged[path])

    def plug_in(capture: FakeVideoCapture) -> str:
        path = tmp_path / f"video{len(plugged)}"
        path.touch()
        plugged[str(path)] = capture
        return str(path)

    return plug_in


def frames_of(path: str | None, **settings):
    return camera_frames(path, CaptureConfig(**settings), ManualClock(5.0))


def source_of(path: str, **settings) -> LiveSource:
    return LiveSource("camera 0", lambda: frames_of(path, **settings), Waits(), ManualClock(5.0))


def test_opencv_bgr_comes_out_as_rgb(plug):
    source = source_of(plug(FakeVideoCapture([RED_BGR, Hang()])))
    source.open()
    assert (source.read(5.0).image == (255, 0, 0)).all()
    source.close()


def test_grey_and_deep_cameras(plug):
    images = [np.full((4, 6), 7, np.uint8), np.full((4, 6, 1), 257 * 8, np.uint16)]
    frames = frames_of(plug(FakeVideoCapture(images)))
    next(frames)
    for expected in (7, 8):
        image, t = next(frames)
        assert image.shape == (4, 6, 3) and (image == expected).all() and t == 5.0


def test_what_is_asked_of_the_camera(plug):
    capture = FakeVideoCapture([RED_BGR])
    source = source_of(plug(capture), width_px=1280, height_px=720, rate_hz=25)
    source.open()
    source.close()
    asked = capture.settings
    assert asked[cv2.CAP_PROP_FRAME_WIDTH] == 1280
    assert asked[cv2.CAP_PROP_FRAME_HEIGHT] == 720
    assert asked[cv2.CAP_PROP_FPS] == 25
    assert asked[cv2.CAP_PROP_BUFFERSIZE] == 1
    assert asked[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"MJPG")
    assert source.rate_hz == 25
    assert capture.released


def test_small_frames_stay_uncompressed(plug):
    capture = FakeVideoCapture([RED_BGR])
    next(frames_of(plug(capture)))
    assert cv2.CAP_PROP_FOURCC not in capture.settings


def test_camera_that_does_not_open(plug):
    with pytest.raises(DeviceError, match=r"video0 cannot be opened"):
        source_of(plug(FakeVideoCapture(opens=False))).open()


def test_absent_camera_without_touching_a_driver():
    with pytest.raises(DeviceError, match=r"no camera at /dev/video93.*sonar devices"):
        next(frames_of("/dev/video93"))


def test_damaged_frames_are_skipped_then_the_camera_fails(plug):
    items = [None, np.zeros((0, 0, 3), np.uint8), RED_BGR] + [None] * 60 + [RED_BGR]
    capture = FakeVideoCapture(items)
    frames = frames_of(plug(capture))
    next(frames)
    assert (next(frames)[0] == (255, 0, 0)).all()
    with pytest.raises(SourceLost, match="60 damaged frames"):
        next(frames)
    assert capture.released


def test_auto_takes_the_first_that_gives_a_frame(plug, monkeypatch):
    mute = FakeVideoCapture([])  # opens, gives nothing: a metadata node
    captures = [FakeVideoCapture(opens=False), mute, FakeVideoCapture([RED_BGR, RED_BGR])]
    cameras = [CameraInfo(i, plug(each), "x") for i, each in enumerate(captures)]
    monkeypatch.setattr(camera, "list_cameras", lambda: cameras)
    frames = frames_of(None)
    next(frames)
    assert (next(frames)[0] == (255, 0, 0)).all()
    assert mute.released
    cameras.clear()
    with pytest.raises(DeviceError, match="No camera was found"):
        next(frames_of(None))


def test_list_cameras(tmp_path):
    dev, sysfs = tmp_path / "dev", tmp_path / "sys"
    dev.mkdir()
    for number, name, index in ((0, "Chest cam", "0"), (1, "Chest cam", "1"), (10, "Phone", "0")):
        (dev / f"video{number}").touch()
        node = sysfs / f"video{number}"
        node.mkdir(parents=True)
        (node / "name").write_text(f"{name}\n")
        (node / "index").write_text(f"{index}\n")
    (dev / "video2").touch()  # no entry in sysfs
    (dev / "videocard").touch()
    found = list_cameras(sysfs, dev)
    assert [(c.index, c.name) for c in found] == [
        (0, "Chest cam"),
        (2, "camera 2"),
        (10, "Phone"),
        (1, "Chest cam"),
    ]
    assert found[0].path == str(dev / "video0")
    assert list_cameras(tmp_path / "none", tmp_path / "none") == []
