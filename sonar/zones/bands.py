"""From a frame's evidence to tracks, latched bands and the scene."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from sonar.config import BandEdges
from sonar.types import BANDS_BY_NEARNESS, SIDES, Band, Reason, Scene, Side, State, ZoneReading
from sonar.zones.camera import Scale, Turning, initial_scale
from sonar.zones.evidence import Cells, Evidence, combine, free_sigma, weigh
from sonar.zones.geometry import Mask, Pose, View, pose_of, zone_masks
from sonar.zones.obstacles import DropTrack, nearest, range_bins
from sonar.zones.prior import GroundLine, NetworkPrior, Settings
from sonar.zones.tracks import BelowView, Track, follow, follow_below_view, time_to_collision
from sonar.zones.zone_regression import frame_features, zone_features

HYSTERESIS = 0.12  # a band is left only when its edge is passed by this share
DWELL_S = 0.25  # a farther band must hold for so long; a nearer one is taken sooner
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
) -> Latch:
    """Move the latch by one frame.

    A nearer band is taken after a short dwell, at once if it is two or more steps nearer or
    ``stop``; a farther one only when the distance passes the edge by ``HYSTERESIS`` and has
    held for ``DWELL_S``. Unknown comes after ``DWELL_S`` without evidence; an obstacle ends it
    at once, ``clear`` must hold for ``DWELL_S`` first.
    Frames that come slower than the dwell each count.
    """
    if not known:
        target = Band.UNKNOWN
    else:
        target = band_of(distance_m, edges)
        if latch.band is not Band.UNKNOWN and _rank(target) < _rank(latch.band):
            kept = None if distance_m is None else distance_m / (1.0 + HYSTERESIS)
            target = band_of(kept, edges)
    if target is latch.band:
        return Latch(latch.band, latch.band, t)
    since = latch.since_s if target is latch.candidate else t
    if latch.band is Band.UNKNOWN:  # an obstacle is announced at once; "clear" must hold first
        wait = DWELL_S if target is Band.CLEAR else 0.0
    elif target is Band.UNKNOWN:
        wait = DWELL_S
    elif _rank(target) > _rank(latch.band):
        jump = _rank(target) - _rank(latch.band)
        wait = 0.0 if jump >= 2 or target is Band.STOP else DWELL_S * NEARER_DWELL_SHARE
    else:
        wait = DWELL_S
    if t - since >= wait - 1e-9 or dt_s >= DWELL_S:
        return Latch(target, target, t)
    return Latch(latch.band, target, since)


def _rank(band: Band) -> int:
    return BANDS_BY_NEARNESS.index(band)


@dataclass(frozen=True, slots=True)
class Searched:
    """When the ground was last searched for (s), and the share of cells it has had since."""

    searched_t: float = 0.0
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class ZoneEstimate:
    """What a zone as a whole said at ``t`` (s): (log distance, its sigma), or None."""

    t: float
    said: tuple[float, float] | None


@dataclass(frozen=True, slots=True, eq=False)
class ZonesState:
    """What is carried on.

    Attributes:
        scale: from the map's units to meters.
        pitch_deg, roll_deg: slow estimate of the camera's pose.
        t: of the last frame, or None.
        ground: of the last search for the ground.
        tracks, latches, zone_estimates, below_views: left, center, right.
        drop: evidence of a drop-off.
        turning: where the camera looks, as a sum of turns.
        uncertainty: how little the network knows this place, or None before the first look.
    """

    scale: Scale
    pitch_deg: float
    roll_deg: float
    t: float | None = None
    ground: Searched = Searched()
    tracks: tuple[Track, Track, Track] = field(default_factory=lambda: (Track(), Track(), Track()))
    latches: tuple[Latch, Latch, Latch] = field(default_factory=lambda: (Latch(), Latch(), Latch()))
    zone_estimates: tuple[ZoneEstimate | None, ZoneEstimate | None, ZoneEstimate | None] = (
        None,
        None,
        None,
    )
    below_views: tuple[BelowView | None, BelowView | None, BelowView | None] = (None, None, None)
    drop: DropTrack = field(default_factory=DropTrack)
    turning: Turning = field(default_factory=Turning)
    uncertainty: float | None = None


def initial_state(settings: Settings) -> ZonesState:
    """Before the first frame."""
    pose = pose_of(settings.mount)
    return ZonesState(initial_scale(_level(settings)), pose.pitch_deg, pose.roll_deg)


def with_new_units(state: ZonesState, settings: Settings) -> ZonesState:
    """The state when another model's maps come, whose units are not the old one's.

    What is known in meters and degrees stays: tracks, bands and the pose. ``settings`` has the
    new model's prior.
    """
    scale = replace(initial_scale(_level(settings)), age_s=state.scale.age_s)
    turning = Turning(deg=state.turning.deg)
    return replace(
        state,
        scale=scale,
        turning=turning,
        ground=Searched(),
        zone_estimates=(None, None, None),
        uncertainty=None,
    )


def _level(settings: Settings) -> GroundLine | None:
    return settings.prior.ground_line if settings.prior else None


UNSURE_LOG = 0.7  # uncertainty of the log distance beyond which a band would be a guess
METERS_LOG = 0.45  # and beyond which meters are not reported
NO_GROUND_S = 3.0
AT_HAND_S = 5.0  # something at hand that fills a blank frame is believed to stay for this long
ZONE_ESTIMATE_S = (
    0.05  # a zone as a whole is looked at again after this long: it costs, and changes slowly
)


NOTHING = Track()


def track_zones(
    evidence: Evidence,
    cells: Cells,
    view: View,
    pose: Pose,
    prior: NetworkPrior | None,
    state: ZonesState,
    settings: Settings,
    t: float,
    dt_s: float,
) -> ZonesState:
    """Follow the nearest obstacle of each zone and latch its band."""
    tracks, latches, zone_estimates, below_views = [], [], [], []
    zones = settings.zones
    free = (
        free_sigma(state.scale, pose, prior, evidence.uncertainty, zones.bands.near_m) < UNSURE_LOG
    )
    masks = zone_masks(view, zones)
    regressed = zone_regressions(cells, view, pose, prior, evidence.uncertainty)
    bins = range_bins(evidence.space)
    for side, mask, track, held, estimate, below in zip(
        SIDES,
        masks,
        state.tracks,
        state.latches,
        state.zone_estimates,
        state.below_views,
        strict=True,
    ):
        weight = evidence.weight * mask
        found = nearest(evidence.space, cells.d, weight, bins, evidence.needed, prior is None)
        sigma = 0.0
        if found is None:
            estimate = None
        else:
            if estimate is None or not 0 <= t - estimate.t < ZONE_ESTIMATE_S - 1e-6:
                estimate = ZoneEstimate(t, regressed(side, mask))
            seen = combine(found, state.scale, pose, evidence, mask, view, prior, estimate.said)
            log_m, sigma = weigh(seen, prior is not None)
            found = replace(found, distance_m=math.exp(log_m))
        track = follow(track, found, sigma, t, dt_s, state.turning.deg)
        below = follow_below_view(below, track, found, t, state.turning.deg)
        known = free if track.log_m is None else track.sigma_log < UNSURE_LOG
        distance = None if track.log_m is None else float(np.exp(track.log_m))
        if below is not None:
            if below.near_edge_m is None:
                known = known and distance is not None and distance < below.seen_m
            else:
                known = known or distance is None
                distance = (
                    below.near_edge_m if distance is None else min(distance, below.near_edge_m)
                )
        if not track.fresh or below is not None:
            held = step(held, distance, known, t, dt_s, zones.bands)
        tracks.append(track)
        latches.append(held)
        zone_estimates.append(estimate)
        below_views.append(below)
    return replace(
        state,
        tracks=(tracks[0], tracks[1], tracks[2]),
        latches=(latches[0], latches[1], latches[2]),
        zone_estimates=(zone_estimates[0], zone_estimates[1], zone_estimates[2]),
        below_views=(below_views[0], below_views[1], below_views[2]),
    )


def zone_regressions(
    cells: Cells, view: View, pose: Pose, prior: NetworkPrior | None, uncertainty: float
) -> Callable[[Side, Mask], tuple[float, float] | None]:
    """A function that gives (log distance, its sigma) by what a zone looks like as a whole.

    What all zones share is computed when the first of them is asked for.
    """
    shared: list[float] = []

    def estimate(side: Side, mask: Mask) -> tuple[float, float] | None:
        if prior is None or prior.zone is None or cells.walkable is None:
            return None
        if not shared:
            shared.extend(frame_features(cells.d, cells.walkable, view.q, uncertainty))
        is_side = side is not Side.CENTER
        features = zone_features(cells.d, cells.walkable, view.q, mask, shared, is_side)
        if features is None:
            return None
        log_m = math.log(pose.height_m) - prior.zone.log_u(features)
        return log_m, prior.zone.sigma.at(uncertainty)

    return estimate


def keep_at_hand(state: ZonesState, t: float, filled: bool) -> ZonesState:
    """Bands while nothing can be seen: unknown, but where something was at hand a moment ago.

    Args:
        filled: the frame looks as if something at arm's length fills it.
    """
    tracks, latches = [], []
    for track, held in zip(state.tracks, state.latches, strict=True):
        if not (
            filled
            and held.band in (Band.STOP, Band.CLOSE)
            and track.log_m is not None
            and 0 <= t - track.last_t <= AT_HAND_S
        ):
            held = Latch(Band.UNKNOWN, Band.UNKNOWN, t)
        tracks.append(replace(track, history=(), rate=0.0))  # no time to collision from old news
        latches.append(held)
    return replace(
        state,
        tracks=(tracks[0], tracks[1], tracks[2]),
        latches=(latches[0], latches[1], latches[2]),
    )


def to_scene(frame_id: int, t: float, meters: bool, state: ZonesState, settings: Settings) -> Scene:
    """The scene of a state; ``meters``: distances may be reported at all."""
    left, center, right = (
        _reading(side, _with_below_view(track, below), below, held, meters, settings)
        for side, track, below, held in zip(
            SIDES, state.tracks, state.below_views, state.latches, strict=True
        )
    )
    reason, status = None, State.GUIDING
    if state.scale.age_s > NO_GROUND_S:
        reason = Reason.NO_GROUND
    settling = any(held.candidate is Band.CLEAR for held in state.latches)  # not yet held
    if all(r.band is Band.UNKNOWN for r in (left, center, right)) and not settling:
        reason, status = Reason.NO_GROUND, State.DEGRADED
    edge = state.drop.distance_m if state.drop.on else None
    return Scene(frame_id, t, left, center, right, state.drop.reading, edge, status, reason)


def _with_below_view(track: Track, below: BelowView | None) -> Track:
    """What is out of sight below in place of what is seen, where that is farther."""
    if below is None:
        return track
    if below.near_edge_m is None:
        return track if track.log_m is not None and track.log_m < np.log(below.seen_m) else NOTHING
    log_m = float(np.log(below.near_edge_m))
    if track.log_m is not None and track.log_m <= log_m:
        return track
    return replace(track, log_m=log_m, heights=(below.height,), sigma_log=below.sigma_log)


def _reading(
    side: Side,
    track: Track,
    below: BelowView | None,
    held: Latch,
    meters: bool,
    settings: Settings,
) -> ZoneReading:
    if held.band is Band.UNKNOWN or track.log_m is None:
        return ZoneReading(side, held.band)
    distance = float(np.exp(track.log_m))
    proximity = float(np.clip(1.0 - distance / settings.zones.bands.far_m, 0.0, 1.0))
    trusted = meters and track.sigma_log < METERS_LOG
    return ZoneReading(
        side,
        held.band,
        proximity,
        distance if trusted else None,
        distance * track.sigma_log if trusted else None,
        _soonest(time_to_collision(track), below.ttc_s if below else None),
        track.height,
    )


def _soonest(a: float | None, b: float | None) -> float | None:
    return min((x for x in (a, b) if x is not None), default=None)
