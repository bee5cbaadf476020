"""Recorded videos: any container and codec that ffmpeg reads, through PyAV."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sonar.errors import SourceError
from sonar.files import media_path
from sonar.types import Frame

_log = logging.getLogger(__name__)

_AVFMT_TS_DISCONT = 0x0200  # libavformat: "format allows timestamp discontinuities"
_FALLBACK_RATE_HZ = 25.0


class VideoFileSource:
    """Every frame of a video file, upright RGB, with media time from its first frame.

    Variable frame rates keep their times; ``Frame.t`` is strictly increasing. Damaged packets
    and pictures are skipped and counted in ``corrupt``. A file that breaks off raises
    SourceError after its last good frame. Decoding uses ffmpeg's threads, which run ahead of the
    reader by themselves; a queue of our own was measured to gain nothing.

    Args:
        path: the file.

    Attributes:
        corrupt: packets and pictures that could not be decoded.
    """

    live = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.label = path.name
        self.corrupt = 0
        self._container: Any = None
        self._frames: Iterator[Frame] | None = None
        self._rate_hz: float | None = None
        self._frame_count: int | None = None

    @property
    def frame_count(self) -> int | None:
        """From the container, or duration times rate; None before ``open`` or where unknown."""
        return self._frame_count

    @property
    def rate_hz(self) -> float | None:
        """The mean rate that the container states; None before ``open`` or where unknown."""
        return self._rate_hz

    @property
    def dropped(self) -> int:
        """Always 0: a file waits for its reader."""
        return 0

    def open(self) -> None:
        """Raises SourceError where there is no video to read."""
        self.close()
        self._check_file()
        import av

        from sonar.capture._media import open_container, stream_rate_hz, video_stream

        try:
            container = open_container(media_path(self.path))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise SourceError(
                f"{self.path} is damaged or is not a video that ffmpeg can read."
            ) from error
        try:
            stream = video_stream(container)
            if stream is None or stream.codec_context is None:
                raise SourceError(f"{self.path} has no video in it.")
            stream.thread_type = "AUTO"
            self._rate_hz = stream_rate_hz(stream)
            self._frame_count = _expected_frames(container, stream, self._rate_hz)
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

    def _check_file(self) -> None:
        try:
            if not self.path.exists():
                raise SourceError(f"{self.path} does not exist.")
            if not self.path.is_file():
                raise SourceError(f"{self.path} is not a file.")
            if self.path.stat().st_size == 0:
                raise SourceError(f"{self.path} is empty (0 bytes).")
            with self.path.open("rb"):
                pass
        except OSError as error:
            raise SourceError(f"{self.path} cannot be read: {error.strerror}.") from error

    def _decode(self, container: Any, stream: Any) -> Iterator[Frame]:
        from sonar.capture._media import MediaTime, Pixels

        pixels = Pixels()
        times = MediaTime(
            1.0 / (self._rate_hz or _FALLBACK_RATE_HZ),
            may_jump=bool(int(container.format.flags) & _AVFMT_TS_DISCONT),
        )
        count, t = 0, 0.0
        packets = _Packets(container, stream)
        for picture in self._pictures(packets):
            t = times.next(None if picture.pts is None else float(picture.pts * picture.time_base))
            yield Frame(pixels.rgb(picture), count, t)
            count += 1
        if self.corrupt:
            _log.warning("%s: %d damaged packets were skipped.", self.label, self.corrupt)
        if count == 0:
            raise SourceError(f"{self.path} holds no picture that can be decoded.")
        if packets.error is not None or packets.broke_off():
            raise SourceError(
                f"{self.path} is damaged or cut off after {t:.1f} s ({count} frames were read)."
            ) from packets.error

    def _pictures(self, packets: "_Packets") -> Iterator[Any]:
        """Decoded pictures in order; what cannot be decoded is counted, not shown."""
        import av

        for packet in packets:
            try:
                pictures = packet.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self.corrupt += 1
                continue
            for picture in pictures:
                if picture.is_corrupt:  # ffmpeg patched it up from other pictures
                    self.corrupt += 1
                else:
                    yield picture


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
    if stream.frames:
        return int(stream.frames)
    if not rate_hz:
        return None
    if stream.duration:
        return max(1, round(float(stream.duration * stream.time_base) * rate_hz))
    if container.duration and container.duration > 0:
        return max(1, round(float(container.duration) / 1e6 * rate_hz))
    return None
