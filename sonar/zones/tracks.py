"""A zone's nearest obstacle over time: persistence, smoothing, time to collision.

Low obstacles leave the field of view below before one reaches them: they are not gone. A camera on
the chest does not see the last meter or two of the floor. Of what reaches the lower edge of the
frame and is seen from above, a box or a table's top, the near edge is out of sight: it is nearer
than what is seen of it. It is assumed to come on at the speed it had, until it is passed; then the
way is unknown for a moment, not clear.
"""

from dataclasses import dataclass, replace
from itertools import combinations
from statistics import median

import numpy as np

from sonar.types import Height
from sonar.zones.obstacles import Obstacle

HISTORY_S = 1.2
MIN_HISTORY_S = 0.5
MIN_CLOSING_MPS = 0.25
MAX_TTC_S = 15.0
MAX_POINTS = 14
SAME_VIEW_DEG = 6.0  # turned further than this, a zone shows something else
JUMP_LOG = 0.45  # another obstacle, not the same one moved
MAX_RATE = 0.7  # of the log distance, per second; more overshoots when a walker stops
SMOOTH_NEAR_S = 0.15
SMOOTH_FAR_S = 0.35
HOLD_S = 0.25  # one that vanishes is kept this long
FORGET_S = 2.0  # one not seen for this long is another


@dataclass(frozen=True, slots=True)
class Track:
    """One zone over time.

    Attributes:
        log_m: smoothed log distance, or None without an obstacle; ``sigma_log`` its sigma,
            ``rate`` its change per second.
        history: (t, log distance, bearing in degrees) of the same obstacle, oldest first.
        heights: last classes, newest last.
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
    def distance_m(self) -> float | None:
        """The smoothed distance, or None without an obstacle."""
        return None if self.log_m is None else float(np.exp(self.log_m))

    @property
    def height(self) -> Height | None:
        """The most frequent class of late; body where several are."""
        if not self.heights:
            return None
        best = max(self.heights.count(h) for h in self.heights)
        tied = [h for h in Height if self.heights.count(h) == best]
        return tied[0] if len(tied) == 1 else Height.BODY


def follow(
    track: Track, found: Obstacle | None, t: float, dt_s: float, bearing_deg: float = 0.0
) -> Track:
    """One frame for one zone; ``bearing_deg``: where the camera looks, from any start."""
    recent = t - track.last_t <= HOLD_S and dt_s <= HOLD_S
    if found is None:
        return track if recent and track.log_m is not None else Track()
    value = float(np.log(found.distance_m))
    point = (t, value, bearing_deg)
    fresh = not track.fresh and 0 < dt_s <= HOLD_S
    start = Track(value, (point,), t, (found.height,), found.sigma_log, fresh=fresh)
    if track.log_m is None or t - track.last_t > FORGET_S:
        return start
    expected = track.log_m + track.rate * dt_s
    step = value - expected
    if abs(step) > JUMP_LOG:
        # Nearer at once; farther only after the old one, if believed, had its hold time.
        if step > 0 and not track.fresh:
            return track if recent else replace(start, fresh=False)
        return start
    tau = SMOOTH_NEAR_S if step < 0 else SMOOTH_FAR_S
    gain = 1.0 - float(np.exp(-dt_s / tau)) if dt_s > 0 else 0.5
    # A trend is followed too (an alpha-beta filter): a walker's distances always change.
    rate = track.rate
    if dt_s > HOLD_S:
        rate = 0.0  # sparse frames: a trend between them would be a guess
    elif dt_s > 0:
        rate += gain * gain / (2.0 - gain) * step / dt_s
    return Track(
        expected + gain * step,
        (*(p for p in track.history if t - p[0] <= HISTORY_S), point),
        t,
        (*track.heights, found.height)[-9:],
        found.sigma_log,
        min(max(rate, -MAX_RATE), MAX_RATE),
    )


def time_to_collision(track: Track) -> float | None:
    """Seconds until contact at the present closing speed, or None."""
    speed, now_m = closing(track) or (0.0, 0.0)
    ttc = max(now_m, 0.0) / speed if speed else np.inf
    return ttc if ttc <= MAX_TTC_S else None


def closing(track: Track) -> tuple[float, float] | None:
    """(closing speed in m/s, distance now in m) of what comes nearer, or None.

    The speed is a Theil-Sen slope over the last second: the median of pairwise slopes
    passes over the swing of a walker's gait and over single bad frames. Only what was seen in
    about the present bearing counts: while one turns, other surfaces slide into the zone.
    """
    if not track.history:
        return None
    bearing = track.history[-1][2]
    same = [p for p in track.history if abs(p[2] - bearing) < SAME_VIEW_DEG]
    if len(same) < 4:
        return None
    thin = -(-len(same) // MAX_POINTS)
    points = same[::-1][::thin][::-1]  # the newest always among them
    t, z = [p[0] for p in points], np.exp([p[1] for p in points]).tolist()
    length = t[-1] - t[0]
    if length < MIN_HISTORY_S:
        return None
    pairs = [(i, j) for i, j in combinations(range(len(t)), 2) if t[j] - t[i] > 0.4 * length]
    speed = -median((z[j] - z[i]) / (t[j] - t[i]) for i, j in pairs)
    now_m = [m + speed * (s - t[-1]) for s, m in zip(t, z, strict=True)]
    middle_t, middle_m = median(t), median(z)
    scatter = median(abs(m - middle_m + speed * (s - middle_t)) for s, m in zip(t, z, strict=True))
    if speed < max(MIN_CLOSING_MPS, 2.0 * scatter / length):
        return None
    return speed, median(now_m)


NEAR_M = 2.5  # farther obstacles do not leave the frame below
HIDDEN_SHARE = 0.65  # of what is seen: the near edge is hardly nearer than this
APART, APART_S = 0.9, 1.5  # nearer than what is seen by this: not for long where one stands still
BELIEVED_S = 4.0  # that it comes on unseen
PASSED_M = 0.2
PASSED_S = 2.0  # the way is unknown for so long after it was passed
BLINK_S = 0.3
AWAY_DEG = 12.0  # turned by this, it is no longer ahead
SAME_SHARE = 1.6  # farther than this times what was seen is another obstacle


@dataclass(frozen=True, slots=True)
class BelowView:
    """Something cut by the lower edge of the frame.

    Attributes:
        from_t, from_m: when and where it was last seen to come at its full speed, ``speed_mps``.
        seen_t, seen_m: last time, and distance of what was seen of it.
        near_edge_m: its distance now, or None while it counts as passed.
        ttc_s: seconds until it is reached, or None where it is not believed to come.
        apart_s: how long it has been assumed nearer than what is seen of it.
    """

    from_t: float
    from_m: float
    speed_mps: float
    bearing_deg: float
    seen_t: float
    seen_m: float
    height: Height
    sigma_log: float
    near_edge_m: float | None = None
    ttc_s: float | None = None
    apart_s: float = 0.0

    def _expected_m(self, t: float) -> float:
        return self.from_m - self.speed_mps * (t - self.from_t)

    def _edge_m(self, t: float) -> float:
        """Where its near edge is while something of it is seen."""
        if self.apart_s > APART_S:
            return self.seen_m
        return min(max(self._expected_m(t), HIDDEN_SHARE * self.seen_m), self.seen_m)

    def seen(self, found: Obstacle, sigma_log: float, t: float) -> "BelowView":
        """After one more frame that shows something of it."""
        apart = self.apart_s > 0 or self._expected_m(t) < APART * self.seen_m
        now = replace(
            self,
            seen_t=t,
            seen_m=found.distance_m,
            height=found.height,
            sigma_log=sigma_log,
            apart_s=self.apart_s + t - self.seen_t if apart else 0.0,
        )
        edge_m = now._edge_m(t)
        comes = HIDDEN_SHARE * now.seen_m < edge_m < now.seen_m
        return replace(now, near_edge_m=edge_m, ttc_s=edge_m / self.speed_mps if comes else None)

    def unseen(self, t: float) -> "BelowView | None":
        """After one more frame that does not: it comes on, is passed, and is forgotten."""
        since = t - self.seen_t
        left_m = self._edge_m(self.seen_t)
        unseen_s = min(max(left_m - PASSED_M, 0.0) / self.speed_mps, BELIEVED_S)
        if since < unseen_s:
            edge_m = left_m - self.speed_mps * since
            return replace(self, near_edge_m=edge_m, ttc_s=edge_m / self.speed_mps)
        if since < unseen_s + PASSED_S:
            return replace(self, near_edge_m=None, ttc_s=None)
        return None


def follow_below_view(
    below: BelowView | None, track: Track, found: Obstacle | None, t: float, bearing_deg: float
) -> BelowView | None:
    """After one more frame; ``track`` has it, ``found`` is its nearest obstacle."""
    if below is not None and abs(bearing_deg - below.bearing_deg) > AWAY_DEG:
        below = None
    if found is not None and found.goes_below and found.distance_m < NEAR_M:
        speed = (closing(track) or (0.0, 0.0))[0]
        if speed and (below is None or speed >= below.speed_mps):
            now = t, found.distance_m
            below = BelowView(*now, speed, bearing_deg, *now, found.height, track.sigma_log)
        # What does not come does not leave below.
        return None if below is None else below.seen(found, track.sigma_log, t)
    if below is None:
        return None
    same = found is not None and found.distance_m < SAME_SHARE * below.seen_m
    if same and t - below.seen_t > BLINK_S:
        return None  # in view again, to the ground
    return below.unseen(t)
