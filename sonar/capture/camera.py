"""Cameras through OpenCV (V4L2 on Linux)."""

import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sonar.config import CaptureConfig
from sonar.errors import DeviceError, SourceLost
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


class CameraDevice:
    """One connection to a camera; a :class:`sonar.capture.live.Device`.

    Args:
        address: index, device path, or None for the first camera that gives a frame.
        config: size and rate to ask for (the camera may choose others).
        opener: makes something like ``cv2.VideoCapture``, its default, of an address.
        cameras: lists what None may take.
    """

    one_behind = False

    def __init__(
        self,
        address: int | str | None,
        config: CaptureConfig,
        *,
        opener: Callable[[int | str], Any] | None = None,
        cameras: Callable[[], list[CameraInfo]] = list_cameras,
    ) -> None:
        self.rate_hz: float | None = None
        self._address, self._config = address, config
        self._opener, self._cameras = opener or _open_cv2, cameras
        self._capture: Any = None
        self._garbage = 0

    def open(self) -> None:
        """Raises DeviceError with what to do."""
        if self._address is not None:
            self._open(self._address)
            return
        found = self._cameras()
        for camera in found:
            try:
                self._open(camera.path)
                if self._capture.grab():
                    return
            except DeviceError:
                continue
            self.close()
        raise DeviceError(
            f"None of the {len(found)} cameras gives a frame: another program may be using it."
            if found
            else "No camera was found: plug one in, or name a video file or a stream."
        )

    def wait(self) -> float | None:
        """Blocks until a frame is there; V4L2 has no sender's clock to trust."""
        if not self._capture.grab():
            raise SourceLost("the camera stopped giving frames")
        return None

    def image(self) -> RgbImage | None:
        """RGB, of what the driver gives: BGR, or gray of 8 or 16 bits."""
        good, raw = self._capture.retrieve()
        image = _rgb(raw) if good else None
        self._garbage = 0 if image is not None else self._garbage + 1
        if self._garbage >= _GARBAGE_LIMIT:
            raise SourceLost(f"the camera gave {_GARBAGE_LIMIT} damaged frames in a row")
        return image

    def close(self) -> None:
        """Release the device."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()

    def _open(self, address: int | str) -> None:
        import cv2

        self._capture = capture = self._opener(address)
        if not capture.isOpened():
            self.close()
            raise DeviceError(
                f"{_device_path(address)} cannot be opened: it is no camera, or another program "
                "is using it."
            )
        config = self._config
        if config.width_px * config.height_px * 2 * config.rate_hz > _USB2_BYTES_PER_S:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, config.width_px)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, config.height_px)
        capture.set(cv2.CAP_PROP_FPS, config.rate_hz)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self.rate_hz = float(capture.get(cv2.CAP_PROP_FPS)) or None


def _rgb(raw: Any) -> RgbImage | None:
    """uint8 RGB ``(H, W, 3)``; None for what is no image."""
    if not isinstance(raw, np.ndarray) or raw.size == 0 or raw.ndim not in (2, 3):
        return None
    image = (raw >> 8).astype(np.uint8) if raw.dtype == np.uint16 else raw
    if image.ndim == 2:
        image = image[:, :, None]
    if image.dtype != np.uint8 or image.shape[2] not in (1, 3):
        return None
    return np.ascontiguousarray(np.broadcast_to(image[:, :, ::-1], (*image.shape[:2], 3)))


def _open_cv2(address: int | str) -> Any:
    import cv2

    path = _device_path(address)
    if sys.platform == "linux" and not Path(path).exists():
        raise DeviceError(
            f"There is no camera at {path}: is it plugged in? `sonar devices` lists cameras."
        )
    if sys.platform == "linux" and not os.access(path, os.R_OK | os.W_OK):
        raise DeviceError(
            f"No permission to use {path}: add your user to the group that owns it (often video)."
        )
    return cv2.VideoCapture(address, cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY)


def _device_path(address: int | str) -> str:
    return f"/dev/video{address}" if isinstance(address, int) else address
