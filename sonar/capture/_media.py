"""What recordings and network streams share: opening with PyAV, pixels, orientation, time."""

import math
from typing import Any, cast

import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import VideoReformatter

from sonar.types import RgbImage

# Decoders that "see" pictures in any text file.
_TEXT_CODECS = frozenset({"ansi", "bintext", "xbin", "idf"})

_BACKWARD_JUMP_S = 1.0
_FORWARD_JUMP_S = 10.0
_SMALLEST_STEP_S = 1e-3


def open_container(url: str, **options: Any) -> Any:
    """``av.open`` for reading; metadata that is not UTF-8 is no reason to fail."""
    import av

    try:
        return av.open(url, metadata_errors="replace", **options)
    except TypeError:  # PyAV 19 dropped the argument with the strictness
        return av.open(url, **options)


def video_stream(container: Any) -> Any | None:
    """The first moving-picture stream, or None. Cover art of a song is not one."""
    for stream in container.streams.video:
        cover = "attached_pic" in str(stream.disposition).lower()
        codec = stream.codec_context  # None for a codec that ffmpeg does not know
        if not cover and codec is not None and codec.name not in _TEXT_CODECS:
            return stream
    return None


def stream_rate_hz(stream: Any) -> float | None:
    """Nominal frames a second, or None."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and math.isfinite(float(rate)) and 0.0 < float(rate) <= 1000.0:
            return float(rate)
    return None


class Pixels:
    """Decoded frames as upright RGB.

    One reformatter is kept for all frames of a source: with a new one per frame (what
    ``frame.to_ndarray(format=...)`` does) conversion takes half as long again.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._matrix: bytes | None = None
        self._size: tuple[int, int] | None = None

    def rgb(self, frame: Any) -> RgbImage:
        """uint8 RGB array of shape ``(H, W, 3)``, turned and mirrored as the file asks."""
        picture = cast(RgbImage, self._reformatter.reformat(frame, format="rgb24").to_ndarray())
        # Asking a PyAV frame for its side data makes a reference cycle of it: its picture then
        # stays in memory until the garbage collector comes, thousands of frames later. So only
        # the first is asked, and one whose size differs: turning is a property of the stream.
        if (frame.height, frame.width) != self._size:
            self._size = frame.height, frame.width
            found = frame.side_data.get(SideDataType.DISPLAYMATRIX)
            self._matrix = None if found is None else bytes(found)
        if self._matrix is None:
            return picture
        return oriented(picture, np.frombuffer(self._matrix, np.int32))


def oriented(picture: RgbImage, matrix: np.ndarray[Any, np.dtype[np.int32]]) -> RgbImage:
    """Turn by quarter turns and mirror as ffmpeg's 3x3 display matrix says (16.16 fixed point).

    The matrix maps a pixel (x, y) to (a x + c y, b x + d y) with ``matrix = a b . c d . ...``;
    mirroring matters as much as turning here, it exchanges left and right.
    """
    a, b, c, d = (int(matrix[i]) for i in (0, 1, 3, 4))
    turned: RgbImage = picture
    flip_columns, flip_rows = a < 0, d < 0
    if abs(b) + abs(c) > abs(a) + abs(d):
        turned = cv2.transpose(picture)
        flip_columns, flip_rows = c < 0, b < 0
    if flip_columns or flip_rows:
        turned = cv2.flip(turned, -1 if flip_columns and flip_rows else int(flip_columns))
    return turned


class MediaTime:
    """Presentation times as seconds from the first frame, strictly increasing.

    Args:
        period_s: step where a frame carries no time.
        may_jump: the container's clock may leap (MPEG-TS); gaps over 10 s are then closed.
    """

    def __init__(self, period_s: float, *, may_jump: bool) -> None:
        self._period_s = period_s
        self._may_jump = may_jump
        self._origin_s: float | None = None
        self._last_s: float | None = None

    def next(self, pts_s: float | None) -> float:
        """Media time of the next frame, whose presentation time is ``pts_s`` seconds or None."""
        expected = 0.0 if self._last_s is None else self._last_s + self._period_s
        if pts_s is None:
            t = expected
        else:
            if self._origin_s is None:
                self._origin_s = pts_s - expected
            t = pts_s - self._origin_s
            if self._last_s is not None and (
                t < self._last_s - _BACKWARD_JUMP_S
                or (self._may_jump and t > self._last_s + _FORWARD_JUMP_S)
            ):
                self._origin_s = pts_s - expected
                t = expected
        if self._last_s is not None:
            t = max(t, self._last_s + _SMALLEST_STEP_S)
        self._last_s = t
        return t
