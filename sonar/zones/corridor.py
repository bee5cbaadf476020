"""Which cells are in the way: inside the corridor that the walker takes.

A cell counts by the near end of its distance's interval, for an obstacle that is cut off by the
frame often comes out too far, and so too far to the side. A surface that runs along the way, such
as a corridor's wall, counts by the plane through all of its cells: single ones scatter into the
corridor.
"""

import numpy as np

from sonar.zones.evidence import Evidence
from sonar.zones.geometry import Mask

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
    off = np.abs(np.abs(side_m) - np.float32(half_m + (SEARCHED_M[1] - SEARCHED_M[0]) / 2))
    near = off < sum(SEARCHED_M) / 2
    near &= (ahead_m > AHEAD_M[0]) & (ahead_m < AHEAD_M[1]) & evidence.cells.valid
    at = np.flatnonzero(near)
    rows = np.stack([side_m.ravel()[at], ahead_m.ravel()[at]], 1)
    upright = evidence.height_m.ravel()[at] > LOWEST_M
    for sign in (-1.0, 1.0):
        here = rows[:, 0] * sign > 0
        share = np.count_nonzero(here & upright) * MIN_SHARE
        on = here & upright
        for _ in range(3):
            if np.count_nonzero(on) < max(MIN_CELLS, share):
                break
            picked = rows[on]
            normal = (picked.T @ picked).astype(np.float64) + 1e-6 * np.eye(2)
            plane = np.linalg.solve(normal, picked.sum(axis=0))
            error = np.abs(rows @ plane - 1.0)
            spread = float(np.median(error[on]))
            on = here & upright & (error < min(max(4.0 * spread, SAME_SHARE[0]), SAME_SHARE[1]))
        else:
            if plane[0] * sign <= 0 or abs(plane[1]) > MAX_SLOPE * abs(plane[0]):
                continue
            low, high = np.quantile(rows[on, 1], (0.1, 0.9))
            if high - low < MIN_LENGTH_M:
                continue
            on = here & (error < min(max(4.0 * spread, SAME_SHARE[0]), SAME_SHARE[1]))
            side_there = np.abs(rows[on, 0]) / (rows[on] @ plane)
            if sigma is not None:
                side_there *= np.exp(-NEAR_END * float(sigma.ravel()[at[on]].mean()))
            inside.ravel()[at[on][side_there > half_m]] = False
