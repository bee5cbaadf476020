"""One zone over time: its track, its latched band and its reading."""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from sonar.config import BandEdges
from sonar.types import BANDS_BY_NEARNESS, Band, Side, ZoneReading
from sonar.zones.evidence import Estimate, Evidence
from sonar.zones.geometry import Array, Mask
from sonar.zones.obstacles import nearest
from sonar.zones.tracks import BelowView, Track, follow, follow_below_view, time_to_collision

HYSTERESIS = 0.12  # a band is left only when its edge is passed by this share
DWELL_S = 0.25  # a farther band must hold for so long; a nearer one is taken sooner
NEARER_DWELL_SHARE = 0.3  # of the dwell of a farther band: warnings come sooner
MAX_BAND_LOG = 0.7  # uncertainty of the log distance beyond which a band would be a guess
MAX_METERS_LOG = 0.45  # and beyond which meters are not reported
AT_HAND_S = 5.0  # something at hand that fills a blank frame is believed to stay for this long
MIN_VALID_SHARE = 0.7  # of a zone's cells; with fewer, no obstacle found is not a free way
REGRESS_S = 0.05  # statistics of a zone hold for so long: they cost, and change slowly


@dataclass(frozen=True, slots=True)
class Latch:
    """A band, the one that wants to replace it, and since when (seconds)."""

    band: Band = Band.UNKNOWN
    candidate: Band = Band.UNKNOWN
    since_s: float = 0.0


def band_of(distance_m: float | None, edges: BandEdges) -> Band:
    """The band of a distance; None (nothing there) is clear."""
    far_to_near = (edges.far_m, edges.near_m, edges.close_m, edges.stop_m)
    inside = 0 if distance_m is None else sum(distance_m < edge for edge in far_to_near)
    return BANDS_BY_NEARNESS[inside]


def step(
    latch: Latch,
    distance_m: float | None,
    known: bool,
    t: float,
    dt_s: float,
    edges: BandEdges,
    since_s: float | None = None,
) -> Latch:
    """Move the latch by one frame.

    A nearer band is taken after a short dwell, at once if it is two or more steps nearer or
    ``stop``; a farther one only when the distance passes the edge by ``HYSTERESIS`` and has
    held for ``DWELL_S``. Unknown comes after ``DWELL_S`` without evidence; an obstacle ends it
    at once, ``clear`` must hold for ``DWELL_S`` first. Frames slower than the dwell each count.
    ``since_s``: when what held the band was seen last, if it is gone.
    """
    target, rank = Band.UNKNOWN, BANDS_BY_NEARNESS.index
    if known:
        target = band_of(distance_m, edges)
        if latch.band is not Band.UNKNOWN and rank(target) < rank(latch.band):
            kept_m = None if distance_m is None else distance_m / (1.0 + HYSTERESIS)
            target = band_of(kept_m, edges)
    if target is latch.band:
        return Latch(latch.band, latch.band, t)
    since = latch.since_s if target is latch.candidate else t
    wait = DWELL_S
    if latch.band is Band.UNKNOWN:  # an obstacle is announced at once; "clear" must hold first
        wait = DWELL_S if target is Band.CLEAR else 0.0
    elif target is not Band.UNKNOWN and rank(target) > rank(latch.band):
        jump = rank(target) - rank(latch.band)
        wait = 0.0 if jump >= 2 or target is Band.STOP else DWELL_S * NEARER_DWELL_SHARE
    elif target is not Band.UNKNOWN and since_s is not None:
        since = min(since, since_s)
    if t - since >= wait - 1e-9 or dt_s >= DWELL_S:
        return Latch(target, target, t)
    return Latch(latch.band, target, since)


@dataclass(frozen=True, slots=True)
class ZoneState:
    """One zone between two frames: also when its statistics were taken last (``regressed_t``) and
    what they gave, and what has left the frame below."""

    side: Side
    track: Track = field(default_factory=Track)
    latch: Latch = field(default_factory=Latch)
    regressed_t: float | None = None
    regressed: Estimate | None = None
    below: BelowView | None = None

    def seen(
        self,
        evidence: Evidence,
        zone: Mask,
        weight: Array,
        edges: BandEdges,
        t: float,
        dt_s: float,
        bearing_deg: float,
    ) -> "ZoneState":
        """After one more frame; ``weight`` of the zone's cells as obstacles."""
        found = nearest(evidence, weight)
        regressed_t, regressed = self.regressed_t, self.regressed
        if found is None:
            regressed_t = None
        else:
            if regressed_t is None or not 0 <= t - regressed_t < REGRESS_S - 1e-6:
                regressed_t = t
                regressed = evidence.regressed(zone, self.side is not Side.CENTER)
            by_cells = math.log(found.distance_m), found.sigma_log
            log_m, sigma = evidence.combined(by_cells, zone, regressed)
            found = replace(found, distance_m=math.exp(log_m), sigma_log=sigma)
        track = follow(self.track, found, t, dt_s, bearing_deg)
        below = follow_below_view(self.below, track, found, t, bearing_deg)
        latch, distance = self.latch, track.distance_m
        sigma = evidence.free_sigma(edges.near_m) if distance is None else track.sigma_log
        known = sigma < MAX_BAND_LOG
        if distance is None:
            valid = int(np.count_nonzero(evidence.cells.valid & zone))
            known = known and valid >= MIN_VALID_SHARE * int(np.count_nonzero(zone))
            known = known and evidence.ground_is_free(zone, edges.near_m)
        if below is not None and below.near_edge_m is None:  # passed
            known = known and distance is not None and distance < below.seen_m
        elif below is not None and below.near_edge_m is not None:
            known = known or distance is None
            distance = min(below.near_edge_m, math.inf if distance is None else distance)
        if not track.fresh or below is not None:
            gone_s = None  # the time that it was held after it vanished counts as dwell
            if evidence.prior is None and track.history[:1] != self.track.history[:1]:
                gone_s = self.track.last_t
            latch = step(latch, distance, known, t, dt_s, edges, gone_s)
        return ZoneState(self.side, track, latch, regressed_t, regressed, below)

    def unseen(self, t: float, filled: bool) -> "ZoneState":
        """While nothing can be seen: unknown, but where something was at hand a moment ago and
        the frame looks as if it were ``filled`` by something at arm's length."""
        latch, age_s = self.latch, t - self.track.last_t
        at_hand = latch.band in (Band.STOP, Band.CLOSE) and self.track.log_m is not None
        if not (filled and at_hand and 0 <= age_s <= AT_HAND_S):
            latch = Latch(since_s=t)
        # No time to collision from what is old.
        return replace(self, track=replace(self.track, history=(), rate=0.0), latch=latch)

    def reading(self, meters: bool, far_m: float) -> ZoneReading:
        """As it is reported; ``meters``: distances may be."""
        track, below, band = self.track, self.below, self.latch.band
        distance, sigma, height = track.distance_m, track.sigma_log, track.height
        if below is not None and below.near_edge_m is not None:
            if distance is None or distance > below.near_edge_m:  # nearer than all that is seen
                distance, sigma, height = below.near_edge_m, below.sigma_log, below.height
        elif below is not None and distance is not None and distance >= below.seen_m:
            distance = None  # what was passed hides what is near
        if band is Band.UNKNOWN or distance is None:
            return ZoneReading(self.side, band)
        times = [time_to_collision(track), below.ttc_s if below else None]
        if band in (Band.CLEAR, Band.FAR):
            times = []
        trusted = meters and sigma < MAX_METERS_LOG
        return ZoneReading(
            self.side,
            band,
            min(max(1.0 - distance / far_m, 0.0), 1.0),
            distance if trusted else None,
            distance * sigma if trusted else None,
            min((s for s in times if s is not None), default=None),
            height,
        )
