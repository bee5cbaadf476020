"""The nearest coherent obstacle of a zone in one frame, and ground that ends.

Ground that ends: persistent evidence below the ground plane on the way ahead. Looks along the strip
that the feet will take, from near to far, in slices of distance on the ground plane. A slice whose
cells lie below the plane by more than its noise, with ground before it and more of the same behind
it, is a possible drop.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonar.types import Height
from sonar.zones.geometry import Array, Mask, MetricCells, View

FLOOR_TOP_M = 0.4  # lower obstacles are stepped over or tripped on
HEAD_BOTTOM_M = 1.2  # higher obstacles are missed by a cane
MIN_PROBABILITY = 0.4  # cells less likely to be an obstacle than this count nothing
NEAREST_M, FARTHEST_M = 0.15, 12.0
RANGE_BINS = 64
_LOG_NEAREST = float(np.log(NEAREST_M))
_BINS_PER_LOG = RANGE_BINS / (float(np.log(FARTHEST_M)) - _LOG_NEAREST)
WINDOW_BINS = 4  # cells within about 30 % of distance count as one obstacle
NEAR_SHARE = 0.2  # an obstacle's distance is this quantile of its cells: its near face
CUT_SHARE = 0.02  # of its cells in the last row: cut by the lower edge of the frame
BODY_HALF_M = 0.35  # what is farther to the side is walked past
TOGETHER_BINS = 10  # cells within a factor of two
TOP_LEFT = 0.8  # of the frame's rows lie above what is left of an obstacle
HORIZONTAL = 0.5  # a surface varies less than this in height, per meter of distance


@dataclass(frozen=True, slots=True)
class Obstacle:
    """The nearest obstacle of a zone.

    Attributes:
        distance_m: in walking direction, to its near face.
        w: its mean inverse depth in 1/m (for uncertainty).
        d: its mean raw output in the map's units.
        height: floor, body or head.
        goes_below: reaches the frame's lower edge before one's feet and is seen from above, or only
            its top is left there: it goes on below, nearer.
    """

    distance_m: float
    w: float
    d: float
    height: Height
    goes_below: bool = False


def rise(
    space: MetricCells, inside: Mask, walkable: Array | None, noise_w: float, camera_height_m: float
) -> Array:
    """Weight 0 or 1 per cell: above the ground by more than the ground's noise.

    Args:
        noise_w: standard deviation of ``w`` around the ground, 1/m.
    """
    # Noise in w is noise in height: dh = (camera - height) / w * dw.
    least_m: Array = (
        0.10 + 2.5 * noise_w * np.maximum(camera_height_m - space.height_m, 0.3) / space.w
    )
    if walkable is not None:
        least_m += 0.5 * np.clip((walkable - 0.3) * 2.0, 0.0, 1.0)
    weight: Array = (inside & (space.height_m > least_m)).astype(np.float32)
    return weight


def obstacle_weight(ground: Array, inside: Mask) -> Array:
    """Weight per cell, 0 to 1, from the probability that it is ground."""
    most = 1.0 - MIN_PROBABILITY
    weight: Array = (np.float32(most) - ground) * np.float32(1.0 / most)
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
    d: Array,
    weight: Array,
    range_bin: NDArray[np.intp],
    needed: float,
    shapes: bool = True,
) -> Obstacle | None:
    """The nearest group of cells at about one distance that together weigh ``needed``, or None.

    Args:
        weight: per cell, the zone's only.
        range_bin: :func:`range_bins`.
        shapes: whether the depth separates a horizontal surface from an upright one; a small
            network's, which bends both, does not.
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
    total = float(share.sum())
    ahead, heights = space.ahead_m.ravel()[chosen], space.height_m.ravel()[chosen]
    low, high = _quantile(heights, share, 0.05), _quantile(heights, share, 0.95)
    last_row = chosen >= weight.size - weight.shape[1]
    cut = float(share[last_row].sum()) > CUT_SHARE * total
    height = Height.BODY
    if low > HEAD_BOTTOM_M and not cut:
        height = Height.HEAD
    elif high < FLOOR_TOP_M:
        height = Height.FLOOR
    goes_below = False
    if cut and _quantile(np.abs(space.side_m.ravel()[chosen]), share, 0.1) <= BODY_HALF_M:
        goes_below = shapes and _deviation(heights, share) < HORIZONTAL * _deviation(ahead, share)
        # Or only its top is left in the frame: nothing at about its distance is higher.
        with_it = bins < bins[member].min() + TOGETHER_BINS
        higher = index < TOP_LEFT * weight.size
        goes_below = goes_below or float(carried[with_it & higher].sum()) < 0.5 * needed
    return Obstacle(
        max(_quantile(ahead, share, NEAR_SHARE), NEAREST_M),
        float(share @ space.w.ravel()[chosen]) / total,
        float(share @ d.ravel()[chosen]) / total,
        height,
        goes_below,
    )


def _deviation(values: Array, weights: Array) -> float:
    total = float(weights.sum())
    mean = float(weights @ values) / total
    return float(np.sqrt(max(float(weights @ (values * values)) / total - mean * mean, 0.0)))


def _quantile(values: Array, weights: Array, p: float) -> float:
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
    reach = camera_height_m / np.maximum(view.q, 1e-3)
    ahead = view.ahead * reach
    strip = (np.abs(view.side * reach) < STRIP_HALF_M) & (view.q > 0.05) & space.valid
    strip &= (ahead > NEAR_M) & (ahead < FAR_M)
    index = np.flatnonzero(strip)
    if index.size < 8 * MIN_CELLS:
        return None, False
    where = np.log(ahead.ravel()[index] / NEAR_M) * (SLICES / np.log(FAR_M / NEAR_M))
    bins = where.astype(np.intp)
    height = space.height_m.ravel()[index]
    count = np.bincount(bins, minlength=SLICES)[:SLICES]
    safe = np.maximum(count, 1)
    # The mean of a clipped height: one wild cell at the horizon must not make a cliff.
    mean = np.bincount(bins, np.clip(height, -0.6, 0.6), SLICES)[:SLICES] / safe
    slope = np.bincount(bins, (camera_height_m - height) / space.w.ravel()[index], SLICES)
    # A slice averages dozens of cells, whose errors are correlated only in part.
    error = MEAN_SHARE * noise_w * np.abs(slope[:SLICES] / safe)
    # Two dozen numbers: plain Python is faster than an array operation for each slice.
    return _scan(mean.tolist(), error.tolist(), (count >= MIN_CELLS).tolist())


def _scan(height: list[float], noise: list[float], seen: list[bool]) -> tuple[Edge | None, bool]:
    """First slice that lies below the ground just before it, with two more like it behind."""
    flat = [s and abs(h) < FLAT_M + n for h, n, s in zip(height, noise, seen, strict=True)]
    if sum(flat) < MIN_FLAT:
        return None, False
    for k in range(1, SLICES - 2):
        if seen[k] and height[k] > RAISED_M + 2.0 * noise[k]:
            return None, True  # an obstacle: what is behind it is not looked for
        before = [height[i] for i in range(max(0, k - 3), k) if flat[i]]
        behind = range(k, k + 3)
        if len(before) < 2 or not all(seen[i] for i in behind):
            continue
        # Against the ground just before it: a bent or tilted plane makes no cliff.
        ground_m = min(sum(before) / len(before), 0.0)
        deep = [ground_m - height[i] for i in behind]
        margin = (sum(deep) - 1.5 * sum(noise[i] for i in behind)) / 3.0
        plain = all(d > 0.4 * WEAK_DEPTH_M + noise[i] for d, i in zip(deep, behind, strict=True))
        if plain and margin > WEAK_DEPTH_M:
            strength = min(max(margin / STRONG_DEPTH_M, 0.0), 1.0)
            return Edge(float(NEAR_M * (FAR_M / NEAR_M) ** (k / SLICES)), strength), True
    return None, True


def follow_drop(
    track: DropTrack, edge: Edge | None, t: float, dt_s: float, judged: bool
) -> DropTrack:
    """One frame of evidence; ``judged``: the strip ahead could be."""
    seen_t = t if judged else track.seen_t
    distance, recent = track.distance_m, t - track.last_t <= HOLD_S
    if edge is None:
        score = track.score * float(np.exp(-max(dt_s, 1e-3) / FADE_S))
        distance = distance if score > 0.2 else None
        return DropTrack(score, distance, track.last_t, track.on and recent, seen_t, t)
    same = distance is None or abs(np.log(edge.distance_m / distance)) < SAME_LOG
    score = min(track.score + edge.strength, CONFIRM + 1.0) if same else edge.strength
    near = distance if same and distance is not None else edge.distance_m
    distance = near + 0.4 * (edge.distance_m - near)
    return DropTrack(
        score, distance, t, score >= CONFIRM or (track.on and (same or recent)), seen_t, t
    )
