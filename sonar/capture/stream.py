"""Network streams: RTSP and HTTP (MJPEG and whatever else ffmpeg plays), through PyAV.

PyAV and not OpenCV: its open and read take time limits that interrupt a dead connection.
"""

from collections.abc import Iterator
from typing import Any

from sonar.capture.media import (
    SEGMENTED,
    Pixels,
    open_container,
    path_of,
    redact_url,
    scheme_of,
    stream_rate_hz,
    video_of,
)
from sonar.errors import SourceError, SourceLost, SourceTimeout
from sonar.types import RgbImage

_PLAYLISTS = (".m3u8", ".m3u", ".mpd", ".f4m")  # how addresses of streams in segments end
STREAM_SILENCE_S = 3.0  # without a frame: reopened; key frames may be 2 s apart
_THREAD_GRACE_S = 1.0
_HINT = " (in a password, write %2F for /, %3F for ?, %23 for #, %40 for @)"
_GARBAGE_LIMIT = 300  # damaged packets in a row: about ten seconds


class NetworkStream:
    """One connection to a stream; a :class:`sonar.capture.live.Device`.

    Args:
        url: rtsp, rtsps, http or https; may hold credentials, which no message repeats.
        open_timeout_s: longest wait for it to open.
    """

    def __init__(self, url: str, open_timeout_s: float) -> None:
        self.rate_hz: float | None = None
        self.one_behind = False
        self._url, self._name = url, redact_url(url)
        self._is_rtsp = scheme_of(url) in ("rtsp", "rtsps")
        self._open_timeout_s = open_timeout_s
        self._container: Any = None
        self._frame: Any = None

    def open(self) -> None:
        """Raises SourceError with the reason, SourceTimeout after ``open_timeout_s``."""
        import av

        container, stream = self._connect()
        if not self._is_rtsp and container.duration and container.duration > 0:
            raise SourceError(
                f"{self._name} is a recording, not a live stream: download it, then replay it."
            )
        # ffmpeg knows the end of a bare JPEG by the beginning of the next.
        self.one_behind = container.format.name == "mjpeg"
        stream.thread_type = "SLICE"  # frame threads would each hold a frame back
        stream.codec_context.flags |= int(av.codec.context.Flags.low_delay)
        self.rate_hz = stream_rate_hz(stream) if self._is_rtsp else None
        self._pixels, self._frames = Pixels(stream), self._decode(stream)

    def wait(self) -> float | None:
        """Blocks for the read timeout at most. Only RTSP has a sender's clock to trust."""
        import av

        try:
            self._frame = next(self._frames)
        except StopIteration:
            raise SourceLost("the stream ended") from None
        except av.error.ExitError:
            raise SourceTimeout("the stream went silent") from None
        except (av.error.FFmpegError, OSError) as error:
            raise SourceLost(f"the stream broke off: {_reason(error)}") from None
        if not self._is_rtsp or self._frame.pts is None:
            return None
        return float(self._frame.pts * self._frame.time_base)

    def image(self) -> RgbImage | None:
        """RGB, upright; None for a damaged frame."""
        return None if self._frame.is_corrupt else self._pixels.rgb(self._frame)

    def close(self) -> None:
        """Disconnect."""
        container, self._container = self._container, None
        self._frame = None
        if container is not None:
            container.close()

    def _connect(self) -> tuple[Any, Any]:
        """The container and its video."""
        import av

        try:
            segmented = path_of(self._url).lower().endswith(_PLAYLISTS)
        except ValueError:
            raise SourceError(f"{self._name} is not a valid address{_HINT}.") from None
        # TCP: over UDP a lost packet smears the frame until the next key frame.
        options = {"fflags": "nobuffer", "analyzeduration": "1000000", "probesize": "1000000"}
        options |= {"rtsp_transport": "tcp"} if self._is_rtsp else {}
        # Longer than the reader's own limits, which give the clearer message: what ffmpeg says
        # when it is interrupted depends on where. These only end the thread.
        limits_s = (self._open_timeout_s + _THREAD_GRACE_S, STREAM_SILENCE_S + _THREAD_GRACE_S)
        # Some cameras label MJPEG, or its parts (image/jpg), so oddly that it must be named; the
        # last way looks for the images themselves.
        formats: tuple[str | None, ...] = (None,) if self._is_rtsp else (None, "mpjpeg", "mjpeg")
        for name in () if segmented else formats:
            try:
                self._container = container = open_container(
                    self._url, format=name, options=options, timeout=limits_s
                )
            except av.error.ExitError:
                raise SourceTimeout(f"{self._name} did not answer in time.") from None
            except (av.error.InvalidDataError, av.error.EOFError):
                continue
            except (av.error.FFmpegError, OSError, ValueError) as error:
                # Not "from error": its text repeats the address with the password.
                hint = _HINT if "***" in self._name else ""
                raise SourceError(
                    f"{self._name} cannot be opened: {_reason(error)}{hint}."
                ) from None
            segmented = container.format.name in SEGMENTED
            if segmented:
                break
            stream = video_of(container, self._name)
            if "jpeg" not in container.format.name or stream.width:
                return container, stream
            self.close()
        if segmented:
            raise SourceError(
                f"{self._name} is sent in segments (HLS, DASH): its frames arrive seconds too late "
                "to guide by. Use the camera's RTSP or MJPEG address."
            )
        raise SourceError(f"{self._name} sends no video that ffmpeg can read.")

    def _decode(self, stream: Any) -> Iterator[Any]:
        import av

        garbage = 0
        for packet in self._container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except av.error.InvalidDataError:
                garbage += 1
                if garbage >= _GARBAGE_LIMIT:
                    raise SourceLost("the stream sends only damaged frames") from None
                continue
            for frame in frames:
                garbage = 0
                yield frame


def _reason(error: Exception) -> str:
    """What went wrong, without the address that ffmpeg's messages repeat."""
    return str(getattr(error, "strerror", None) or type(error).__name__)
