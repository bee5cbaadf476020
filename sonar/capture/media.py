"""What recordings and streams share: playing, addresses, opening with PyAV, upright pixels."""

import re
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from sonar.errors import SourceError
from sonar.files import printable
from sonar.ports import Clock, FrameSource
from sonar.types import Frame, RgbImage

# Streams in segments of seconds each, by ffmpeg's names: a frame is old before it is sent.
SEGMENTED = frozenset(("hls", "applehttp", "dash", "hds", "smoothstreaming"))
# Decoders that "see" a video in any text file.
_TEXT_CODECS = frozenset({"ansi", "bintext", "xbin", "idf"})
_NOT_THE_VIDEO = 1 << 10 | 1 << 11 | 1 << 19 | 1 << 20  # cover, thumbnails, dependent, still image
_RAW_FORMAT = 0x0080  # libavformat AVFMT_NOTIMESTAMPS: .h264, .h265, .mjpeg without a container
_SLOWEST_HZ, _SLOWEST_RAW_HZ = 1 / 600, 1.0  # a lower rate is a damaged or a hostile header
_ASPECT_LIMIT = 4  # a sample aspect ratio beyond 4:1 is a damaged header, not a lens
_ASK_AGAIN = 25  # frames; bounds what lives on until the garbage collector comes
_MOST_PIXELS = 8192 * 8192  # a larger frame is a damaged or a hostile header
# Degrees to the left to a, b, c, d of a display matrix.
_TURNS = {0: (1, 0, 0, 1), 90: (0, -1, 1, 0), -90: (0, 1, -1, 0), 180: (-1, 0, 0, -1)}

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.IGNORECASE | re.DOTALL)


class Recording:
    """What all recordings share of :class:`sonar.ports.FrameSource`; ``corrupt`` counts what could
    not be decoded and was skipped."""

    live = False
    dropped = 0  # a file waits for its reader

    def __init__(self, label: str, rate_hz: float | None = None, count: int | None = None) -> None:
        self.label = printable(label)
        self.corrupt = 0
        self.rate_hz, self.frame_count = rate_hz, count
        self._frames: Generator[Frame | None, None, None] | None = None

    def open(self) -> None:
        """Start from the first frame. Raises SourceError where there is nothing to read."""
        self.close()
        self.corrupt = 0
        frames = self._play()
        next(frames)
        self._frames = frames

    def read(self, timeout_s: float = 1.0) -> Frame | None:
        """The next frame or None at the end; never waits."""
        if self._frames is None:
            raise SourceError(f"{self.label} is not open.")
        return next(self._frames, None)

    def close(self) -> None:
        """Release the file."""
        frames, self._frames = self._frames, None
        if frames is not None:
            frames.close()

    def _play(self) -> Generator[Frame | None, None, None]:
        """Yields None once the file is open, then each frame; releases the file at its end."""
        raise NotImplementedError


def scheme_of(spec: str) -> str | None:
    """``rtsp`` of ``RTSP://...``; None where ``spec`` is no URL."""
    match = _URL.match(spec)
    return match[1].lower() if match else None


def redact_url(url: str) -> str:
    """``url`` without what may be secret: user and password, query and fragment.

    Errs on the side of hiding: everything before the last ``@`` counts as credentials, since
    passwords with an unescaped ``/`` or ``@`` are common in camera URLs; where an ``@`` follows a
    ``?``, either side of it may be the secret, and only the scheme is left.
    """
    match = _URL.match(url)
    if not match:
        return url
    scheme, place, *query = match[1].lower(), *re.split(r"[?#]", match[2], maxsplit=1)
    if query and "@" in query[0]:
        return f"{scheme}://***"
    _, at, host_and_path = place.rpartition("@")
    return f"{scheme}://{'***@' if at else ''}{host_and_path}{'?***' if query else ''}"


def check_file(path: Path, or_folder: bool = False) -> None:
    """Raises SourceError where ``path`` is not a file with something in it that can be read."""
    try:
        if or_folder and path.is_dir():
            return
        if not path.exists():
            raise SourceError(f"{path} does not exist.")
        if not path.is_file():
            kind = "is a folder" if path.is_dir() else "is neither a file nor a camera"
            raise SourceError(f"{path} {kind}: save the recording as a file.")
        with path.open("rb") as file:
            if not file.read(1):
                raise SourceError(f"{path} is empty (0 bytes).")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a valid name"
        raise SourceError(f"{str(path)[:200]!r} cannot be read: {reason}.") from error


def open_container(address: str, **options: Any) -> Any:
    """``av.open`` for reading; metadata that is not UTF-8 is no reason to fail."""
    import av

    try:
        return av.open(address, metadata_errors="replace", **options)
    except TypeError:  # PyAV 19 dropped the argument with the strictness
        return av.open(address, **options)


def video_of(container: Any, name: str) -> Any:
    """The video stream to read: the one marked as default, else the best by ffmpeg's judgment.

    Raises SourceError where there is none, or none with a decoder; ``name`` is for people.
    """
    stream = container.streams.best("video")
    codec = stream.codec_context if stream is not None else None
    if codec is None and container.streams.video:
        raise SourceError(f"{name} holds a video in a format that cannot be decoded.")
    if codec is None or codec.name in _TEXT_CODECS or int(stream.disposition) & _NOT_THE_VIDEO:
        raise SourceError(f"{name} has no video in it.")
    codec.options = {"max_pixels": str(_MOST_PIXELS)}
    return stream


def decoded(container: Any, stream: Any) -> Iterator[Any]:
    """The frames of a video stream in order; None for each that cannot be decoded, or that was
    patched up from others."""
    import av

    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.EOFError:
            continue
        except av.error.FFmpegError:
            yield None
            continue
        yield from (None if frame.is_corrupt else frame for frame in frames)


def stream_rate_hz(stream: Any) -> float | None:
    """Nominal frames per second, or None. A raw stream has it from its codec, if at all."""
    rates, slowest_hz = [stream.average_rate, stream.guessed_rate, stream.base_rate], _SLOWEST_HZ
    if is_raw(stream.container):
        rates, slowest_hz = [stream.codec_context.framerate], _SLOWEST_RAW_HZ
    return next((float(r) for r in rates if r and slowest_hz <= float(r) <= 1000.0), None)


def is_raw(container: Any) -> bool:
    """Whether frames carry no times, so that ffmpeg guesses their rate."""
    return bool(int(container.format.flags) & _RAW_FORMAT)


class Pixels:
    """Decoded frames of one stream as upright RGB with square pixels.

    One reformatter is kept for all frames of a source: with a new one per frame (what
    ``frame.to_ndarray(format=...)`` does) conversion takes half as long again.
    """

    def __init__(self, stream: Any) -> None:
        from av.video.reformatter import VideoReformatter

        self._reformatter = VideoReformatter()
        aspect = float(stream.sample_aspect_ratio or 1.0)  # width / height of a pixel
        self._aspect = aspect if 1 / _ASPECT_LIMIT <= aspect <= _ASPECT_LIMIT else 1.0
        self._turn: tuple[bool, int | None] = (False, None)
        self._seen: tuple[int, int, int] | None = None
        self._unasked = 0

    def rgb(self, frame: Any) -> RgbImage:
        """uint8 RGB array of shape ``(H, W, 3)``, turned and mirrored as the file asks."""
        import cv2

        # The longer side of a pixel is shortened: that needs no limit, as enlarging would.
        height = max(1, round(frame.height / max(self._aspect, 1.0)))
        width = max(1, round(frame.width * min(self._aspect, 1.0)))
        image: Any = self._reformatter.reformat(frame, width, height, format="rgb24").to_ndarray()
        # A container gives its display matrix to every frame, H.264 and H.265 to the key frame from
        # which on it holds. Asking a PyAV frame for it makes a reference cycle of the frame, which
        # then stays in memory for thousands of frames. So only frames whose rotation is another
        # are asked, and a key frame now and then, for what is mirrored.
        seen = frame.height, frame.width, frame.rotation
        self._unasked += 1
        news = seen != self._seen or self._unasked >= _ASK_AGAIN
        if news and (frame.key_frame or frame.rotation):
            self._seen, self._unasked = seen, 0
            self._turn = turn_of(*_display_matrix(frame))
        transposed, flip = self._turn
        image = cv2.transpose(image) if transposed else image
        upright: RgbImage = image if flip is None else cv2.flip(image, flip)
        return upright


def _display_matrix(frame: Any) -> tuple[int, int, int, int]:
    """a, b, c, d of ffmpeg's display matrix; the unit matrix where the frame has none."""
    import numpy as np
    from av.sidedata.sidedata import Type

    try:
        found = frame.side_data.get(Type.DISPLAYMATRIX)
    except ValueError:
        # PyAV knows no name for another part, such as a JPEG's EXIF, and gives the angle only: of
        # this one kind a mirrored frame is not known from a turned one.
        return _TURNS.get(frame.rotation, _TURNS[180])
    if found is None:
        return _TURNS[0]
    values = np.frombuffer(bytes(found), np.int32).tolist()
    return (values[0], values[1], values[3], values[4])


def turn_of(a: int, b: int, c: int, d: int) -> tuple[bool, int | None]:
    """Whether to transpose, and OpenCV's code of how to flip then; None = not at all.

    The display matrix maps a pixel (x, y) to (a x + c y, b x + d y). Mirroring matters as much
    as turning: it exchanges left and right.
    """
    transposed = abs(b) + abs(c) > abs(a) + abs(d)
    flips = (c < 0, b < 0) if transposed else (a < 0, d < 0)  # columns, rows
    return transposed, {(True, True): -1, (True, False): 1, (False, True): 0}.get(flips)


class PacedSource(Recording):
    """A recording played as if it happened now.

    A frame is returned when its media time has come; ``read`` sleeps on the clock until then,
    however long that is. A frame whose successor is due already is stale: it is skipped and
    counted in ``dropped``, as a camera would. ``Frame.t`` stays media time. The first frame comes
    at once and time runs from the second ``read`` on: what the reader prepares with the first
    frame (loading, warming up) costs nothing of the recording.
    """

    def __init__(self, source: FrameSource, clock: Clock) -> None:
        super().__init__(source.label, source.rate_hz, source.frame_count)
        self._source, self._clock = source, clock

    def _play(self) -> Generator[Frame | None, None, None]:
        source, clock = self._source, self._clock
        with closing(source):
            source.open()
            self.rate_hz, self.frame_count = source.rate_hz, source.frame_count
            self.dropped = 0
            yield None
            first = source.read(0.0)
            if first is None:
                return
            yield first
            start_s = clock.now() - first.t
            ahead = source.read(0.0)
            error: SourceError | None = None
            while ahead is not None:
                # A fixed "now": where decoding is slower than the recording, skipping still ends.
                now, frame = clock.now(), ahead
                while ahead is frame or (ahead is not None and ahead.t + start_s <= now):
                    self.dropped += ahead is not frame
                    frame = ahead
                    try:
                        ahead = source.read(0.0)
                    except SourceError as damage:  # waits until the frame before it was returned
                        ahead, error = None, damage
                clock.sleep(frame.t + start_s - clock.now())
                yield frame
            if error is not None:
                raise error
