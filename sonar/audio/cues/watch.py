"""When an obstacle is worth a sound: while it is new or comes nearer, as parking aids do it."""

from sonar.types import BANDS_BY_NEARNESS, Band, Height, ZoneReading

CHANGE = 1.12  # nearer or farther by this factor is a change, less is noise
EARLY_SILENCE_S = 3.0  # a far or near obstacle that does not change falls silent after this
CLOSING_S = 4.0  # a collision sooner than this is never an early stage
_PROXIMITY_NOISE = 0.01


class SideWatch:
    """Follows one side.

    ``stop`` and ``close`` are always heard: what recedes may do so because the walker turns. The
    early bands, far and near, fall silent ``EARLY_SILENCE_S`` after their last change for the
    nearer, and as soon as they recede, unless a collision is less than CLOSING_S away.
    """

    def __init__(self) -> None:
        self._last: ZoneReading | None = None  # as it was at the last change
        self._changed_t = 0.0
        self._receded_t: float | None = None

    def audible(self, zone: ZoneReading, t: float) -> bool:
        """Whether ``zone``, read at ``t`` seconds, is to be heard. Call once a scene."""
        if zone.band in (Band.CLEAR, Band.UNKNOWN):
            self._last = None
            return False
        self._follow(zone, t)
        if zone.band in (Band.STOP, Band.CLOSE):
            return True
        if zone.ttc_s is not None and zone.ttc_s <= CLOSING_S:
            return True
        return self._receded_t is None and t - self._changed_t < EARLY_SILENCE_S

    def _follow(self, zone: ZoneReading, t: float) -> None:
        last = self._last
        if last is None or _nearer(last, zone) or _other_height(last.height, zone.height):
            self._changed_t, self._receded_t = t, None
        elif _nearer(zone, last):
            self._receded_t = t
        else:
            return
        self._last = zone


def _nearer(before: ZoneReading, after: ZoneReading) -> bool:
    ranks = BANDS_BY_NEARNESS
    if before.band is not after.band:
        return ranks.index(after.band) > ranks.index(before.band)
    if before.distance_m is not None and after.distance_m is not None:
        return after.distance_m * CHANGE < before.distance_m
    return after.proximity > before.proximity * CHANGE + _PROXIMITY_NOISE


def _other_height(before: Height | None, after: Height | None) -> bool:
    return after is not None and before is not after
