"""When an obstacle is worth a sound, how urgent each side is, and which one is heard.

An obstacle is heard while it is new or comes nearer, as parking aids do it.

Urgency grows with the band, within it with proximity, and a time to collision can only raise it:
walkers warned by time to collision bump into less (Pundlik et al., JAMA Ophthalmology 2021), and
a wall that one walks along needs no pulse.
"""

import math
from collections.abc import Sequence, Set
from dataclasses import replace
from typing import NamedTuple

from sonar.types import BANDS_BY_NEARNESS, Band, Side, ZoneReading

SLOWEST_HZ, FASTEST_HZ = 1.0, 8.0
BAND_RATES_HZ = {Band.FAR: (1.0, 1.8), Band.NEAR: (2.0, 3.6), Band.CLOSE: (4.0, 8.0)}
SOFTEST_DB = -10.0  # at the slowest rate; 0 dB at the fastest
TONE_LOWEST_HZ, TONE_HIGHEST_HZ = 220.0, 880.0  # of the continuous scheme, far to close
TTC_FASTEST_S, TTC_SLOWEST_S = 1.0, 6.0

CHANGE = 1.12  # nearer or farther by this factor is a change, less is noise
EARLY_SILENCE_S = 3.0  # a far or near obstacle that does not change falls silent after this
CLOSING_S = 4.0  # a collision sooner than this is never an early stage
_PROXIMITY_NOISE = 0.01

_LEAD_BONUS = 1.15  # another side must be this much more urgent to take over
_LEAD_HELD_BONUS = 2.0  # and this much within _LEAD_HOLD_S of the last change
_LEAD_HOLD_S = 0.5
_AS_NEAR = 1.12  # of a side's distance: the center is as near (as the hysteresis of the zones)
_AS_NEAR_HELD = 1.25  # the same while the center leads
_NOT_FAR = 1.5  # and for _LEAD_HOLD_S
_FAR_MORE_URGENT = 2.3  # without a time to collision, rates within a band differ by 2 at most
_AT_HAND = (Band.CLOSE, Band.STOP)


class Lead(NamedTuple):
    """The side that is heard, and how fast its pulse would be."""

    zone: ZoneReading
    rate_hz: float

    @property
    def stop(self) -> bool:
        return self.zone.band is Band.STOP

    @property
    def rank(self) -> int:
        return BANDS_BY_NEARNESS.index(self.zone.band)


def urgency_hz(zone: ZoneReading) -> float:
    """Pulses a second for a side, 1 (far) to 8 (close); 0 where nothing is known to be there.

    Each band has its own range of rates, so that steps can be distinguished; proximity moves within
    it. A time to collision raises the rate: 8 Hz at 1 s, 1 Hz at 6 s, geometrically between.
    """
    if zone.band is Band.STOP:
        return FASTEST_HZ
    if zone.band not in BAND_RATES_HZ:
        return 0.0
    slowest, fastest = BAND_RATES_HZ[zone.band]
    rate = min(max((FASTEST_HZ / SLOWEST_HZ) ** zone.proximity, slowest), fastest)
    if zone.ttc_s is not None:
        share = (TTC_SLOWEST_S - zone.ttc_s) / (TTC_SLOWEST_S - TTC_FASTEST_S)
        rate = max(rate, SLOWEST_HZ * (FASTEST_HZ / SLOWEST_HZ) ** min(max(share, 0.0), 1.0))
    return float(rate)


def gain_db(rate_hz: float) -> float:
    """The more urgent, the louder: -10 dB at 1 Hz, 0 dB at 8 Hz and beyond."""
    share = (rate_hz - SLOWEST_HZ) / (FASTEST_HZ - SLOWEST_HZ)
    return SOFTEST_DB * (1.0 - min(max(share, 0.0), 1.0))


def tone_hz(rate_hz: float) -> float:
    """Two octaves, as even to the ear as the rates are: 220 Hz at 1 Hz, 880 Hz at 8 Hz."""
    share = math.log(rate_hz / SLOWEST_HZ) / math.log(FASTEST_HZ / SLOWEST_HZ)
    return float(TONE_LOWEST_HZ * (TONE_HIGHEST_HZ / TONE_LOWEST_HZ) ** share)


class LeadChooser:
    """Chooses the side that is heard; the rate is that of the most urgent side.

    - Of left and right the more urgent one is taken. The one already heard keeps the lead while
      the other is hardly more urgent, and for half a second also when it is clearly more urgent
      but in no nearer band: urgency that flickers must not throw the sound to and fro.
    - The center leads when it is as near as that side (same band, or within the hysteresis of
      the zones): what blocks the whole way is ahead, not on one side. Only a time to collision
      that makes the side far more urgent comes first.
    - From a center that leads and is hardly farther a side takes over after half a second, or
      at once with ``stop``.
    """

    def __init__(self) -> None:
        self._lead: Side | None = None
        self._changed_t = -math.inf  # when the lead changed last
        self._ahead_t = -math.inf  # when the center last led in its own right

    def choose(self, zones: Sequence[ZoneReading], audible: Set[Side], t: float) -> Lead | None:
        """The side to be heard at ``t`` seconds, or None.

        Args:
            zones: left, center, right.
            audible: the sides that are worth a sound. While one of them is close or stop, the
                center counts too, although it has not changed for long.
        """
        left, center, right = (Lead(zone, urgency_hz(zone)) for zone in zones)
        heard = [lead for lead in (left, center, right) if lead.zone.side in audible]
        if not heard:
            self._lead = None
            return None
        held_bonus = _LEAD_HELD_BONUS if 0.0 <= t - self._changed_t < _LEAD_HOLD_S else _LEAD_BONUS
        nearest = max(lead.rank for lead in heard)

        def weight(lead: Lead) -> tuple[bool, float, bool, float]:
            held = lead.zone.side is self._lead
            bonus = held_bonus if lead.rank == nearest else _LEAD_BONUS
            return lead.stop, lead.rate_hz * (bonus if held else 1.0), held, lead.zone.proximity

        best = max((lead for lead in heard if lead is not center), key=weight, default=center)
        margin = _AS_NEAR_HELD if self._lead is Side.CENTER else _AS_NEAR
        if best is center:
            ahead = True
        elif _is_as_near(center, best, margin):
            counts = center in heard or best.zone.band in _AT_HAND
            ahead = counts and best.rate_hz < _FAR_MORE_URGENT * center.rate_hz
        else:
            ahead = center in heard and weight(center) > weight(best)
        if ahead:
            self._ahead_t = t
        recent = self._lead is Side.CENTER and 0.0 <= t - self._ahead_t <= _LEAD_HOLD_S
        if ahead or (recent and not best.stop and _is_as_near(center, best, _NOT_FAR)):
            # what stops the walker stays a stop, also when it is taken to be ahead
            band = Band.STOP if best.stop else center.zone.band
            best = Lead(replace(center.zone, band=band), best.rate_hz)
        if best.zone.side is not self._lead:
            self._lead, self._changed_t = best.zone.side, t
        return best._replace(rate_hz=max(lead.rate_hz for lead in heard))


def _is_as_near(center: Lead, side: Lead, factor: float) -> bool:
    """Proximity is linear in distance: 1 minus it is the share of the far band's edge."""
    near = 1.0 - center.zone.proximity <= factor * (1.0 - side.zone.proximity)
    return center.rate_hz > 0.0 and (near or center.rank >= side.rank)


class SideWatch:
    """Follows one side.

    ``stop`` and ``close`` are always heard: what recedes may do so because the walker turns. The
    early bands, far and near, fall silent ``EARLY_SILENCE_S`` after their last change for the
    nearer, and as soon as they recede, unless a collision is less than CLOSING_S away.
    """

    def __init__(self) -> None:
        self._last: ZoneReading | None = None  # as it was at the last change
        self._changed_t = -math.inf  # of the last change for the nearer; -inf: it receded since

    def audible(self, zone: ZoneReading, t: float) -> bool:
        """Whether ``zone``, read at ``t`` seconds, is to be heard. Call once a scene."""
        last = self._last
        if zone.band in (Band.CLEAR, Band.UNKNOWN):
            self._last = None
            return False
        if last is None or _nearer(last, zone) or zone.height not in (None, last.height):
            self._last, self._changed_t = zone, t
        elif _nearer(zone, last):
            self._last, self._changed_t = zone, -math.inf
        if zone.band in _AT_HAND or (zone.ttc_s is not None and zone.ttc_s <= CLOSING_S):
            return True
        return t - self._changed_t < EARLY_SILENCE_S


def _nearer(before: ZoneReading, after: ZoneReading) -> bool:
    ranks = BANDS_BY_NEARNESS
    if before.band is not after.band:
        return ranks.index(after.band) > ranks.index(before.band)
    if before.distance_m is not None and after.distance_m is not None:
        return after.distance_m * CHANGE < before.distance_m
    return after.proximity > before.proximity * CHANGE + _PROXIMITY_NOISE
