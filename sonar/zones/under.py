"""Low things leave the picture below before one reaches them: they are not gone.

A camera on the chest does not see the last metre or two of the floor. Of what reaches the lower
edge of the picture and is seen from above, a box or a table's top, the near edge is out of sight:
it is nearer than what is seen of it. It is taken to come on at the speed it had, until it is
passed; then the way is unknown for a moment, not clear.
"""

from dataclasses import dataclass, replace

from sonar.types import Height
from sonar.zones.approach import Track, closing
from sonar.zones.obstacles import Obstacle

NEAR_M = 2.5  # farther things do not leave the picture below
HIDDEN_SHARE = 0.65  # of what is seen: the near edge is hardly nearer than this
APART, APART_S = 0.9, 1.5  # nearer than what is seen by this: who stands still is not fooled long
BELIEVED_S = 4.0  # that it comes on unseen
PASSED_M = 0.2
PASSED_S = 2.0  # the way is unknown for so long after it was passed
BLINK_S = 0.3
AWAY_DEG = 12.0  # turned by this, it is no longer ahead
SAME_SHARE = 1.6  # what stands farther than this times what was seen is something else


@dataclass(frozen=True, slots=True)
class Under:
    """Something cut by the lower edge of the picture.

    Attributes:
        from_t, from_m: when and where it was last seen to come at its full speed.
        speed_mps, bearing_deg: its speed and the camera's bearing then.
        seen_t, seen_m: last time, and distance of what was seen of it.
        apart_s: how long it has been thought nearer than what is seen of it.
        height, sigma_log: of its last reading.
        told_m: its distance now, or None while it counts as passed.
        ttc_s: seconds until it is reached, or None where it is not believed to come.
    """

    from_t: float
    from_m: float
    speed_mps: float
    bearing_deg: float
    seen_t: float
    seen_m: float
    height: Height
    sigma_log: float
    told_m: float | None
    ttc_s: float | None = None
    apart_s: float = 0.0


def follow_under(
    under: Under | None, track: Track, found: Obstacle | None, t: float, bearing_deg: float
) -> Under | None:
    """One frame of one zone.

    Args:
        track: of the zone, this frame included.
        found: its nearest obstacle in this frame.
    """
    if under is not None and abs(bearing_deg - under.bearing_deg) > AWAY_DEG:
        under = None
    if found is not None and found.under and found.distance_m < NEAR_M:
        return _seen(under, track, found, t, bearing_deg)
    if under is None:
        return None
    since = t - under.seen_t
    same = found is not None and found.distance_m < SAME_SHARE * under.seen_m
    if same and since > BLINK_S:
        return None  # in view again, to its foot
    left_m = _near_edge(under, under.seen_t)
    unseen_s = min(max(left_m - PASSED_M, 0.0) / under.speed_mps, BELIEVED_S)
    if since < unseen_s:
        told_m = left_m - under.speed_mps * since
        return replace(under, told_m=told_m, ttc_s=told_m / under.speed_mps)
    if since < unseen_s + PASSED_S:
        return replace(under, told_m=None, ttc_s=None)
    return None


def _seen(
    under: Under | None, track: Track, found: Obstacle, t: float, bearing_deg: float
) -> Under | None:
    approach = closing(track)
    speed = 0.0 if approach is None else approach[0]
    if under is None and approach is None:
        return None  # what does not come does not leave below
    if under is None or speed >= under.speed_mps:
        under = Under(
            from_t=t,
            from_m=found.distance_m,
            speed_mps=speed,
            bearing_deg=bearing_deg,
            seen_t=t,
            seen_m=found.distance_m,
            height=found.height,
            sigma_log=track.sigma_log,
            told_m=None,
        )
    apart = under.apart_s + t - under.seen_t if under.apart_s or _is_apart(under, t) else 0.0
    under = replace(
        under,
        seen_t=t,
        seen_m=found.distance_m,
        height=found.height,
        sigma_log=track.sigma_log,
        apart_s=apart,
    )
    told_m = _near_edge(under, t)
    comes = HIDDEN_SHARE * under.seen_m < told_m < under.seen_m
    return replace(under, told_m=told_m, ttc_s=told_m / under.speed_mps if comes else None)


def _expected(under: Under, t: float) -> float:
    return under.from_m - under.speed_mps * (t - under.from_t)


def _is_apart(under: Under, t: float) -> bool:
    return _expected(under, t) < APART * under.seen_m


def _near_edge(under: Under, t: float) -> float:
    """Where its near edge is while something of it is seen."""
    if under.apart_s > APART_S:
        return under.seen_m
    return min(max(_expected(under, t), HIDDEN_SHARE * under.seen_m), under.seen_m)
