"""Can the camera see? Typed reasons from the picture itself, on a few thousand samples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonar.types import Reason, RgbImage

SAMPLES = 96  # longer side of the subsampled picture
DARK_LEVEL, DARK_HIGH = 14.0, 40.0  # mean and 98th percentile of luma, 0..255
GLARE_SHARE = 0.45  # of the picture saturated
COVERED_SPREAD = 7.0  # luma deviation of a lens with something on it
BLANK_GRADIENT = 1.2  # median luma step between samples of a wall without texture
BLUR_SHARPNESS = 0.055  # fine over coarse gradient
FROZEN_S = 1.5
CONFIRM_S = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """State between frames.

    Attributes:
        thumb: subsampled luma of the last frame, or None.
        same_since_s: since when the picture has not changed at all.
        suspect: the reason that the last frames agree on, since ``suspect_since_s``.
    """

    thumb: NDArray[np.float32] | None = None
    same_since_s: float = 0.0
    suspect: Reason | None = None
    suspect_since_s: float = 0.0


def subsample(image: RgbImage) -> NDArray[np.float32]:
    """Luma at about ``SAMPLES`` points along the longer side, float32 (h, w), 0..255.

    Picks pixels rather than averaging: what is asked is also how sharp they are.
    """
    stride = max(1, max(image.shape[:2]) // SAMPLES)
    picked = image[stride // 2 :: stride, stride // 2 :: stride].astype(np.float32)
    if picked.size == 0:
        picked = image.astype(np.float32)
    luma: NDArray[np.float32] = picked @ np.array([0.299, 0.587, 0.114], np.float32)
    return luma


def judge(luma: NDArray[np.float32]) -> Reason | None:
    """What is wrong with one picture, or None."""
    mean = float(luma.mean())
    high = float(np.quantile(luma, 0.98))
    if mean < DARK_LEVEL and high < DARK_HIGH:
        return Reason.DARK
    if float((luma > 250).mean()) > GLARE_SHARE:
        return Reason.GLARE
    if min(luma.shape) < 4:
        return None
    spread = float(luma.std())
    steps = np.abs(np.diff(luma, axis=1))
    typical, strong = float(np.quantile(steps, 0.5)), float(np.quantile(steps, 0.95))
    if strong < 6.0 and typical < BLANK_GRADIENT:
        if spread < COVERED_SPREAD and mean > 110:
            return Reason.BLANK
        return Reason.COVERED if mean < 110 else Reason.BLANK
    return None


def look(image: RgbImage, t: float, sight: Sight) -> tuple[Reason | None, Sight]:
    """The reason that holds at ``t`` (after a short confirmation), and the next state."""
    luma = subsample(image)
    same = (
        sight.thumb is not None
        and sight.thumb.shape == luma.shape
        and bool(np.array_equal(sight.thumb, luma))
    )
    same_since = sight.same_since_s if same else t
    found = judge(luma)
    if found is None and t - same_since >= FROZEN_S:
        found = Reason.FROZEN
    since = sight.suspect_since_s if found is sight.suspect else t
    first = sight.thumb is None
    confirmed = found if (first or found is Reason.FROZEN or t - since >= CONFIRM_S) else None
    return confirmed, Sight(luma, same_since, found, since)
