"""From depth maps to scenes."""

from sonar.api.engine import Settings, configured
from sonar.config import MountConfig
from sonar.types import DepthMap, Frame, Reason, RgbImage, Scene
from sonar.zones import DepthZones

STEP_S = 0.1  # between two maps for which no time is given


class Zones:
    """What is near on the left, in the center and on the right: depth map in, scene out.

    It keeps what it saw from map to map, so use one object for each camera.

    Args:
        mount: where the camera sits; distances in meters need its height.
        settings: settings by dotted name, such as ``{"zones.bands.stop_m": 0.8}``.

    Raises:
        ConfigError: a setting is wrong.

    Examples:
        >>> import numpy as np, sonar
        >>> rows = np.linspace(0.0, 1.0, 96, dtype=np.float32)
        >>> ground = sonar.DepthMap(np.repeat(rows[:, None], 128, axis=1))
        >>> zones = sonar.Zones(mount=sonar.Mount(height_m=1.4, pitch_deg=10))
        >>> for _ in range(5):  # a free zone is clear after a quarter of a second
        ...     scene = zones(ground)
        >>> [zone.band.value for zone in scene.zones]
        ['clear', 'clear', 'clear']
    """

    def __init__(
        self, mount: MountConfig | None = None, *, settings: Settings | None = None
    ) -> None:
        config = configured(None, mount, settings)
        self._zones = DepthZones(config.zones, config.mount)
        self._next_id, self._t = 0, -STEP_S

    def __call__(
        self, depth: DepthMap, image: RgbImage | None = None, t: float | None = None
    ) -> Scene:
        """The scene at one more map.

        Args:
            depth: the map, at any resolution.
            image: the image it was made from, uint8 ``(H, W, 3)`` RGB. With it, an image in which
                nothing can be seen (dark, covered, blurred, frozen) gives an unknown scene;
                without it the map's own shape is taken for the image's.
            t: seconds; must not decrease. 0.1 s after the last one where it is not given.
        """
        self._t = self._t + STEP_S if t is None else t
        frame_id, self._next_id = self._next_id, self._next_id + 1
        if image is not None:
            return self._zones.update(depth, Frame(image, frame_id, self._t))
        height, width = depth.values.shape
        return self._zones.update_map(depth, frame_id, (height, width), self._t)

    def lost(self, reason: Reason = Reason.STALE, t: float | None = None) -> Scene:
        """The scene at a time for which there is no map: every band is unknown."""
        self._t = self._t + STEP_S if t is None else t
        return self._zones.lost(self._next_id - 1, self._t, reason)
