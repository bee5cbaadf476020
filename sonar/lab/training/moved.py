"""Things of one picture brought nearer in another.

Photos' labels say little of what is near
(:data:`sonar.lab.training.data.SURE_LEVEL`). But a thing that
they show farther away, enlarged, looks about as it would from nearer, and its level grows by the
same factor: nearness of real looks, in any number.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from sonar.lab.training.data import LEVEL_SHIFT, UNKNOWN
from sonar.lab.training.standing import stands_out
from sonar.types import FloatImage, RgbImage

_TO = np.log(0.7), np.log(2.6)  # the level that it gets
_LARGEST = 6.0  # times: what was smaller is only a blur
_PART = 0.004  # of the picture, at the least
_RIM = 1.5  # pixels of the donor by which a label may be off
_EDGE = 4.0  # enlarged edges are soft; they are made as steep as this
_HORIZON = 0.4, 0.6  # of the rows

View = tuple[RgbImage, FloatImage, NDArray[np.uint8]]


def bring_nearer(rng: np.random.Generator, view: View, donor: View, surest: float) -> View | None:
    """``view`` with a thing of ``donor`` standing or hanging in it; None where there is none.

    Args:
        view, donor: (image, level, ground): uint8 (H, W, 3), float32 (H, W), uint8 (H, W), of one
            size.
        surest: levels of ``donor`` beyond this are not to be believed.
    """
    image, level, ground = view
    known, mask, column = _thing(rng, donor, surest)
    if not known.any():
        return None
    here = float(np.median(donor[1][known]))
    factor = (float(np.exp(rng.uniform(*_TO))) - LEVEL_SHIFT) / (here - LEVEL_SHIFT)
    if not 1.0 < factor < _LARGEST:
        return None
    rows, columns = level.shape
    horizon = rows * rng.uniform(*_HORIZON)
    aside = rng.uniform(0.0, columns) - factor * column
    enlarge = np.array([[factor, 0, aside], [0, factor, horizon * (1 - factor)]], np.float32)

    def enlarged(values: NDArray[np.generic]) -> FloatImage:
        found: FloatImage = cv2.warpAffine(
            values, enlarge, (columns, rows), borderMode=cv2.BORDER_REPLICATE
        ).astype(np.float32)
        return found

    levels = np.where(known, donor[1], np.float32(here)).astype(np.float32)
    nearer = (enlarged(levels) - LEVEL_SHIFT) * np.float32(factor) + np.float32(LEVEL_SHIFT)
    inside = cv2.warpAffine(mask.astype(np.float32), enlarge, (columns, rows))
    soft = np.clip((inside - 0.5) * _EDGE + 0.5, 0.0, 1.0)
    seen = ~(level > nearer)  # what is nearer hides it; unknown is taken to be behind
    thing = (inside > 0.5) & seen
    if thing.mean() < _PART:
        return None
    share = cv2.GaussianBlur((soft * seen).astype(np.float32), (0, 0), 0.6)[..., None]
    mixed: RgbImage = np.clip(image * (1.0 - share) + enlarged(donor[0]) * share, 0, 255).astype(
        np.uint8
    )
    # Labels' edges are soft: what is near a thing's rim may still be the ground beside it.
    core = cv2.erode(thing.astype(np.uint8), np.ones((2 * int(_RIM * factor) + 1,) * 2, np.uint8))
    way = np.where(core > 0, np.uint8(0), np.uint8(UNKNOWN))
    return (
        mixed,
        np.where(thing, nearer, level).astype(np.float32),
        np.where(thing, way, ground).astype(np.uint8),
    )


def _thing(
    rng: np.random.Generator, donor: View, surest: float
) -> tuple[NDArray[np.bool_], NDArray[np.uint8], float]:
    """(pixels whose level is known, mask without small holes, middle column) of one thing that
    stands out in ``donor``; no pixels where there is none."""
    _, level, ground = donor
    out = stands_out(level, ground) & (level < surest)
    count, parts, facts, middles = cv2.connectedComponentsWithStats(
        out.astype(np.uint8), connectivity=4
    )
    large = [i for i in range(1, count) if facts[i, cv2.CC_STAT_AREA] > _PART * out.size]
    if not large:
        nothing = np.zeros(level.shape, bool)
        return nothing, nothing.astype(np.uint8), 0.0
    chosen = large[int(rng.integers(len(large)))]
    known: NDArray[np.bool_] = parts == chosen
    mask = cv2.morphologyEx(known.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    return known, mask.astype(np.uint8), float(middles[chosen][0])
