"""Ground that ends: persistent evidence below the ground plane on the way ahead.

Looks along the strip that the feet will take, from near to far, in slices of distance on the
ground plane. A slice whose cells lie below the plane by more than its noise, with ground before
it and more of the same behind it, is a possible drop.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonar.zones.geometry import View
from sonar.zones.regions import MetricCells

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
    # A slice averages dozens of cells, whose errors hang together only in part.
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
            return None, True  # something stands there: what is behind it is not looked for
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
