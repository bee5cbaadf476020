"""How far something is off, as it depends on a network's doubt."""

import numpy as np
from numpy.typing import NDArray

from sonar.zones import Spread

FARTHEST = 0.7  # a residual beyond (in logs: a factor of two) is another thing, not a distance
ROUNDS = 50


def fit_spread(
    doubts: NDArray[np.float64], residuals: NDArray[np.float64], weight: NDArray[np.float64]
) -> Spread:
    """The likeliest ``log sigma = base + slope * doubt`` with a slope of 0 or more.

    Args:
        doubts, residuals, weight: shape (n,), with two different doubts at least.

    A regression of squared residuals with a log link, by iterated least squares (McCullagh and
    Nelder, Generalized Linear Models, 1989: joint modelling of mean and dispersion).
    """
    squares = np.minimum(np.abs(residuals), FARTHEST) ** 2
    x = np.stack([np.ones_like(doubts), doubts], 1)
    left = (x * weight[:, None]).T @ x
    eta = np.full_like(doubts, np.log(np.average(squares, weights=weight) + 1e-12))
    base = slope = 0.0
    for _ in range(ROUNDS):
        z = eta + np.minimum(squares / np.exp(eta), 10.0) - 1.0
        base, slope = np.linalg.solve(left, x.T @ (weight * z))
        if slope < 0:
            base, slope = np.log(np.average(squares, weights=weight) + 1e-12), 0.0
        eta = base + slope * doubts
    return Spread(float(base) / 2, float(slope) / 2)
