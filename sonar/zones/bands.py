"""From a frame's evidence to tracks, latched bands and the scene."""

import math
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from sonar.config import BandEdges
from sonar.types import BANDS_BY_NEARNESS, SIDES, Band, Reason, Scene, Side, State, ZoneReading
from sonar.zones.evidence import Estimate, Evidence, Settings, pulled
from sonar.zones.geometry import in_corridor, pose_of, zone_masks
from sonar.zones.obstacles import DropTrack, nearest, range_bins
from sonar.zones.scale import Scale, initial_scale
from sonar.zones.tracks import BelowView, Track, follow, follow_below_view, time_to_collision
from sonar.zones.turning import Turning

HYSTERESIS = 0.12  # a band is left only when its edge is passed by this share
DWELL_S = 0.25  # a farther band must hold for so long; a nearer one is taken sooner
NEARER_DWELL_SHARE = 0.3  # of the dwell of a farther band: warnings come sooner
MAX_BAND_LOG = 0.7  # uncertainty of the log distance beyond which a band would be a guess
MAX_METERS_LOG = 0.45  # and beyond which meters are not reported
NO_GROUND_S = 3.0
AT_HAND_S = 5.0  # something at hand that fills a blank frame is believed to stay for this long
REGRESS_S = (
    0.05  # statistics of a zone are taken again after this long: they cost, and change slowly
)


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
    latch: Latch, distance_m: float | None, known: bool, t: float, dt_s: float, edges: BandEdges
) -> Latch:
    """Move the latch by one frame.

    A nearer band is taken after a short dwell, at once if it is two or more steps nearer or
    ``stop``; a farther one only when the distance passes the edge by ``HYSTERESIS`` and has
    held for ``DWELL_S``. Unknown comes after ``DWELL_S`` without evidence; an obstacle ends it
    at once, ``clear`` must hold for ``DWELL_S`` first.
    Frames that come slower than the dwell each count.
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
    if t - since >= wait - 1e-9 or dt_s >= DWELL_S:
        return Latch(target, target, t)
    return Latch(latch.band, target, since)


@dataclass(frozen=True, slots=True)
class ZoneState:
    """What is carried on of one zone.

    Attributes:
        regressed_t, regressed: when its statistics were taken last (s), and what they gave.
        below: what has left the frame below, or None.
    """

    track: Track = field(default_factory=Track)
    latch: Latch = field(default_factory=Latch)
    regressed_t: float | None = None
    regressed: Estimate | None = None
    below: BelowView | None = None


class Searched(NamedTuple):
    """When the ground was last searched for (s), and the share of cells it has had since."""

    t: float = 0.0
    share: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class ZonesState:
    """What is carried on.

    Attributes:
        scale: from the map's units to meters.
        pitch_deg, roll_deg: slow estimate of the camera's pose.
        t: of the last frame, or None.
        ground: of the last search for the ground.
        zones: left, center, right.
        drop: evidence of a drop-off.
        turning: where the camera looks, as a sum of turns.
        uncertainty: how little the network knows this place, or None before the first look.
    """

    scale: Scale
    pitch_deg: float
    roll_deg: float
    t: float | None = None
    ground: Searched = field(default_factory=Searched)
    zones: tuple[ZoneState, ...] = (ZoneState(),) * 3
    drop: DropTrack = field(default_factory=DropTrack)
    turning: Turning = field(default_factory=Turning)
    uncertainty: float | None = None


def initial_state(settings: Settings) -> ZonesState:
    """Before the first frame."""
    pose = pose_of(settings.mount)
    line = settings.prior.ground_line if settings.prior else None
    return ZonesState(initial_scale(line), pose.pitch_deg, pose.roll_deg)


def with_new_units(state: ZonesState, settings: Settings) -> ZonesState:
    """The state when another model's maps come, whose units are not the old one's.

    What is known in meters and degrees stays: tracks, bands and the pose. ``settings`` has the
    new model's prior.
    """
    return replace(
        state,
        scale=replace(initial_state(settings).scale, age_s=state.scale.age_s),
        turning=Turning(deg=state.turning.deg),
        ground=Searched(),
        zones=tuple(replace(zone, regressed_t=None, regressed=None) for zone in state.zones),
        uncertainty=None,
    )


def track_zones(
    evidence: Evidence, state: ZonesState, settings: Settings, t: float, dt_s: float
) -> ZonesState:
    """Follow the nearest obstacle of each zone and latch its band."""
    edges, biased = settings.zones.bands, evidence.prior is not None
    bearing_deg = state.turning.deg
    weight = evidence.weights(in_corridor(evidence.space, settings.zones))
    bins, needed = range_bins(evidence.space), evidence.needed
    free = evidence.free_sigma(edges.near_m) < MAX_BAND_LOG
    zones = []
    for side, mask, zone in zip(
        SIDES, zone_masks(evidence.view, settings.zones), state.zones, strict=True
    ):
        found = nearest(evidence.space, evidence.cells.d, weight * mask, bins, needed, not biased)
        regressed_t, regressed, sigma = zone.regressed_t, zone.regressed, 0.0
        if found is None:
            regressed_t = None
        else:
            if regressed_t is None or not 0 <= t - regressed_t < REGRESS_S - 1e-6:
                regressed_t, regressed = t, evidence.regressed(mask, side is not Side.CENTER)
            log_m, sigma = pulled(evidence.distance(found, mask, regressed), biased)
            found = replace(found, distance_m=math.exp(log_m))
        track = follow(zone.track, found, sigma, t, dt_s, bearing_deg)
        below = follow_below_view(zone.below, track, found, t, bearing_deg)
        latch, distance = zone.latch, track.distance_m
        known = free if distance is None else track.sigma_log < MAX_BAND_LOG
        if below is not None and below.near_edge_m is None:  # passed
            known = known and distance is not None and distance < below.seen_m
        elif below is not None and below.near_edge_m is not None:
            known = known or distance is None
            distance = min(below.near_edge_m, math.inf if distance is None else distance)
        if not track.fresh or below is not None:
            latch = step(latch, distance, known, t, dt_s, edges)
        zones.append(ZoneState(track, latch, regressed_t, regressed, below))
    return replace(state, zones=tuple(zones))


def keep_at_hand(state: ZonesState, t: float, filled: bool) -> ZonesState:
    """Bands while nothing can be seen: unknown, but where something was at hand a moment ago.

    Args:
        filled: the frame looks as if something at arm's length fills it.
    """
    zones = []
    for zone in state.zones:
        track, latch = zone.track, zone.latch
        at_hand = latch.band in (Band.STOP, Band.CLOSE) and track.log_m is not None
        if not (filled and at_hand and 0 <= t - track.last_t <= AT_HAND_S):
            latch = Latch(since_s=t)
        track = replace(track, history=(), rate=0.0)  # no time to collision from what is old
        zones.append(replace(zone, track=track, latch=latch))
    return replace(state, zones=tuple(zones))


def to_scene(frame_id: int, t: float, meters: bool, state: ZonesState, settings: Settings) -> Scene:
    """The scene of a state; ``meters``: distances may be reported at all."""
    far_m = settings.zones.bands.far_m
    left, center, right = (
        _reading(side, zone, meters, far_m) for side, zone in zip(SIDES, state.zones, strict=True)
    )
    reason, status = None, State.GUIDING
    if state.scale.age_s > NO_GROUND_S:
        reason = Reason.NO_GROUND
    settling = any(zone.latch.candidate is Band.CLEAR for zone in state.zones)  # not yet held
    if all(r.band is Band.UNKNOWN for r in (left, center, right)) and not settling:
        reason, status = Reason.NO_GROUND, State.DEGRADED
    edge = state.drop.distance_m if state.drop.on else None
    return Scene(frame_id, t, left, center, right, state.drop.reading, edge, status, reason)


def _reading(side: Side, zone: ZoneState, meters: bool, far_m: float) -> ZoneReading:
    track, below, band = zone.track, zone.below, zone.latch.band
    log_m, sigma, height, distance = track.log_m, track.sigma_log, track.height, track.distance_m
    if below is not None and below.near_edge_m is not None:
        edge_log = float(np.log(below.near_edge_m))
        if log_m is None or log_m > edge_log:  # nearer than all that is seen
            log_m, sigma, height = edge_log, below.sigma_log, below.height
            distance = float(np.exp(log_m))
    elif below is not None and distance is not None and distance >= below.seen_m:
        distance = None  # what was passed hides what is near
    if band is Band.UNKNOWN or distance is None:
        return ZoneReading(side, band)
    times = (time_to_collision(track), below.ttc_s if below else None)
    trusted = meters and sigma < MAX_METERS_LOG
    return ZoneReading(
        side,
        band,
        float(np.clip(1.0 - distance / far_m, 0.0, 1.0)),
        distance if trusted else None,
        distance * sigma if trusted else None,
        min((s for s in times if s is not None), default=None),
        height,
    )
