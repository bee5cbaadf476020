"""The approach that sonar is measured against: min-max of each frame, fixed thirds.

As common open-source programs do it: normalize each frame's inverse depth to [0, 1], take the
image's left, middle and right third, and let the largest value (a robust maximum, to be fair)
decide. It has no meters; to be generous it is given the best affine fit of
1/distance to the truth of everything evaluated (each folder counting the same), which no user
would have.
"""

from collections.abc import Sequence

import numpy as np

from sonar.lab.evaluate.figures import DISTANCE_RANGE_M, FigureReading
from sonar.types import DepthKind, DepthMap

MAX_QUANTILE = 0.95  # the robust maximum
FARTHEST_M = 20.0


def naive_inverse_depths(depth: DepthMap) -> tuple[float, float, float]:
    """Left, middle and right third: 0 (farthest of this frame) to 1 (nearest of this frame)."""
    values = depth.values.astype(np.float64)
    if depth.kind is DepthKind.METRIC:
        values = 1.0 / np.maximum(values, 1e-3)
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) / max(high - low, 1e-9)
    thirds = [np.quantile(part, MAX_QUANTILE) for part in np.array_split(scaled, 3, axis=1)]
    return float(thirds[0]), float(thirds[1]), float(thirds[2])


Place = tuple[Sequence[float], Sequence[FigureReading]]


def naive_readings(places: Sequence[Place]) -> list[list[FigureReading]]:
    """What it reports at each place: inverse depths, and readings with the truth beside them."""
    inside: list[tuple[float, float, float]] = []
    for place in places:
        close = [
            (d, r.true_m)
            for d, r in zip(*place, strict=True)
            if r.true_m is not None and r.true_m < DISTANCE_RANGE_M
        ]
        inside += [(d, true_m, 1.0 / len(close)) for d, true_m in close]  # each counts the same
    fit = fit_distance(*zip(*inside, strict=True)) if inside else None
    return [[_reading(d, r, fit) for d, r in zip(*place, strict=True)] for place in places]


def _reading(
    inverse_depth: float, true: FigureReading, fit: tuple[float, float] | None
) -> FigureReading:
    said_m = None
    if fit is not None:
        said_m = 1.0 / max(fit[0] * inverse_depth + fit[1], 1.0 / FARTHEST_M)
    # A hair of the inverse depth keeps its order where the fit makes all distances one.
    rank_m = (1.0 if said_m is None else said_m) - 1e-6 * inverse_depth
    return FigureReading(true.frame, true.true_m, rank_m, said_m)


def fit_distance(
    inverse_depths: Sequence[float], distances_m: Sequence[float], weights: Sequence[float]
) -> tuple[float, float] | None:
    """(a, b) of ``1 / distance = a * inverse_depth + b`` with a >= 0; None for fewer than three.

    The least weighted mean relative error of distance, by trying a grid of distances at 0 and at 1:
    steps of 4 %, so no method of fitting does noticeably better. Least squares do much worse.
    """
    if len(inverse_depths) < 3:
        return None
    x, true = np.asarray(inverse_depths, float), np.asarray(distances_m, float)
    share = np.asarray(weights, float) / np.sum(weights)
    ends = np.geomspace(1.0 / FARTHEST_M, 5.0, 118)
    best, least = (0.0, 1.0 / FARTHEST_M), np.inf
    for far in ends:
        near = ends[ends >= far][:, None]
        said = 1.0 / ((near - far) * x[None, :] + far)
        errors = np.abs(said / true[None, :] - 1.0) @ share
        k = int(np.argmin(errors))
        if errors[k] < least:
            best, least = (float(near[k, 0] - far), float(far)), float(errors[k])
    return best
