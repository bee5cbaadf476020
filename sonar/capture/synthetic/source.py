"""A source that draws its frames and knows the answers."""

import numpy as np

from sonar.capture.synthetic.scenarios import SyntheticScene, scenario
from sonar.capture.synthetic.scene import Role, SceneView, paint
from sonar.errors import SourceError
from sonar.types import FloatImage, Frame


class SyntheticSource:
    """Implements :class:`sonar.ports.FrameSource`; a recording, in media time.

    Args:
        scene: a scenario's name, or a scene of one's own.
        rate_hz: frames a second.
        frames: how many.
        size: (height, width) of the frames in pixels.
        brightness: 1 = normal, 0 = a dark room.
    """

    live = False
    dropped = 0

    def __init__(
        self,
        scene: str | SyntheticScene,
        *,
        rate_hz: float = 15.0,
        frames: int = 60,
        size: tuple[int, int] = (192, 256),
        brightness: float = 1.0,
    ) -> None:
        if rate_hz <= 0 or frames < 0 or min(size) < 1:
            raise SourceError("A synthetic source needs rate_hz > 0, frames >= 0 and a size.")
        self.label = f"synthetic:{scene if isinstance(scene, str) else 'scene'}"
        self.scene = scenario(scene) if isinstance(scene, str) else scene
        self.size = size
        self.rate_hz, self.frame_count, self._brightness = rate_hz, frames, brightness
        self._next: int | None = None
        self._last: tuple[int, SceneView] | None = None

    def open(self) -> None:
        """Start from the first frame."""
        self._next = 0

    def read(self, timeout_s: float = 1.0) -> Frame | None:
        """The next frame; None at the end. Never waits."""
        if self._next is None:
            raise SourceError(f"{self.label} is not open.")
        if self._next >= self.frame_count:
            return None
        self._next += 1
        return self.frame_at(self._next - 1)

    def close(self) -> None:
        """Nothing to release."""
        self._next = None

    # --- the answers -------------------------------------------------------------------------

    def frame_at(self, frame_id: int) -> Frame:
        """Any frame, whatever has been read."""
        image = paint(self.view_at(frame_id), brightness=self._brightness)
        return Frame(image, frame_id, frame_id / self.rate_hz)

    def view_at(self, frame_id: int) -> SceneView:
        """Exact depth, hits and points of a frame."""
        if not 0 <= frame_id < self.frame_count:
            raise SourceError(f"{self.label} has no frame {frame_id}.")
        if self._last is None or self._last[0] != frame_id:
            self._last = frame_id, self.scene.view(frame_id / self.rate_hz, *self.size)
        return self._last[1]

    def depth_at(self, frame_id: int) -> FloatImage:
        """Exact meters along the optical axis, float32 (H, W); infinite for the sky."""
        return self.view_at(frame_id).depth_m

    def walkable_at(self, frame_id: int) -> FloatImage:
        """1 where the ground that is walked on is seen, else 0; float32 (H, W)."""
        view = self.view_at(frame_id)
        ground = np.array([b.role is Role.GROUND for b in view.boxes] + [False])
        return ground[view.hit].astype(np.float32)
