"""Can the camera see? Typed reasons from the frame itself, on a few thousand samples."""

from dataclasses import dataclass

import numpy as np

from sonar.types import Reason, RgbImage
from sonar.zones.geometry import Array, Mask

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601
SAMPLES = 96  # longer side of the subsampled frame
# All of luma, 0 to 255.
DARK_MEAN, DARK_HIGH = 14.0, 40.0  # the mean is below, and nearly nothing is above
GLARE_LUMA, GLARE_SHARE = 250.0, 0.45  # this share of the frame is saturated
EDGE_STEP, BLANK_STEP = 6.0, 1.2  # between samples: no edges, and most of it smooth
SHARP_STEP, SHARP_SHARE = 40.0, 0.008  # of neighbors: what covers a lens is never so sharp
COVERED_MEAN = 110.0  # smooth and darker: something on the lens; brighter: a wall, sky
FROZEN_S = 1.5
CONFIRM_S = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class ImageQuality:
    """State between frames: subsampled luma of the last one, since when it has not changed at all,
    and the reason that the last ones agree on, since ``suspect_since_s``."""

    thumb: Array | None = None
    same_since_s: float = 0.0
    suspect: Reason | None = None
    suspect_since_s: float = 0.0


def subsample(image: RgbImage) -> Array:
    """Luma at about ``SAMPLES`` points along the longer side, float32 (h, w), 0..255.

    Picks pixels rather than averaging: what is asked is also how sharp they are.
    """
    stride = max(1, max(image.shape[:2]) // SAMPLES)
    picked = image[stride // 2 :: stride, stride // 2 :: stride]
    if picked.size == 0:
        picked = image
    red, green, blue = (picked[..., k] * LUMA[k] for k in range(3))
    luma: Array = red + green + blue
    return luma


def judge(luma: Array) -> Reason | None:
    """What is wrong with one frame, or None."""
    mean = float(luma.mean())
    if mean < DARK_MEAN and _share(luma > DARK_HIGH) < 0.02:
        return Reason.DARK
    if _share(luma > GLARE_LUMA) > GLARE_SHARE:
        return Reason.GLARE
    if min(luma.shape) < 4:
        return None
    steps = np.abs(luma[:, 1:] - luma[:, :-1])
    if _share(steps > EDGE_STEP) >= 0.05 or _share(steps > BLANK_STEP) >= 0.5:
        return None
    down = np.abs(luma[1:] - luma[:-1])
    if _share(steps > SHARP_STEP) + _share(down > SHARP_STEP) > SHARP_SHARE:
        return None  # few edges, but plain ones: a bare stairwell, the rim of a platform
    return Reason.COVERED if mean < COVERED_MEAN else Reason.BLANK


def _share(mask: Mask) -> float:
    return float(np.count_nonzero(mask)) / mask.size


def assess(image: RgbImage, t: float, quality: ImageQuality) -> tuple[Reason | None, ImageQuality]:
    """The reason that holds at ``t`` (after a short confirmation), and the next state."""
    luma = subsample(image)
    first = quality.thumb is None
    same = quality.thumb is not None and np.array_equal(quality.thumb, luma)
    same_since = quality.same_since_s if same else t
    found = judge(luma)
    if found is None and t - same_since >= FROZEN_S:
        found = Reason.FROZEN
    since = quality.suspect_since_s if found is quality.suspect else t
    confirmed = found if first or found is Reason.FROZEN or t - since >= CONFIRM_S else None
    return confirmed, ImageQuality(luma, same_since, found, since)
