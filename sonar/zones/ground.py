"""The ground as a line: inverse depth over ``q`` on ground cells, found robustly each frame.

On a plane ``w = q / h`` (geometry.py), and a relative map is ``d = A * q + b`` there whatever its
scale and shift. A consensus search over lines through pairs of cells needs neither; ``walkable``
probabilities, where the network gives them, weigh the votes.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonar.zones.geometry import Array, Cells, Mask, View

Q_MIN = 0.07  # 4 degrees below the horizon: farther ground is a few rows high, and blurred
Q_BINS = 12
X_BINS = 3
PAIRS = 50
MIN_INLIERS = 24
_DIAGONAL = np.arange(3), np.arange(3)


class GroundFit(NamedTuple):
    """What one frame says of the ground: the line ``d = slope * q + intercept``.

    Attributes:
        noise: robust residual of inlier cells, in units of ``q`` (scale-free).
        share: of ground cells in all cells below the horizon, 0 to 1; ``confidence`` too.
        weight, d, q, dq_pitch, dq_roll: float64 arrays ``(n,)``: means over inliers in bins of
            ``q`` and column, for the scale filter.
    """

    slope: float
    intercept: float
    noise: float
    share: float
    confidence: float
    weight: NDArray[np.float64]
    d: NDArray[np.float64]
    q: NDArray[np.float64]
    dq_pitch: NDArray[np.float64]
    dq_roll: NDArray[np.float64]


@lru_cache(maxsize=8)
def _pairs(rows: int, cols: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Flat indices of cell pairs, closed under mirroring, the same in every run."""
    rng = np.random.default_rng(7)
    r = rng.integers(rows // 4, rows, (2, PAIRS)) if rows > 3 else np.zeros((2, PAIRS), int)
    c = rng.integers(0, cols, (2, PAIRS))
    r, c = np.concatenate([r, r], 1), np.concatenate([c, cols - 1 - c], 1)
    return (r[0] * cols + c[0]).astype(np.intp), (r[1] * cols + c[1]).astype(np.intp)


def _halved(a: Array) -> Array:
    """Means over blocks of 2 x 2; a first row or last column that is left over counts nothing."""
    a = a[a.shape[0] % 2 :, : a.shape[1] // 2 * 2]
    total = a[0::2, 0::2] + a[0::2, 1::2]
    total += a[1::2, 0::2]
    total += a[1::2, 1::2]
    total *= np.float32(0.25)
    return total


def _votes(walkable: Array) -> Array:
    """How much a cell counts; never nothing, for the probability is patchy."""
    votes: Array = walkable * np.float32(1.76)
    votes += np.float32(0.12 - 0.88 * 0.3)
    np.maximum(votes, np.float32(0.12), out=votes)
    return np.minimum(votes, np.float32(1.0), out=votes)


def _tolerance(q: Array) -> Array:
    """Half width of the consensus band in units of ``q``: absolute plus a share."""
    return np.float32(0.03) + np.float32(0.06) * np.abs(q)


def fit_ground(
    cells: Cells, view: View, hint: tuple[float, float] | None, slope_range: tuple[float, float]
) -> GroundFit | None:
    """Find the ground in one frame; None where no line gathers enough cells.

    Args:
        cells, view: of the coarse grid.
        hint: (slope, intercept) expected from before, one more candidate line.
        slope_range: slopes outside are not the ground (from a prior of scale).
    """
    thin = _halved if min(cells.d.shape) >= 8 else np.copy
    d, q = thin(cells.d), thin(view.q)
    shape = d.shape
    d, q = d.ravel(), q.ravel()
    ok = q > Q_MIN
    if not cells.valid.all():
        ok &= thin(cells.valid.astype(np.float32)).ravel() > 0.99
    total = int(ok.sum())
    if total < 12:
        return None
    vote = np.ones_like(d) if cells.walkable is None else _votes(thin(cells.walkable).ravel())
    vote = np.where(ok, vote, 0.0).astype(np.float32)
    lines = [_through_pairs(d, q, ok, shape)]
    if cells.walkable is not None:
        lines.append(_through_rows(d, q, ok, vote))
    if hint is not None:
        lines.append(np.array(hint, np.float32)[:, None])
    slopes, cuts = np.concatenate(lines, 1)
    keep = (slopes > max(slope_range[0], 1e-9)) & (slopes < slope_range[1])
    slopes, cuts = slopes[keep], cuts[keep]
    if not len(slopes):
        return None
    d, q, vote = d[ok], q[ok], vote[ok]
    # Residual of every cell under every line, in units of the tolerance.
    per = 1.0 / _tolerance(q)
    e = np.multiply.outer(1.0 / slopes, d * per)
    e -= np.multiply.outer(cuts / slopes, per)
    e -= q * per
    below = (e < -2.0) @ np.minimum(vote, 0.5)
    np.multiply(e, e, out=e)
    np.subtract(1.0, e, out=e)
    np.maximum(e, 0.0, out=e)
    hit = e @ vote
    best = int(np.argmax(hit - 0.7 * below))
    if hit[best] < 0.02 * total:
        return None
    return refine(cells, view, float(slopes[best]), float(cuts[best]))


def _through_pairs(d: Array, q: Array, ok: Mask, shape: tuple[int, int]) -> Array:
    """(slope, intercept) of lines through pairs of cells, float32 (2, n)."""
    i, j = _pairs(*shape)
    fit = ok[i] & ok[j] & (np.abs(q[i] - q[j]) > 0.1)
    i, j = i[fit], j[fit]
    slopes = (d[i] - d[j]) / (q[i] - q[j])
    return np.stack([slopes, d[i] - slopes * q[i]])


def _through_rows(d: Array, q: Array, ok: Mask, vote: Array) -> Array:
    """The same of lines through pairs of means over what is walkable, in bins of ``q``."""
    bins = np.minimum((q - Q_MIN) * (Q_BINS / 1.0), Q_BINS - 1).astype(np.intp)
    bins = np.where(ok, bins, Q_BINS)
    strong = np.where(vote > 0.5, vote, 0.0)
    mass = np.bincount(bins, strong, Q_BINS + 1)[:Q_BINS]
    use = mass > 1.5
    mean_d, mean_q = (
        np.bincount(bins, strong * values, Q_BINS + 1)[:Q_BINS][use] / mass[use]
        for values in (d, q)
    )
    m, n = np.triu_indices(len(mean_d), 1)
    slopes = (mean_d[m] - mean_d[n]) / (mean_q[m] - mean_q[n] + 1e-9)
    return np.stack([slopes, mean_d[m] - slopes * mean_q[m]]).astype(np.float32)


@lru_cache(maxsize=32)
def _below(view: View) -> tuple[NDArray[np.intp], Array, Array, Array, NDArray[np.intp]]:
    """Cells below the horizon, flat: their places in the grid, the rows ``q``, 1 and ``dq_roll``,
    ``dq_pitch``, tolerance, and bin of ``q`` and column."""
    at = np.flatnonzero(view.q > Q_MIN)
    q, dq_roll = view.q.ravel()[at], view.side.ravel()[at]
    dq_roll = dq_roll * np.float32(np.cos(np.radians(view.pitch_deg)))
    bins = np.minimum((q - Q_MIN) * Q_BINS, Q_BINS - 1).astype(np.intp) * X_BINS
    third = float(np.abs(dq_roll).max(initial=0.0)) / X_BINS
    bins += dq_roll > -third
    bins += dq_roll > third
    design = np.stack([q, np.ones_like(q), dq_roll])
    return at, design, view.ahead.ravel()[at], _tolerance(q), bins


def refine(cells: Cells, view: View, slope: float, intercept: float) -> GroundFit | None:
    """The ground near one line: least squares on the inliers, twice; then their means in bins."""
    at, design, dq_pitch, tolerance, bins = _below(view)
    q, _, dq_roll = design
    d, valid = cells.d.ravel()[at], cells.valid.ravel()[at]
    w = np.ones_like(d) if cells.walkable is None else _votes(cells.walkable.ravel()[at])
    tilt = 0.0

    def residuals() -> tuple[Array, Mask, int]:
        """Of all cells, in units of ``q``; which are inliers, and how many."""
        e: Array = d - np.float32(intercept)  # first: a large shift must not cost digits
        e -= dq_roll * np.float32(tilt)
        e *= np.float32(1.0 / slope)
        e -= q
        inlier = (np.abs(e, out=e) < tolerance) & valid
        return e, inlier, int(np.count_nonzero(inlier))

    for _ in range(2):
        _, inlier, count = residuals()
        if count < MIN_INLIERS:
            return None
        weighted = design * (w * inlier)  # cheaper than picking the inliers out
        normal = (weighted @ design.T).astype(np.float64)
        # A weak pull to no tilt keeps a one-sided patch of ground from inventing roll.
        normal[2, 2] += 0.02 * normal[1, 1]
        normal[_DIAGONAL] += 1e-9 * normal.trace()
        right = (weighted @ d).astype(np.float64)
        slope, intercept, tilt = np.linalg.solve(normal, right).tolist()
        if slope <= 1e-9:
            return None
    e, inlier, count = residuals()
    wi = w * inlier
    mass = np.bincount(bins, wi, Q_BINS * X_BINS)
    use = mass > 2.0
    if count < MIN_INLIERS or np.count_nonzero(use) < 2:
        return None
    kept = mass[use]
    means = tuple(
        np.bincount(bins, wi * values, Q_BINS * X_BINS)[use] / kept
        for values in (d, q, dq_pitch, dq_roll)
    )
    share, span = count / np.count_nonzero(valid), float(means[1].max() - means[1].min())
    confidence = min(share / 0.15, 1.0) * min(max((span - 0.02) / 0.14, 0.0), 1.0)
    if confidence <= 0:
        return None
    noise = 1.48 * float(np.partition(e[inlier], count // 2)[count // 2])
    return GroundFit(slope, intercept, noise, share, confidence, kept / kept.sum(), *means)
