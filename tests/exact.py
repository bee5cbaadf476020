"""A depth engine that knows the exact depth of a drawn scene."""

import numpy as np

from sonar.capture.synthetic import Role, SceneView, SyntheticSource
from sonar.lab.simulate.truth import mixed_noise
from sonar.types import FOCAL, DepthKind, DepthMap, FloatImage, Frame

FAR_M = 1e4  # infinity, where a number is needed


class ExactDepth:
    """A :class:`sonar.ports.Engine` that gives a source's exact depth, with noise as asked.

    Args:
        source: the frames must come from it; depth has the size of its frames.
        kind: relative (``scale / Z + shift``), metric or per camera height.
        scale, shift: of the relative kind.
        noise: standard deviation as a share of the inverse depth's 5th-95th percentile range;
            half of it is smooth over about 1/12 of the image, as a network's errors are.
        walkable: also give the exact walkable mask, softened by the same noise; per camera
            height, also where ground lies lower, and ``sigma`` as the log depth's uncertainty.
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
        sigma: float = 0.1,
        seed: int = 0,
    ) -> None:
        self.label = f"exact depth of {source.label}"
        self._source, self._kind, self._scale, self._shift = source, kind, scale, shift
        self._noise, self._walkable, self._sigma, self._seed = noise, walkable, sigma, seed

    def warm_up(self, height: int, width: int) -> None:
        pass

    def estimate(self, frame: Frame) -> DepthMap:
        """The depth of the frame with this id."""
        view = self._source.view_at(frame.id)
        inverse = 1.0 / np.minimum(view.depth_m, FAR_M).astype(np.float64)
        rng = np.random.default_rng((self._seed, frame.id))
        if self._noise:
            low, high = np.percentile(inverse, (5, 95))
            inverse += self._noise * (high - low) * mixed_noise(rng, inverse.shape)
        walkable = drop = log_sigma = None
        if self._walkable:
            walkable = self._seen_as(Role.GROUND, view, rng)
        if self._kind is DepthKind.METRIC:
            values = 1.0 / np.maximum(inverse, 1.0 / FAR_M)
        elif self._kind is DepthKind.RELATIVE_INVERSE:
            values = self._scale * inverse + self._shift
        else:
            high, wide = inverse.shape
            focal = view.camera.focal_px(wide) / max(high, wide)
            values = np.maximum(inverse, 0.0) * view.camera.height_m * focal / FOCAL
            drop = self._seen_as(Role.BELOW, view, rng)
            log_sigma = np.full(inverse.shape, np.log(self._sigma), np.float32)
        return DepthMap(
            values.astype(np.float32), self._kind, walkable, drop=drop, log_sigma=log_sigma
        )

    def _seen_as(self, role: Role, view: SceneView, rng: np.random.Generator) -> FloatImage:
        """1 where boxes of this role are seen, else 0, softened by the noise."""
        roles = np.array([*(box.role is role for box in view.boxes), False], np.float32)
        seen: FloatImage = roles[view.hit]
        if self._noise:
            soft = seen + 2.0 * self._noise * mixed_noise(rng, seen.shape)
            seen = np.clip(soft, 0.0, 1.0).astype(np.float32)
        return seen

    def close(self) -> None:
        pass
