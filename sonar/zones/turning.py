"""How far the camera has turned: surfaces that slide through a zone are not coming nearer.

Turned about the vertical, a frame in polar coordinates only slides sideways. So the range of
what is seen, by azimuth, is compared with that of a moment ago, and the slide that explains the
change best is the turn. Ranges enter by the log of their inverse: walking up to something adds a
constant to it, whatever its slant, and a constant is left out. Where nothing has a shape, no turn
is assumed.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sonar.zones.geometry import Array, Grid, View
from sonar.zones.scale import Scale

EVERY_S = 0.08  # between the profiles that are compared
LONGEST_S = 0.5  # after a longer gap nothing is compared
HEIGHTS = 3  # profiles at as many heights
LOWEST_Q = 0.3  # 17 degrees below the horizon: further down there is ground, the same all round
MIN_ROWS = 6
PITCH_STEP_DEG = 5.0
MAX_ROLL_DEG = 45.0  # columns of the frame are no azimuths any more
SEARCH_SHARE = 0.16  # of the frame's width, to either side
FAR_U = 0.1  # camera heights per distance: keeps what is far from being all noise
CAP = 0.3  # of the log: what moves by itself counts no more than this
INDEPENDENT = 6.0  # errors of neighboring columns are correlated
MAX_SIGMA_DEG = 0.8
BEYOND = 0.5  # a match at the end of the search must be better than none by this factor


@dataclass(frozen=True, slots=True, eq=False)
class Turning:
    """The bearing so far: the sum of all turns seen in degrees, positive to the right; and the last
    profile kept, float32 (heights, columns), taken at ``t`` seconds."""

    deg: float = 0.0
    profile: Array | None = None
    t: float = 0.0


@lru_cache(maxsize=16)
def _polar_of(grid: Grid, pitch_step: int) -> tuple[NDArray[np.intp], Array, Array, float]:
    """Columns of equal azimuth, for the horizon of a camera that looks down by so many
    ``PITCH_STEP_DEG``: between which cells they lie, the cosine of each, and the step in degrees.
    """
    # The horizon's points lie farther from the lens than the frame's middle does.
    pitch = np.radians(pitch_step * PITCH_STEP_DEG)
    azimuth = np.arctan(grid.x[grid.shape[0] // 2] * np.cos(pitch))
    even = np.linspace(azimuth[0], azimuth[-1], azimuth.size)
    place = np.interp(even, azimuth, np.arange(azimuth.size))
    left = np.minimum(place.astype(np.intp), azimuth.size - 2)
    part, cosine = (place - left).astype(np.float32), np.cos(even).astype(np.float32)
    return left, part, cosine, float(np.degrees(even[1] - even[0]))


def _profile(d: Array, scale: Scale, view: View, grid: Grid) -> tuple[Array, float]:
    """Log inverse range by azimuth, at a few heights: float32 (heights, columns); and the degrees
    between two columns."""
    left, part, cosine, step_deg = _polar_of(grid, round(view.pitch_deg / PITCH_STEP_DEG))
    rows = int(np.count_nonzero(view.q[:, view.q.shape[1] // 2] < LOWEST_Q))
    if rows < MIN_ROWS:
        rows = d.shape[0]
    starts = [rows * k // HEIGHTS for k in range(HEIGHTS)]
    u = np.add.reduceat(d[:rows], starts, axis=0)
    u *= np.float32(scale.alpha) / np.diff([*starts, rows])[:, None].astype(np.float32)
    u += np.float32(scale.beta)
    u = u[:, left] * (1 - part) + u[:, left + 1] * part
    u *= cosine
    return np.log(np.maximum(u, np.float32(0.0)) + np.float32(FAR_U)), step_deg


@lru_cache(maxsize=8)
def _windows(heights: int, columns: int) -> tuple[NDArray[np.intp], int, Array]:
    """Places of every window in a flat profile (slides * heights, width), how far it slides, and
    the weights of a mean."""
    most = max(int(columns * SEARCH_SHARE), 1)
    width = columns - 2 * most
    start = np.arange(2 * most + 1)[:, None] + np.arange(heights) * columns
    places = start.reshape(-1, 1) + np.arange(width)
    return places, most, np.full(width, 1.0 / width, np.float32)


def slide(before: Array, now: Array) -> tuple[float, float, bool]:
    """By how many columns the profile has moved to the left, its sigma, and whether it may have
    been more, for the search ended there."""
    places, most, mean = _windows(*now.shape)
    seen = now[:, most : now.shape[1] - most]
    seen = seen - (seen @ mean)[:, None]  # products: numpy's own sums take four times as long
    off = before.ravel().take(places)
    off -= (off @ mean)[:, None]
    off = off.reshape(2 * most + 1, -1)
    off -= seen.reshape(1, -1)
    np.multiply(off, off, out=off)
    np.minimum(off, np.float32(CAP * CAP), out=off)
    cost = off @ np.ones(off.shape[1], np.float32)
    best = int(cost.argmin())
    if best in (0, 2 * most):
        return float(best - most), 0.0, bool(cost[best] < BEYOND * cost[most])
    low, middle, high = cost[best - 1 : best + 2].tolist()
    bend = max(low + high - 2 * middle, 1e-12)
    sigma = float(np.sqrt(2.0 * middle * INDEPENDENT / seen.size / bend))
    return best - most + 0.5 * (low - high) / bend, sigma, False


def follow_turn(
    turning: Turning, d: Array, scale: Scale, view: View, grid: Grid, t: float
) -> Turning:
    """After one more frame; ``d`` are cells of ``grid``, ``view`` its tables."""
    since = t - turning.t
    before = turning.profile
    if before is not None and 0 <= since < EVERY_S - 1e-6:
        return turning
    if min(d.shape) < MIN_ROWS or abs(view.roll_deg) > MAX_ROLL_DEG:
        return Turning(turning.deg, None, t)
    now, step_deg = _profile(d, scale, view, grid)
    if before is None or before.shape != now.shape or not 0 < since <= LONGEST_S:
        return Turning(turning.deg, now, t)
    columns, sigma, beyond = slide(before, now)
    if not beyond and (sigma == 0.0 or sigma * step_deg > MAX_SIGMA_DEG):
        columns = 0.0
    return Turning(turning.deg + columns * step_deg, now, t)
