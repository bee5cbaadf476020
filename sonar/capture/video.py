"""Recorded videos: any container and codec that ffmpeg reads, through PyAV."""

import logging
from collections.abc import Generator
from pathlib import Path
from typing import Any

from sonar.capture.media import (
    SEGMENTED,
    Pixels,
    Recording,
    check_file,
    decoded,
    is_raw,
    open_container,
    stream_rate_hz,
    video_of,
)
from sonar.errors import SourceError
from sonar.files import media_path
from sonar.types import Frame

_log = logging.getLogger(__name__)

_FALLBACK_RATE_HZ = 25.0
_LONGEST_GAP_S = 60.0  # between two frames; longer is a step of the recorder's clock ...
_LONGEST_GAP_PERIODS = 10  # ... unless the whole video is that slow
_BACKWARD_JUMP_S = 1.0
_SMALLEST_STEP_S = 1e-3
_LEAST_FRAME_BYTES = 20  # of an unchanged frame with its container's header
# How a file of a format without an index ends; ffmpeg reports a plain end where it is cut off.
_LAST_BYTES = {"gif": b"\0;", "apng": b"IEND"}
_TAIL_BYTES = 16  # of which some may be a program's own


class VideoFileSource(Recording):
    """Every frame of a video file, upright RGB with square pixels, in media time from its first.

    Variable frame rates keep their times; ``Frame.t`` is strictly increasing, and steps of the
    recorder's clock are closed. Damaged packets and frames are skipped and counted in
    ``corrupt``. A file that breaks off raises SourceError after its last good frame. Decoding
    uses ffmpeg's threads, which run ahead of the reader by themselves; a queue of our own was
    measured to gain nothing.

    Args:
        path: the file.
        raw_rate_hz: frames per second of a raw stream (.mjpeg, .h264) that states none.
    """

    def __init__(self, path: Path, raw_rate_hz: float = _FALLBACK_RATE_HZ) -> None:
        super().__init__(path.name)
        self.path = path
        self._raw_rate_hz = raw_rate_hz

    def _play(self) -> Generator[Frame | None, None, None]:
        check_file(self.path)
        import av

        try:
            container = open_container(media_path(self.path))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise SourceError(
                f"{self.path} is not a video that ffmpeg can read, or it is damaged."
            ) from error
        with container:
            stream = self._stream(container)
            yield None
            count, t, end_s = 0, 0.0, 0.0
            cut_off = _LAST_BYTES.get(container.format.name, b"") not in _tail(self.path)
            pixels, raw = Pixels(stream), is_raw(container)
            times = MediaTime(1.0 / (self.rate_hz or _FALLBACK_RATE_HZ), self.label)
            try:
                for frame in decoded(container, stream):
                    if frame is None:
                        self.corrupt += 1
                        continue
                    if cut_off and count + 1 == stream.frames:
                        break  # a GIF's: what came of it is drawn over the frame before
                    timed = not raw and frame.pts is not None  # a raw stream's are ffmpeg's guess
                    pts_s = float(frame.pts * frame.time_base) if timed else None
                    shown_s = 0.0 if raw else float((frame.duration or 0) * frame.time_base)
                    t, end_s = times.next(pts_s), max(end_s, (pts_s or 0.0) + shown_s)
                    believed = 0.0 < shown_s <= times.longest_gap_s
                    yield Frame(pixels.rgb(frame), count, t, shown_s if believed else None)
                    count += 1
            except av.error.FFmpegError:
                cut_off = True
            # ffmpeg reports a plain end for many cut files: the index promises more frames, and
            # more time, than came. Both, because edit lists make an index longer than what is
            # shown, and an audio track a file longer than its video.
            if count + self.corrupt < stream.frames and stream.duration:
                promised_s = float((stream.duration + (stream.start_time or 0)) * stream.time_base)
                cut_off |= end_s < promised_s - max(0.25, 0.02 * promised_s)
        if self.corrupt:
            _log.warning("%s: %d damaged packets were skipped.", self.label, self.corrupt)
        if count == 0:
            raise SourceError(f"{self.path} holds no frame that can be decoded.")
        if cut_off:
            raise SourceError(
                f"{self.path} is damaged or cut off after {t:.1f} s ({count} frames were read)."
            )

    def _stream(self, container: Any) -> Any:
        name = container.format.name
        if name in SEGMENTED:
            raise SourceError(f"{self.path} is a playlist, not a recording: convert it to MP4.")
        if name == "ico" or name.endswith(("_pipe", "image2")):
            raise SourceError(
                f"{self.path} is an image in a format that sonar does not read: "
                "convert it to PNG or JPEG."
            )
        stream = video_of(container, str(self.path))
        stream.thread_type = "AUTO"
        self.rate_hz = stream_rate_hz(stream)
        if self.rate_hz is None and is_raw(container):
            self.rate_hz = self._raw_rate_hz
            _log.warning(
                "%s states no frame rate: %g Hz is assumed (capture.raw_rate_hz).",
                *(self.label, self.rate_hz),
            )
        # By the index, or by the duration, which an edit list shortens. A file that is too small
        # for the latter has a step of the clock in it.
        seconds = float((stream.duration or 0) * (stream.time_base or 0))
        shown = round((seconds or (container.duration or 0) / 1e6) * (self.rate_hz or 0.0))
        known = [n for n in (stream.frames, shown) if n > 0]
        fits = stream.frames or shown * _LEAST_FRAME_BYTES <= container.size
        self.frame_count = min(known) if known and fits else None
        return stream


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return file.read()


class MediaTime:
    """Presentation times as seconds from the first frame, strictly increasing.

    A step back of more than a second, or ahead of more than ``longest_gap_s``, is a step of the
    sender's clock: the gap is closed, with a warning.

    Args:
        period_s: step where a frame carries no time.
        label: of the recording, for people.
    """

    def __init__(self, period_s: float, label: str = "") -> None:
        self.longest_gap_s = max(_LONGEST_GAP_S, _LONGEST_GAP_PERIODS * period_s)
        self._period_s, self._label = period_s, label
        self._origin_s: float | None = None
        self._last_s = -period_s

    def next(self, pts_s: float | None) -> float:
        """Media time of the next frame, whose presentation time is ``pts_s`` seconds or None."""
        t = expected_s = max(self._last_s + self._period_s, 0.0)
        if pts_s is not None:
            if self._origin_s is None:
                self._origin_s = pts_s - expected_s
            t = pts_s - self._origin_s
            if not -_BACKWARD_JUMP_S <= t - max(self._last_s, 0.0) <= self.longest_gap_s:
                _log.warning("%s: its clock jumps after %.1f s: the gap is closed.", self._label, t)
                self._origin_s, t = pts_s - expected_s, expected_s
        self._last_s = max(t, self._last_s + _SMALLEST_STEP_S)
        return self._last_s
