"""Tracks a zone's nearest distance over time: persistence, smoothing, time to collision."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sonar.types import Height
from sonar.zones.obstacles import Obstacle

HISTORY_S = 1.2
MIN_HISTORY_S = 0.5
MIN_CLOSING_MPS = 0.25
MAX_TTC_S = 15.0
MAX_POINTS = 14
JUMP_LOG = 0.45  # another thing, not the same one moved
SMOOTH_NEAR_S = 0.12
SMOOTH_FAR_S = 0.35
CONFIRM_S = 0.1  # a new obstacle must be there this long
HOLD_S = 0.25  # and one that vanishes is kept this long


@dataclass(frozen=True, slots=True)
class Track:
    """One zone over time.

    Attributes:
        log_m: smoothed log distance, or None where nothing stands.
        history: (t, log distance) of the same thing, oldest first.
        first_t, last_t: when the present thing was first and last seen.
        heights: last classes, newest last.
        sigma_log: standard deviation of the log distance.
    """

    log_m: float | None = None
    history: tuple[tuple[float, float], ...] = ()
    first_t: float = 0.0
    last_t: float = 0.0
    heights: tuple[Height, ...] = ()
    sigma_log: float = 0.0

    @property
    def height(self) -> Height | None:
        """The most frequent class of late; body in doubt."""
        if not self.heights:
            return None
        best = max(self.heights.count(h) for h in self.heights)
        tied = [h for h in Height if self.heights.count(h) == best]
        return tied[0] if len(tied) == 1 else Height.BODY

    def confirmed(self, t: float) -> bool:
        """Whether it has been there long enough, or frames are too sparse to ask."""
        return len(self.history) >= 2 or t - self.first_t >= CONFIRM_S


def follow(track: Track, found: Obstacle | None, sigma_log: float, t: float, dt_s: float) -> Track:
    """One frame for one zone."""
    if found is None:
        if track.log_m is None or t - track.last_t > HOLD_S or dt_s > HOLD_S:
            return Track()
        return track
    value = float(np.log(found.distance_m))
    if track.log_m is None or t - track.last_t > 2.0:
        return Track(value, ((t, value),), t, t, (found.height,), sigma_log)
    step = value - track.log_m
    if abs(step) > JUMP_LOG:
        # Nearer at once; farther only after the old thing had its hold time.
        if step > 0 and t - track.last_t <= HOLD_S and dt_s <= HOLD_S:
            return track
        return Track(value, ((t, value),), track.first_t, t, (found.height,), sigma_log)
    tau = SMOOTH_NEAR_S if step < 0 else SMOOTH_FAR_S
    gain = 1.0 - float(np.exp(-dt_s / tau)) if dt_s > 0 else 0.5
    history = (*(p for p in track.history if t - p[0] <= HISTORY_S), (t, value))
    return Track(
        track.log_m + gain * step,
        history,
        track.first_t,
        t,
        (*track.heights, found.height)[-9:],
        sigma_log,
    )


@lru_cache(maxsize=64)
def _pairs(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    i, j = np.triu_indices(count, 1)
    return i, j


def time_to_collision(track: Track) -> float | None:
    """Seconds until contact at the present closing speed, or None.

    The closing speed is a Theil-Sen slope over the last second: the median of pairwise slopes
    passes over the swing of a walker's gait and over single bad frames.
    """
    if track.log_m is None or len(track.history) < 4:
        return None
    thin = -(-len(track.history) // MAX_POINTS)
    points = track.history[::-1][::thin][::-1]  # the newest always among them
    t = np.array([p[0] for p in points])
    z = np.exp(np.array([p[1] for p in points]))
    length = t[-1] - t[0]
    if length < MIN_HISTORY_S:
        return None
    i, j = _pairs(len(t))
    far_apart = t[j] - t[i] > 0.4 * length
    slopes = (z[j] - z[i])[far_apart] / (t[j] - t[i])[far_apart]
    speed = -float(np.median(slopes))
    scatter = float(np.median(np.abs(z - np.median(z) + speed * (t - np.median(t)))))
    if speed < max(MIN_CLOSING_MPS, 2.0 * scatter / length):
        return None
    now = float(np.median(z + speed * (t - t[-1])))
    ttc = max(now, 0.0) / speed
    return ttc if ttc <= MAX_TTC_S else None
