"""Network streams: RTSP and HTTP (MJPEG and whatever else ffmpeg plays), through PyAV.

PyAV and not OpenCV: its open and read take time limits that interrupt a dead connection.
"""

from collections.abc import Generator
from typing import Any
from urllib.parse import urlsplit

from sonar.capture.media import (
    SEGMENTED,
    Pixels,
    decoded,
    open_container,
    redact_url,
    stream_rate_hz,
    video_of,
)
from sonar.errors import SourceError, SourceLost, SourceTimeout
from sonar.ports import Clock

STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https")
STREAM_SILENCE_S = 3.0  # without a frame: connected again; key frames may be 2 s apart

_PLAYLISTS = (".m3u8", ".m3u", ".mpd", ".f4m")  # how addresses of streams in segments end
_THREAD_GRACE_S = 1.0
_HINT = " (in a password, write %2F for /, %3F for ?, %23 for #, %40 for @)"
_GARBAGE_LIMIT = 300  # damaged packets in a row: about ten seconds
_DRIFT = 0.02  # s/s by which a late frame is tolerated, see StreamTime


def stream_frames(url: str, open_timeout_s: float, clock: Clock) -> Generator[Any, None, None]:
    """One connection to a stream, see :data:`sonar.capture.live.Connect`.

    Args:
        url: rtsp, rtsps, http or https; may hold credentials, which no message repeats.
        open_timeout_s: longest wait for it to open.
        clock: stamps the frames.

    Raises SourceError with the reason, SourceTimeout where nothing comes in time.
    """
    import av

    name, is_rtsp = redact_url(url), url.lower().startswith("rtsp")
    with _connect(url, name, is_rtsp, open_timeout_s) as container:
        stream = video_of(container, name)
        if not is_rtsp and container.duration and container.duration > 0:
            raise SourceError(
                f"{name} is a recording, not a live stream: download it, then replay it."
            )
        stream.thread_type = "SLICE"  # frame threads would each hold a frame back
        stream.codec_context.flags |= int(av.codec.context.Flags.low_delay)
        yield stream_rate_hz(stream) if is_rtsp else None
        # ffmpeg knows the end of a bare JPEG by the beginning of the next.
        one_behind = container.format.name == "mjpeg"
        pixels, time, before, garbage = Pixels(stream), StreamTime(), clock.now(), 0
        try:
            for frame in decoded(container, stream):
                arrived = clock.now()
                t, before = (before if one_behind else arrived), arrived
                garbage += 1
                if garbage > _GARBAGE_LIMIT:
                    raise SourceLost("the stream sends only damaged frames")
                if frame is None:
                    continue
                garbage = 0
                if is_rtsp and frame.pts is not None:  # only RTSP has a sender's clock to trust
                    t = time.captured_at(float(frame.pts * frame.time_base), t)
                yield pixels.rgb(frame), t
        except av.error.ExitError:
            raise SourceTimeout("the stream went silent") from None
        except (av.error.FFmpegError, OSError) as error:
            raise SourceLost(f"the stream broke off: {_reason(error)}") from None
    raise SourceLost("the stream ended")


class StreamTime:
    """When a streamed frame was captured, on our clock.

    After a stall a network delivers old frames in a burst. Counted from the fastest delivery so
    far, each is as old as the sender's clock says. That reference is let go by 2 % of the time
    passed, so that clocks may drift and be reset.
    """

    _offset_s: float | None = None
    _pts_s = _arrival_s = 0.0

    def captured_at(self, pts_s: float, arrival_s: float) -> float:
        """Capture time, at most ``arrival_s``."""
        offset = arrival_s - pts_s
        if self._offset_s is not None and pts_s > self._pts_s:
            tolerated = _DRIFT * (arrival_s - self._arrival_s)
            offset = min(offset, self._offset_s + tolerated)
        self._offset_s, self._pts_s, self._arrival_s = offset, pts_s, arrival_s
        return pts_s + offset


def _connect(url: str, name: str, is_rtsp: bool, open_timeout_s: float) -> Any:
    """The open container; ``name`` is for people."""
    import av

    try:
        parts = urlsplit(url)
        # No number: part of a password with an unescaped "/", "?" or "#", whose beginning would be
        # taken for a host and looked up in the network.
        _ = parts.port
    except ValueError:
        raise SourceError(f"{name} is not a valid address{_HINT}.") from None
    # TCP: over UDP a lost packet smears the frame until the next key frame.
    options = {"fflags": "nobuffer", "analyzeduration": "1000000", "probesize": "1000000"}
    options |= {"rtsp_transport": "tcp"} if is_rtsp else {}
    # Longer than the live source's limits, which give the clearer message: what ffmpeg says when
    # it is interrupted depends on where. These only end the thread.
    limits_s = (open_timeout_s + _THREAD_GRACE_S, STREAM_SILENCE_S + _THREAD_GRACE_S)
    segmented = parts.path.lower().endswith(_PLAYLISTS)
    # Some cameras label the parts of MJPEG so oddly (image/jpg) that the images themselves must be
    # looked for.
    for format in () if segmented else (None,) if is_rtsp else (None, "mjpeg"):
        try:
            container = open_container(url, format=format, options=options, timeout=limits_s)
        except av.error.ExitError:
            raise SourceTimeout(f"{name} did not answer in time.") from None
        except (av.error.InvalidDataError, av.error.EOFError):
            continue
        except (av.error.FFmpegError, OSError, ValueError) as error:
            # Not "from error": its text repeats the address with the password.
            hint = _HINT if "***" in name else ""
            raise SourceError(f"{name} cannot be opened: {_reason(error)}{hint}.") from None
        segmented = container.format.name in SEGMENTED
        without_images = "jpeg" in container.format.name and not container.streams.video[0].width
        if not segmented and not without_images:
            return container
        container.close()
        if segmented:
            break
    if segmented:
        raise SourceError(
            f"{name} is sent in segments (HLS, DASH): its frames arrive seconds too late "
            "to guide by. Use the camera's RTSP or MJPEG address."
        )
    raise SourceError(f"{name} sends no video that ffmpeg can read.")


def _reason(error: Exception) -> str:
    """What went wrong, without the address that ffmpeg's messages repeat."""
    return str(getattr(error, "strerror", None) or type(error).__name__)
