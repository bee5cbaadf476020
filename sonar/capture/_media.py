"""What recordings and network streams share: opening with PyAV, pixels, orientation, time."""

import logging
from fractions import Fraction
from typing import Any, cast

import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from sonar.types import RgbImage

Matrix = NDArray[np.int32]

_log = logging.getLogger(__name__)

# Decoders that "see" a video in any text file.
_TEXT_CODECS = frozenset({"ansi", "bintext", "xbin", "idf"})
_DEFAULT = 1 << 0  # libavformat AV_DISPOSITION_...
_NOT_THE_VIDEO = 1 << 10 | 1 << 11 | 1 << 19 | 1 << 20  # cover, thumbnails, dependent, still image
_RAW_FORMAT = 0x0080  # libavformat AVFMT_NOTIMESTAMPS: .h264, .h265, .mjpeg without a container

_TURNS: dict[int, Matrix] = {  # degrees to the left, as PyAV gives them, to a display matrix
    degrees: np.array([a, b, 0, -b, a, 0, 0, 0, 1 << 14], np.int32) << 16
    for degrees, a, b in ((90, 0, -1), (-90, 0, 1), (180, -1, 0), (-180, -1, 0))
}
_SLOWEST_HZ, _SLOWEST_RAW_HZ = 1 / 600, 1.0  # a lower rate is a damaged or a hostile header
_ASPECT_LIMIT = 4  # a sample aspect ratio beyond 4:1 is a damaged header, not a lens
_ASK_AGAIN = 25  # frames; bounds what lives on until the garbage collector comes
_LONGEST_SIDE_PX = 4096  # enlarging to square pixels stops here
MOST_PIXELS = 8192 * 8192  # a larger frame is a damaged or a hostile header


# Streams in segments of seconds each, by ffmpeg's names: a frame is old before it is sent.
SEGMENTED = frozenset(("hls", "applehttp", "dash", "hds", "smoothstreaming"))


def open_container(url: str, **options: Any) -> Any:
    """``av.open`` for reading; metadata that is not UTF-8 is no reason to fail."""
    import av

    try:
        return av.open(url, metadata_errors="replace", **options)
    except TypeError:  # PyAV 19 dropped the argument with the strictness
        return av.open(url, **options)


def video_stream(container: Any) -> Any | None:
    """The video stream to read, or None: the one marked as default, else the first.

    Cover art, thumbnails and streams without a decoder do not count.
    """
    found: Any | None = None
    for stream in container.streams.video:
        marks = int(stream.disposition)
        codec = stream.codec_context  # None for a codec that ffmpeg does not know
        if codec is None or codec.name in _TEXT_CODECS or marks & _NOT_THE_VIDEO:
            continue
        if marks & _DEFAULT:
            return stream
        found = found or stream
    return found


def stream_rate_hz(stream: Any) -> float | None:
    """Nominal frames per second, or None. A raw stream has it from its codec, if at all."""
    if is_raw(stream.container):
        rates, slowest_hz = [stream.codec_context.framerate], _SLOWEST_RAW_HZ
    else:
        rates = [stream.average_rate, stream.guessed_rate, stream.base_rate]
        slowest_hz = _SLOWEST_HZ
    for rate in rates:
        if rate and slowest_hz <= float(rate) <= 1000.0:
            return float(rate)
    return None


def is_raw(container: Any) -> bool:
    """Whether frames carry no times; what ffmpeg says of their rate is its guess."""
    return bool(int(container.format.flags) & _RAW_FORMAT)


class Pixels:
    """Decoded frames of one stream as upright RGB with square pixels.

    One reformatter is kept for all frames of a source: with a new one per frame (what
    ``frame.to_ndarray(format=...)`` does) conversion takes half as long again.
    """

    def __init__(self, stream: Any) -> None:
        self._reformatter = VideoReformatter()
        self._codec = stream.codec_context
        self._aspect = _sane(stream.sample_aspect_ratio)  # the container's, which players prefer
        self._codec_aspect = self._codec.sample_aspect_ratio
        self._matrix: Matrix | None = None
        self._seen: tuple[int, int, int] | None = None
        self._unasked = 0

    def rgb(self, frame: Any) -> RgbImage:
        """uint8 RGB array of shape ``(H, W, 3)``, turned and mirrored as the file asks."""
        height, width = self._square_size(frame.height, frame.width)
        image = cast(
            RgbImage,
            self._reformatter.reformat(frame, width, height, format="rgb24").to_ndarray(),
        )
        self._look_for_orientation(frame)
        return image if self._matrix is None else oriented(image, self._matrix)

    def _square_size(self, height: int, width: int) -> tuple[int, int]:
        """The size that shows the frame with square pixels."""
        aspect = self._codec.sample_aspect_ratio
        if aspect != self._codec_aspect:  # it changed within the stream
            self._codec_aspect, self._aspect = aspect, _sane(aspect)
        if self._aspect == 1:
            return height, width
        high, wide = height / min(self._aspect, 1.0), width * max(self._aspect, 1.0)
        scale = min(1.0, max(_LONGEST_SIDE_PX, height, width) / max(high, wide))
        return max(1, round(high * scale)), max(1, round(wide * scale))

    def _look_for_orientation(self, frame: Any) -> None:
        """Read the frame's display matrix where it may have changed.

        A container gives it to every frame, H.264 and H.265 to the key frame from which on it
        holds. Asking a PyAV frame for its side data makes a reference cycle of it: it then stays
        in memory until the garbage collector comes, thousands of frames later. So only frames
        whose rotation is another are asked, and a key frame now and then, for what is mirrored.
        """
        seen = frame.height, frame.width, frame.rotation
        self._unasked += 1
        if frame.key_frame or self._seen is None:
            ask = seen != self._seen or self._unasked >= _ASK_AGAIN
        else:
            ask = frame.rotation != 0 and seen != self._seen
        if ask:
            self._seen, self._unasked = seen, 0
            self._matrix = _display_matrix(frame)


def _sane(ratio: Fraction | None) -> float:
    """A sample aspect ratio (width / height of a pixel); 1 where it is unknown or absurd."""
    if not ratio or ratio <= 0:
        return 1.0
    if not 1 / _ASPECT_LIMIT <= ratio <= _ASPECT_LIMIT:
        _log.warning("A sample aspect ratio of %s is absurd: taken as 1.", ratio)
        return 1.0
    return float(ratio)


def _display_matrix(frame: Any) -> Matrix | None:
    try:
        found = frame.side_data.get(SideDataType.DISPLAYMATRIX)
    except ValueError:
        # PyAV knows no name for another part, such as a JPEG's EXIF, and gives the angle only: of
        # this one kind a mirrored frame is not known from a turned one.
        return _TURNS.get(frame.rotation)
    return None if found is None else np.frombuffer(bytes(found), np.int32)


def oriented(image: RgbImage, matrix: Matrix) -> RgbImage:
    """Turn by quarter turns and mirror as ffmpeg's 3x3 display matrix says (16.16 fixed point).

    The matrix maps a pixel (x, y) to (a x + c y, b x + d y) with ``matrix = a b . c d . ...``;
    mirroring matters as much as turning here, it exchanges left and right.
    """
    a, b, c, d = (int(matrix[i]) for i in (0, 1, 3, 4))
    turned: RgbImage = image
    flip_columns, flip_rows = a < 0, d < 0
    if abs(b) + abs(c) > abs(a) + abs(d):
        turned = cv2.transpose(image)
        flip_columns, flip_rows = c < 0, b < 0
    if flip_columns or flip_rows:
        turned = cv2.flip(turned, -1 if flip_columns and flip_rows else int(flip_columns))
    return turned
