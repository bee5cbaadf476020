"""The nearest coherent obstacle of a zone in one frame, and ground that ends.

Ground that ends: persistent evidence below the ground plane on the way ahead.

Looks along the strip that the feet will take, from near to far, in slices of distance on the
ground plane. A slice whose cells lie below the plane by more than its noise, with ground before
it and more of the same behind it, is a possible drop.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonar.types import Height
from sonar.zones.geometry import Mask, MetricCells, View

FLOOR_TOP_M = 0.4  # lower obstacles are stepped over or tripped on
HEAD_BOTTOM_M = 1.2  # higher obstacles are missed by a cane
NEAREST_M, FARTHEST_M = 0.15, 12.0
RANGE_BINS = 64
_LOG_NEAREST = float(np.log(NEAREST_M))
_BINS_PER_LOG = RANGE_BINS / (float(np.log(FARTHEST_M)) - _LOG_NEAREST)
NEAR_SHARE = 0.2  # an obstacle's distance is this quantile of its cells: its near face
BODY_HALF_M = 0.35  # what is farther to the side is walked past
TOGETHER_BINS = 10  # cells within a factor of two
TOP_LEFT = 0.8  # of the frame's rows lie above what is left of an obstacle
LEVEL = 0.5  # a surface varies less than this in height, per meter of distance
WINDOW_BINS = 4  # cells within about 30 % of distance count as one obstacle


@dataclass(frozen=True, slots=True)
class Obstacle:
    """The nearest obstacle of a zone.

    Attributes:
        distance_m: in walking direction, to its near face.
        w: its mean inverse depth in 1/m (for uncertainty).
        d: its mean level in the map's units.
        height: floor, body or head.
        cells: the weight of the cells that carry it.
        goes_below: reaches the frame's lower edge before one's feet and is seen from above, or only
            its top is left there: it goes on below, nearer.
    """

    distance_m: float
    w: float
    d: float
    height: Height
    cells: float
    goes_below: bool = False


def rise(
    space: MetricCells,
    inside: Mask,
    walkable: NDArray[np.float32] | None,
    noise_w: float,
    camera_height_m: float,
) -> NDArray[np.float32]:
    """Weight 0 or 1 per cell: above the ground by more than the ground's noise.

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


def obstacle_weight(floor: NDArray[np.float32], inside: Mask, least: float) -> NDArray[np.float32]:
    """Weight per cell, 0 to 1, from the probability that it is floor.

    Args:
        least: cells less likely to be an obstacle than this count nothing.
    """
    weight: NDArray[np.float32] = (np.float32(1.0 - least) - floor) * np.float32(
        1.0 / (1.0 - least)
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
        shapes: whether the depth separates a level surface from an upright one; a small network's,
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
    """Whether an obstacle cut by the lower edge goes on below it, before one's feet.

    Args:
        cells: place, weight and range bin of the zone's obstacle cells.
        member: which of them are this obstacle's.
    """
    index, carried, bins = cells
    chosen, share = index[member], carried[member]
    if _quantile(np.abs(space.side_m.ravel()[chosen]), share, 0.1) > BODY_HALF_M:
        return False
    if shapes:
        ahead, height = space.ahead_m.ravel()[chosen], space.height_m.ravel()[chosen]
        if _spread(height, share) < LEVEL * _spread(ahead, share):
            return True
    # Only its top is left in the frame: nothing at about its distance is higher.
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


STRIP_HALF_M = 0.45
NEAR_M, FAR_M = 0.5, 6.0
SLICES = 24
MIN_CELLS = 4
FLAT_M, RAISED_M = 0.06, 0.12  # a slice's mean height that is still ground, or is no more
MIN_FLAT = 3
MEAN_SHARE = 0.5
WEAK_DEPTH_M, STRONG_DEPTH_M = 0.035, 0.10  # besides noise: counts at all, counts fully
CONFIRM = 2.5  # frames' worth of plain evidence
HOLD_S = 0.6
FADE_S = 0.25
SAME_LOG = 0.25


@dataclass(frozen=True, slots=True)
class DropTrack:
    """Evidence over time: ``score`` in frames, smoothed edge distance, last sighting,
    and when the way ahead was last judged at all."""

    score: float = 0.0
    distance_m: float | None = None
    last_t: float = 0.0
    on: bool = False
    seen_t: float | None = None
    t: float = 0.0

    @property
    def reading(self) -> bool | None:
        """True, False, or None where the way ahead could not be judged of late."""
        if self.on:
            return True
        return False if self.seen_t is not None and self.t - self.seen_t <= HOLD_S else None


@dataclass(frozen=True, slots=True)
class Edge:
    """Where the ground may end in one frame, and how plainly (0 to 1)."""

    distance_m: float
    strength: float


def find_edge(
    space: MetricCells, view: View, camera_height_m: float, noise_w: float
) -> tuple[Edge | None, bool]:
    """(an edge or None, whether the strip was seen at all)."""
    q = np.maximum(view.q, 1e-3)
    reach = camera_height_m / q
    ahead = view.ahead * reach
    strip = (np.abs(view.side * reach) < STRIP_HALF_M) & (view.q > 0.05) & space.valid
    strip &= (ahead > NEAR_M) & (ahead < FAR_M)
    index = np.flatnonzero(strip)
    if index.size < 8 * MIN_CELLS:
        return None, False
    where = np.log(ahead.ravel()[index] / NEAR_M) * (SLICES / np.log(FAR_M / NEAR_M))
    bins = where.astype(np.intp)
    height = space.height_m.ravel()[index]
    w = space.w.ravel()[index]
    count = np.bincount(bins, minlength=SLICES)[:SLICES]
    seen = count >= MIN_CELLS
    safe = np.maximum(count, 1)
    # The mean of a clipped height: one wild cell at the horizon must not make a cliff.
    mean = np.bincount(bins, np.clip(height, -0.6, 0.6), SLICES)[:SLICES] / safe
    slope = np.bincount(bins, (camera_height_m - height) / w, SLICES)[:SLICES] / safe
    # A slice averages dozens of cells, whose errors are correlated only in part.
    error = MEAN_SHARE * noise_w * np.abs(slope)
    return _scan(mean, error, seen)


def _scan(
    mean: NDArray[np.float64], error: NDArray[np.float64], seen: NDArray[np.bool_]
) -> tuple[Edge | None, bool]:
    """First slice that lies below the ground just before it, with two more like it behind."""
    flat = (seen & (np.abs(mean) < FLAT_M + error)).tolist()
    if sum(flat) < MIN_FLAT:
        return None, False
    # Two dozen numbers: plain Python is faster than an array operation for each slice.
    height, noise, there = mean.tolist(), error.tolist(), seen.tolist()
    for k in range(1, SLICES - 2):
        if there[k] and height[k] > RAISED_M + 2.0 * noise[k]:
            return None, True  # an obstacle: what is behind it is not looked for
        before = [height[i] for i in range(max(0, k - 3), k) if flat[i]]
        behind = range(k, k + 3)
        if len(before) < 2 or not all(there[i] for i in behind):
            continue
        # Against the ground just before it: a bent or tilted plane makes no cliff.
        level = min(sum(before) / len(before), 0.0)
        deep = [level - height[i] for i in behind]
        margin = (sum(deep) - 1.5 * sum(noise[i] for i in behind)) / 3.0
        plain = all(d > 0.4 * WEAK_DEPTH_M + noise[i] for d, i in zip(deep, behind, strict=True))
        if plain and margin > WEAK_DEPTH_M:
            strength = min(max(margin / STRONG_DEPTH_M, 0.0), 1.0)
            return Edge(float(NEAR_M * (FAR_M / NEAR_M) ** (k / SLICES)), strength), True
    return None, True


def follow_drop(
    track: DropTrack, edge: Edge | None, t: float, dt_s: float, looked: bool
) -> DropTrack:
    """One frame of evidence; ``looked``: the strip ahead could be judged."""
    seen_t = t if looked else track.seen_t
    if edge is None:
        score = track.score * float(np.exp(-max(dt_s, 1e-3) / FADE_S))
        on = track.on and t - track.last_t <= HOLD_S
        return DropTrack(
            score, track.distance_m if score > 0.2 else None, track.last_t, on, seen_t, t
        )
    near = track.distance_m
    same = near is None or abs(np.log(edge.distance_m / near)) < SAME_LOG
    score = min(track.score + edge.strength, CONFIRM + 1.0) if same else edge.strength
    distance = (
        edge.distance_m if near is None or not same else near + 0.4 * (edge.distance_m - near)
    )
    on = score >= CONFIRM or (track.on and (same or t - track.last_t <= HOLD_S))
    return DropTrack(score, distance, t, on, seen_t, t)
