"""The depth strip: small heat maps along the recording, kept while it runs."""

import cv2
import numpy as np
from numpy.typing import NDArray

from sonar.records import Step, Update
from sonar.replay.annotate import heat_map, nearness
from sonar.types import DepthMap

CELLS = 20
_CELL_HW = (60, 80)


class DepthStrip:
    """Consumes the steps of a run and keeps evenly spread depth maps, however long it is.

    When twice too many are kept, every second one is let go and only half as many are taken
    from then on: memory stays small without the length being known.
    """

    def __init__(self) -> None:
        self._kept: list[tuple[float, NDArray[np.float32]]] = []
        self._stride = 1
        self._seen = 0
        self._origin_t: float | None = None

    def consume(self, update: Update) -> None:
        """Keep the depth map of a frame whose turn it is."""
        if not isinstance(update, Step):
            return
        frame, depth = update.frame, update.depth
        if self._origin_t is None:
            self._origin_t = frame.t
        due = self._seen % self._stride == 0
        self._seen += 1
        if not due or depth is None:
            return
        self._kept.append((frame.t - self._origin_t, _small(depth)))
        if len(self._kept) >= 4 * CELLS:
            del self._kept[1::2]
            self._stride *= 2

    def jpeg(self, duration_s: float) -> bytes | None:
        """:data:`CELLS` heat maps side by side, each from the middle of its share of
        ``duration_s``, in one scale: bright = near. None without depth; a cell whose time has no
        depth map near it is black."""
        if not self._kept:
            return None
        values = np.concatenate([small.ravel() for _, small in self._kept])
        low, high = (float(v) for v in np.percentile(values, (1, 99)))
        cells = []
        share_s = duration_s / CELLS
        for index in range(CELLS):
            middle = (index + 0.5) * share_s
            t, small = min(self._kept, key=lambda kept: abs(kept[0] - middle))
            cell = np.zeros((*_CELL_HW, 3), np.uint8)
            if abs(t - middle) <= max(share_s, 0.5):
                height, width = small.shape
                top, left = (_CELL_HW[0] - height) // 2, (_CELL_HW[1] - width) // 2
                cell[top : top + height, left : left + width] = heat_map(small, low, high)
            cells.append(cell)
        strip = cv2.cvtColor(np.hstack(cells), cv2.COLOR_RGB2BGR)
        return bytes(cv2.imencode(".jpg", strip, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes())


def _small(depth: DepthMap) -> NDArray[np.float32]:
    """Nearness that fits into a cell, its aspect kept."""
    values = nearness(depth)
    height, width = values.shape
    scale = min(_CELL_HW[0] / height, _CELL_HW[1] / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
