"""H.264 into a file that plays whatever happens, with sound where there is some."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from sonar.errors import OutputError
from sonar.files import media_path
from sonar.types import RgbImage

TICKS_HZ = 90_000  # the usual video clock: fine enough for variable frame rates


class VideoWriter:
    """H.264, and AAC with ``audio_rate_hz``; frames and sound may come in any interleaving.

    What was given is in the file within a second: a key frame per second, no lookahead, packets
    flushed. The preset ultrafast takes half the time of superfast and a third more space; a second
    thread of x264 costs a tenth more.

    Args:
        height, width: of the frames, even numbers of pixels.
        rate_hz: nominal frame rate.
        format: of the container, with its ``options``; it must be readable when it is cut off.
        x264: the quality, such as ``{"qp": "24"}``.

    Raises OutputError when the file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        height: int,
        width: int,
        rate_hz: float,
        *,
        format: str,
        options: Mapping[str, str],
        x264: Mapping[str, str],
        audio_rate_hz: int | None = None,
    ) -> None:
        self.path = path
        self.failed = False
        self._planes = np.empty((height * 3 // 2, width), np.uint8)
        self._last_ticks = -1
        self._samples = 0
        options = {"flush_packets": "1", **options}
        with self._writing():
            self._container: Any = av.open(media_path(path), "w", format=format, options=options)
        rate = Fraction(max(1.0, rate_hz)).limit_denominator(1001)
        self._video = self._container.add_stream("libx264", rate=rate)
        self._video.width, self._video.height = width, height
        self._video.pix_fmt = "yuv420p"
        codec = self._video.codec_context
        self._video.time_base = codec.time_base = Fraction(1, TICKS_HZ)
        codec.gop_size = max(1, round(rate_hz))
        codec.thread_count = 1
        codec.options = {"preset": "ultrafast", "tune": "zerolatency", **x264}
        self._audio: Any = None
        if audio_rate_hz is not None:
            self._audio = self._container.add_stream("aac", rate=audio_rate_hz, layout="stereo")
            self._audio.bit_rate = 128_000
            # Less than half the time of the default search, and nearer to the sound as it was.
            self._audio.codec_context.options = {"aac_coder": "fast"}

    def frame(self, image: RgbImage, t: float) -> None:
        """One image, uint8 (H, W, 3) RGB of the writer's size, shown from ``t`` seconds on."""
        # OpenCV's conversion (BT.601, as ffmpeg's) takes a quarter of the time of ffmpeg's.
        cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420, dst=self._planes)
        frame = av.VideoFrame.from_ndarray(self._planes, format="yuv420p")
        ticks = max(self._last_ticks + 1, round(t * TICKS_HZ))
        frame.pts, frame.time_base = ticks, Fraction(1, TICKS_HZ)
        self._last_ticks = ticks
        with self._writing():
            self._container.mux(self._video.encode(frame))

    def sound(self, samples: NDArray[np.float32]) -> None:
        """The next samples, float32 (n, 2) in [-1, 1]."""
        if not len(samples):
            return
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.T, dtype=np.float32), format="fltp", layout="stereo"
        )
        frame.sample_rate = self._audio.rate
        frame.pts, frame.time_base = self._samples, Fraction(1, self._audio.rate)
        self._samples += len(samples)
        with self._writing():
            self._container.mux(self._audio.encode(frame))

    def close(self) -> None:
        """Finish the file; after an earlier failure, only release it. Safe to call twice."""
        container, self._container = self._container, None
        if container is None:
            return
        if self.failed:  # the first error said it
            with suppress(OSError, av.FFmpegError):
                container.close()
            return
        with self._writing(), container:
            for stream in filter(None, (self._video, self._audio)):
                container.mux(stream.encode(None))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, av.FFmpegError) as error:
            self.failed = True
            raise OutputError(f"cannot write {self.path}: {error}") from error
