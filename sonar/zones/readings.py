"""From a frame's evidence to tracks, bands and the scene."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sonar.types import SIDES, Band, Reason, Scene, Side, State, ZoneReading
from sonar.zones import approach, latch
from sonar.zones.evidence import Cells, Evidence, cues, free_sigma, weigh
from sonar.zones.geometry import Pose, View
from sonar.zones.obstacles import nearest, range_bins
from sonar.zones.prior import NetworkPrior
from sonar.zones.regions import Mask, zone_masks
from sonar.zones.state import Settings, Whole, ZonesState
from sonar.zones.under import Under, follow_under
from sonar.zones.zone_level import picture_features, zone_features

UNSURE_LOG = 0.7  # uncertainty of the log distance beyond which a band would be a guess
METRES_LOG = 0.45  # and beyond which metres are not reported
NO_GROUND_S = 3.0
AT_HAND_S = 5.0  # something at hand that fills a blank picture is believed to stay for this long
WHOLE_S = 0.05  # a zone as a whole is looked at again after this long: it costs, and changes slowly


NOTHING = approach.Track()


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
        track = approach.follow(track, found, sigma, t, dt_s, state.turning.deg)
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
            held = latch.step(
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
            held = latch.Latch(Band.UNKNOWN, Band.UNKNOWN, t)
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


def _with_under(track: approach.Track, under: Under | None) -> approach.Track:
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
    track: approach.Track,
    under: Under | None,
    held: latch.Latch,
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
        _soonest(approach.time_to_collision(track), under.ttc_s if under else None),
        track.height,
    )


def _soonest(a: float | None, b: float | None) -> float | None:
    return min((x for x in (a, b) if x is not None), default=None)
