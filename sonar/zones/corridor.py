"""Which cells are in the way: inside the corridor that the walker takes.

A cell counts by the near end of its distance's interval, for an obstacle that is cut off by the
frame often comes out too far, and so too far to the side. A surface that runs along the way, such
as a corridor's wall, counts by the plane through all of its cells: single ones scatter into the
corridor.
"""

import math

import numpy as np

from sonar.zones.evidence import Evidence
from sonar.zones.geometry import Array, Mask

NEAR_END = 0.5  # standard deviations of a cell by which it may be nearer
SEARCHED_M = 0.4, 0.8  # inside and outside of the corridor's edge: where such surfaces are sought
AHEAD_M = 0.3, 5.0
LOWEST_M = 0.2  # lower cells are ground, or its noise
SAME_SHARE = 0.04, 0.25  # a cell of the surface is off by at most this share of its distance
MIN_CELLS, MIN_SHARE = 40, 0.6  # of the cells sought, those on the surface
MIN_LENGTH_M = 0.6  # along the way
MAX_SLOPE = 0.6  # 31 degrees to the way


def in_corridor(evidence: Evidence, width_m: float) -> Mask:
    """Cells less than half of ``width_m`` to the side of the way ahead."""
    side_m, sigma = np.abs(evidence.side_m), evidence.cells.sigma
    if sigma is not None:
        side_m = side_m * np.exp(np.float32(-NEAR_END) * sigma)
    inside: Mask = side_m < width_m / 2
    if evidence.prior is None:
        _leave_out_beside(inside, evidence, width_m / 2)
    return inside


def _leave_out_beside(inside: Mask, evidence: Evidence, half_m: float) -> None:
    """Clear ``inside`` where cells lie on a plane beside the way.

    The plane ``side = a + b * ahead`` is ``side / a - b / a * ahead = 1``: least squares in that
    form has residuals that are shares of the distance, which is how the errors of a map behave.
    """
    side_m, ahead_m, sigma = evidence.side_m, evidence.ahead_m, evidence.cells.sigma
    off = np.abs(side_m)
    off -= np.float32(half_m + (SEARCHED_M[1] - SEARCHED_M[0]) / 2)
    near = np.abs(off, out=off) < sum(SEARCHED_M) / 2
    near &= (ahead_m > AHEAD_M[0]) & (ahead_m < AHEAD_M[1]) & evidence.cells.valid
    at = np.flatnonzero(near)
    side, ahead, height = (a.ravel()[at] for a in (side_m, ahead_m, evidence.height_m))
    right = side > 0
    for here in (right, ~right):
        upright = np.flatnonzero(here & (height > LOWEST_M))
        plane = _plane(side[upright], ahead[upright])
        if plane is None:
            continue
        a, b, within = plane
        share = a * side + b * ahead
        on = np.flatnonzero(here & (np.abs(share - np.float32(1.0)) < within))
        beside = np.abs(side[on]) / share[on]  # of the plane, along each cell's ray
        if sigma is not None:
            beside *= np.exp(-NEAR_END * float(sigma.ravel()[at[on]].mean()))
        inside.ravel()[at[on[beside > half_m]]] = False


def _plane(side: Array, ahead: Array) -> tuple[float, float, float] | None:
    """``(a, b, within)`` of the plane ``a * side + b * ahead = 1`` and by how much its cells are
    off; None where most cells lie on none, or it does not run along the way."""
    least, within = max(MIN_CELLS, MIN_SHARE * side.size), np.inf
    error = np.zeros_like(side)
    for _ in range(3):
        on = np.flatnonzero(error < within)
        if on.size < least:
            return None
        s, z = side[on], ahead[on]
        ss, sz, zz = float(s @ s), float(s @ z), float(z @ z)
        det = ss * zz - sz * sz
        if det <= 1e-6 * ss * zz:
            return None
        s_sum, z_sum = float(s.sum()), float(z.sum())
        a, b = (zz * s_sum - sz * z_sum) / det, (ss * z_sum - sz * s_sum) / det
        error = np.abs(a * side + b * ahead - 1.0)
        median = float(np.partition(error[on], on.size // 2)[on.size // 2])
        within = min(max(4.0 * median, SAME_SHARE[0]), SAME_SHARE[1])
    if a * s_sum <= 0 or abs(b) > MAX_SLOPE * abs(a):
        return None
    # Of cells spread evenly, the middle four fifths are 2.8 standard deviations.
    length_m = 2.8 * math.sqrt(max(zz / on.size - (z_sum / on.size) ** 2, 0.0))
    return (a, b, within) if length_m > MIN_LENGTH_M else None
