"""Depth in, scene out: ground, metres, obstacles, drop-offs, time to collision.

:class:`DepthZones` is the only thing the rest of sonar needs; it keeps the state between frames
around the pure :func:`sonar.zones.analyser.analyse`.
"""

from collections.abc import Callable
from dataclasses import replace

from sonar.config import MountConfig, ZonesConfig
from sonar.types import DepthMap, Frame, Reason, Scene
from sonar.zones.analyser import analyse, unseen
from sonar.zones.prior import NetworkPrior, prior_for
from sonar.zones.state import Settings, initial_state
from sonar.zones.visibility import Sight, look

__all__ = ["DepthZones", "NetworkPrior", "prior_for"]


class DepthZones:
    """Implements :class:`sonar.ports.ZoneAnalyser`.

    Args:
        zones: what counts as left, center, right and near.
        mount: where the camera sits; what is None there is estimated or assumed.
        prior: what the output of this network is worth
            (``prior_for(config.engine.model)``), or None to use only what does not depend on it.

    Attributes:
        profiled: asked at each frame whether its scene is to carry a profile.
    """

    def __init__(
        self, zones: ZonesConfig, mount: MountConfig, prior: NetworkPrior | None = None
    ) -> None:
        self._settings = Settings(zones, mount, prior)
        self._state = initial_state(self._settings)
        self._sight = Sight()
        self.profiled: Callable[[], bool] = lambda: False

    def update(self, depth: DepthMap, frame: Frame) -> Scene:
        """The scene at ``frame``; ``depth`` is its map at any resolution."""
        if self.profiled() is not self._settings.profiled:
            self._settings = replace(self._settings, profiled=self.profiled())
        blind, self._sight = look(frame.image, frame.t, self._sight)
        scene, self._state = analyse(
            depth, frame.id, frame.image.shape[:2], blind, frame.t, self._state, self._settings
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
        self._state = initial_state(self._settings)
        self._sight = Sight()
