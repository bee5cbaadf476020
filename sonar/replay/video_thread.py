"""The annotated video, drawn and encoded on a thread of its own.

Drawing and H.264 cost about as much as looking does; beside each other they take the time of
the slower one. The order of frames and sound is kept, so the file is the same as without it.
"""

import queue
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonar.config import SonarConfig
from sonar.errors import OutputError, SonarError
from sonar.replay.annotate import Annotator
from sonar.replay.video import AnnotatedVideo, even_size, fitted_size
from sonar.threads import GuardedThread
from sonar.types import Cue, DepthMap, RgbImage, Scene

CRF = 23  # x264 quality, lower is better
OVERLAY = 0.35  # how strongly depth is laid over the frame
_WAITING = 8  # frames and blocks of sound at most: bounded memory, also for 4K
_LIMIT_S = 60.0  # an encoder that takes longer for a few frames hangs


class VideoThread:
    """Takes frames and sound in any interleaving and writes them to ``path``.

    An error of the thread is raised, as OutputError, by the call that comes next; what was
    written before it plays.

    Args:
        rate_hz: nominal frame rate.
        edges: borders of the zones, see :class:`~sonar.replay.annotate.Annotator`.
    """

    def __init__(
        self,
        path: Path,
        config: SonarConfig,
        rate_hz: float,
        edges: Callable[[int, int], tuple[float, float]],
    ) -> None:
        self._path, self._config, self._rate_hz, self._edges = path, config, rate_hz, edges
        self._video: AnnotatedVideo | None = None
        self._annotator: Annotator | None = None
        self._caption: tuple[str, float] | None = None
        self._size = self._part = (0, 0)
        self._whole = np.zeros((0, 0, 3), np.uint8)
        self._sound_before: list[NDArray[np.float32]] = []
        self._error: BaseException | None = None
        self._todo: queue.Queue[Callable[[], None] | None] = queue.Queue(_WAITING)
        self._thread = GuardedThread("film", self._work, restarts=0)
        self._thread.start()

    def frame(
        self, image: RgbImage, depth: DepthMap | None, scene: Scene, cue: Cue | None, t: float
    ) -> None:
        """The next frame, shown from ``t`` seconds after the first one on."""
        self._put(partial(self._draw, image, depth, scene, cue, t))

    def sound(self, samples: NDArray[np.float32]) -> None:
        """The next samples, float32 (n, 2); copied."""
        self._put(partial(self._hear, samples.copy()))

    def caption(self, text: str, t: float) -> None:
        """Words that are spoken at ``t`` seconds on the scenes' clock."""
        self._put(partial(self._title, text, t))

    def close(self) -> None:
        """Finish the file, also after a failure. Raises OutputError where it cannot be."""
        if self._thread.is_alive():
            self._todo.put(None, timeout=_LIMIT_S)
            self._thread.join(_LIMIT_S)
        if self._thread.is_alive():
            raise OutputError(f"cannot finish {self._path}: the video encoder hangs")
        video, self._video = self._video, None
        if video is not None:
            video.close()
        self._check()

    def _put(self, task: Callable[[], None]) -> None:
        self._check()
        try:
            self._todo.put(task, timeout=_LIMIT_S)
        except queue.Full:
            raise OutputError(f"cannot write {self._path}: the video encoder hangs") from None

    def _check(self) -> None:
        error, self._error = self._error, None
        if isinstance(error, SonarError) or (error and not isinstance(error, Exception)):
            raise error
        if error is not None:
            raise OutputError(f"cannot write {self._path}: {error}") from error

    def _work(self) -> None:
        failed = False
        while (task := self._todo.get()) is not None:
            if failed:
                continue  # nobody may wait for a place in the queue
            try:
                task()
            except BaseException as error:  # handed to the caller by _check()
                self._error, failed = error, True

    def _draw(
        self, image: RgbImage, depth: DepthMap | None, scene: Scene, cue: Cue | None, t: float
    ) -> None:
        settings = self._config.replay
        if self._video is None:
            self._size = even_size(image.shape[0], image.shape[1], settings.max_width_px)
            self._whole = np.zeros((*self._size, 3), np.uint8)
            self._video = AnnotatedVideo(
                self._path, *self._size, self._rate_hz, self._config.audio.rate_hz, CRF
            )
            for samples in self._sound_before:
                self._video.sound(samples)
            self._sound_before.clear()
        part = fitted_size(image.shape[0], image.shape[1], *self._size)
        if self._annotator is None or part != self._part:  # the recording changed its resolution
            self._annotator = Annotator(*part, self._edges, OVERLAY)
            self._part = part
            self._whole[:] = 0
            if self._caption is not None:
                self._annotator.caption(*self._caption)
        drawn = self._annotator.draw(image, depth, scene, cue)
        if part != self._size:
            top, left = (self._size[0] - part[0]) // 2, (self._size[1] - part[1]) // 2
            self._whole[top : top + part[0], left : left + part[1]] = drawn
            drawn = self._whole
        self._video.frame(drawn, t)

    def _hear(self, samples: NDArray[np.float32]) -> None:
        if self._video is None:  # the first frame decides the size
            self._sound_before.append(samples)
        else:
            self._video.sound(samples)

    def _title(self, text: str, t: float) -> None:
        self._caption = text, t
        if self._annotator is not None:
            self._annotator.caption(text, t)
