"""Ground that ends: persistent evidence below the ground plane on the way ahead.

Looks along the strip that the feet will take, from near to far, in slices of distance on the
ground plane. A slice whose cells lie below the plane by more than its noise, with ground before
it and more of the same behind it, is a possible drop.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonar.zones.geometry import View
from sonar.zones.regions import Space

STRIP_HALF_M = 0.45
NEAR_M, FAR_M = 0.5, 6.0
SLICES = 24
MIN_CELLS = 4
MIN_DEPTH_M = 0.07
CONFIRM = 3.0  # frames' worth of evidence
HOLD_S = 0.6
FADE_S = 0.25
SAME_LOG = 0.5


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


def find_edge(
    space: Space, view: View, camera_height_m: float, noise_w: float
) -> tuple[float | None, bool]:
    """(distance to an edge in metres or None, whether the strip was seen at all)."""
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
    error = noise_w * np.abs(slope)
    return _scan(mean, error, seen)


def _scan(
    mean: NDArray[np.float64], error: NDArray[np.float64], seen: NDArray[np.bool_]
) -> tuple[float | None, bool]:
    flat = seen & (np.abs(mean) < 0.06 + error)
    low = seen & (mean < -(MIN_DEPTH_M + 2.0 * error))
    raised = seen & (mean > 0.12 + 2.0 * error)
    known = bool(flat.sum() >= 3)
    if not known:
        return None, False
    for k in range(1, SLICES - 2):
        if raised[k]:
            return None, True
        if low[k] and low[k + 1] and low[k + 2] and flat[:k].sum() >= 2:
            return float(NEAR_M * (FAR_M / NEAR_M) ** (k / SLICES)), True
    return None, True


def follow_drop(
    track: DropTrack, edge_m: float | None, t: float, dt_s: float, looked: bool
) -> DropTrack:
    """One frame of evidence; ``looked``: the strip ahead could be judged."""
    seen_t = t if looked else track.seen_t
    if edge_m is None:
        score = track.score * float(np.exp(-max(dt_s, 1e-3) / FADE_S))
        on = track.on and t - track.last_t <= HOLD_S
        return DropTrack(score, track.distance_m if on else None, track.last_t, on, seen_t, t)
    same = track.distance_m is None or abs(np.log(edge_m / track.distance_m)) < SAME_LOG
    score = min(track.score + 1.0, CONFIRM + 2) if same else 1.0
    distance = edge_m
    if same and track.distance_m is not None:
        distance = track.distance_m + 0.4 * (edge_m - track.distance_m)
    on = score >= CONFIRM or (track.on and same)
    return DropTrack(score, distance, t, on, seen_t, t)
