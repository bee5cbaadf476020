"""How urgent each side is, and which one is heard.

Urgency grows with the band, within it with proximity, and a time to collision can only raise it:
walkers warned by time to collision bump into less (Pundlik et al., JAMA Ophthalmology 2021), and
a wall that one walks along needs no pulse.
"""

import math
from dataclasses import dataclass

from sonar.types import BANDS_BY_NEARNESS, Band, Side, ZoneReading

SLOWEST_HZ, FASTEST_HZ = 1.0, 8.0
BAND_RATES_HZ = {Band.FAR: (1.0, 1.8), Band.NEAR: (2.0, 3.6), Band.CLOSE: (4.0, 8.0)}
SOFTEST_DB = -10.0  # at the slowest rate; 0 dB at the fastest
TONE_LOWEST_HZ, TONE_HIGHEST_HZ = 220.0, 880.0  # of the continuous scheme, far to close
TTC_FASTEST_S, TTC_SLOWEST_S = 1.0, 6.0

_LEAD_BONUS = 1.15  # another side must be this much more urgent to take over
_LEAD_HELD_BONUS = 2.0  # and this much within _LEAD_HOLD_S of the last change
_LEAD_HOLD_S = 0.5


@dataclass(frozen=True, slots=True)
class Lead:
    """The side that is heard, and how fast its pulse would be."""

    zone: ZoneReading
    rate_hz: float

    @property
    def stop(self) -> bool:
        return self.zone.band is Band.STOP


def urgency_hz(zone: ZoneReading) -> float:
    """Pulses a second for a side, 1 (far) to 8 (close); 0 where nothing is known to be there.

    Each band has its own range of rates, so that steps are told apart; proximity moves within
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


def level_db(rate_hz: float) -> float:
    """The more urgent, the louder: -10 dB at 1 Hz, 0 dB at 8 Hz and beyond."""
    share = (rate_hz - SLOWEST_HZ) / (FASTEST_HZ - SLOWEST_HZ)
    return SOFTEST_DB * (1.0 - min(max(share, 0.0), 1.0))


def tone_hz(rate_hz: float) -> float:
    """Two octaves, as even to the ear as the rates are: 220 Hz at 1 Hz, 880 Hz at 8 Hz."""
    share = math.log(rate_hz / SLOWEST_HZ) / math.log(FASTEST_HZ / SLOWEST_HZ)
    return float(TONE_LOWEST_HZ * (TONE_HIGHEST_HZ / TONE_LOWEST_HZ) ** share)


class LeadChooser:
    """The most urgent side leads; the one already heard keeps the lead when it is close.

    A side that took the lead keeps it for half a second unless another is in a nearer band or far
    more urgent: sides whose urgency flickers must not throw the sound to and fro. Equals: the one
    already heard, else the center, else the left.
    """

    def __init__(self) -> None:
        self._lead: Side | None = None
        self._since_t: float | None = None

    def forget(self) -> None:
        """Nothing is being heard."""
        self._lead = None

    def choose(self, audible: list[Lead], t: float) -> Lead | None:
        """Of the sides worth a sound at ``t`` seconds; None where there is none."""
        if not audible:
            self._lead = None
            return None
        fresh = self._since_t is not None and 0.0 <= t - self._since_t < _LEAD_HOLD_S
        nearest = max(BANDS_BY_NEARNESS.index(lead.zone.band) for lead in audible)

        def rank(lead: Lead) -> tuple[bool, float, bool, bool]:
            side, bonus = lead.zone.side, 1.0
            if side is self._lead:
                held = fresh and BANDS_BY_NEARNESS.index(lead.zone.band) == nearest
                bonus = _LEAD_HELD_BONUS if held else _LEAD_BONUS
            heard = side is self._lead
            return (lead.stop, lead.rate_hz * bonus, heard, side is Side.CENTER)

        best = max(audible, key=rank)
        if best.zone.side is not self._lead:
            self._lead, self._since_t = best.zone.side, t
        return best
