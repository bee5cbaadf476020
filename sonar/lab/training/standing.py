"""What stands out of its surroundings: the things that a walker would run into.

They are a small part of a picture, and a network that leaves them all out loses little of its mean
score. Knowing where they are lets the losses ask for them apart.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from sonar.lab.training.data import GROUND, HIGHEST_LEVEL
from sonar.types import FloatImage

_WIDTH = 0.45  # of the picture: what is wider is a wall
_NEARER = 1.15, 0.02  # than what is left and right of it: by this factor, and this level
_FAR_LEVEL = 0.4  # beyond about 4.5 m, nobody runs into it yet
_UNKNOWN = 1e3  # in place of NaN; OpenCV's minimum passes over it


def stands_out(level: FloatImage, ground: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels nearer than what lies on both sides of them in their row, ground left out.

    A grey opening along the rows (the maximum of minima) removes what is narrower than
    ``_WIDTH``; what it changed stands out.

    Args:
        level: float32 (H, W), NaN where unknown.
        ground: uint8 (H, W), as :class:`sonar.lab.training.data.Sample`.
    """
    known = np.isfinite(level)
    filled = np.where(known, level, np.float32(_UNKNOWN))
    line = np.ones((1, int(level.shape[1] * _WIDTH) | 1), np.uint8)
    least = cv2.erode(filled, line)
    around = cv2.dilate(np.where(least < _UNKNOWN, least, np.float32(0.0)), line)
    factor, more = _NEARER
    near = (level > _FAR_LEVEL) & (level < HIGHEST_LEVEL)
    out: NDArray[np.bool_] = known & near & (level > factor * around + more) & (ground != GROUND)
    return out
