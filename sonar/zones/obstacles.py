"""The nearest coherent obstacle of a zone in one frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonar.types import Height
from sonar.zones.regions import Mask, MetricCells

FLOOR_TOP_M = 0.4  # lower things are stepped over or tripped on
HEAD_BOTTOM_M = 1.2  # higher things are missed by a cane
NEAREST_M, FARTHEST_M = 0.15, 12.0
RANGE_BINS = 64
_LOG_NEAREST = float(np.log(NEAREST_M))
_BINS_PER_LOG = RANGE_BINS / (float(np.log(FARTHEST_M)) - _LOG_NEAREST)
NEAR_SHARE = 0.2  # an obstacle's distance is this quantile of its cells: its near face
BODY_HALF_M = 0.35  # what is farther to the side is walked past
TOGETHER_BINS = 10  # cells within a factor of two
TOP_LEFT = 0.8  # of the picture's rows lie above what is left of a thing
LEVEL = 0.5  # a surface varies less than this in height, per metre of distance
WINDOW_BINS = 4  # cells within about 30 % of distance count as one thing


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What stands nearest in a zone.

    Attributes:
        distance_m: in walking direction, to its near face.
        w: its mean inverse depth in 1/m (for uncertainty).
        d: its mean level in the map's units.
        height: floor, body or head.
        cells: the weight of the cells that carry it.
        under: reaches the picture's lower edge before one's feet and is seen from above, or only
            its top is left there: it goes on below, nearer.
    """

    distance_m: float
    w: float
    d: float
    height: Height
    cells: float
    under: bool = False


def rise(
    space: MetricCells,
    inside: Mask,
    walkable: NDArray[np.float32] | None,
    noise_w: float,
    camera_height_m: float,
) -> NDArray[np.float32]:
    """Weight 0 or 1 per cell: stands above the ground by more than the ground's noise.

    Args:
        noise_w: standard deviation of ``w`` around the ground, 1/m.
    """
    # Noise in w is noise in height: dh = (camera - height) / w * dw.
    floor_m: NDArray[np.float32] = (
        0.10 + 2.5 * noise_w * np.maximum(camera_height_m - space.height_m, 0.3) / space.w
    )
    if walkable is not None:
        floor_m += 0.5 * np.clip((walkable - 0.3) * 2.0, 0.0, 1.0)
    weight: NDArray[np.float32] = (inside & (space.height_m > floor_m)).astype(np.float32)
    return weight


def stands(floor: NDArray[np.float32], inside: Mask, doubt: float) -> NDArray[np.float32]:
    """Weight per cell, 0 to 1, from the probability that it is floor.

    Args:
        doubt: cells less likely to stand than this count nothing.
    """
    weight: NDArray[np.float32] = (np.float32(1.0 - doubt) - floor) * np.float32(
        1.0 / (1.0 - doubt)
    )
    weight = np.maximum(weight, 0.0)
    weight[~inside] = 0.0
    return weight


def range_bins(space: MetricCells) -> NDArray[np.intp]:
    """Bin of every cell by the log of its distance ahead, 0 to ``RANGE_BINS - 1``, flat."""
    ahead = np.maximum(space.ahead_m.ravel(), np.float32(NEAREST_M))
    np.minimum(ahead, np.float32(FARTHEST_M * 0.999), out=ahead)
    place = np.log(ahead, out=ahead)
    place -= np.float32(_LOG_NEAREST)
    place *= np.float32(_BINS_PER_LOG)
    return place.astype(np.intp)


def nearest(
    space: MetricCells,
    d: NDArray[np.float32],
    weight: NDArray[np.float32],
    range_bin: NDArray[np.intp],
    needed: float,
    shapes: bool = True,
) -> Obstacle | None:
    """The nearest group of cells at about one distance that together weigh ``needed``, or None.

    Args:
        weight: per cell, the zone's only.
        range_bin: :func:`range_bins`.
        shapes: whether the depth tells a level surface from an upright one; a small network's,
            which bends both, does not.
    """
    index = np.flatnonzero(weight)
    carried = weight.ravel()[index]
    if carried.sum() < needed:
        return None
    bins = range_bin[index]
    mass = np.bincount(bins, carried, RANGE_BINS)
    window = np.convolve(mass, np.ones(WINDOW_BINS))[WINDOW_BINS - 1 :]
    # The last bins hold what is farther than anything of interest.
    hits = np.flatnonzero(window[: RANGE_BINS - WINDOW_BINS] >= needed)
    if not hits.size:
        return None
    first = int(hits[0])
    while mass[first] <= 0:
        first += 1
    member = (bins >= first) & (bins < first + WINDOW_BINS)
    chosen, share = index[member], carried[member]
    distance = _quantile(space.ahead_m.ravel()[chosen], share, NEAR_SHARE)
    heights = space.height_m.ravel()[chosen]
    low, high = _quantile(heights, share, 0.05), _quantile(heights, share, 0.95)
    rows = chosen // weight.shape[1]
    last = weight.shape[0] - 1
    cut = float((share * (rows == last)).sum() / share.sum()) > 0.02
    if low > HEAD_BOTTOM_M and not cut:
        height = Height.HEAD
    elif high < FLOOR_TOP_M:
        height = Height.FLOOR
    else:
        height = Height.BODY
    total = float(share.sum())
    return Obstacle(
        max(distance, NEAREST_M),
        float(share @ space.w.ravel()[chosen]) / total,
        float(share @ d.ravel()[chosen]) / total,
        height,
        total,
        cut and _goes_under(space, weight.shape, (index, carried, bins), member, needed, shapes),
    )


def _goes_under(
    space: MetricCells,
    shape: tuple[int, ...],
    cells: tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.intp]],
    member: NDArray[np.bool_],
    needed: float,
    shapes: bool,
) -> bool:
    """Whether a thing cut by the lower edge goes on below it, before one's feet.

    Args:
        cells: place, weight and range bin of all that stands in the zone; ``member``: the thing's.
    """
    index, carried, bins = cells
    chosen, share = index[member], carried[member]
    if _quantile(np.abs(space.side_m.ravel()[chosen]), share, 0.1) > BODY_HALF_M:
        return False
    if shapes:
        ahead, height = space.ahead_m.ravel()[chosen], space.height_m.ravel()[chosen]
        if _spread(height, share) < LEVEL * _spread(ahead, share):
            return True
    # Only its top is left in the picture: nothing at about its distance stands higher.
    with_it = bins < bins[member].min() + TOGETHER_BINS
    higher = index < TOP_LEFT * shape[0] * shape[1]
    return float(carried[with_it & higher].sum()) < 0.5 * needed


def _spread(values: NDArray[np.float32], weights: NDArray[np.float32]) -> float:
    """Standard deviation."""
    total = float(weights.sum())
    mean = float(weights @ values) / total
    return float(np.sqrt(max(float(weights @ (values * values)) / total - mean * mean, 0.0)))


def _quantile(values: NDArray[np.float32], weights: NDArray[np.float32], p: float) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order[int(np.searchsorted(total, p * total[-1]))]])
