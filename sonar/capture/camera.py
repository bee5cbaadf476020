"""Cameras through OpenCV (V4L2 on Linux)."""

import os
import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sonar.config import CaptureConfig
from sonar.errors import DeviceError, SourceLost
from sonar.ports import Clock
from sonar.types import RgbImage

_USB2_BYTES_PER_S = 30e6  # about what isochronous transfers leave for uncompressed frames
_GARBAGE_LIMIT = 60  # damaged frames in a row before the camera counts as failed


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """A camera that the system knows of; it need not work."""

    index: int
    path: str
    name: str


def list_cameras(
    sysfs: Path = Path("/sys/class/video4linux"), dev: Path = Path("/dev")
) -> list[CameraInfo]:
    """Video devices by number, without opening any.

    Nodes that are a camera's second function (metadata, for most USB cameras) come last.
    """

    def attribute(index: int, name: str) -> str:
        try:
            return (sysfs / f"video{index}" / name).read_text(errors="replace").strip()
        except OSError:
            return ""

    names = {path.name for folder in (sysfs, dev) for path in folder.glob("video*")}
    numbers = {int(name[5:]) for name in names if re.fullmatch(r"video[0-9]+", name)}
    return [
        CameraInfo(i, str(dev / f"video{i}"), attribute(i, "name") or f"camera {i}")
        for i in sorted(numbers, key=lambda i: (attribute(i, "index") not in ("", "0"), i))
    ]


def camera_frames(
    address: int | str | None, config: CaptureConfig, clock: Clock
) -> Generator[Any, None, None]:
    """One connection to a camera, see :data:`sonar.capture.live.Connect`.

    Args:
        address: device path (an index outside Linux), or None for the first that gives a frame.
        config: size and rate to ask for (the camera may choose others).
        clock: stamps the frames: V4L2 has no sender's clock to trust.

    Raises DeviceError with what to do, SourceLost where it stops giving frames.
    """
    import cv2

    capture = _first(config) if address is None else _opened(address, config)
    try:
        yield float(capture.get(cv2.CAP_PROP_FPS)) or None
        garbage = 0
        while garbage < _GARBAGE_LIMIT:
            if not capture.grab():
                raise SourceLost("the camera stopped giving frames")
            t = clock.now()
            good, raw = capture.retrieve()
            image = _rgb(raw) if good else None
            garbage += 1
            if image is not None:
                garbage = 0
                yield image, t
        raise SourceLost(f"the camera gave {_GARBAGE_LIMIT} damaged frames in a row")
    finally:
        capture.release()


def _first(config: CaptureConfig) -> Any:
    found = list_cameras()
    for camera in found:
        try:
            capture = _opened(camera.path, config)
        except DeviceError:
            continue
        if capture.grab():
            return capture
        capture.release()
    raise DeviceError(
        f"None of the {len(found)} cameras gives a frame: another program may be using it."
        if found
        else "No camera was found: plug one in, or name a video file or a stream."
    )


def _opened(address: int | str, config: CaptureConfig) -> Any:
    import cv2

    backend = cv2.CAP_ANY
    if isinstance(address, str):
        backend = cv2.CAP_V4L2
        if not Path(address).exists():
            raise DeviceError(
                f"There is no camera at {address}: is it plugged in? `sonar devices` lists cameras."
            )
        if not os.access(address, os.R_OK | os.W_OK):
            raise DeviceError(
                f"No permission to use {address}: add your user to the group that owns it "
                "(often video)."
            )
    capture: Any = cv2.VideoCapture(address, backend)
    if not capture.isOpened():
        raise DeviceError(
            f"{address} cannot be opened: it is no camera, or another program is using it."
        )
    if config.width_px * config.height_px * 2 * config.rate_hz > _USB2_BYTES_PER_S:
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, config.width_px)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, config.height_px)
    capture.set(cv2.CAP_PROP_FPS, config.rate_hz)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture


def _rgb(raw: Any) -> RgbImage | None:
    """uint8 RGB (H, W, 3) of what drivers give: BGR, or gray of 8 or 16 bits; None of nothing."""
    import cv2

    if raw is None or raw.size == 0:
        return None
    image = (raw >> 8).astype(np.uint8) if raw.dtype == np.uint16 else raw
    gray = image.ndim == 2 or image.shape[2] == 1
    rgb: RgbImage = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB if gray else cv2.COLOR_BGR2RGB)
    return rgb
