"""Depth to scene: one pure function over a state.

In order: cells -> ground -> scale and pose -> space in metres -> obstacles and edges -> tracks
-> bands.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sonar.types import SIDES, Band, DepthKind, DepthMap, Reason, Scene, Side, State, ZoneReading
from sonar.zones import approach, dropoff, latch
from sonar.zones.geometry import Array, Pose, View, optics_for, pose_of, views_for
from sonar.zones.ground import GroundFit, fit_ground
from sonar.zones.obstacles import nearest, obstacle_mask
from sonar.zones.regions import Mask, Space, in_corridor, to_space, zone_masks
from sonar.zones.scale import LevelPrior, Scale, far_level, update_scale
from sonar.zones.state import Settings, ZonesState, initial_state

SWAY_DEG = 1.5  # a walker's gait swings the camera by this from frame to frame
POSE_FOLLOW_S = 0.5
MAX_GAP_S = 2.0  # after a longer gap the old tracks say nothing
UNSURE_LOG = 0.7  # uncertainty of the log distance beyond which a band would be a guess
METRES_LOG = 0.4  # and beyond which metres are not reported
UNKNOWN_HEIGHT_LOG = 0.15  # people wear cameras at 1.1 to 1.7 m
NO_GROUND_S = 3.0
MIN_AREA = 0.003  # share of the cells that an obstacle must cover in a zone
NETWORK_NOISE = 0.05  # share of ``w`` by which a network is wrong besides scale
METRIC_PRIOR = LevelPrior(1.0, 0.0, 0.02, 0.004)  # metres need no alignment


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """One map, reduced: float32 arrays of the fine grid; ``d`` is larger for nearer."""

    d: Array
    valid: Mask
    walkable: Array | None


def to_cells(depth: DepthMap, frame_hw: tuple[int, int], settings: Settings) -> Cells | None:
    """Reduce a map; None where most of it is missing."""
    grid = optics_for(settings.mount, frame_hw, depth.values.shape).fine
    with np.errstate(invalid="ignore", over="ignore"):
        d = grid.reduce(depth.values)
        if depth.kind is DepthKind.METRIC:
            d = np.where(d > 0.05, 1.0 / np.maximum(d, np.float32(0.05)), np.float32(np.nan))
        valid = np.isfinite(d) & (np.abs(d) < 1e12)
    if valid.mean() < 0.4:
        return None
    if not valid.all():
        d = np.where(valid, d, np.float32(0))
    walkable = None
    if depth.walkable is not None:
        walkable = np.nan_to_num(grid.reduce(depth.walkable), nan=0.0, posinf=0.0, neginf=0.0)
        walkable = np.clip(walkable, 0.0, 1.0)
    return Cells(d, valid, walkable)


def analyse(
    depth: DepthMap,
    frame_id: int,
    frame_hw: tuple[int, int],
    blind: Reason | None,
    t: float,
    state: ZonesState,
    settings: Settings,
) -> tuple[Scene, ZonesState]:
    """One frame.

    Args:
        depth: the map; NaN and infinite values count as missing.
        frame_hw: (height, width) of the picture, for the camera's geometry.
        blind: why the picture cannot be trusted, or None.
        t: seconds.
    """
    if blind is not None:
        return unseen(frame_id, t, blind, state, settings)
    cells = to_cells(depth, frame_hw, settings)
    if cells is None:
        return unseen(frame_id, t, Reason.DEPTH_FAILED, state, settings)
    state, dt = _tick(state, t, settings)
    pose = pose_of(settings.mount)
    if settings.tracked:
        state = replace(state, pitch_deg=pose.pitch_deg, roll_deg=pose.roll_deg)
    key = (settings.mount, frame_hw, depth.values.shape)
    fine, coarse = views_for(*key, state.pitch_deg, state.roll_deg)
    metric = depth.kind is DepthKind.METRIC
    prior = METRIC_PRIOR if metric else settings.prior
    fit = _ground(cells, optics_for(*key).coarse.reduce, coarse, state.scale, pose, prior)
    swing = 0.3 if settings.tracked else SWAY_DEG
    scale = update_scale(
        state.scale,
        fit,
        far_level(cells.d, cells.valid),
        pose,
        _prior(pose.pitch_deg - fine.pitch_deg, np.hypot(pose.pitch_sigma_deg, swing)),
        _prior(pose.roll_deg - fine.roll_deg, np.hypot(pose.roll_sigma_deg, swing)),
        prior,
        dt,
    )
    state = _follow_pose(replace(state, scale=scale), fine, fit, dt)
    if not scale.known:
        return unseen(frame_id, t, Reason.NO_GROUND, state, settings)
    view = views_for(
        *key,
        fine.pitch_deg + float(np.degrees(scale.pitch_error)),
        fine.roll_deg + float(np.degrees(scale.roll_error)),
    )[0]
    space = to_space(cells.d, cells.valid, view, scale.alpha, scale.beta, pose.height_m)
    noise_w = (max(fit.noise, 0.008) if fit else 0.05) / pose.height_m
    state = _track(cells, space, view, noise_w, fit, pose, state, settings, t, dt)
    return _scene(frame_id, t, pose, metric, state, settings)


def unseen(
    frame_id: int, t: float, reason: Reason, state: ZonesState, settings: Settings
) -> tuple[Scene, ZonesState]:
    """Nothing can be known at ``t``: every band unknown; what was smoothed grows old."""
    state, dt = _tick(state, t, settings)
    pose = pose_of(settings.mount)
    scale = update_scale(state.scale, None, None, pose, (0.0, 1.0), (0.0, 1.0), settings.prior, dt)
    blank = latch.Latch(Band.UNKNOWN, Band.UNKNOWN, t)
    state = replace(state, scale=scale, latches=(blank, blank, blank), drop=dropoff.DropTrack())
    return Scene.unknown(frame_id, t, reason), state


def _tick(state: ZonesState, t: float, settings: Settings) -> tuple[ZonesState, float]:
    """Seconds since the last frame; a long gap or a jump back forgets the tracks."""
    if state.t is None:
        return replace(state, t=t), 0.0
    dt = t - state.t
    if dt < 0 or dt > MAX_GAP_S:
        fresh = initial_state(settings)
        state = replace(
            fresh, scale=state.scale, pitch_deg=state.pitch_deg, roll_deg=state.roll_deg
        )
    return replace(state, t=t), float(np.clip(dt, 0.0, 60.0))


def _prior(mean_deg: float, sigma_deg: float) -> tuple[float, float]:
    return float(np.radians(mean_deg)), float(np.radians(sigma_deg))


def _ground(
    cells: Cells,
    reduce: Callable[[Array], Array],
    view: View,
    scale: Scale,
    pose: Pose,
    prior: LevelPrior | None,
) -> GroundFit | None:
    d = reduce(cells.d)
    valid = reduce(cells.valid.astype(np.float32)) > 0.99
    walkable = None if cells.walkable is None else reduce(cells.walkable)
    hint = slopes = None
    if scale.known:
        hint = (1 / (scale.alpha * pose.height_m), -scale.beta / scale.alpha)
    if prior is not None:
        usual = 1 / (prior.alpha * pose.height_m)
        slopes = (usual / 5.0, usual * 5.0)
    return fit_ground(d, valid, walkable, view, hint, slopes)


def _follow_pose(state: ZonesState, view: View, fit: GroundFit | None, dt: float) -> ZonesState:
    if fit is None:
        return state
    gain = 1.0 - float(np.exp(-dt / POSE_FOLLOW_S)) if dt > 0 else 1.0
    pitch = view.pitch_deg + float(np.degrees(state.scale.pitch_error))
    roll = view.roll_deg + float(np.degrees(state.scale.roll_error))
    return replace(
        state,
        pitch_deg=float(np.clip(state.pitch_deg + gain * (pitch - state.pitch_deg), -60, 80)),
        roll_deg=float(np.clip(state.roll_deg + gain * (roll - state.roll_deg), -180, 180)),
    )


def _track(
    cells: Cells,
    space: Space,
    view: View,
    noise_w: float,
    fit: GroundFit | None,
    pose: Pose,
    state: ZonesState,
    settings: Settings,
    t: float,
    dt: float,
) -> ZonesState:
    inside = in_corridor(space, settings.zones)
    stands = obstacle_mask(space, inside, cells.walkable, noise_w, pose.height_m)
    enough = max(6, round(MIN_AREA * stands.size))
    tracks, latches = [], []
    for mask, track, held in zip(
        zone_masks(view, settings.zones), state.tracks, state.latches, strict=True
    ):
        found = nearest(space, cells.d, stands & mask, enough)
        sigma = _sigma_log(state.scale, found.d, found.w, pose) if found else 0.0
        followed = approach.follow(track, found, sigma, t, dt)
        tracks.append(followed)
        distance = None if followed.log_m is None else float(np.exp(followed.log_m))
        if distance is not None:
            known = followed.sigma_log < UNSURE_LOG
        else:
            known = _free_is_sure(state.scale, pose, settings)
        latches.append(
            latch.step(
                held,
                distance,
                known,
                t,
                settings.zones.bands,
                settings.zones.hysteresis,
                settings.zones.dwell_s,
            )
        )
    drop = state.drop
    if fit is not None and fit.confidence > 0.3:
        edge, looked = dropoff.find_edge(space, view, pose.height_m, noise_w)
        drop = dropoff.follow_drop(drop, edge, t, dt, looked)
    else:
        drop = dropoff.follow_drop(drop, None, t, dt, False)
    return replace(
        state,
        tracks=(tracks[0], tracks[1], tracks[2]),
        latches=(latches[0], latches[1], latches[2]),
        drop=drop,
    )


def _sigma_log(scale: Scale, d: float, w: float, pose: Pose) -> float:
    """Relative uncertainty of a distance: scale, network and unknown camera height."""
    row = np.array([d, 1.0])
    variance = float(row @ scale.cov @ row) / max(w, 1e-3) ** 2
    variance += NETWORK_NOISE**2
    if not pose.height_known:
        variance += UNKNOWN_HEIGHT_LOG**2
    return float(np.sqrt(variance))


def _free_is_sure(scale: Scale, pose: Pose, settings: Settings) -> bool:
    """Whether "nothing there" can be told from "something at the near band's edge"."""
    w = 1 / settings.zones.bands.near_m
    d = (w - scale.beta) / scale.alpha
    return _sigma_log(scale, d, w, pose) < UNSURE_LOG


def _scene(
    frame_id: int, t: float, pose: Pose, metric: bool, state: ZonesState, settings: Settings
) -> tuple[Scene, ZonesState]:
    readings = [
        _reading(side, track, held, pose.height_known or metric, settings)
        for side, track, held in zip(SIDES, state.tracks, state.latches, strict=True)
    ]
    reason, status = None, State.GUIDING
    if state.scale.age_s > NO_GROUND_S:
        reason = Reason.NO_GROUND
    if all(r.band is Band.UNKNOWN for r in readings):
        reason, status = Reason.NO_GROUND, State.DEGRADED
    left, center, right = readings
    scene = Scene(
        frame_id,
        t,
        left,
        center,
        right,
        state.drop.reading,
        state.drop.distance_m if state.drop.on else None,
        status,
        reason,
    )
    return scene, state


def _reading(
    side: Side, track: approach.Track, held: latch.Latch, metres: bool, settings: Settings
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
        approach.time_to_collision(track),
        track.height,
    )
