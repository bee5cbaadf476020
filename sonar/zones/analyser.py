"""Depth to scene: one pure function over a state.

In order: cells -> ground -> scale and pose -> space in meters -> obstacles and edges -> tracks
-> bands.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sonar.types import DepthKind, DepthMap, Reason, Scene, State
from sonar.zones.bands import (
    Searched,
    ZonesState,
    initial_state,
    keep_at_hand,
    to_scene,
    track_zones,
)
from sonar.zones.camera import farthest_output, follow_turn, update_scale
from sonar.zones.evidence import Cells, cells_of, gather, profile, to_cells
from sonar.zones.geometry import Array, Pose, View, optics_for, pose_of, views_for
from sonar.zones.ground import GroundFit, fit_ground, refine
from sonar.zones.obstacles import DropTrack, find_edge, follow_drop
from sonar.zones.prior import GroundLine, Settings, follow_uncertainty, out_of_distribution

SWAY_DEG = 1.5  # a walker's gait swings the camera by this from frame to frame
TRACKED_SWAY_DEG = 0.3
POSE_FOLLOW_S = 0.5
MAX_GAP_S = 2.0  # after a longer gap the old tracks say nothing
METRIC_SIGMA = 0.02  # meters need no alignment, only a little room
SLOPE_MARGIN = 2.2  # the ground's slope lies within this factor of the prior's
SEARCH_S = 0.1  # the ground is searched for at least this often
SEARCH_SHARE = 0.85  # and when less than this part of the last search's ground is found
DROP_CONFIDENCE = 0.3
FILLED = (Reason.BLANK, Reason.COVERED)  # how something at arm's length looks


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
        frame_hw: (height, width) of the frame, for the camera's geometry.
        blind: why the frame cannot be trusted, or None.
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
    metric = depth.kind is DepthKind.METRIC
    network = None if metric else settings.prior
    level = network.ground_line if network else _metric_level(pose) if metric else None
    key = (settings.mount, frame_hw, depth.values.shape, cells_of(depth, settings))
    fine, coarse = views_for(*key, state.pitch_deg, state.roll_deg)
    grid = optics_for(*key).coarse
    d = grid.reduce(cells.d)
    fit, state = _ground(cells, d, grid.reduce, coarse, state, level)
    swing = TRACKED_SWAY_DEG if settings.tracked else SWAY_DEG
    scale = update_scale(
        state.scale,
        fit,
        farthest_output(cells.d, cells.valid) if network is None else None,
        pose,
        _radians(pose.pitch_deg - fine.pitch_deg, np.hypot(pose.pitch_sigma_deg, swing)),
        _radians(pose.roll_deg - fine.roll_deg, np.hypot(pose.roll_sigma_deg, swing)),
        level,
        dt,
    )
    state = _follow_pose(replace(state, scale=scale), fine, fit, dt)
    if not scale.known:
        return unseen(frame_id, t, Reason.NO_GROUND, state, settings)
    view, coarse = views_for(
        *key,
        fine.pitch_deg + float(np.degrees(scale.pitch_error)),
        fine.roll_deg + float(np.degrees(scale.roll_error)),
    )
    turned = follow_turn(state.turning, d, scale.alpha, scale.beta, coarse, grid, t)
    uncertainty = (
        follow_uncertainty(state.uncertainty, out_of_distribution(cells.walkable, view), dt)
        if network
        else None
    )
    state = replace(state, turning=turned, uncertainty=uncertainty)
    evidence = gather(cells, view, scale, fit, pose, settings, network, uncertainty or 0.0)
    state = track_zones(evidence, cells, view, pose, network, state, settings, t, dt)
    edge, looked = None, False
    # The known network smooths edges over: of what lies below the ground it says nothing.
    if network is None and fit is not None and fit.confidence > DROP_CONFIDENCE:
        edge, looked = find_edge(evidence.space, view, pose.height_m, evidence.noise_w)
    state = replace(state, drop=follow_drop(state.drop, edge, t, dt, looked))
    scene = to_scene(frame_id, t, pose.height_known or metric, state, settings)
    columns = profile(evidence, cells, pose, settings.zones)
    return replace(scene, profile=columns), state


def unseen(
    frame_id: int, t: float, reason: Reason, state: ZonesState, settings: Settings
) -> tuple[Scene, ZonesState]:
    """Nothing can be seen at ``t``: what was smoothed grows old, and every band is unknown.

    But a wall walked up to fills the frame until nothing is left to see in it: what was stop or
    close just before is still there for a while, at its last distance.
    """
    state, dt = _tick(state, t, settings)
    level = settings.prior.ground_line if settings.prior else None
    scale = update_scale(
        state.scale, None, None, pose_of(settings.mount), (0.0, 1.0), (0.0, 1.0), level, dt
    )
    state = replace(state, scale=scale, drop=DropTrack())
    state = keep_at_hand(state, t, reason in FILLED)
    meters = settings.mount.height_m is not None
    scene = to_scene(frame_id, t, meters, state, settings)
    return replace(scene, drop_off=None, state=State.DEGRADED, reason=reason), state


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


def _metric_level(pose: Pose) -> GroundLine:
    """A metric map's ``1/Z`` in camera heights."""
    return GroundLine(pose.height_m, 0.0, METRIC_SIGMA * pose.height_m, 0.005)


def _radians(mean_deg: float, sigma_deg: float) -> tuple[float, float]:
    return float(np.radians(mean_deg)), float(np.radians(sigma_deg))


def _ground(
    cells: Cells,
    d: Array,
    reduce: Callable[[Array], Array],
    view: View,
    state: ZonesState,
    level: GroundLine | None,
) -> tuple[GroundFit | None, ZonesState]:
    """This frame's ground: near the line expected from before, or searched for anew.

    ``d``: the coarse cells, which ``reduce`` makes of the fine ones.

    The search costs as much as all else about the ground. It is left out for a moment at a time,
    and only while the expected line gathers as much ground as the last one found.
    """
    valid = reduce(cells.valid.astype(np.float32)) > 0.99
    walkable = None if cells.walkable is None else reduce(cells.walkable)
    scale = state.scale
    hint = (1 / scale.alpha, -scale.beta / scale.alpha) if scale.known else None
    slopes = (0.0, np.inf)
    if level is not None:
        slopes = (1 / (level.alpha * SLOPE_MARGIN), SLOPE_MARGIN / level.alpha)
    held, t = state.ground, state.t or 0.0
    if hint is not None and held.share > 0 and t - held.searched_t < SEARCH_S - 1e-6:
        fit = refine(d, valid, walkable, view, *hint)
        good = fit is not None and fit.share > SEARCH_SHARE * held.share
        if fit is not None and good and slopes[0] < fit.slope < slopes[1]:
            return fit, replace(state, ground=replace(held, share=max(held.share, fit.share)))
    fit = fit_ground(d, valid, walkable, view, hint, slopes)
    return fit, replace(state, ground=Searched(t, fit.share if fit else 0.0))


def _follow_pose(state: ZonesState, view: View, fit: GroundFit | None, dt: float) -> ZonesState:
    if fit is None or state.scale.age_s > 0:
        return state
    gain = 1.0 - float(np.exp(-dt / POSE_FOLLOW_S)) if dt > 0 else 1.0
    pitch = view.pitch_deg + float(np.degrees(state.scale.pitch_error))
    roll = view.roll_deg + float(np.degrees(state.scale.roll_error))
    return replace(
        state,
        pitch_deg=float(np.clip(state.pitch_deg + gain * (pitch - state.pitch_deg), -60, 80)),
        roll_deg=float(np.clip(state.roll_deg + gain * (roll - state.roll_deg), -180, 180)),
    )
