"""A source that draws its frames and knows the answers."""

import numpy as np
from numpy.typing import NDArray

from sonar.capture.synthetic.scenarios import SyntheticScene, scenario
from sonar.capture.synthetic.scene import Role, View, paint
from sonar.capture.synthetic.truth import SceneTruth, read_truth
from sonar.config import ZonesConfig
from sonar.errors import SourceError
from sonar.types import DepthKind, DepthMap, FloatImage, Frame

FAR_M = 1e4  # stands for infinity where a number is needed


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
        self._rate_hz, self._frames, self._brightness = rate_hz, frames, brightness
        self._next: int | None = None
        self._last: tuple[int, View] | None = None

    @property
    def frame_count(self) -> int:
        """As given."""
        return self._frames

    @property
    def rate_hz(self) -> float:
        """As given."""
        return self._rate_hz

    def open(self) -> None:
        """Start from the first frame."""
        self._next = 0

    def read(self, timeout_s: float = 1.0) -> Frame | None:
        """The next frame; None at the end. Never waits."""
        if self._next is None:
            raise SourceError(f"{self.label} is not open.")
        if self._next >= self._frames:
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
        return Frame(image, frame_id, frame_id / self._rate_hz)

    def view_at(self, frame_id: int) -> View:
        """Exact depth, hits and points of a frame."""
        if not 0 <= frame_id < self._frames:
            raise SourceError(f"{self.label} has no frame {frame_id}.")
        if self._last is None or self._last[0] != frame_id:
            self._last = frame_id, self.scene.view(frame_id / self._rate_hz, *self.size)
        return self._last[1]

    def depth_at(self, frame_id: int) -> FloatImage:
        """Exact meters along the optical axis, float32 (H, W); infinite for the sky."""
        return self.view_at(frame_id).depth_m

    def walkable_at(self, frame_id: int) -> FloatImage:
        """1 where the ground that is walked on is seen, else 0; float32 (H, W)."""
        view = self.view_at(frame_id)
        ground = np.array([b.role is Role.GROUND for b in view.boxes] + [False])
        return ground[view.hit].astype(np.float32)

    def truth_at(self, frame_id: int, zones: ZonesConfig | None = None) -> SceneTruth:
        """What is ahead at a frame, per zone."""
        t, view = frame_id / self._rate_hz, self.view_at(frame_id)
        return read_truth(self.scene, view, t, zones or ZonesConfig())


class ExactDepth:
    """A :class:`sonar.ports.DepthEngine` that gives a source's exact depth, with noise as asked.

    Args:
        source: the frames must come from it; depth has the size of its frames.
        kind: relative (``scale / Z + shift``) or metric.
        scale, shift: of the relative kind.
        noise: standard deviation as a share of the inverse depth's 5th-95th percentile range;
            half of it is smooth over about 1/12 of the image, as a network's errors are.
        walkable: also give the exact walkable mask, softened by the same noise.
        seed: of the noise; a frame's noise depends on this and on its id alone.
    """

    def __init__(
        self,
        source: SyntheticSource,
        *,
        kind: DepthKind = DepthKind.RELATIVE_INVERSE,
        scale: float = 1.0,
        shift: float = 0.0,
        noise: float = 0.0,
        walkable: bool = True,
        seed: int = 0,
    ) -> None:
        self.label = f"exact depth of {source.label}"
        self._source, self._kind = source, kind
        self._scale, self._shift, self._noise = scale, shift, noise
        self._walkable, self._seed = walkable, seed

    def warm_up(self, height: int, width: int) -> None:
        """Nothing to warm."""

    def estimate(self, frame: Frame) -> DepthMap:
        """The depth of the frame with this id."""
        depth_m = np.minimum(self._source.depth_at(frame.id), FAR_M).astype(np.float64)
        inverse = 1.0 / depth_m
        walkable = self._source.walkable_at(frame.id) if self._walkable else None
        if self._noise:
            rng = np.random.default_rng((self._seed, frame.id))
            low, high = np.percentile(inverse, (5, 95))
            inverse += self._noise * (high - low) * mixed_noise(rng, inverse.shape)
            if walkable is not None:
                soft = walkable + 2.0 * self._noise * mixed_noise(rng, inverse.shape)
                walkable = np.clip(soft, 0.0, 1.0).astype(np.float32)
        if self._kind is DepthKind.METRIC:
            values = 1.0 / np.maximum(inverse, 1.0 / FAR_M)
        else:
            values = self._scale * inverse + self._shift
        return DepthMap(values.astype(np.float32), self._kind, walkable)

    def close(self) -> None:
        """Nothing to close."""


def mixed_noise(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Unit-variance noise of shape (H, W), half of its variance smooth across the image."""
    height, width = shape
    coarse = rng.standard_normal((13, 13))
    rows, cols = np.linspace(0, 12, height), np.linspace(0, 12, width)
    r0, c0 = np.minimum(rows.astype(int), 11), np.minimum(cols.astype(int), 11)
    fr, fc = (rows - r0)[:, None], (cols - c0)[None, :]
    wr, wc = np.stack([1 - fr, fr]), np.stack([1 - fc, fc])
    smooth = sum(wr[i] * wc[j] * coarse[np.ix_(r0 + i, c0 + j)] for i in range(2) for j in range(2))
    # Bilinear weights shrink the variance between the nodes: put it back.
    spread = np.sqrt((wr**2).sum(0) * (wc**2).sum(0))
    noise: NDArray[np.float64] = np.sqrt(0.5) * (smooth / spread + rng.standard_normal(shape))
    return noise
