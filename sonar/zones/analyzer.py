"""Depth to scene: cells -> ground -> scale and pose -> meters -> obstacles -> tracks -> bands."""

from dataclasses import replace

import numpy as np

from sonar.config import MountConfig, ZonesConfig
from sonar.types import SIDES, Band, DepthKind, DepthMap, Frame, Reason, Scene, State
from sonar.zones.bands import ZoneState
from sonar.zones.evidence import gather, profile, to_cells
from sonar.zones.geometry import Cells, View, pose_of, zone_masks
from sonar.zones.ground import GroundFit, fit_ground, refine
from sonar.zones.image_quality import ImageQuality, assess
from sonar.zones.network import NetworkPrior, follow_uncertainty, out_of_distribution, prior_for
from sonar.zones.obstacles import DropTrack, find_edge, follow_drop, in_corridor
from sonar.zones.scale import GroundLine, Scale, calibrated_line, farthest_output
from sonar.zones.turning import Turning, follow_turn

SWAY_DEG = 1.5  # a walker's gait swings the camera by this from frame to frame
TRACKED_SWAY_DEG = 0.3
POSE_FOLLOW_S = 0.5
MAX_GAP_S = 2.0  # after a longer gap the old tracks say nothing
SLOPE_MARGIN = 2.2  # the ground's slope lies within this factor of the prior's
SEARCH_S = 0.1  # the ground is searched for at least this often
CALIBRATED_SEARCH_S = 1.0  # the same where the map's scale is known
SEARCH_SHARE = 0.85  # and when less than this part of the last search's ground is found
DROP_CONFIDENCE = 0.3
NO_GROUND_S = 3.0
FILLED = (Reason.BLANK, Reason.COVERED)  # how something at arm's length looks


class DepthZones:
    """Implements :class:`sonar.ports.ZoneAnalyzer`.

    Args:
        zones: what counts as left, center, right and near.
        mount: where the camera sits; what is None there is estimated or assumed.

    What the output of a model is worth is known by the model's name in each map. Maps of another
    model or kind may follow at any time: their scale is then found anew.
    """

    def __init__(self, zones: ZonesConfig, mount: MountConfig) -> None:
        self._config, self._mount, self._tracked = zones, mount, False
        self._made_by: tuple[str, DepthKind] | None = None
        self._prior: NetworkPrior | None = None
        self._line: GroundLine | None = None  # of the prior
        self.reset()

    def reset(self) -> None:
        """Forget everything seen."""
        pose = pose_of(self._mount)
        self._pitch_deg, self._roll_deg = pose.pitch_deg, pose.roll_deg  # a slow estimate
        self._scale = Scale.initial(self._line)
        self._quality = ImageQuality()
        self._forget()

    def _forget(self) -> None:
        """All but how the camera sits and what its output means."""
        self._t: float | None = None  # of the last frame
        self._searched_t, self._share = 0.0, 0.0  # when ground was searched for, what it has had
        self._zones = [ZoneState(side) for side in SIDES]
        self._drop = DropTrack()
        self._turning = Turning()
        self._uncertainty: float | None = None  # of the network in this place

    def set_mount(self, mount: MountConfig) -> None:
        """Use this pose for the next frame, where each frame has its own (an IMU, poses).

        Height, pitch and roll then count as measured to ``angle_sigma_deg``, and are not smoothed.
        """
        self._mount, self._tracked = mount, True

    def update(self, depth: DepthMap, frame: Frame) -> Scene:
        """The scene at ``frame``; ``depth`` is its map at any resolution."""
        blind, self._quality = assess(frame.image, frame.t, self._quality)
        height, width = frame.image.shape[:2]
        return self.update_map(depth, frame.id, (height, width), frame.t, blind)

    def update_map(
        self,
        depth: DepthMap,
        frame_id: int,
        frame_hw: tuple[int, int],
        t: float,
        blind: Reason | None = None,
    ) -> Scene:
        """The scene at ``t`` seconds, by the map alone; NaN and infinite values count as missing.

        Args:
            frame_hw: rows and columns of the frame, in pixels, for the camera's geometry.
            blind: why the frame cannot be trusted, or None.
        """
        if (depth.model, depth.kind) != self._made_by:
            self._made_by = depth.model, depth.kind
            relative = depth.kind is DepthKind.RELATIVE_INVERSE
            self._set_prior(prior_for(depth.model) if relative else None)
        cells = None if blind else to_cells(depth, frame_hw, self._mount, self._prior)
        if cells is None:
            return self.lost(frame_id, t, blind or Reason.DEPTH_FAILED)
        return self._seen(cells, frame_id, t, depth.kind)

    def _set_prior(self, prior: NetworkPrior | None) -> None:
        """Maps of other units follow; what is known in meters and degrees stays."""
        self._prior, self._line = prior, prior.ground_line if prior else None
        self._scale = replace(Scale.initial(self._line), age_s=self._scale.age_s)
        self._turning = Turning(self._turning.deg)
        self._searched_t, self._share, self._uncertainty = 0.0, 0.0, None
        self._zones = [replace(z, regressed_t=None, regressed=None) for z in self._zones]

    def _seen(self, cells: Cells, frame_id: int, t: float, kind: DepthKind) -> Scene:
        dt = self._tick(t)
        pose = pose_of(self._mount, TRACKED_SWAY_DEG if self._tracked else SWAY_DEG)
        if self._tracked:
            self._pitch_deg, self._roll_deg = pose.pitch_deg, pose.roll_deg
        prior, optics, coarse = self._prior, cells.optics, cells.coarse()
        line = calibrated_line(kind, pose) or self._line
        fine_view, coarse_view = optics.views(self._pitch_deg, self._roll_deg)
        fit = self._find_ground(coarse, coarse_view, line, t)
        far_d = None
        if prior is None and kind is not DepthKind.PER_CAMERA_HEIGHT:
            far_d = farthest_output(cells)
        scale = self._scale.updated(fit, pose, fine_view, line, dt, far_d)
        self._scale = scale
        pitch_deg = fine_view.pitch_deg + float(np.degrees(scale.pitch_error))
        roll_deg = fine_view.roll_deg + float(np.degrees(scale.roll_error))
        if fit is not None and scale.age_s <= 0:
            gain = 1.0 - float(np.exp(-dt / POSE_FOLLOW_S)) if dt > 0 else 1.0
            pitch = self._pitch_deg + gain * (pitch_deg - self._pitch_deg)
            roll = self._roll_deg + gain * (roll_deg - self._roll_deg)
            self._pitch_deg, self._roll_deg = min(max(pitch, -60), 80), min(max(roll, -180), 180)
        if not scale.known:
            return self.lost(frame_id, t, Reason.NO_GROUND)
        if kind is DepthKind.METRIC and not pose.height_known:
            pose = replace(pose, height_m=scale.alpha, height_known=True)  # by the ground's meters
        view, coarse_view = optics.views(pitch_deg, roll_deg)
        self._turning = follow_turn(self._turning, coarse.d, scale, coarse_view, optics.coarse, t)
        if prior is not None:
            undecided = out_of_distribution(cells.walkable, view)
            self._uncertainty = follow_uncertainty(self._uncertainty, undecided, dt)
        evidence = gather(cells, view, scale, fit, pose, prior, self._uncertainty or 0.0)
        corridor = in_corridor(evidence, self._config.corridor_width_m)
        weight = evidence.weights(corridor, self._config)
        edges, bearing_deg = self._config.bands, self._turning.deg
        self._zones = [
            zone.seen(evidence, mask, weight * mask, edges, t, dt, bearing_deg)
            for zone, mask in zip(self._zones, zone_masks(view, self._config), strict=True)
        ]
        edge, judged = None, False
        # The known network smooths edges over: of what lies below the ground it says nothing.
        sure = fit is not None and fit.confidence > DROP_CONFIDENCE
        if prior is None and (sure or cells.drop is not None):
            edge, judged = find_edge(evidence)
        self._drop = follow_drop(self._drop, edge, t, dt, judged)
        scene = self._scene(frame_id, t, pose.height_known)
        return replace(scene, profile=profile(evidence, self._config, scene.drop_off_distance_m))

    def lost(self, frame_id: int, t: float, reason: Reason) -> Scene:
        """No evidence at ``t``: what was smoothed grows old, and every band is unknown.

        But a wall walked up to fills the frame until nothing is left to see in it: what was stop or
        close just before is still there for a while, at its last distance.
        """
        self._scale = self._scale.aged(self._line, self._tick(t))
        self._drop = DropTrack()
        self._zones = [zone.unseen(t, reason in FILLED) for zone in self._zones]
        scene = self._scene(frame_id, t, self._mount.height_m is not None)
        return replace(scene, drop_off=None, state=State.DEGRADED, reason=reason)

    def _tick(self, t: float) -> float:
        """Seconds since the last frame; a long gap or a jump back forgets the tracks."""
        dt = 0.0 if self._t is None else t - self._t
        if not 0 <= dt <= MAX_GAP_S:
            self._forget()
        self._t = t
        return min(max(dt, 0.0), 60.0)

    def _find_ground(
        self, cells: Cells, view: View, line: GroundLine | None, t: float
    ) -> GroundFit | None:
        """This frame's ground: near the line expected from before, or searched for anew.

        The search costs as much as all else about the ground. It is left out for a moment at a
        time, and only while the expected line gathers as much ground as the last one found.
        """
        scale = self._scale
        hint = (1 / scale.alpha, -scale.beta / scale.alpha) if scale.known else None
        slopes = (0.0, np.inf)
        if line is not None:
            slopes = (1 / (line.alpha * SLOPE_MARGIN), SLOPE_MARGIN / line.alpha)
        every_s = SEARCH_S if line is self._line else CALIBRATED_SEARCH_S
        if hint is not None and self._share > 0 and t - self._searched_t < every_s - 1e-6:
            fit = refine(cells, view, *hint)
            good = fit is not None and fit.share > SEARCH_SHARE * self._share
            if fit is not None and good and slopes[0] < fit.slope < slopes[1]:
                self._share = max(self._share, fit.share)
                return fit
        fit = fit_ground(cells, view, hint, slopes)
        self._searched_t, self._share = t, fit.share if fit else 0.0
        return fit

    def _scene(self, frame_id: int, t: float, meters: bool) -> Scene:
        """The scene as the zones are now; ``meters``: distances may be reported at all."""
        far_m, drop = self._config.bands.far_m, self._drop
        left, center, right = (zone.reading(meters, far_m) for zone in self._zones)
        state, reason = State.GUIDING, None
        if self._scale.age_s > NO_GROUND_S:
            reason = Reason.NO_GROUND
        settling = any(zone.latch.candidate is Band.CLEAR for zone in self._zones)  # not yet held
        if all(r.band is Band.UNKNOWN for r in (left, center, right)) and not settling:
            state, reason = State.DEGRADED, Reason.NO_GROUND
        edge_m = drop.distance_m if drop.on else None
        return Scene(frame_id, t, left, center, right, drop.reading, edge_m, state, reason)
