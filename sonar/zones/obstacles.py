"""The nearest coherent obstacle of a zone in one frame, and ground that ends.

Along the strip that the feet will take, in slices of distance on the ground plane: a slice whose
cells lie below the plane by more than its noise, with ground before it and more of the same behind
it, is a possible drop.

A cell is in the corridor that the walker takes by the near end of its distance's interval, for an
obstacle that is cut off by the frame often comes out too far, and so too far to the side. A surface
that runs along the way, such as a corridor's wall, counts by the plane through all of its cells:
single ones scatter into the corridor.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sonar.types import Height
from sonar.zones.evidence import NEAREST_M, RANGE_BINS, Evidence
from sonar.zones.geometry import Array, Mask

FLOOR_TOP_M = 0.4  # lower obstacles are stepped over or tripped on
HEAD_BOTTOM_M = 1.2  # higher obstacles are missed by a cane
WINDOW_BINS = 4  # cells within about 30 % of distance count as one obstacle
NEAR_SHARE = 0.2  # an obstacle's distance is this quantile of its cells: its near face
CUT_SHARE = 0.02  # of its cells in the last row: cut by the lower edge of the frame
BODY_HALF_M = 0.35  # what is farther to the side is walked past
TOGETHER_BINS = 10  # cells within a factor of two
TOP_LEFT = 0.8  # of the frame's rows lie above what is left of an obstacle
NEAR_END = 0.5  # standard deviations of a cell by which it may be nearer
SEARCHED_M = 0.4, 0.8  # inside and outside of the corridor's edge: where such surfaces are sought
AHEAD_M = 0.3, 5.0
LOWEST_M = 0.2  # lower cells are ground, or its noise
SAME_SHARE = 0.04, 0.25  # a cell of the surface is off by at most this share of its distance
MIN_CELLS, MIN_SHARE = 40, 0.6  # of the cells sought, those on the surface
MIN_LENGTH_M = 0.6  # along the way
MAX_SLOPE = 0.6  # 31 degrees to the way
HORIZONTAL = 0.5  # a surface varies less than this in height, per meter of distance


@dataclass(frozen=True, slots=True)
class Obstacle:
    """The nearest obstacle of a zone.

    Attributes:
        distance_m: in walking direction, to its near face; ``sigma_log`` the sigma of its log.
        goes_below: reaches the frame's lower edge before one's feet and is seen from above, or only
            its top is left there: it goes on below, nearer.
    """

    distance_m: float
    sigma_log: float
    height: Height
    goes_below: bool = False


def nearest(evidence: Evidence, weight: Array) -> Obstacle | None:
    """The nearest group of cells at about one distance that together weigh enough, or None.

    Args:
        weight: per cell, the zone's only.
    """
    needed = evidence.needed
    index = np.flatnonzero(weight)
    carried = weight.ravel()[index]
    if carried.sum() < needed:
        return None
    bins = evidence.range_bins[index]
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
    ahead, heights = evidence.ahead_m.ravel()[chosen], evidence.height_m.ravel()[chosen]
    low, high = _quantiles(heights, share, (0.05, 0.95))
    last_row = chosen >= weight.size - weight.shape[1]
    cut = float(share[last_row].sum()) > CUT_SHARE * total
    height = Height.BODY
    if low > HEAD_BOTTOM_M and not cut:
        height = Height.HEAD
    elif high < FLOOR_TOP_M:
        height = Height.FLOOR
    goes_below = False
    if cut and _quantiles(np.abs(evidence.side_m.ravel()[chosen]), share, (0.1,))[0] <= BODY_HALF_M:
        # Depth separates a horizontal surface from an upright one; a small network bends both.
        if evidence.ground is None:
            goes_below = _deviation(heights, share) < HORIZONTAL * _deviation(ahead, share)
        # Or only its top is left in the frame: nothing at about its distance is higher.
        with_it = bins < bins[member].min() + TOGETHER_BINS
        higher = index < TOP_LEFT * weight.size
        goes_below = goes_below or float(carried[with_it & higher].sum()) < 0.5 * needed
    d = float(share @ evidence.cells.d.ravel()[chosen]) / total
    w = float(share @ evidence.w.ravel()[chosen]) / total
    network = None
    if evidence.cells.sigma is not None:
        network = float(share @ evidence.cells.sigma.ravel()[chosen]) / total
    sigma_log = evidence.sigma_log(d, w * evidence.pose.height_m, network)
    distance_m = max(_quantiles(ahead, share, (NEAR_SHARE,))[0], NEAREST_M)
    return Obstacle(distance_m, sigma_log, height, goes_below)


def _deviation(values: Array, weights: Array) -> float:
    total = float(weights.sum())
    mean = float(weights @ values) / total
    return float(np.sqrt(max(float(weights @ (values * values)) / total - mean * mean, 0.0)))


def _quantiles(values: Array, weights: Array, shares: tuple[float, ...]) -> list[float]:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return [float(values[order[int(np.searchsorted(total, p * total[-1]))]]) for p in shares]


STRIP_HALF_M = 0.45
NEAR_M, FAR_M = 0.5, 6.0
SLICES = 24
MIN_CELLS = 4
FLAT_M, RAISED_M = 0.06, 0.12  # a slice's mean height that is still ground, or is no more
MIN_FLAT = 3
MEAN_SHARE = 0.5
WEAK_DEPTH_M, STRONG_DEPTH_M = 0.035, 0.10  # besides noise: counts at all, counts fully
MIN_DROP = 0.3  # probability of lower ground
ODDS = 0.0, 1.5  # log odds of lower ground that count at all, and fully
ODDS_PER_M, BELOW_M = 10.0, (-0.05, 0.2)  # what the depth below the ground adds, and its limits
OBSTACLE = 0.4  # less likely to be ground of any kind than this
CONFIRM_S = 0.2  # of plain evidence
MOST_S = 0.15  # that one frame counts for
HOLD_S = 0.6
FADE_S = 0.25
SAME_LOG = 0.25


@dataclass(frozen=True, slots=True)
class DropTrack:
    """Evidence over time: ``score`` in seconds, smoothed distance of the edge, last sighting
    (``last_t``), and when the way ahead was last judged at all (``seen_t``)."""

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


class Edge(NamedTuple):
    """Where the ground may end in one frame, and how plainly (0 to 1)."""

    distance_m: float
    strength: float


def find_edge(evidence: Evidence) -> tuple[Edge | None, bool]:
    """(an edge or None, whether the strip was seen at all)."""
    view, camera_m = evidence.view, evidence.pose.height_m
    reach = camera_m / np.maximum(view.q, 1e-3)
    ahead = view.ahead * reach
    strip = (np.abs(view.side * reach) < STRIP_HALF_M) & (view.q > 0.05) & evidence.cells.valid
    strip &= (ahead > NEAR_M) & (ahead < FAR_M)
    index = np.flatnonzero(strip)
    if index.size < 8 * MIN_CELLS:
        return None, False
    where = np.log(ahead.ravel()[index] / NEAR_M) * (SLICES / np.log(FAR_M / NEAR_M))
    bins = where.astype(np.intp)
    height_m = evidence.height_m.ravel()[index]
    count = np.bincount(bins, minlength=SLICES)[:SLICES]
    safe = np.maximum(count, 1)
    # The mean of a clipped height: one wild cell at the horizon must not make a cliff.
    mean = np.bincount(bins, np.clip(height_m, -0.6, 0.6), SLICES)[:SLICES] / safe
    slope = np.bincount(bins, (camera_m - height_m) / evidence.w.ravel()[index], SLICES)
    # A slice averages dozens of cells, whose errors are correlated only in part.
    error = MEAN_SHARE * evidence.noise_w * np.abs(slope[:SLICES] / safe)
    # Two dozen numbers: plain Python is faster than an array operation for each slice.
    height, seen = mean.tolist(), (count >= MIN_CELLS).tolist()
    if evidence.cells.drop is None or evidence.cells.walkable is None:
        return _scan(height, error.tolist(), seen)
    drop, ground = (
        (np.bincount(bins, p.ravel()[index], SLICES)[:SLICES] / safe).tolist()
        for p in (evidence.cells.drop, evidence.cells.walkable)
    )
    return _scan_probable(height, seen, drop, ground)


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
            return Edge(_distance_m(k), strength), True
    return None, True


def _scan_probable(
    height: list[float], seen: list[bool], drop: list[float], ground: list[float]
) -> tuple[Edge | None, bool]:
    """The same where a network gives the probabilities of lower ground and of ground: both and the
    geometry must agree. An edge at the lower border of the frame may be nearer still."""
    judged, before = False, list[float]()
    for k in range(SLICES - 2):
        behind = range(k, k + 3)
        if not all(seen[i] for i in behind):
            continue
        judged = True
        if drop[k] > max(MIN_DROP, ground[k]):
            ground_m = sum(before[-3:]) / len(before[-3:]) if before else 0.0
            below_m = min(ground_m, 0.0) - sum(height[i] for i in behind) / 3.0
            lower = min(max(sum(drop[i] for i in behind) / 3.0, 0.01), 0.99)
            odds = math.log(lower / (1.0 - lower))
            odds += ODDS_PER_M * min(max(below_m, BELOW_M[0]), BELOW_M[1])
            strength = min(max((odds - ODDS[0]) / (ODDS[1] - ODDS[0]), 0.0), 1.0)
            if strength > 0:
                return Edge(_distance_m(k), strength), True
        elif drop[k] + ground[k] < OBSTACLE:
            return None, True  # what is behind it is not looked for
        elif ground[k] > drop[k]:
            before.append(height[k])
    return None, judged


def _distance_m(k: int) -> float:
    return float(NEAR_M * (FAR_M / NEAR_M) ** (k / SLICES))


def follow_drop(
    track: DropTrack, edge: Edge | None, t: float, dt_s: float, judged: bool
) -> DropTrack:
    """One frame of evidence; ``judged``: the strip ahead could be."""
    seen_t = t if judged else track.seen_t
    distance, recent = track.distance_m, t - track.last_t <= HOLD_S
    if edge is None:
        score = track.score * float(np.exp(-max(dt_s, 1e-3) / FADE_S))
        distance = distance if score > 0.1 * CONFIRM_S else None
        return DropTrack(score, distance, track.last_t, track.on and recent, seen_t, t)
    same = distance is None or abs(np.log(edge.distance_m / distance)) < SAME_LOG
    gain = edge.strength * min(dt_s, MOST_S)
    score = min(track.score + gain, 1.5 * CONFIRM_S) if same else gain
    near = distance if same and distance is not None else edge.distance_m
    distance = near + 0.4 * (edge.distance_m - near)
    return DropTrack(
        score, distance, t, score >= CONFIRM_S - 1e-9 or (track.on and (same or recent)), seen_t, t
    )


def in_corridor(evidence: Evidence, width_m: float) -> Mask:
    """Cells less than half of ``width_m`` to the side of the way ahead."""
    side_m, sigma = np.abs(evidence.side_m), evidence.cells.sigma
    if sigma is not None:
        side_m = side_m * np.exp(np.float32(-NEAR_END) * sigma)
    inside: Mask = side_m < width_m / 2
    if evidence.prior is None:
        _leave_out_beside(inside, evidence, width_m / 2)
    return inside


def _leave_out_beside(inside: Mask, evidence: Evidence, half_m: float) -> None:
    """Clear ``inside`` where cells lie on a plane beside the way.

    The plane ``side = a + b * ahead`` is ``side / a - b / a * ahead = 1``: least squares in that
    form has residuals that are shares of the distance, which is how the errors of a map behave.
    """
    side_m, ahead_m, sigma = evidence.side_m, evidence.ahead_m, evidence.cells.sigma
    off = np.abs(side_m)
    off -= np.float32(half_m + (SEARCHED_M[1] - SEARCHED_M[0]) / 2)
    near = np.abs(off, out=off) < sum(SEARCHED_M) / 2
    near &= (ahead_m > AHEAD_M[0]) & (ahead_m < AHEAD_M[1]) & evidence.cells.valid
    at = np.flatnonzero(near)
    side, ahead, height = (a.ravel()[at] for a in (side_m, ahead_m, evidence.height_m))
    right = side > 0
    for here in (right, ~right):
        upright = np.flatnonzero(here & (height > LOWEST_M))
        plane = _plane(side[upright], ahead[upright])
        if plane is None:
            continue
        a, b, within = plane
        share = a * side + b * ahead
        on = np.flatnonzero(here & (np.abs(share - np.float32(1.0)) < within))
        beside = np.abs(side[on]) / share[on]  # of the plane, along each cell's ray
        if sigma is not None:
            beside *= np.exp(-NEAR_END * float(sigma.ravel()[at[on]].mean()))
        inside.ravel()[at[on[beside > half_m]]] = False


def _plane(side: Array, ahead: Array) -> tuple[float, float, float] | None:
    """``(a, b, within)`` of the plane ``a * side + b * ahead = 1`` and by how much its cells are
    off; None where most cells lie on none, or it does not run along the way."""
    least, within = max(MIN_CELLS, MIN_SHARE * side.size), np.inf
    error = np.zeros_like(side)
    for _ in range(3):
        on = np.flatnonzero(error < within)
        if on.size < least:
            return None
        s, z = side[on], ahead[on]
        ss, sz, zz = float(s @ s), float(s @ z), float(z @ z)
        det = ss * zz - sz * sz
        if det <= 1e-6 * ss * zz:
            return None
        s_sum, z_sum = float(s.sum()), float(z.sum())
        a, b = (zz * s_sum - sz * z_sum) / det, (ss * z_sum - sz * s_sum) / det
        error = np.abs(a * side + b * ahead - 1.0)
        median = float(np.partition(error[on], on.size // 2)[on.size // 2])
        within = min(max(4.0 * median, SAME_SHARE[0]), SAME_SHARE[1])
    if a * s_sum <= 0 or abs(b) > MAX_SLOPE * abs(a):
        return None
    # Of cells spread evenly, the middle four fifths are 2.8 standard deviations.
    length_m = 2.8 * math.sqrt(max(zz / on.size - (z_sum / on.size) ** 2, 0.0))
    return (a, b, within) if length_m > MIN_LENGTH_M else None
