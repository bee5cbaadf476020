"""Where frames come from: recordings, images, cameras, streams, drawn scenes.

:func:`open_source` decides by what it is given. OpenCV, PyAV and Pillow are imported when a source
that needs them is opened.
"""

import os
import re
import stat
import sys
from pathlib import Path

from sonar.capture.camera import CameraInfo, camera_frames, list_cameras
from sonar.capture.images import ImageSource, image_paths, is_image, read_image
from sonar.capture.live import LiveSource, Waits
from sonar.capture.media import PacedSource, check_file, redact_url, scheme_of
from sonar.capture.stream import STREAM_SCHEMES, STREAM_SILENCE_S, stream_frames
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
    scheme, limit_s = scheme_of(spec), config.open_timeout_s
    if scheme in STREAM_SCHEMES:
        limits = Waits(limit_s, STREAM_SILENCE_S)
        return LiveSource(
            redact_url(spec), lambda: stream_frames(spec, limit_s, clock), limits, clock
        )
    if scheme is not None:
        raise SourceError(
            f"{redact_url(spec)} is not an address sonar can open "
            f"(it knows {', '.join(STREAM_SCHEMES)})."
        )
    path = expanded(spec)
    recording: FrameSource
    if kind == "synthetic" and name:
        from sonar.capture.synthetic import SyntheticSource

        recording = SyntheticSource(name)
    elif _is_camera(path):
        return _camera(str(path), config, clock)
    else:
        check_file(path, or_folder=True)
        if path.is_dir() or is_image(path):
            recording = ImageSource(image_paths(path), path.name)
        else:
            recording = VideoFileSource(path, config.raw_rate_hz)
    return PacedSource(recording, clock) if realtime else recording


def _camera(name: str, config: CaptureConfig, clock: Clock) -> FrameSource:
    address: int | str | None = name
    label = f"camera {name}" if name.isdecimal() else name
    if name == "auto":
        address, label = None, "camera"
    elif name.isdecimal():
        address = f"/dev/video{name}" if sys.platform == "linux" else int(name)
    elif not name.startswith("/"):
        raise SourceError(f"camera:{name} is not a camera: write camera:0 or camera:auto.")
    limits = Waits(config.open_timeout_s)
    return LiveSource(label, lambda: camera_frames(address, config, clock), limits, clock)


def _is_camera(path: Path) -> bool:
    """A video4linux device, or the place of one that is not plugged in; never a file in /dev."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return re.match(r"/dev/(video\d+$|v4l/by-)", str(path)) is not None
    on_linux = sys.platform == "linux"
    return stat.S_ISCHR(found.st_mode) and not (on_linux and os.major(found.st_rdev) != _V4L_MAJOR)
