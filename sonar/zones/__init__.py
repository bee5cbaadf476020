"""Depth in, scene out: ground, meters, obstacles, drop-offs, time to collision.

:class:`DepthZones` keeps the state between frames around the pure
:func:`sonar.zones.analyser.analyse`; :func:`estimate_mount` finds how the camera is worn.
"""

from dataclasses import replace

from sonar.config import MountConfig, ZonesConfig
from sonar.types import DepthKind, DepthMap, Frame, Reason, Scene
from sonar.zones.analyser import analyse, unseen
from sonar.zones.bands import initial_state, with_new_units
from sonar.zones.calibrate import MountEstimate, estimate_mount
from sonar.zones.evidence import Settings
from sonar.zones.geometry import intrinsics
from sonar.zones.image_quality import ImageQuality, assess, judge, subsample
from sonar.zones.network import prior_for

__all__ = ["DepthZones", "MountEstimate", "estimate_mount", "intrinsics", "judge", "subsample"]


class DepthZones:
    """Implements :class:`sonar.ports.ZoneAnalyser`.

    Args:
        zones: what counts as left, center, right and near.
        mount: where the camera sits; what is None there is estimated or assumed.

    What the output of a model is worth is known by the model's name in each map. Maps of another
    model or kind may follow at any time: their scale is then found anew.
    """

    def __init__(self, zones: ZonesConfig, mount: MountConfig) -> None:
        self._settings = Settings(zones, mount)
        self._made_by: tuple[str, DepthKind] | None = None
        self._state, self._quality = initial_state(self._settings), ImageQuality()

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
        """The scene at ``t`` seconds, by the map alone.

        Args:
            frame_hw: rows and columns of the frame, in pixels, for the camera's geometry.
            blind: why the frame cannot be trusted, or None.
        """
        if (depth.model, depth.kind) != self._made_by:
            self._made_by = depth.model, depth.kind
            self._settings = replace(self._settings, prior=prior_for(depth.model))
            self._state = with_new_units(self._state, self._settings)
        scene, self._state = analyse(
            depth, frame_id, frame_hw, blind, t, self._state, self._settings
        )
        return scene

    def lost(self, frame_id: int, t: float, reason: Reason) -> Scene:
        """No evidence at ``t``: every band unknown; smoothed state is aged."""
        scene, self._state = unseen(frame_id, t, reason, self._state, self._settings)
        return scene

    def set_mount(self, mount: MountConfig) -> None:
        """Use this pose for the next frame, where each frame has its own (an IMU, poses).

        Height, pitch and roll then count as measured to ``angle_sigma_deg``, and are not smoothed.
        """
        self._settings = replace(self._settings, mount=mount, tracked=True)

    def reset(self) -> None:
        """Forget everything seen."""
        self._state, self._quality = initial_state(self._settings), ImageQuality()
