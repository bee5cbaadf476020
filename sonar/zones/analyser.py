"""Depth to scene: one pure function over a state.

In order: cells -> ground -> scale and pose -> space in meters -> obstacles and edges -> tracks
-> bands.
"""

from dataclasses import replace

import numpy as np

from sonar.types import DepthKind, DepthMap, Reason, Scene, State
from sonar.zones.bands import (
    Searched,
    ZonesState,
    keep_at_hand,
    to_scene,
    track_zones,
)
from sonar.zones.evidence import Settings, gather, profile, to_cells
from sonar.zones.geometry import Cells, View, pose_of
from sonar.zones.ground import GroundFit, fit_ground, refine
from sonar.zones.network import follow_uncertainty, out_of_distribution
from sonar.zones.obstacles import DropTrack, find_edge, follow_drop
from sonar.zones.scale import GroundLine, age_scale, farthest_output, metric_line, update_scale
from sonar.zones.turning import follow_turn

SWAY_DEG = 1.5  # a walker's gait swings the camera by this from frame to frame
TRACKED_SWAY_DEG = 0.3
POSE_FOLLOW_S = 0.5
MAX_GAP_S = 2.0  # after a longer gap the old tracks say nothing
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
    cells = None if blind else to_cells(depth, frame_hw, settings)
    if cells is None:
        return unseen(frame_id, t, blind or Reason.DEPTH_FAILED, state, settings)
    state, dt = _tick(state, t)
    pose = pose_of(settings.mount)
    if settings.tracked:
        state = replace(state, pitch_deg=pose.pitch_deg, roll_deg=pose.roll_deg)
    metric = depth.kind is DepthKind.METRIC
    prior = None if metric else settings.prior
    line = prior.ground_line if prior else metric_line(pose) if metric else None
    coarse = cells.coarse()
    fine_view, coarse_view = cells.optics.views(state.pitch_deg, state.roll_deg)
    fit, state = _ground(coarse, coarse_view, state, line)
    sway = TRACKED_SWAY_DEG if settings.tracked else SWAY_DEG
    swaying = replace(
        pose,
        pitch_sigma_deg=np.hypot(pose.pitch_sigma_deg, sway),
        roll_sigma_deg=np.hypot(pose.roll_sigma_deg, sway),
    )
    far_d = farthest_output(cells) if prior is None else None
    scale = update_scale(state.scale, fit, swaying, fine_view, line, dt, far_d)
    pitch_deg = fine_view.pitch_deg + float(np.degrees(scale.pitch_error))
    roll_deg = fine_view.roll_deg + float(np.degrees(scale.roll_error))
    state = replace(state, scale=scale)
    if fit is not None and scale.age_s <= 0:
        gain = 1.0 - float(np.exp(-dt / POSE_FOLLOW_S)) if dt > 0 else 1.0
        pitch = state.pitch_deg + gain * (pitch_deg - state.pitch_deg)
        roll = state.roll_deg + gain * (roll_deg - state.roll_deg)
        state = replace(
            state,
            pitch_deg=min(max(pitch, -60.0), 80.0),
            roll_deg=min(max(roll, -180.0), 180.0),
        )
    if not scale.known:
        return unseen(frame_id, t, Reason.NO_GROUND, state, settings)
    view, coarse_view = cells.optics.views(pitch_deg, roll_deg)
    turning = follow_turn(
        state.turning, coarse.d, scale.alpha, scale.beta, coarse_view, cells.optics.coarse, t
    )
    uncertainty = None
    if prior is not None:
        undecided = out_of_distribution(cells.walkable, view)
        uncertainty = follow_uncertainty(state.uncertainty, undecided, dt)
    state = replace(state, turning=turning, uncertainty=uncertainty)
    evidence = gather(cells, view, scale, fit, pose, prior, uncertainty or 0.0)
    state = track_zones(evidence, state, settings, t, dt)
    edge, judged = None, False
    # The known network smooths edges over: of what lies below the ground it says nothing.
    if prior is None and fit is not None and fit.confidence > DROP_CONFIDENCE:
        edge, judged = find_edge(evidence.space, view, pose.height_m, evidence.noise_w)
    state = replace(state, drop=follow_drop(state.drop, edge, t, dt, judged))
    scene = to_scene(frame_id, t, pose.height_known or metric, state, settings)
    return replace(scene, profile=profile(evidence, settings.zones)), state


def unseen(
    frame_id: int, t: float, reason: Reason, state: ZonesState, settings: Settings
) -> tuple[Scene, ZonesState]:
    """Nothing can be seen at ``t``: what was smoothed grows old, and every band is unknown.

    But a wall walked up to fills the frame until nothing is left to see in it: what was stop or
    close just before is still there for a while, at its last distance.
    """
    state, dt = _tick(state, t)
    line = settings.prior.ground_line if settings.prior else None
    state = replace(state, scale=age_scale(state.scale, line, dt), drop=DropTrack())
    state = keep_at_hand(state, t, reason in FILLED)
    scene = to_scene(frame_id, t, settings.mount.height_m is not None, state, settings)
    return replace(scene, drop_off=None, state=State.DEGRADED, reason=reason), state


def _tick(state: ZonesState, t: float) -> tuple[ZonesState, float]:
    """Seconds since the last frame; a long gap or a jump back forgets the tracks."""
    dt = 0.0 if state.t is None else t - state.t
    if not 0 <= dt <= MAX_GAP_S:
        state = ZonesState(state.scale, state.pitch_deg, state.roll_deg)
    return replace(state, t=t), min(max(dt, 0.0), 60.0)


def _ground(
    cells: Cells, view: View, state: ZonesState, line: GroundLine | None
) -> tuple[GroundFit | None, ZonesState]:
    """This frame's ground: near the line expected from before, or searched for anew.

    The search costs as much as all else about the ground. It is left out for a moment at a time,
    and only while the expected line gathers as much ground as the last one found.
    """
    scale, last, t = state.scale, state.ground, state.t or 0.0
    hint = (1 / scale.alpha, -scale.beta / scale.alpha) if scale.known else None
    slopes = (0.0, np.inf)
    if line is not None:
        slopes = (1 / (line.alpha * SLOPE_MARGIN), SLOPE_MARGIN / line.alpha)
    if hint is not None and last.share > 0 and t - last.t < SEARCH_S - 1e-6:
        fit = refine(cells, view, *hint)
        good = fit is not None and fit.share > SEARCH_SHARE * last.share
        if fit is not None and good and slopes[0] < fit.slope < slopes[1]:
            return fit, replace(state, ground=Searched(last.t, max(last.share, fit.share)))
    fit = fit_ground(cells, view, hint, slopes)
    return fit, replace(state, ground=Searched(t, fit.share if fit else 0.0))
