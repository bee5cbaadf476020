"""How far two depth maps are apart."""

import numpy as np

from sonar.types import FloatImage


def deviation(reference: FloatImage, other: FloatImage) -> float:
    """Mean absolute difference as a share of the reference's range; inf where it has none.

    Both float32, any shape, the same. NaN in either gives inf.
    """
    span = float(reference.max()) - float(reference.min())
    distance = float(np.abs(reference - other).mean())
    if not (np.isfinite(span) and np.isfinite(distance)) or span <= 0.0:
        return float("inf")
    return distance / span
