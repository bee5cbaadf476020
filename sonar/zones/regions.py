"""Which cells belong to left, center and right, and to the space a body passes through."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonar.config import ZonesConfig
from sonar.zones.geometry import Array, View

Mask = NDArray[np.bool_]
MIN_INVERSE_M = 0.02  # nothing is placed beyond 50 m


@dataclass(frozen=True, slots=True, eq=False)
class MetricCells:
    """Every cell in metres, under the current scale; float32 arrays of the grid's shape.

    Attributes:
        w: inverse depth in 1/m, at least ``MIN_INVERSE_M``.
        ahead_m: distance in walking direction.
        side_m: lateral offset, right positive.
        height_m: above the ground.
        valid: cells with a finite depth.
    """

    w: Array
    ahead_m: Array
    side_m: Array
    height_m: Array
    valid: Mask


def to_space(w: Array, valid: Mask, view: View, height_m: float) -> MetricCells:
    """Place every cell along its ray; ``w`` in 1/m, changed in place."""
    np.maximum(w, np.float32(MIN_INVERSE_M), out=w)
    z = np.float32(1.0) / w
    return MetricCells(w, view.ahead * z, view.side * z, np.float32(height_m) - view.q * z, valid)


def zone_masks(view: View, zones: ZonesConfig) -> tuple[Mask, Mask, Mask]:
    """Left, center, right by viewing angle."""
    edge = view.ahead * np.float32(np.tan(np.radians(zones.center_width_deg / 2)))
    left, right = view.side < -edge, view.side > edge
    return left, ~(left | right), right


def in_corridor(space: MetricCells, zones: ZonesConfig) -> Mask:
    """Cells within the width and below the height that a body takes, in front of it."""
    inside = np.abs(space.side_m) < zones.corridor_width_m / 2
    inside &= space.height_m < zones.head_height_m
    inside &= space.ahead_m > 0.05
    inside &= space.valid
    return inside
