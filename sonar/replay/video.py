"""Writing a video with its sound so that it stays playable whatever happens.

The file grows as fragmented MP4: after a crash or a full disk, what was written plays. A run
that ends well is repacked once (no re-encoding) with its index in front, which every phone and
browser can seek in.
"""

from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sonar.errors import OutputError
from sonar.files import media_path

TICKS_HZ = 90_000  # the usual video clock: fine enough for variable frame rates


def even_size(height: int, width: int, max_side_px: int) -> tuple[int, int]:
    """(height, width) that H.264 takes: even, at least 64, longer side at most ``max_side_px``.

    The aspect is kept except where a side would fall below 64 pixels.
    """
    scale = min(1.0, max_side_px / max(height, width))
    return (
        max(64, 2 * round(height * scale / 2)),
        max(64, 2 * round(width * scale / 2)),
    )


def fitted_size(height: int, width: int, high: int, wide: int) -> tuple[int, int]:
    """(height, width) of an image of (height, width) made to fit into (high, wide), not stretched.

    A difference of a pixel or two, which comes from rounding to even numbers, is filled.
    """
    scale = min(high / height, wide / width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    return (high if high - rows <= 2 else rows, wide if wide - columns <= 2 else columns)


class VideoWriter:
    """H.264 + AAC in MP4; pictures and sound may come in any interleaving.

    Raises OutputError when the file cannot be written.
    """

    def __init__(
        self, path: Path, height: int, width: int, rate_hz: float, audio_rate_hz: int, quality: int
    ) -> None:
        import av

        self.path = path
        self._audio_rate_hz = audio_rate_hz
        self._planes = np.empty((height * 3 // 2, width), np.uint8)
        self._last_ticks = -1
        self._samples = 0
        self._failed = False
        try:
            self._container: Any = av.open(
                media_path(path),
                "w",
                format="mp4",
                options={
                    "movflags": "frag_keyframe+delay_moov+default_base_moof",
                    "flush_packets": "1",  # a killed process has written what it drew
                },
            )
        except (OSError, av.FFmpegError) as error:
            raise OutputError(f"cannot write {path}: {error}") from error
        self._video = self._container.add_stream(
            "libx264", rate=Fraction(max(1.0, rate_hz)).limit_denominator(1001)
        )
        self._video.width, self._video.height = width, height
        self._video.pix_fmt = "yuv420p"
        self._video.time_base = Fraction(1, TICKS_HZ)
        self._video.codec_context.time_base = Fraction(1, TICKS_HZ)
        # A key frame a second: seeking works, and at most a second is lost in a crash.
        self._video.codec_context.gop_size = max(1, round(rate_hz))
        # No lookahead: what was drawn is in the file within a second. ultrafast takes half the
        # time of superfast and a third more space; a second thread of x264 costs a tenth more, and
        # for crf in place of qp it would guess every picture's cost first: a fifth more.
        self._video.codec_context.thread_count = 1
        self._video.codec_context.options = {
            "preset": "ultrafast",
            "qp": str(quality),
            "tune": "zerolatency",
        }
        self._audio = self._container.add_stream("aac", rate=audio_rate_hz, layout="stereo")
        self._audio.bit_rate = 128_000
        # Less than half the time of the default search, and nearer to the sound as it was.
        self._audio.codec_context.options = {"aac_coder": "fast"}

    def picture(self, image: NDArray[np.uint8], t: float) -> None:
        """One picture, uint8 (H, W, 3) RGB of the writer's size, shown from ``t`` seconds on."""
        import av

        # OpenCV's conversion (BT.601, as ffmpeg's) takes a quarter of the time of ffmpeg's.
        cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420, dst=self._planes)
        frame = av.VideoFrame.from_ndarray(self._planes, format="yuv420p")
        ticks = max(self._last_ticks + 1, round(t * TICKS_HZ))
        frame.pts, frame.time_base = ticks, Fraction(1, TICKS_HZ)
        self._last_ticks = ticks
        self._mux(self._video, frame)

    def sound(self, samples: NDArray[np.float32]) -> None:
        """The next samples, float32 (n, 2) in [-1, 1]."""
        import av

        if not len(samples):
            return
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.T, dtype=np.float32), format="fltp", layout="stereo"
        )
        frame.sample_rate = self._audio_rate_hz
        frame.pts, frame.time_base = self._samples, Fraction(1, self._audio_rate_hz)
        self._samples += len(samples)
        self._mux(self._audio, frame)

    def close(self) -> None:
        """Finish the file and repack it; after an earlier failure, only release it."""
        import av

        if self._container is None:
            return
        try:
            if not self._failed:
                self._mux(self._video, None)
                self._mux(self._audio, None)
        finally:
            container, self._container = self._container, None
            try:
                container.close()
            except (OSError, av.FFmpegError) as error:
                if not self._failed:
                    raise OutputError(f"cannot finish {self.path}: {error}") from error
        if not self._failed:
            _repack(self.path)

    def _mux(self, stream: Any, frame: Any) -> None:
        import av

        try:
            for packet in stream.encode(frame):
                self._container.mux(packet)
        except (OSError, av.FFmpegError) as error:
            self._failed = True
            raise OutputError(f"cannot write {self.path}: {error}") from error


def _repack(path: Path) -> None:
    """Copy the streams into an MP4 with its index in front; keep the old file if that fails."""
    import av

    beside = path.with_name(f".{path.name}.part")
    try:
        with (
            av.open(media_path(path)) as source,
            av.open(
                media_path(beside), "w", format="mp4", options={"movflags": "faststart"}
            ) as target,
        ):
            streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
            for packet in source.demux():
                if packet.dts is not None:
                    packet.stream = streams[packet.stream.index]
                    target.mux(packet)
        beside.replace(path)
    except (OSError, av.FFmpegError):
        beside.unlink(missing_ok=True)  # the fragmented file plays as well
