"""Network streams: RTSP and HTTP (MJPEG and whatever else ffmpeg plays), through PyAV.

PyAV and not OpenCV: its open and read take time limits that interrupt a dead connection.
"""

from collections.abc import Iterator
from typing import Any

from sonar.capture.names import path_of, port_is_odd, redact_url, scheme_of
from sonar.config import CaptureConfig
from sonar.errors import SourceError, SourceLost, SourceTimeout
from sonar.types import RgbImage

# How the addresses of streams in segments end (see ``_media.SEGMENTED``).
_PLAYLISTS = (".m3u8", ".m3u", ".mpd", ".f4m")
STREAM_SILENCE_S = 3.0  # without a frame: reopened; key frames may be 2 s apart
_THREAD_GRACE_S = 1.0
_HINT = " (in a password, write %2F for /, %3F for ?, %23 for #, %40 for @)"
_GARBAGE_LIMIT = 300  # damaged packets in a row: about ten seconds


class NetworkStream:
    """One connection to a stream; a :class:`sonar.capture.device.Device`.

    Args:
        url: rtsp, rtsps, http or https; may hold credentials, which no message repeats.
        config: time limits.
    """

    def __init__(self, url: str, config: CaptureConfig) -> None:
        self.rate_hz: float | None = None
        self.one_behind = False
        self._url = url
        self._name = redact_url(url)
        self._is_rtsp = scheme_of(url) in ("rtsp", "rtsps")
        self._config = config
        self._container: Any = None
        self._pixels: Any = None
        self._frames: Iterator[Any] = iter(())
        self._frame: Any = None

    def open(self) -> None:
        """Raises SourceError with the reason, SourceTimeout after ``open_timeout_s``."""
        import av

        from sonar.capture import _media as media

        container = self._connect()
        self._container = container
        if container.format.name in media.SEGMENTED:
            raise SourceError(_too_old(self._name))
        stream = media.video_stream(container)
        if stream is None:
            raise SourceError(f"{self._name} has no video in it.")
        if not self._is_rtsp and container.duration and container.duration > 0:
            raise SourceError(
                f"{self._name} is a recording, not a live stream: download it, then replay it."
            )
        # ffmpeg knows the end of a bare JPEG by the beginning of the next.
        self.one_behind = container.format.name == "mjpeg"
        # Frame threads would each hold a frame back.
        stream.thread_type = "SLICE"
        stream.codec_context.flags |= int(av.codec.context.Flags.low_delay)
        stream.codec_context.options = {"max_pixels": str(media.MOST_PIXELS)}
        self.rate_hz = media.stream_rate_hz(stream) if self._is_rtsp else None
        self._pixels = media.Pixels(stream)
        self._frames = self._decode(stream)

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
        """RGB, upright."""
        if self._frame.is_corrupt:
            return None
        image: RgbImage = self._pixels.rgb(self._frame)
        return image

    def close(self) -> None:
        """Disconnect."""
        container, self._container = self._container, None
        self._frames, self._frame = iter(()), None
        if container is not None:
            container.close()

    def _connect(self) -> Any:
        import av

        from sonar.capture import _media as media

        if path_of(self._url).lower().endswith(_PLAYLISTS):
            raise SourceError(_too_old(self._name))
        if port_is_odd(self._url):
            raise SourceError(f"{self._name} is not a valid address{_HINT}.")
        options = {"fflags": "nobuffer", "analyzeduration": "1000000", "probesize": "1000000"}
        if self._is_rtsp:
            # TCP: over UDP a lost packet smears the frame until the next key frame.
            options["rtsp_transport"] = "tcp"
        # Longer than the reader's own limits, which give the clearer message: what ffmpeg says
        # when it is interrupted depends on where. These only end the thread.
        limits_s = (
            self._config.open_timeout_s + _THREAD_GRACE_S,
            STREAM_SILENCE_S + _THREAD_GRACE_S,
        )
        # Some cameras label MJPEG, or its parts (image/jpg), so oddly that it must be named; the
        # last way looks for the images themselves.
        formats: tuple[str | None, ...] = (None,) if self._is_rtsp else (None, "mpjpeg", "mjpeg")
        failure: Exception | None = None
        for name in formats:
            try:
                container = media.open_container(
                    self._url, format=name, options=options, timeout=limits_s
                )
            except av.error.ExitError:
                raise SourceTimeout(f"{self._name} did not answer in time.") from None
            except (av.error.InvalidDataError, av.error.EOFError) as error:
                failure = error
                continue
            except (av.error.FFmpegError, OSError, ValueError) as error:
                # Not "from error": its text repeats the address with the password.
                hint = _HINT if "***" in self._name else ""
                raise SourceError(
                    f"{self._name} cannot be opened: {_reason(error)}{hint}."
                ) from None
            stream = media.video_stream(container)
            if "jpeg" not in container.format.name or (stream is not None and stream.width):
                return container
            container.close()
        raise SourceError(f"{self._name} sends no video that ffmpeg can read: {_reason(failure)}.")

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


def _too_old(name: str) -> str:
    return (
        f"{name} is sent in segments (HLS, DASH): its frames arrive seconds too late to guide by. "
        "Use the camera's RTSP or MJPEG address."
    )


def _reason(error: Exception | None) -> str:
    """What went wrong, without the address that ffmpeg's messages repeat."""
    if error is None:
        return "no frame was found in it"
    return str(getattr(error, "strerror", None) or type(error).__name__)
