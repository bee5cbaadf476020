"""The nearest coherent obstacle of a zone in one frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonar.types import Height
from sonar.zones.regions import Mask, Space

FLOOR_TOP_M = 0.4  # lower things are stepped over or tripped on
HEAD_BOTTOM_M = 1.2  # higher things are missed by a cane
NEAREST_M, FARTHEST_M = 0.15, 12.0
RANGE_BINS = 64
_LOG_NEAREST = float(np.log(NEAREST_M))
_BINS_PER_LOG = RANGE_BINS / (float(np.log(FARTHEST_M)) - _LOG_NEAREST)
WINDOW_BINS = 4  # cells within about 30 % of distance count as one thing


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What stands nearest in a zone.

    Attributes:
        distance_m: in walking direction, to its near face.
        w: its mean inverse depth in 1/m (for uncertainty).
        d: its mean level in the map's units.
        height: floor, body or head.
        cells: how many cells carry it.
    """

    distance_m: float
    w: float
    d: float
    height: Height
    cells: int


def obstacle_mask(
    space: Space,
    inside: Mask,
    walkable: NDArray[np.float32] | None,
    noise_w: float,
    height_m: float,
) -> Mask:
    """Cells that stand above the ground by more than its noise.

    Args:
        noise_w: standard deviation of ``w`` around the ground, 1/m.
        height_m: of the camera.
    """
    # Noise in w is noise in height: dh = (h - height) / w * dw.
    floor_m = 0.10 + 2.5 * noise_w * np.maximum(height_m - space.height_m, 0.3) / space.w
    if walkable is not None:
        floor_m += 0.5 * np.clip((walkable - 0.3) * 2.0, 0.0, 1.0)
    stands: Mask = inside & (space.height_m > floor_m)
    return stands


def nearest(space: Space, d: NDArray[np.float32], mask: Mask, min_cells: int) -> Obstacle | None:
    """The nearest group of at least ``min_cells`` cells at about one distance, or None."""
    index = np.flatnonzero(mask)
    if index.size < min_cells:
        return None
    ahead = space.ahead_m.ravel()[index]
    position = (
        np.log(np.clip(ahead, NEAREST_M, FARTHEST_M * 0.999)) - _LOG_NEAREST
    ) * _BINS_PER_LOG
    bins = position.astype(np.intp)
    count = np.bincount(bins, minlength=RANGE_BINS)
    window = np.convolve(count, np.ones(WINDOW_BINS, int))[WINDOW_BINS - 1 :]
    # window[k] counts bins k .. k+WINDOW-1; the last bin is "beyond" and is no obstacle
    hits = np.flatnonzero(window[: RANGE_BINS - WINDOW_BINS] >= min_cells)
    if not hits.size:
        return None
    first = int(hits[0])
    while count[first] == 0:
        first += 1
    member = (bins >= first) & (bins < first + WINDOW_BINS)
    near = ahead[member]
    distance = float(np.quantile(near, 0.2))
    chosen = index[member]
    heights = space.height_m.ravel()[chosen]
    low, high = np.quantile(heights, (0.05, 0.95))
    rows = chosen // mask.shape[1]
    cut = bool((rows == mask.shape[0] - 1).mean() > 0.02)
    if low > HEAD_BOTTOM_M and not cut:
        height = Height.HEAD
    elif high < FLOOR_TOP_M:
        height = Height.FLOOR
    else:
        height = Height.BODY
    return Obstacle(
        max(distance, NEAREST_M),
        float(space.w.ravel()[chosen].mean()),
        float(d.ravel()[chosen].mean()),
        height,
        int(member.sum()),
    )
