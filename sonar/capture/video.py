"""Recorded videos: any container and codec that ffmpeg reads, through PyAV."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sonar.capture.names import check_file
from sonar.errors import SourceError
from sonar.files import media_path, printable
from sonar.types import Frame

_log = logging.getLogger(__name__)

_AVFMT_TS_DISCONT = 0x0200  # libavformat: "format allows timestamp discontinuities"
_FALLBACK_RATE_HZ = 25.0
_LONGEST_GAP_S = 60.0  # between two frames; longer is a step of the recorder's clock ...
_LONGEST_GAP_PERIODS = 10  # ... unless the whole video is that slow ...
_BACKWARD_JUMP_S = 1.0
_SMALLEST_STEP_S = 1e-3
_LEAPING_GAP_S = 10.0  # ... and sooner where the container's clock is known to leap (MPEG-TS)


_LEAST_FRAME_BYTES = 20  # of an unchanged frame with its container's header


class VideoFileSource:
    """Every frame of a video file, upright RGB with square pixels, in media time from its first.

    Variable frame rates keep their times; ``Frame.t`` is strictly increasing, and steps of the
    recorder's clock are closed. Damaged packets and frames are skipped and counted in
    ``corrupt``. A file that breaks off raises SourceError after its last good frame. Decoding
    uses ffmpeg's threads, which run ahead of the reader by themselves; a queue of our own was
    measured to gain nothing.

    Args:
        path: the file.
        raw_rate_hz: frames per second of a raw stream (.mjpeg, .h264) that states none.

    Attributes:
        corrupt: packets and frames that could not be decoded.
        rate_hz, frame_count: as the container states them; None before ``open`` or where unknown.
    """

    live = False
    dropped = 0  # a file waits for its reader

    def __init__(self, path: Path, raw_rate_hz: float = _FALLBACK_RATE_HZ) -> None:
        self.path = path
        self.label = printable(path.name)
        self.corrupt = 0
        self._raw_rate_hz = raw_rate_hz
        self._container: Any = None
        self._frames: Iterator[Frame] | None = None
        self.rate_hz: float | None = None
        self.frame_count: int | None = None

    def open(self) -> None:
        """Raises SourceError where there is no video to read."""
        self.close()
        check_file(self.path)
        import av

        from sonar.capture import _media as media

        try:
            container = media.open_container(media_path(self.path))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise SourceError(
                f"{self.path} is not a video that ffmpeg can read, or it is damaged."
            ) from error
        try:
            _refuse_format(self.path, container.format.name)
            stream = media.video_stream(container)
            if stream is None:
                raise SourceError(_why_no_video(self.path, container))
            stream.thread_type = "AUTO"
            stream.codec_context.options = {"max_pixels": str(media.MOST_PIXELS)}
            self.rate_hz = media.stream_rate_hz(stream)
            if self.rate_hz is None and media.is_raw(container):
                self.rate_hz = self._raw_rate_hz
                _log.warning(
                    "%s states no frame rate: %g Hz is assumed (capture.raw_rate_hz).",
                    *(self.label, self.rate_hz),
                )
            self.frame_count = _expected_frames(container, stream, self.rate_hz)
        except BaseException:
            container.close()
            raise
        self.corrupt = 0
        self._container = container
        self._frames = self._decode(container, stream)

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame or None at the end; a file does not time out."""
        if self._frames is None:
            raise SourceError(f"{self.path} is not open.")
        return next(self._frames, None)

    def close(self) -> None:
        """Release the file."""
        container, self._container, self._frames = self._container, None, None
        if container is not None:
            container.close()

    def _decode(self, container: Any, stream: Any) -> Iterator[Frame]:
        from sonar.capture._media import Pixels, is_raw

        pixels, times, raw = Pixels(stream), self._times(container), is_raw(container)
        count, t = 0, 0.0
        packets = _Packets(container, stream)
        for decoded in self._decoded(packets):
            pts = None if raw else decoded.pts  # a raw stream's are ffmpeg's guess
            t = times.next(None if pts is None else float(pts * decoded.time_base))
            if times.take_step():
                _log.warning("%s: its clock jumps after %.1f s: the gap is closed.", self.label, t)
            shown_s = 0.0 if raw else float((decoded.duration or 0) * decoded.time_base)
            yield Frame(pixels.rgb(decoded), count, t, times.believed(shown_s))
            count += 1
        if self.corrupt:
            _log.warning("%s: %d damaged packets were skipped.", self.label, self.corrupt)
        if count == 0:
            raise SourceError(f"{self.path} holds no frame that can be decoded.")
        if packets.error is not None or packets.broke_off():
            raise SourceError(
                f"{self.path} is damaged or cut off after {t:.1f} s ({count} frames were read)."
            ) from packets.error

    def _times(self, container: Any) -> "MediaTime":
        period_s = 1.0 / (self.rate_hz or _FALLBACK_RATE_HZ)
        if int(container.format.flags) & _AVFMT_TS_DISCONT:
            return MediaTime(period_s, max(_LEAPING_GAP_S, _LONGEST_GAP_PERIODS * period_s))
        return MediaTime(period_s, max(_LONGEST_GAP_S, _LONGEST_GAP_PERIODS * period_s))

    def _decoded(self, packets: "_Packets") -> Iterator[Any]:
        """Decoded frames in order; what cannot be decoded is counted, not shown."""
        import av

        for packet in packets:
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self.corrupt += 1
                continue
            for frame in frames:
                if frame.is_corrupt:  # ffmpeg patched it up from other frames
                    self.corrupt += 1
                else:
                    yield frame


class MediaTime:
    """Presentation times as seconds from the first frame, strictly increasing.

    A step back of more than a second, or ahead of more than ``longest_gap_s``, is a step of the
    sender's clock: the gap is closed.

    Args:
        period_s: step where a frame carries no time.
        longest_gap_s: longest time between two frames that is believed.
    """

    def __init__(self, period_s: float, longest_gap_s: float) -> None:
        self._stepped = False
        self._period_s = period_s
        self._longest_gap_s = longest_gap_s
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
            if self._last_s is not None and not (
                self._last_s - _BACKWARD_JUMP_S <= t <= self._last_s + self._longest_gap_s
            ):
                self._stepped = True
                self._origin_s = pts_s - expected
                t = expected
        if self._last_s is not None:
            t = max(t, self._last_s + _SMALLEST_STEP_S)
        self._last_s = t
        return t

    def take_step(self) -> bool:
        """Whether the clock has stepped since this was last asked."""
        stepped, self._stepped = self._stepped, False
        return stepped

    def believed(self, shown_s: float) -> float | None:
        """How long a frame is shown, where the container's word can be believed."""
        return shown_s if 0.0 < shown_s <= self._longest_gap_s else None


class _Packets:
    """The packets of one stream, remembering whether they stop before they should."""

    def __init__(self, container: Any, stream: Any) -> None:
        self._container = container
        self._stream = stream
        self._count = 0
        self._end_s = 0.0
        self.error: Exception | None = None

    def __iter__(self) -> Iterator[Any]:
        import av

        try:
            for packet in self._container.demux(self._stream):
                if packet.size:
                    self._count += 1
                    if packet.pts is not None:
                        end = (packet.pts + (packet.duration or 0)) * packet.time_base
                        self._end_s = max(self._end_s, float(end))
                yield packet
        except av.error.FFmpegError as error:
            self.error = error

    def broke_off(self) -> bool:
        """The index promises more packets, and more time, than came.

        ffmpeg reports a plain end for many cut files. Both conditions, because edit lists make
        an index longer than what is shown, and an audio track a file longer than its video.
        """
        stream = self._stream
        if not stream.frames or self._count >= stream.frames or not stream.duration:
            return False
        promised_s = float((stream.duration + (stream.start_time or 0)) * stream.time_base)
        return self._end_s < promised_s - max(0.25, 0.02 * promised_s)


def _expected_frames(container: Any, stream: Any, rate_hz: float | None) -> int | None:
    """From the index, less what an edit list leaves out; else the duration times the rate.

    None where the file is too small for so many: its clock has a step in it.
    """
    duration_s = None
    if stream.duration:
        duration_s = float(stream.duration * stream.time_base)
    elif container.duration and container.duration > 0:
        duration_s = float(container.duration) / 1e6
    shown = max(1, round(duration_s * rate_hz)) if duration_s and rate_hz else None
    if stream.frames and (shown is None or not stream.duration or shown > 0.98 * stream.frames):
        return int(stream.frames)
    if shown is not None and container.size > 0 and shown > container.size / _LEAST_FRAME_BYTES:
        return None
    return shown


def _refuse_format(path: Path, name: str) -> None:
    """Raises SourceError for what ffmpeg opens as a video and is none."""
    from sonar.capture._media import SEGMENTED

    if name in SEGMENTED:
        raise SourceError(f"{path} is a playlist, not a recording: convert it to MP4.")
    if name == "ico" or name.endswith(("_pipe", "image2")):
        raise SourceError(
            f"{path} is an image in a format that sonar does not read: convert it to PNG or JPEG."
        )


def _why_no_video(path: Path, container: Any) -> str:
    for stream in container.streams.video:
        if stream.codec_context is None:
            return f"{path} holds a video in a format that cannot be decoded: convert it to MP4."
    return f"{path} has no video in it."
