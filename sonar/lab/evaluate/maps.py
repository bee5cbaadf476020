"""Figures of the depth maps themselves: their stated deviations, and how much they flicker."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from sonar.lab.evaluate.data import DatasetIntrinsics, FrameMount
from sonar.types import DepthKind, DepthMap, FloatImage, RgbImage

FAR_M = 20.0
LENS = 0.832  # focal length / longer side that maps of camera height / Z are normalized to
SHIFTS_PX = ((0.0, 0.0), (0.6, 0.3), (-0.4, 0.7), (0.8, -0.5))
NOISE = 3.0  # of 255


def within_sigma(
    depth: DepthMap, true_m: FloatImage, k: DatasetIntrinsics, mount: FrameMount
) -> float:
    """Share of pixels up to ``FAR_M`` whose log error is at most the stated deviation.

    NaN for maps without one, or with values of unknown scale.

    Args:
        true_m: float32 (H, W), Z in meters; not finite where it is not known.
        k, mount: its camera, and the camera's height.
    """
    sigma = getattr(depth, "log_sigma", None)
    if sigma is None or depth.kind is DepthKind.RELATIVE_INVERSE:
        return float("nan")
    size = (true_m.shape[1], true_m.shape[0])
    values, log_sigma = (cv2.resize(map_, size) for map_ in (depth.values, sigma))
    inverse_m = np.maximum(values, 1e-3)
    if depth.kind is DepthKind.METRIC:
        inverse_m = 1.0 / inverse_m
    else:
        assert mount.height_m is not None
        inverse_m = inverse_m * (LENS * max(size) / np.sqrt(k.fx * k.fy) / mount.height_m)
    known = true_m < FAR_M  # false for NaN
    error = np.abs(np.log(inverse_m[known] * true_m[known]))
    return float(np.mean(error <= np.exp(log_sigma[known]))) if error.size else float("nan")


def flicker(
    inverse_depth: Callable[[RgbImage], FloatImage], image: RgbImage, seed: Sequence[int]
) -> float:
    """Mean relative change of aligned inverse depth between frames of a still scene that differ
    by noise and a shift of about a pixel, as a shaking hand gives."""
    rng = np.random.default_rng(seed)
    changes: list[float] = []
    before: FloatImage | None = None
    for dx, dy in SHIFTS_PX:
        shift = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
        moved = cv2.warpAffine(
            np.asarray(image), shift, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101
        )
        noisy = np.clip(moved + rng.normal(0, NOISE, image.shape), 0, 255).astype(np.uint8)
        flat = inverse_depth(noisy).ravel()
        if before is not None:
            s, t = align(flat, before)
            least = 0.15 * float(before.mean()) + 1e-3
            changes.append(float(np.mean(np.abs(s * flat + t - before) / (before + least))))
        before = flat
    return float(np.mean(changes))


def align(predicted: FloatImage, inverse: FloatImage) -> tuple[float, float]:
    """(s, t) that bring ``s * predicted + t`` nearest to ``inverse``; both 1-D."""
    a = np.stack([predicted, np.ones_like(predicted)], axis=1).astype(np.float64)
    (s, t), *_ = np.linalg.lstsq(a, inverse.astype(np.float64), rcond=None)
    return float(s), float(t)
