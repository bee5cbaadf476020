"""What the built-in network's output is worth: evidence that plane geometry alone cannot give.

A small network is biased: it lifts the far ground, flattens near obstacles, and its output
says more about a frame's layout than about meters. Its raw output is steady from frame to frame,
so measured depth teaches, all in units of the camera's height (``u = height / Z``):

1. the line of the ground, ``u = alpha * d + beta``, before any ground is seen;
2. how to separate ground from obstacles on it, from ``walkable``, the excess over the ground's line
   and its growth from row to row (0 on the ground, -1 on an upright face);
3. how far away an obstacle cell really is: from its output, from the row where the ground of
   its column ends, and bounded by the ground (nothing seen against it lies beyond it);
4. how far away the nearest obstacle of a zone is, where the errors of single cells average out.

In places unlike those that it knows, its ``walkable`` is undecided. There it overestimates the
distance of obstacles, with a higher variance (docs/decisions/0010). ``prior.json`` has the numbers,
fitted to measured depth of folders of frames; sigmas are residuals in folders left out of the fit.
"""

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonar.zones.geometry import Array, Cells, Mask, View
from sonar.zones.scale import GroundLine

GROUND_Q = 0.08  # ground is not looked for closer to the horizon
ROWS_APART = 2
WALK_BLUR = 2  # half width in cells
GROUND_BOUND = 1.03
CONTACT_Q = 0.03  # a contact row is not looked for closer to the horizon
CONTACT_ROWS = 1.5  # rows' worth of obstacle cells that end the ground
CONTACT_GROUND_ROWS = 2
OUTPUTS = 0.02, 4.0  # in camera heights: nothing is distinguished beyond
UNCERTAINTY_Q = 0.05  # uncertainty is looked for below the horizon, where there may be ground
UNCERTAINTIES = 0.05, 0.4  # none was seen beyond when the numbers were fitted
UNCERTAINTY_S = 5.0  # it belongs to a place: single frames say less of that than several
FREE_WAY_Q, FREE_WAY_CELLS = 0.3, 8
ZONE_CELLS, ZONE_COLUMNS = 60, 4  # fewer cells say nothing of a zone
ZONE_WALKABLE_MAX, ZONE_CONTACT_MAX = 0.30, 0.35
LOW_BODY_Q = -0.5  # cells that rise higher cannot be in the way within 4 m
FEATURE_CLIP = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class NetworkPrior:
    """One network's traits.

    Attributes:
        ground_line: before any evidence.
        free_way: (c0, c1) of ``log distance_m = c0 + c1 * share``, where share is how much of a
            zone's lower part is ground: a way that is seen can be walked.
        sigmas: (base, slope) of ``log sigma = base + slope * uncertainty``, the sigma of the log of
            a distance by ``obstacle`` (its cells), ``free_way``, ``zone`` (its statistics), and
            what is left when all are weighed (``combined``).
        arrays: weights of :func:`ground_probability` (``ground``), of :func:`obstacle_inverse`
            (``obstacle``) and of :meth:`zone_log_u` (``zone_...``), float32.
    """

    ground_line: GroundLine
    free_way: tuple[float, float]
    sigmas: dict[str, tuple[float, float]]
    arrays: dict[str, Array]

    def sigma(self, cue: str, uncertainty: float) -> float:
        """Standard deviation of the log of a distance."""
        base, slope = self.sigmas[cue]
        return math.exp(base + slope * uncertainty)

    def zone_log_u(self, features: Array) -> float:
        """``log(height / distance)`` of :func:`zone_features`, by a small network."""
        a = self.arrays
        x = np.clip((features - a["zone_mean"]) / a["zone_spread"], -FEATURE_CLIP, FEATURE_CLIP)
        hidden = np.maximum(a["zone_hidden"] @ x + a["zone_hidden_bias"], 0.0)
        return float(a["zone_out"] @ hidden + a["zone_out_bias"])


@cache
def _builtin_prior() -> NetworkPrior:
    numbers = json.loads(Path(__file__).with_name("prior.json").read_text("utf-8"))
    line, arrays = GroundLine(**numbers.pop("ground_line")), numbers.pop("arrays")
    arrays = {name: np.array(values, np.float32) for name, values in arrays.items()}
    return NetworkPrior(line, arrays=arrays, **numbers)


def prior_for(model: str) -> NetworkPrior | None:
    """The traits known of a model by its name in :class:`~sonar.types.DepthMap`, or None."""
    return _builtin_prior() if model == "builtin" else None


def out_of_distribution(walkable: Array | None, view: View) -> float:
    """How undecided ``walkable`` is: the mean of ``4 p (1 - p)`` below the horizon.

    About 0.1 in places that the built-in model was trained on, 0.25 to 0.4 in others. Within
    :data:`UNCERTAINTIES`; the most where there is no ``walkable``, or nothing below the horizon.
    """
    low = view.q > UNCERTAINTY_Q
    if walkable is None or not low.any():
        return UNCERTAINTIES[1]
    seen = walkable[low]
    undecided = 4.0 * float((seen * (1.0 - seen)).mean())
    return min(max(undecided, UNCERTAINTIES[0]), UNCERTAINTIES[1])


def follow_uncertainty(before: float | None, now: float, dt_s: float) -> float:
    """The uncertainty of a place, from that of one more frame."""
    if before is None:
        return now
    return before + (1.0 - float(np.exp(-dt_s / UNCERTAINTY_S))) * (now - before)


@cache
def _repeated(length: int, half: int) -> NDArray[np.intp]:
    return np.clip(np.arange(-half, length + half), 0, length - 1)


def box_mean(a: Array, half: int) -> Array:
    """Mean over a square of ``2 * half + 1`` cells; the frame's edge cells are repeated."""
    rows, cols = a.shape
    padded = a.take(_repeated(rows, half), 0).take(_repeated(cols, half), 1)
    down = padded[:rows].copy()
    for k in range(1, 2 * half + 1):
        down += padded[k : k + rows]
    across = down[:, :cols].copy()
    for k in range(1, 2 * half + 1):
        across += down[:, k : k + cols]
    across *= np.float32(1.0 / (2 * half + 1) ** 2)
    return across


def _clip(a: Array, low: float, high: float) -> Array:
    """In place; ``np.clip`` costs several times as much for so few cells."""
    np.maximum(a, np.float32(low), out=a)
    np.minimum(a, np.float32(high), out=a)
    return a


def ground_probability(u: Array, walkable: Array | None, view: View, prior: NetworkPrior) -> Array:
    """Probability per cell that it is ground; 0 near and above the horizon.

    ``u`` is ``alpha * d + beta`` under the present scale; no ``walkable`` counts as 0.3.
    """
    q = view.q
    excess = _clip(u - q, -0.5, 0.5)
    smooth = box_mean(excess, 1)
    rows = np.arange(q.shape[0])
    down, up = np.minimum(rows + ROWS_APART, rows[-1]), np.maximum(rows - ROWS_APART, 0)
    growth = (smooth[down] - smooth[up]) / np.maximum(q[down] - q[up], np.float32(0.01))
    growth = _clip(growth, -2.0, 2.0)
    seen = np.full_like(u, 0.3) if walkable is None else walkable
    around = box_mean(seen, WALK_BLUR)
    above = np.maximum(excess, 0.0)
    features = (
        *(seen, around, np.sqrt(np.maximum(around, 0.0))),
        *(excess, np.abs(excess), above * above, growth, np.abs(growth)),
    )
    constant, *weights = prior.arrays["ground"]
    logit = np.full_like(u, -constant)
    for weight, feature in zip(weights, features, strict=True):
        logit -= weight * feature
    np.minimum(logit, np.float32(20.0), out=logit)
    np.exp(logit, out=logit)
    logit += np.float32(1.0)
    p: Array = np.reciprocal(logit, out=logit)
    p[q < GROUND_Q] = 0.0
    return p


def contact(ground: Array, view: View) -> tuple[Array, Array]:
    """The ground contact row of each column: an obstacle there is at that row's distance.

    Returns ``log q`` of the row and 1 where there is one, else 0 (the ground does not reach the
    frame's lower edge there), float32 arrays ``(columns,)``; ``ground`` is a probability.
    """
    smooth = box_mean(ground, 1)
    blocked = np.where(view.q > CONTACT_Q, _clip(1.0 - 2.0 * smooth, 0.0, 1.0), 1.0)
    rows, cols = ground.shape
    evidence = np.cumsum(blocked[::-1], axis=0)
    up = np.argmax(evidence >= CONTACT_ROWS, axis=0)  # rows above the lower edge
    columns = np.arange(cols)
    below = np.cumsum(smooth[::-1] > 0.5, axis=0)[up, columns]
    row = np.clip(rows - 1 - up + round(CONTACT_ROWS - 0.5), 0, rows - 1)
    q = np.clip(view.q[row, columns], 0.05, 1.0)
    return np.log(q).astype(np.float32), (below >= CONTACT_GROUND_ROWS).astype(np.float32)


def obstacle_inverse(
    u: Array, ground: Array, view: View, prior: NetworkPrior, uncertainty: float
) -> Array:
    """Inverse distance in camera heights of cells as far as they are obstacles.

    A nearer output never gives a farther obstacle, nor does more uncertainty.
    """
    c = prior.arrays["obstacle"]
    log_output = _clip(u.copy(), *OUTPUTS)
    np.log(log_output, out=log_output)
    below = _clip(view.q.copy(), 0.0, 1.0)
    log_q, there = contact(ground, view)
    log_u = (c[5] - c[1]) * below
    log_u += c[1]
    log_u *= log_output
    log_u += c[2] * np.maximum(log_output, np.float32(0.0))
    log_u += (c[3] + c[4] * below) * below
    log_u += c[6] * np.minimum(view.q, np.float32(0.0))
    log_u += c[0] + c[9] * np.float32(uncertainty) + there * (c[7] + c[8] * log_q)
    np.exp(_clip(log_u, -4.0, 3.0), out=log_u)
    out: Array = np.maximum(log_u, view.q * np.float32(GROUND_BOUND), out=log_u)
    return out


def free_way(ground: Array, zone: Mask, view: View, prior: NetworkPrior) -> float | None:
    """Log of the distance that a zone's share of ground speaks for; None if too little is low."""
    low = zone & (view.q > FREE_WAY_Q)
    if int(np.count_nonzero(low)) < FREE_WAY_CELLS:
        return None
    return prior.free_way[0] + prior.free_way[1] * float(ground[low].mean())


def frame_features(cells: Cells, view: View, uncertainty: float) -> list[float]:
    """The seven features that all zones share."""
    assert cells.walkable is not None
    d, walkable, q = cells.d, cells.walkable, view.q
    low, high = _quantiles(d.ravel(), (0.05, 0.95))
    mean = float(d.mean())
    deviation = float(np.sqrt(max(float(np.vdot(d, d)) / d.size - mean * mean, 0.0)))
    middle = _quantiles(q.ravel(), (0.5,))[0]
    return [mean, low, high, deviation, float(walkable.mean()), middle, uncertainty]


def zone_features(
    cells: Cells, view: View, zone: Mask, shared: list[float], is_side: bool
) -> Array | None:
    """The 25 features of one zone; None where the frame shows too little of it.

    The output of non-walkable cells (50, 80 and 90 %), their mean q, their share; q of the contact
    row (25, 50, 75 and 90 % of the columns) and the median output there; walkable, mean and lower
    third; the largest and smallest q; the growth of the output with q below the horizon, in the
    lower third and near the horizon; then the shared ones, and whether it is a side zone.
    """
    assert cells.walkable is not None
    d, walkable, q = cells.d, cells.walkable, view.q
    rows, cols = np.flatnonzero(zone.any(axis=1)), np.flatnonzero(zone.any(axis=0))
    at = np.flatnonzero(zone)
    if at.size < ZONE_CELLS or cols.size < ZONE_COLUMNS:
        return None
    # The zone's cells in one line each: a third of the work of masks over the whole frame.
    output, ground, row = d.ravel()[at], walkable.ravel()[at], q.ravel()[at]
    body = row > LOW_BODY_Q
    other = body & (ground < ZONE_WALKABLE_MAX)
    count = int(np.count_nonzero(other))
    out = _quantiles(output[other], (0.5, 0.8, 0.9)) if count > 8 else [0.0, 0.0, 0.0]
    out += [float(row[other].mean()) if count else 0.0]
    out += [count / max(int(np.count_nonzero(body)), 1)]
    # The lowest non-walkable cell of every column; 0 where there is none.
    blocked = (zone & (walkable < ZONE_CONTACT_MAX))[:, cols]
    found = blocked.any(axis=0)
    contact_row = d.shape[0] - 1 - np.argmax(blocked[::-1], axis=0)
    out += _quantiles(np.where(found, q[contact_row, cols], 0.0), (0.25, 0.5, 0.75, 0.9))
    out += _quantiles(np.where(found, d[contact_row, cols], 0.0), (0.5,))
    low = at >= rows[rows.size * 2 // 3] * d.shape[1]
    below = row > 0
    out += [float(ground.mean()), float(ground[low].mean())]
    out += [float(row.max()), float(row.min())]
    out += [_growth(output[part], row[part]) for part in (below, low & below, row < 0.3)]
    return np.array([*out, *shared, float(is_side)], np.float32)


def _quantiles(values: Array, shares: tuple[float, ...]) -> list[float]:
    at = [round(share * (values.size - 1)) for share in shares]
    return [float(value) for value in np.partition(values, at)[at]]


def _growth(output: Array, row: Array) -> float:
    """Slope of the output over q: 1/alpha on the ground, about 0 on an upright face."""
    count = output.size
    if count <= 20:
        return 0.5
    mean = float(row.sum()) / count
    covariance = float(np.vdot(output, row)) / count - float(output.sum()) / count * mean
    variance = float(np.vdot(row, row)) / count - mean * mean
    return min(max(covariance / (variance + 1e-4), -2.0), 3.0)
