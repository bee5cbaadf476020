"""How far the nearest obstacle of a whole zone is, by what a zone as a whole looks like.

Cell by cell a small network cannot separate unknown ground from obstacles on it: its
``walkable`` is patchy and its floor is bent. Statistics over a zone average that out: the level
of what is not walkable, the row where it begins, how much is walkable, how fast the level grows
towards the feet. A small regression of these on ``log u`` (``u = height / distance ahead``, no
unit), learned from measured depth, generalises to places it has not seen
(the fit script of 0.1.0, ``zones_fit_zone_level``, printed that, folder by folder).
"""

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonar.zones.geometry import Array, Mask

NUMBERS = Path(__file__).with_name("zone_regression.json")  # of the built-in model
FEATURES = (
    "level of non-walkable cells, 50 %", "80 %", "90 %", "their mean q", "their share",
    "contact row q, 25 %", "50 %", "75 %", "90 %", "level at the contact, median",
    "walkable, mean", "walkable, lower third", "q at the bottom", "q at the top",
    "growth of the level with q below the horizon", "in the lower third", "near the horizon",
    "frame's mean level", "5 %", "95 %", "deviation", "walkable mean", "q median",
    "uncertainty", "side zone",
)  # fmt: skip
WALKABLE_MAX = 0.30
CONTACT_MAX = 0.35
LOW_BODY_Q = -0.5  # cells that rise higher cannot be in the way within 4 m
MIN_CELLS = 60
CLIP = 3.0


class Spread(NamedTuple):
    """A standard deviation by uncertainty: ``log sigma = base + slope * uncertainty``."""

    base: float
    slope: float

    def at(self, uncertainty: float) -> float:
        """The standard deviation."""
        return math.exp(self.base + self.slope * uncertainty)


@dataclass(frozen=True, slots=True, eq=False)
class ZoneRegression:
    """``log u = out . relu(hidden . x + hidden_bias) + out_bias``, x standardised and clipped.

    Attributes:
        mean, spread: of each feature, shape (25,).
        hidden: (k, 25); hidden_bias, out: (k,); out_bias: number.
        sigma: standard deviation of ``log u``, by uncertainty.
    """

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    hidden: NDArray[np.float32]
    hidden_bias: NDArray[np.float32]
    out: NDArray[np.float32]
    out_bias: float
    sigma: Spread

    def log_u(self, features: NDArray[np.float32]) -> float:
        """``log(height / distance)`` of one zone's features."""
        x = np.minimum(np.maximum((features - self.mean) / self.spread, -CLIP), CLIP)
        h = np.maximum(self.hidden @ x + self.hidden_bias, 0.0)
        return float(self.out @ h + self.out_bias)


@cache
def builtin_regression() -> ZoneRegression:
    """The built-in model's numbers, as ``zones_fit_zone_level`` of 0.1.0 wrote them."""
    numbers = json.loads(NUMBERS.read_text("utf-8"))
    arrays = {
        name: np.array(value, np.float32)
        for name, value in numbers.items()
        if isinstance(value, list) and name != "sigma"
    }
    return ZoneRegression(**arrays, out_bias=numbers["out_bias"], sigma=Spread(*numbers["sigma"]))


def frame_features(d: Array, walkable: Array, q: Array, uncertainty: float) -> list[float]:
    """The seven that all zones share."""
    low, high = _quantiles(d.ravel(), (0.05, 0.95))
    mean = float(d.mean())
    spread = float(np.sqrt(max(float(np.vdot(d, d)) / d.size - mean * mean, 0.0)))
    middle = _quantiles(q.ravel(), (0.5,))[0]
    return [mean, low, high, spread, float(walkable.mean()), middle, uncertainty]


def zone_features(
    d: Array, walkable: Array, q: Array, mask: Mask, shared: list[float], is_side: bool
) -> NDArray[np.float32] | None:
    """All 25 of one zone; None where the frame shows too little of it.

    Args:
        d, walkable, q: float32 cells (rows, cols), about 64 columns: the raw level of the map,
            the probability, and the ray's component towards the ground.
        mask: the zone's cells.
        shared: :func:`frame_features`.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    cols = np.flatnonzero(mask.any(axis=0))
    at = np.flatnonzero(mask)
    if at.size < MIN_CELLS or cols.size < 4:
        return None
    # The zone's cells in one line each: a third of the work of masks over the whole frame.
    level, ground, row = d.ravel()[at], walkable.ravel()[at], q.ravel()[at]
    body = row > LOW_BODY_Q
    other = body & (ground < WALKABLE_MAX)
    share = int(np.count_nonzero(other))
    out = _quantiles(level[other], (0.5, 0.8, 0.9)) if share > 8 else [0.0, 0.0, 0.0]
    out += [float(row[other].mean()) if share else 0.0]
    out += [share / max(int(np.count_nonzero(body)), 1)]
    # The lowest non-walkable cell of every column; 0 where there is none.
    stands = (mask & (walkable < CONTACT_MAX))[:, cols]
    found = stands.any(axis=0)
    foot = d.shape[0] - 1 - np.argmax(stands[::-1], axis=0)
    out += _quantiles(np.where(found, q[foot, cols], 0.0), (0.25, 0.5, 0.75, 0.9))
    out += _quantiles(np.where(found, d[foot, cols], 0.0), (0.5,))
    low = at >= rows[rows.size * 2 // 3] * d.shape[1]
    below = row > 0
    out += [float(ground.mean()), float(ground[low].mean())]
    out += [float(row.max()), float(row.min())]
    out += [_growth(level, row, part) for part in (below, low & below, row < 0.3)]
    return np.array([*out, *shared, float(is_side)], np.float32)


def _quantiles(values: NDArray[np.float32], shares: tuple[float, ...]) -> list[float]:
    at = [round(share * (values.size - 1)) for share in shares]
    return [float(value) for value in np.partition(values, at)[at]]


def _growth(level: NDArray[np.float32], row: NDArray[np.float32], part: Mask) -> float:
    """Slope of the level over q: 1/alpha on a floor, about 0 on an upright face."""
    level, row = level[part], row[part]
    count = level.size
    if count <= 20:
        return 0.5
    mean = float(row.sum()) / count
    covariance = float(np.vdot(level, row)) / count - float(level.sum()) / count * mean
    variance = float(np.vdot(row, row)) / count - mean * mean
    return min(max(covariance / (variance + 1e-4), -2.0), 3.0)
