"""What stands in each vertical strip of the picture: for exploring by ear."""

import numpy as np
from numpy.typing import NDArray

from sonar.config import ZonesConfig
from sonar.types import Column
from sonar.zones.evidence import DOUBT, Cells, Evidence
from sonar.zones.geometry import Pose
from sonar.zones.obstacles import rise, stands

COLUMNS = 24
_NEAR_SHARE = 0.1  # of a strip's standing cells: the distance of its near face
_LEAST_SHARE = 0.05  # of a strip's height that something must cover


def profile(
    evidence: Evidence, cells: Cells, pose: Pose, zones: ZonesConfig, columns: int = COLUMNS
) -> tuple[Column, ...]:
    """The nearest thing in each of ``columns`` strips, left to right.

    Unlike the zones it looks at the whole picture, not at the way ahead only; the ground, what
    is overhead, and what is beyond the far band count nothing.
    """
    space = evidence.space
    inside = space.valid & (space.height_m < zones.head_height_m)
    inside &= (space.ahead_m > 0.05) & (space.ahead_m < zones.bands.far_m)
    if evidence.floor is None:
        weight = rise(space, inside, cells.walkable, evidence.noise_w, pose.height_m)
    else:
        weight = stands(evidence.floor, inside, DOUBT)
    rows, cols = np.nonzero(weight)
    strips = min(columns, weight.shape[1])
    strip = _strips(weight.shape[1], strips)[cols]
    near_m, elevation = _near_faces(space.ahead_m[rows, cols], rows, strip, weight.shape, strips)
    proximity = np.clip(1.0 - near_m / zones.bands.far_m, 0.0, 1.0)
    each = np.arange(columns) * strips // columns  # a narrow grid has fewer strips
    return tuple(map(Column, proximity[each].tolist(), elevation[each].tolist()))


def _strips(width: int, columns: int) -> NDArray[np.intp]:
    """Which of ``columns`` strips each of ``width`` columns of cells belongs to."""
    edges = np.linspace(0, width, columns + 1).round()
    return np.searchsorted(edges[1:], np.arange(width), side="right")


def _near_faces(
    ahead_m: NDArray[np.float32],
    rows: NDArray[np.intp],
    strip: NDArray[np.intp],
    shape: tuple[int, ...],
    columns: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance (m) and elevation (0 to 1) of each strip's near face; infinity and 0 without one.

    Args:
        ahead_m, rows, strip: of the cells that stand.
        shape: rows and columns of the grid.
    """
    order = np.lexsort((ahead_m, strip))
    ahead_m, rows, strip = ahead_m[order], rows[order], strip[order]
    count = np.bincount(strip, minlength=columns)
    cells = shape[0] * np.bincount(_strips(shape[1], columns), minlength=columns)
    found = count >= np.maximum(2.0, _LEAST_SHARE * cells)
    near_m = np.full(columns, np.inf)
    place = (np.cumsum(count) - count + _NEAR_SHARE * (count - 1))[found]
    lower = place.astype(np.intp)
    part = place - lower
    near_m[found] = (1.0 - part) * ahead_m[lower] + part * ahead_m[lower + 1]
    face = found[strip] & (ahead_m <= 1.3 * near_m[strip])
    sums = np.bincount(strip[face], rows[face], columns)
    row = sums / np.maximum(np.bincount(strip[face], minlength=columns), 1)
    return near_m, np.where(found, 1.0 - row / max(1, shape[0] - 1), 0.0)
