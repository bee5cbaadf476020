"""The annotated video with its sound, which stays playable whatever happens.

The file grows as fragmented MP4: after a crash or a full disk, what was written plays. A run
that ends well is repacked once (no re-encoding) with its index in front, which every phone and
browser can seek in.
"""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonar.capture.encode import VideoWriter
from sonar.config import SonarConfig
from sonar.files import media_path
from sonar.replay.annotate import Annotator
from sonar.types import Cue, DepthMap, RgbImage, Scene
from sonar.zones import zone_borders

NAME = "annotated.mp4"
QP = 23  # x264 quality, lower is better
OVERLAY = 0.35  # how strongly depth is laid over the frame


class AnnotatedVideo:
    """Draws frames and writes them with the sound, H.264 and AAC; raises OutputError.

    The first frame decides the size. Without one there is no file. ``rate_hz`` is nominal.
    """

    def __init__(self, path: Path, config: SonarConfig, rate_hz: float) -> None:
        self._path, self._config, self._rate_hz = path, config, rate_hz
        most_px, borders = config.replay.max_width_px, partial(zone_borders, config)
        self._annotator = Annotator(most_px, borders, OVERLAY)
        self._file: VideoWriter | None = None
        self._sound_before: list[NDArray[np.float32]] = []

    def frame(
        self, image: RgbImage, depth: DepthMap | None, scene: Scene, cue: Cue | None, t: float
    ) -> None:
        """The next frame, shown from ``t`` seconds after the first one on."""
        if self._file is not None and self._file.failed:  # a failure is raised once
            return
        drawn = self._annotator.draw(image, depth, scene, cue)
        if self._file is None:
            self._file = VideoWriter(
                self._path,
                drawn.shape[0],
                drawn.shape[1],
                self._rate_hz,
                format="mp4",
                options={"movflags": "frag_keyframe+delay_moov+default_base_moof"},
                # For crf in place of qp, x264 guesses the cost of every frame: a fifth more time.
                x264={"qp": str(QP)},
                audio_rate_hz=self._config.audio.rate_hz,
            )
            for samples in self._sound_before:
                self._file.sound(samples)
            self._sound_before.clear()
        self._file.frame(drawn, t)

    def sound(self, samples: NDArray[np.float32]) -> None:
        """The next samples, float32 (n, 2)."""
        if self._file is None:
            self._sound_before.append(samples.copy())
        elif not self._file.failed:
            self._file.sound(samples)

    def caption(self, text: str, t: float) -> None:
        """Words that are spoken at ``t`` seconds on the scenes' clock."""
        self._annotator.caption(text, t)

    def close(self) -> None:
        """Finish the file and repack it; after an earlier failure, only release it."""
        file, self._file = self._file, None
        if file is not None:
            file.close()
            if not file.failed:
                _repack(self._path)


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
