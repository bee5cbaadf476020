"""The ground as a line: inverse depth over ``q`` on ground cells, found robustly each frame.

On a plane ``w = q / h`` (geometry.py), and a relative map is ``d = A * q + b`` there whatever its
scale and shift. A consensus search over lines through pairs of cells needs neither; ``walkable``
probabilities, where the network gives them, weigh the votes.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sonar.zones.geometry import Array, View

Q_MIN = 0.07  # 4 degrees below the horizon: farther ground is a few rows high, and soft
Q_BINS = 12
X_BINS = 3
PAIRS = 50
MIN_INLIERS = 24
_DIAGONAL = np.arange(3), np.arange(3)


@dataclass(frozen=True, slots=True, eq=False)
class GroundFit:
    """What one frame says of the ground.

    Attributes:
        slope, intercept: of ``d = slope * q + intercept``, in the map's own units.
        noise: robust residual of inlier cells, in units of ``q`` (scale-free).
        share: ground cells as a share of all cells below the horizon, 0 to 1.
        span: range of ``q`` that the inliers cover.
        confidence: 0 (nothing) to 1.
        d, q, dq_pitch, dq_roll, weight: float64 arrays ``(n,)``: means over inliers in bins of
            ``q`` and column, for the scale filter.
    """

    slope: float
    intercept: float
    noise: float
    share: float
    span: float
    confidence: float
    d: NDArray[np.float64]
    q: NDArray[np.float64]
    dq_pitch: NDArray[np.float64]
    dq_roll: NDArray[np.float64]
    weight: NDArray[np.float64]


@lru_cache(maxsize=8)
def _pairs(rows: int, cols: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Flat indices of cell pairs, closed under mirroring, the same in every run."""
    rng = np.random.default_rng(7)
    r = rng.integers(rows // 4, rows, (2, PAIRS)) if rows > 3 else np.zeros((2, PAIRS), int)
    c = rng.integers(0, cols, (2, PAIRS))
    r, c = np.concatenate([r, r], 1), np.concatenate([c, cols - 1 - c], 1)
    return (r[0] * cols + c[0]).astype(np.intp), (r[1] * cols + c[1]).astype(np.intp)


def _block_mean(a: Array, k: int) -> Array:
    rows, cols = a.shape[0] // k, a.shape[1] // k
    if rows == 0 or cols == 0 or k == 1:
        return a
    trimmed = a[a.shape[0] - rows * k :, : cols * k]
    total = trimmed[0::k, 0::k].copy()  # sums of slices: four times as fast as a mean over axes
    for i in range(k):
        for j in range(k):
            if i or j:
                total += trimmed[i::k, j::k]
    total *= np.float32(1.0 / k**2)
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
    d: Array,
    valid: NDArray[np.bool_],
    walkable: Array | None,
    view: View,
    hint: tuple[float, float] | None,
    slope_range: tuple[float, float],
) -> GroundFit | None:
    """Find the ground in one frame.

    Args:
        d: float32 cells ``(rows, cols)``, larger is nearer.
        valid: cells that may be used.
        walkable: probability per cell, or None.
        view: tables of the same shape.
        hint: (slope, intercept) expected from before, one more candidate line.
        slope_range: slopes outside are not the ground (from a prior of scale).

    Returns:
        The fit, or None where no line gathers enough cells.
    """
    k = 2 if min(d.shape) >= 8 else 1
    td, tq = _block_mean(d, k).ravel(), _block_mean(view.q, k).ravel()
    rows, cols = d.shape[0] // k, d.shape[1] // k
    ok = tq > Q_MIN
    if not valid.all():
        ok &= _block_mean(valid.astype(np.float32), k).ravel() > 0.99
    total = int(ok.sum())
    if total < 12:
        return None
    vote = np.ones_like(td) if walkable is None else _votes(_block_mean(walkable, k).ravel())
    vote = np.where(ok, vote, 0.0).astype(np.float32)
    slopes, cuts = _candidates(td, tq, ok, vote, rows, cols, hint, walkable is not None)
    keep = (slopes > max(slope_range[0], 1e-9)) & (slopes < slope_range[1])
    slopes, cuts = slopes[keep], cuts[keep]
    if not len(slopes):
        return None
    cd, cq, cv = td[ok], tq[ok], vote[ok]
    # Residual of every cell under every line, in units of the tolerance.
    per = 1.0 / _tolerance(cq)
    e = np.multiply.outer(1.0 / slopes, cd * per)
    e -= np.multiply.outer(cuts / slopes, per)
    e -= cq * per
    below = (e < -2.0) @ np.minimum(cv, 0.5)
    np.multiply(e, e, out=e)
    np.subtract(1.0, e, out=e)
    np.maximum(e, 0.0, out=e)
    hit = e @ cv
    best = int(np.argmax(hit - 0.7 * below))
    if hit[best] < 0.02 * total:
        return None
    return refine(d, valid, walkable, view, float(slopes[best]), float(cuts[best]))


def _candidates(
    td: Array,
    tq: Array,
    ok: NDArray[np.bool_],
    vote: Array,
    rows: int,
    cols: int,
    hint: tuple[float, float] | None,
    weighed: bool,
) -> tuple[Array, Array]:
    """Lines through pairs of cells, through pairs of voted row means, and the hint."""
    i, j = _pairs(rows, cols)
    fit = ok[i] & ok[j] & (np.abs(tq[i] - tq[j]) > 0.1)
    i, j = i[fit], j[fit]
    slopes = [(td[i] - td[j]) / (tq[i] - tq[j])]
    cuts = [td[i] - slopes[0] * tq[i]]
    if weighed:
        b = np.minimum((tq - Q_MIN) * (Q_BINS / 1.0), Q_BINS - 1).astype(np.intp)
        b = np.where(ok, b, Q_BINS)
        strong = np.where(vote > 0.5, vote, 0.0)
        mass = np.bincount(b, strong, Q_BINS + 1)[:Q_BINS]
        use = mass > 1.5
        if use.sum() >= 2:
            md = np.bincount(b, strong * td, Q_BINS + 1)[:Q_BINS][use] / mass[use]
            mq = np.bincount(b, strong * tq, Q_BINS + 1)[:Q_BINS][use] / mass[use]
            m, n = np.triu_indices(len(md), 1)
            s = (md[m] - md[n]) / (mq[m] - mq[n] + 1e-9)
            slopes.append(s.astype(np.float32))
            cuts.append((md[m] - s * mq[m]).astype(np.float32))
    if hint is not None:
        slopes.append(np.array([hint[0]], np.float32))
        cuts.append(np.array([hint[1]], np.float32))
    return np.concatenate(slopes), np.concatenate(cuts)


@dataclass(frozen=True, slots=True, eq=False)
class _Below:
    """Cells below the horizon of one view, flat.

    Attributes:
        at: their places in the grid.
        q, dq_pitch, tolerance: ``(n,)``; see :class:`GroundFit`.
        design: rows ``q``, 1 and ``dq_roll``, ``(3, n)``.
        bins: of ``q`` and column, ``(n,)``.
    """

    at: NDArray[np.intp]
    q: Array
    dq_pitch: Array
    tolerance: Array
    design: Array
    bins: NDArray[np.intp]


def _below(view: View, at: NDArray[np.intp]) -> _Below:
    q, dq_roll = view.q.ravel()[at], view.side.ravel()[at]
    dq_roll = dq_roll * np.float32(np.cos(np.radians(view.pitch_deg)))
    bins = np.minimum((q - Q_MIN) * Q_BINS, Q_BINS - 1).astype(np.intp) * X_BINS
    if at.size:
        third = float(max(dq_roll.max(), -dq_roll.min())) / X_BINS
        bins += dq_roll > -third
        bins += dq_roll > third
    design = np.stack([q, np.ones_like(q), dq_roll])
    return _Below(at, q, view.ahead.ravel()[at], _tolerance(q), design, bins)


@lru_cache(maxsize=32)
def _all_below(view: View) -> _Below:
    """The same for every frame in which all cells are valid; views are kept too."""
    return _below(view, np.flatnonzero(view.q > Q_MIN))


def refine(
    d: Array,
    valid: NDArray[np.bool_],
    walkable: Array | None,
    view: View,
    slope: float,
    intercept: float,
) -> GroundFit | None:
    """The ground near one line: least squares on the inliers, twice; then their means in bins.

    Args:
        d, valid, walkable, view: as for :func:`fit_ground`.
        slope, intercept: the line to start from.
    """
    whole = bool(valid.all())
    below = _all_below(view) if whole else _below(view, np.flatnonzero(valid & (view.q > Q_MIN)))
    sel, q, tol, design = below.at, below.q, below.tolerance, below.design
    dv, dq_roll = d.ravel()[sel], design[2]
    w = np.ones_like(dv) if walkable is None else _votes(walkable.ravel()[sel])
    tilt = 0.0

    def residual() -> Array:
        e: Array = dv - np.float32(intercept)  # first: a large shift must not cost digits
        e -= dq_roll * np.float32(tilt)
        e *= np.float32(1.0 / slope)
        e -= q
        return e

    for _ in range(2):
        e = residual()
        inlier = np.abs(e, out=e) < tol
        if np.count_nonzero(inlier) < MIN_INLIERS:
            return None
        weighted = design * (w * inlier)  # cheaper than picking the inliers out
        normal = (weighted @ design.T).astype(np.float64)
        # A weak pull to no tilt keeps a one-sided patch of ground from inventing roll.
        normal[2, 2] += 0.02 * normal[1, 1]
        normal[_DIAGONAL] += 1e-9 * normal.trace()
        right = (weighted @ dv).astype(np.float64)
        slope, intercept, tilt = np.linalg.solve(normal, right).tolist()
        if slope <= 1e-9:
            return None
    e = residual()
    inlier = np.abs(e, out=e) < tol
    count = int(np.count_nonzero(inlier))
    if count < MIN_INLIERS:
        return None
    off = e[inlier]
    noise = 1.48 * float(np.partition(off, count // 2)[count // 2])
    share = count / len(sel)
    wi = w * inlier
    mass = np.bincount(below.bins, wi, Q_BINS * X_BINS)
    use = mass > 2.0
    if np.count_nonzero(use) < 2:
        return None

    def mean(values: Array) -> NDArray[np.float64]:
        sums = np.bincount(below.bins, wi * values, Q_BINS * X_BINS)
        out: NDArray[np.float64] = sums[use] / kept
        return out

    kept = mass[use]
    mean_q = mean(q)
    span = float(mean_q.max() - mean_q.min())
    confidence = min(share / 0.15, 1.0) * min(max((span - 0.02) / 0.14, 0.0), 1.0)
    if confidence <= 0:
        return None
    return GroundFit(
        slope,
        intercept,
        noise,
        share,
        span,
        confidence,
        mean(dv),
        mean_q,
        mean(below.dq_pitch),
        mean(dq_roll),
        kept / kept.sum(),
    )
