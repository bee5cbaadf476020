"""From a frame's evidence to tracks, latched bands and the scene."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from sonar.config import BandEdges
from sonar.types import BANDS_BY_NEARNESS, SIDES, Band, Reason, Scene, Side, State, ZoneReading
from sonar.zones.camera import Scale, Turning, initial_scale
from sonar.zones.evidence import Cells, Evidence, cues, free_sigma, weigh
from sonar.zones.geometry import Mask, Pose, View, pose_of, zone_masks
from sonar.zones.obstacles import DropTrack, nearest, range_bins
from sonar.zones.prior import LevelPrior, NetworkPrior, Settings
from sonar.zones.tracks import Track, Under, follow, follow_under, time_to_collision
from sonar.zones.zone_regression import picture_features, zone_features

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


@dataclass(frozen=True, slots=True)
class Searched:
    """When the ground was last searched for (s), and the share of cells it has had since."""

    searched_t: float = 0.0
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Whole:
    """What a zone as a whole said at ``t`` (s): (log distance, its sigma), or None."""

    t: float
    said: tuple[float, float] | None


@dataclass(frozen=True, slots=True, eq=False)
class ZonesState:
    """What is carried on.

    Attributes:
        scale: from the map's units to metres.
        pitch_deg, roll_deg: slow estimate of the camera's pose.
        t: of the last frame, or None.
        ground: of the last search for the ground.
        tracks, latches, wholes, unders: left, center, right.
        drop: evidence of a drop-off.
        turning: where the camera looks, as a sum of turns.
        doubt: how little the network knows this place, or None before the first look.
    """

    scale: Scale
    pitch_deg: float
    roll_deg: float
    t: float | None = None
    ground: Searched = Searched()
    tracks: tuple[Track, Track, Track] = field(default_factory=lambda: (Track(), Track(), Track()))
    latches: tuple[Latch, Latch, Latch] = field(default_factory=lambda: (Latch(), Latch(), Latch()))
    wholes: tuple[Whole | None, Whole | None, Whole | None] = (None, None, None)
    unders: tuple[Under | None, Under | None, Under | None] = (None, None, None)
    drop: DropTrack = field(default_factory=DropTrack)
    turning: Turning = field(default_factory=Turning)
    doubt: float | None = None


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
        wholes=(None, None, None),
        doubt=None,
    )


def _level(settings: Settings) -> LevelPrior | None:
    return settings.prior.level if settings.prior else None


UNSURE_LOG = 0.7  # uncertainty of the log distance beyond which a band would be a guess
METRES_LOG = 0.45  # and beyond which metres are not reported
NO_GROUND_S = 3.0
AT_HAND_S = 5.0  # something at hand that fills a blank picture is believed to stay for this long
WHOLE_S = 0.05  # a zone as a whole is looked at again after this long: it costs, and changes slowly


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
    tracks, latches, wholes, unders = [], [], [], []
    zones = settings.zones
    free = free_sigma(state.scale, pose, prior, evidence.doubt, zones.bands.near_m) < UNSURE_LOG
    masks = zone_masks(view, zones)
    whole_zone = look_at_wholes(cells, view, pose, prior, evidence.doubt)
    bins = range_bins(evidence.space)
    for side, mask, track, held, whole, under in zip(
        SIDES, masks, state.tracks, state.latches, state.wholes, state.unders, strict=True
    ):
        weight = evidence.weight * mask
        found = nearest(evidence.space, cells.d, weight, bins, evidence.needed, prior is None)
        sigma = 0.0
        if found is None:
            whole = None
        else:
            if whole is None or not 0 <= t - whole.t < WHOLE_S - 1e-6:
                whole = Whole(t, whole_zone(side, mask))
            seen = cues(found, state.scale, pose, evidence, mask, view, prior, whole.said)
            log_m, sigma = weigh(seen, prior is not None)
            found = replace(found, distance_m=math.exp(log_m))
        track = follow(track, found, sigma, t, dt_s, state.turning.deg)
        under = follow_under(under, track, found, t, state.turning.deg)
        known = free if track.log_m is None else track.sigma_log < UNSURE_LOG
        distance = None if track.log_m is None else float(np.exp(track.log_m))
        if under is not None:
            if under.told_m is None:
                known = known and distance is not None and distance < under.seen_m
            else:
                known = known or distance is None
                distance = under.told_m if distance is None else min(distance, under.told_m)
        if not track.fresh or under is not None:
            held = step(
                held, distance, known, t, dt_s, zones.bands, zones.hysteresis, zones.dwell_s
            )
        tracks.append(track)
        latches.append(held)
        wholes.append(whole)
        unders.append(under)
    return replace(
        state,
        tracks=(tracks[0], tracks[1], tracks[2]),
        latches=(latches[0], latches[1], latches[2]),
        wholes=(wholes[0], wholes[1], wholes[2]),
        unders=(unders[0], unders[1], unders[2]),
    )


def look_at_wholes(
    cells: Cells, view: View, pose: Pose, prior: NetworkPrior | None, doubted: float
) -> Callable[[Side, Mask], tuple[float, float] | None]:
    """A function that gives (log distance, its sigma) by what a zone looks like as a whole.

    What all zones share is computed when the first of them is asked for.
    """
    shared: list[float] = []

    def whole(side: Side, mask: Mask) -> tuple[float, float] | None:
        if prior is None or prior.zone is None or cells.walkable is None:
            return None
        if not shared:
            shared.extend(picture_features(cells.d, cells.walkable, view.q, doubted))
        is_side = side is not Side.CENTER
        features = zone_features(cells.d, cells.walkable, view.q, mask, shared, is_side)
        if features is None:
            return None
        log_m = math.log(pose.height_m) - prior.zone.log_u(features)
        return log_m, prior.zone.sigma.at(doubted)

    return whole


def keep_at_hand(state: ZonesState, t: float, filled: bool) -> ZonesState:
    """Bands while nothing can be seen: unknown, but where something was at hand a moment ago.

    Args:
        filled: the picture looks as if something at arm's length fills it.
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


def to_scene(frame_id: int, t: float, metres: bool, state: ZonesState, settings: Settings) -> Scene:
    """The scene that a state stands for; ``metres``: distances may be reported at all."""
    left, center, right = (
        _reading(side, _with_under(track, under), under, held, metres, settings)
        for side, track, under, held in zip(
            SIDES, state.tracks, state.unders, state.latches, strict=True
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


def _with_under(track: Track, under: Under | None) -> Track:
    """What is out of sight below in place of what is seen, where that is farther."""
    if under is None:
        return track
    if under.told_m is None:
        return track if track.log_m is not None and track.log_m < np.log(under.seen_m) else NOTHING
    log_m = float(np.log(under.told_m))
    if track.log_m is not None and track.log_m <= log_m:
        return track
    return replace(track, log_m=log_m, heights=(under.height,), sigma_log=under.sigma_log)


def _reading(
    side: Side,
    track: Track,
    under: Under | None,
    held: Latch,
    metres: bool,
    settings: Settings,
) -> ZoneReading:
    if held.band is Band.UNKNOWN or track.log_m is None:
        return ZoneReading(side, held.band)
    distance = float(np.exp(track.log_m))
    proximity = float(np.clip(1.0 - distance / settings.zones.bands.far_m, 0.0, 1.0))
    trusted = metres and track.sigma_log < METRES_LOG
    return ZoneReading(
        side,
        held.band,
        proximity,
        distance if trusted else None,
        distance * track.sigma_log if trusted else None,
        _soonest(time_to_collision(track), under.ttc_s if under else None),
        track.height,
    )


def _soonest(a: float | None, b: float | None) -> float | None:
    return min((x for x in (a, b) if x is not None), default=None)
