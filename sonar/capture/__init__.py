"""Where frames come from: recordings, images, cameras, streams, drawn scenes.

:func:`open_source` decides by what it is given. OpenCV, PyAV and Pillow are imported when a source
that needs them is opened.
"""

import os
import re
import stat
import sys
from pathlib import Path

from sonar.capture.camera import CameraDevice, CameraInfo, list_cameras
from sonar.capture.images import ImageSource, image_paths, is_image, read_image
from sonar.capture.live import LiveSource, Waits
from sonar.capture.media import check_file, redact_url, scheme_of
from sonar.capture.pace import PacedSource
from sonar.capture.stream import STREAM_SILENCE_S, NetworkStream
from sonar.capture.video import VideoFileSource
from sonar.config import CaptureConfig
from sonar.errors import SourceError
from sonar.files import expanded
from sonar.ports import Clock, FrameSource

__all__ = [
    "CameraInfo",
    "ImageSource",
    "LiveSource",
    "PacedSource",
    "VideoFileSource",
    "image_paths",
    "list_cameras",
    "open_source",
    "read_image",
    "redact_url",
]

IMAGE_RATE_HZ = 2.0  # of a folder of images: slow enough to look at each
_STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https")
_V4L_MAJOR = 81  # Linux: Documentation/admin-guide/devices.txt, "video4linux"


def open_source(
    spec: str, config: CaptureConfig, clock: Clock, *, realtime: bool = False
) -> FrameSource:
    """The source that ``spec`` names, not opened yet. Raises SourceError where there is none.

    Args:
        spec: a video file, an image, a folder of images; ``0``, ``camera:0``, ``camera:auto``
            or a device such as ``/dev/video0``; an rtsp, rtsps, http or https URL;
            ``synthetic:NAME``. A file whose name is a number is written ``./0``.
        config: sizes, rates and time limits.
        clock: stamps live frames and paces recordings.
        realtime: play a recording at its own pace and skip what comes too late.
    """
    spec = spec.strip()
    if not spec:
        raise SourceError("No source is named: give a video file, camera:0 or a stream's address.")
    kind, _, name = spec.partition(":")
    if spec.isdecimal() or kind == "camera":
        return _camera(spec if spec.isdecimal() else name, config, clock)
    scheme = scheme_of(spec)
    if scheme in _STREAM_SCHEMES:
        limit_s = config.open_timeout_s
        limits = Waits(limit_s, STREAM_SILENCE_S)
        return LiveSource(redact_url(spec), lambda: NetworkStream(spec, limit_s), limits, clock)
    if scheme is not None:
        raise SourceError(
            f"{redact_url(spec)} is not an address sonar can open "
            f"(it knows {', '.join(_STREAM_SCHEMES)})."
        )
    recording: FrameSource
    if kind == "synthetic" and name:
        from sonar.capture.synthetic import SyntheticSource

        recording = SyntheticSource(name)
    else:
        path = expanded(spec)
        if _is_camera(path):
            return _camera(str(path), config, clock)
        recording = _recording(path, config)
    return PacedSource(recording, clock) if realtime else recording


def _camera(address: str, config: CaptureConfig, clock: Clock) -> FrameSource:
    where: int | str | None = int(address) if address.isdecimal() else address
    label = f"camera {where}" if isinstance(where, int) else address
    if address == "auto":
        where, label = None, "camera"
    elif not address.isdecimal() and not address.startswith("/"):
        raise SourceError(f"camera:{address} is not a camera: write camera:0 or camera:auto.")
    limits = Waits(config.open_timeout_s)
    return LiveSource(label, lambda: CameraDevice(where, config), limits, clock)


def _is_camera(path: Path) -> bool:
    """A video4linux device, or the place of one that is not plugged in; never a file in /dev."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return re.match(r"/dev/(video\d+$|v4l/by-)", str(path)) is not None
    on_linux = sys.platform == "linux"
    return stat.S_ISCHR(found.st_mode) and not (on_linux and os.major(found.st_rdev) != _V4L_MAJOR)


def _recording(path: Path, config: CaptureConfig) -> FrameSource:
    check_file(path, or_folder=True)
    if path.is_dir():
        return ImageSource.of_folder(path, IMAGE_RATE_HZ)
    if is_image(path):
        return ImageSource.of_file(path, IMAGE_RATE_HZ)
    return VideoFileSource(path, config.raw_rate_hz)
