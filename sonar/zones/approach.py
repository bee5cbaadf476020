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
SAME_VIEW_DEG = 6.0  # turned further than this, a zone shows something else
JUMP_LOG = 0.45  # another thing, not the same one moved
MAX_RATE = 0.7  # of the log distance, per second; more overshoots when a walker stops
SMOOTH_NEAR_S = 0.15
SMOOTH_FAR_S = 0.35
HOLD_S = 0.25  # one that vanishes is kept this long


@dataclass(frozen=True, slots=True)
class Track:
    """One zone over time.

    Attributes:
        log_m: smoothed log distance, or None where nothing stands.
        history: (t, log distance, bearing in degrees) of the same thing, oldest first.
        last_t: when it was last seen.
        heights: last classes, newest last.
        sigma_log: standard deviation of the log distance.
        rate: change of the log distance per second.
        fresh: seen in this frame for the first time: not yet believed. Never twice in a row, so
            that a distance that jumps about is believed too.
    """

    log_m: float | None = None
    history: tuple[tuple[float, float, float], ...] = ()
    last_t: float = 0.0
    heights: tuple[Height, ...] = ()
    sigma_log: float = 0.0
    rate: float = 0.0
    fresh: bool = False

    @property
    def height(self) -> Height | None:
        """The most frequent class of late; body in doubt."""
        if not self.heights:
            return None
        best = max(self.heights.count(h) for h in self.heights)
        tied = [h for h in Height if self.heights.count(h) == best]
        return tied[0] if len(tied) == 1 else Height.BODY


def follow(
    track: Track,
    found: Obstacle | None,
    sigma_log: float,
    t: float,
    dt_s: float,
    bearing_deg: float = 0.0,
) -> Track:
    """One frame for one zone; ``bearing_deg``: where the camera looks, from any start."""
    if found is None:
        if track.log_m is None or t - track.last_t > HOLD_S or dt_s > HOLD_S:
            return Track()
        return track
    value = float(np.log(found.distance_m))
    if track.log_m is None or t - track.last_t > 2.0:
        return _start(track, found, sigma_log, t, dt_s, bearing_deg)
    expected = track.log_m + track.rate * dt_s
    step = value - expected
    if abs(step) > JUMP_LOG:
        # Nearer at once; farther only after the old thing, if believed, had its hold time.
        if step > 0 and not track.fresh and t - track.last_t <= HOLD_S and dt_s <= HOLD_S:
            return track
        return _start(track, found, sigma_log, t, dt_s, bearing_deg)
    tau = SMOOTH_NEAR_S if step < 0 else SMOOTH_FAR_S
    gain = 1.0 - float(np.exp(-dt_s / tau)) if dt_s > 0 else 0.5
    # A trend is followed too (an alpha-beta filter): a walker's distances always change.
    rate = track.rate
    if dt_s > HOLD_S:
        rate = 0.0  # sparse frames: a trend between them would be a guess
    elif dt_s > 0:
        rate += gain * gain / (2.0 - gain) * step / dt_s
    history = (*(p for p in track.history if t - p[0] <= HISTORY_S), (t, value, bearing_deg))
    return Track(
        expected + gain * step,
        history,
        t,
        (*track.heights, found.height)[-9:],
        sigma_log,
        float(np.clip(rate, -MAX_RATE, MAX_RATE)),
    )


def _start(
    track: Track, found: Obstacle, sigma_log: float, t: float, dt_s: float, bearing_deg: float
) -> Track:
    value = float(np.log(found.distance_m))
    fresh = not track.fresh and 0 < dt_s <= HOLD_S
    return Track(value, ((t, value, bearing_deg),), t, (found.height,), sigma_log, fresh=fresh)


@lru_cache(maxsize=64)
def _pairs(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    i, j = np.triu_indices(count, 1)
    return i, j


def middle(values: NDArray[np.float64]) -> float:
    """The median of a few values; numpy's own takes ten times as long for so few."""
    ordered = np.sort(values)
    half = ordered.size // 2
    if ordered.size % 2:
        return float(ordered[half])
    return float(ordered[half - 1] + ordered[half]) / 2.0


def time_to_collision(track: Track) -> float | None:
    """Seconds until contact at the present closing speed, or None."""
    approach = closing(track)
    if approach is None:
        return None
    speed, now = approach
    ttc = max(now, 0.0) / speed
    return ttc if ttc <= MAX_TTC_S else None


def closing(track: Track) -> tuple[float, float] | None:
    """(closing speed in m/s, distance now in m) of what comes nearer, or None.

    The speed is a Theil-Sen slope over the last second: the median of pairwise slopes
    passes over the swing of a walker's gait and over single bad frames. Only what was seen in
    about the present bearing counts: while one turns, other surfaces slide into the zone.
    """
    if track.log_m is None or not track.history:
        return None
    bearing = track.history[-1][2]
    same = [p for p in track.history if abs(p[2] - bearing) < SAME_VIEW_DEG]
    if len(same) < 4:
        return None
    thin = -(-len(same) // MAX_POINTS)
    points = same[::-1][::thin][::-1]  # the newest always among them
    t = np.array([p[0] for p in points])
    z = np.exp(np.array([p[1] for p in points]))
    length = t[-1] - t[0]
    if length < MIN_HISTORY_S:
        return None
    i, j = _pairs(len(t))
    far_apart = t[j] - t[i] > 0.4 * length
    slopes = (z[j] - z[i])[far_apart] / (t[j] - t[i])[far_apart]
    speed = -middle(slopes)
    scatter = middle(np.abs(z - middle(z) + speed * (t - middle(t))))
    if speed < max(MIN_CLOSING_MPS, 2.0 * scatter / length):
        return None
    return speed, middle(z + speed * (t - t[-1]))
