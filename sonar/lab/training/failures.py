"""Pictures of where a model fails, from made-up places it has not seen: for its card."""

from collections.abc import Sequence

import cv2
import numpy as np

from sonar.lab.training.data import LEVEL_GAIN, LEVEL_SHIFT, USUAL_HEIGHT_M, Sample
from sonar.lab.training.evaluate import FAR_M, Model, align, relative_error
from sonar.types import FloatImage, RgbImage

BAD = 0.9  # of each kind of place, the picture that is worse than this share of them
TILE = (180, 240)
GAP = 4


def sheet(model: Model, samples: Sequence[Sample]) -> RgbImage:
    """A row for every kind of place: the picture, the true nearness, what the model gives.

    Nearness is inverse depth, aligned to the truth; brighter is nearer, on one scale in a row.
    The sheet is uint8 (H, W, 3) RGB.
    """
    rows = []
    for kind in sorted({s.source for s in samples}):
        judged = []
        for sample in (s for s in samples if s.source == kind):
            inverse = (sample.level - LEVEL_SHIFT) / LEVEL_GAIN / USUAL_HEIGHT_M
            known = inverse > 1.0 / FAR_M
            predicted, _ = model(sample.image)
            error = relative_error(predicted[known], 1.0 / inverse[known])
            judged.append((error, sample, inverse, predicted, known))
        judged.sort(key=lambda item: item[0])
        _, sample, inverse, predicted, known = judged[int(BAD * (len(judged) - 1))]
        slope, shift = align(predicted[known], inverse[known])
        top = float(np.quantile(inverse, 0.99))
        tiles = [sample.image, _heat(inverse / top), _heat((slope * predicted + shift) / top)]
        rows.append(np.hstack([_tile(tile) for tile in tiles]))
    return np.vstack(rows)


def _heat(values: FloatImage) -> RgbImage:
    grey = (np.clip(values, 0, 1) * 255).astype(np.uint8)
    coloured = cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO)
    return np.ascontiguousarray(coloured[:, :, ::-1]).astype(np.uint8)


def _tile(image: RgbImage) -> RgbImage:
    small = cv2.resize(image, TILE[::-1], interpolation=cv2.INTER_AREA)
    framed: RgbImage = np.pad(small, ((0, GAP), (0, GAP), (0, 0)), constant_values=255)
    return framed
