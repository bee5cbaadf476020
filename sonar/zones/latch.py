"""One latch for every flickering threshold: hysteresis in value, dwell in time."""

from dataclasses import dataclass

from sonar.config import BandEdges
from sonar.types import BANDS_BY_NEARNESS, Band

NEARER_DWELL_SHARE = 0.3  # of the dwell of a farther band: warnings come sooner


@dataclass(frozen=True, slots=True)
class Latch:
    """A band, the one that wants to replace it, and since when (seconds)."""

    band: Band = Band.UNKNOWN
    candidate: Band = Band.UNKNOWN
    since_s: float = 0.0


def band_of(distance_m: float | None, edges: BandEdges) -> Band:
    """The band of a distance; None (nothing there) is clear."""
    if distance_m is None:
        return Band.CLEAR
    for band, edge in (
        (Band.STOP, edges.stop_m),
        (Band.CLOSE, edges.close_m),
        (Band.NEAR, edges.near_m),
        (Band.FAR, edges.far_m),
    ):
        if distance_m < edge:
            return band
    return Band.CLEAR


def step(
    latch: Latch,
    distance_m: float | None,
    known: bool,
    t: float,
    dt_s: float,
    edges: BandEdges,
    hysteresis: float,
    dwell_s: float,
) -> Latch:
    """Move the latch by one frame.

    A nearer band is taken after a short dwell, at once if it is two or more steps nearer or
    ``stop``; a farther one only when the distance passes the edge by ``hysteresis`` and has
    held for ``dwell_s``. Unknown comes after ``dwell_s`` without evidence; an obstacle ends it
    at once, ``clear`` must hold for ``dwell_s`` first.
    Frames that come slower than the dwell each count.
    """
    if not known:
        target = Band.UNKNOWN
    else:
        target = band_of(distance_m, edges)
        if latch.band is not Band.UNKNOWN and _rank(target) < _rank(latch.band):
            kept = None if distance_m is None else distance_m / (1.0 + hysteresis)
            target = band_of(kept, edges)
    if target is latch.band:
        return Latch(latch.band, latch.band, t)
    since = latch.since_s if target is latch.candidate else t
    if latch.band is Band.UNKNOWN:  # an obstacle is told at once; "clear" must hold first
        wait = dwell_s if target is Band.CLEAR else 0.0
    elif target is Band.UNKNOWN:
        wait = dwell_s
    elif _rank(target) > _rank(latch.band):
        jump = _rank(target) - _rank(latch.band)
        wait = 0.0 if jump >= 2 or target is Band.STOP else dwell_s * NEARER_DWELL_SHARE
    else:
        wait = dwell_s
    if t - since >= wait - 1e-9 or dt_s >= dwell_s:
        return Latch(target, target, t)
    return Latch(latch.band, target, since)


def _rank(band: Band) -> int:
    return BANDS_BY_NEARNESS.index(band)
