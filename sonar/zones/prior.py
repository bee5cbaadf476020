"""What one network's output is worth: evidence that plane geometry alone cannot give.

A small network is biased: it lifts the far ground, flattens near obstacles, and its output
says more about a frame's layout than about meters. For a network whose level is steady from
frame to frame, measured depth teaches three things, all in units of the camera's height
(``u = height / Z``), which makes them independent of who wears the camera:

1. the line of the floor, ``u = alpha * d + beta``, before any ground is seen;
2. how to separate ground from obstacles on it, from ``walkable``, the excess over the floor's line
   and its growth from row to row (0 on the floor, -1 on an upright face);
3. how far away an obstacle cell really is: from its output, from the row where the floor of
   its column ends, and bounded by the floor (nothing seen against it lies beyond it).

How far all that can be trusted, the network says itself: in places unlike those that it knows its
``walkable`` is undecided (:func:`out_of_distribution`), and there it overestimates the distance of
obstacles, with a higher variance.

Nothing here is used without a prior.
"""

import json
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.config import MountConfig, ZonesConfig
from sonar.zones.geometry import Array, View
from sonar.zones.zone_regression import Spread, ZoneRegression, builtin_regression

Mask = NDArray[np.bool_]

NUMBERS = Path(__file__).with_name("prior.json")  # of the built-in model
FLOOR_Q = 0.08  # the floor is not judged closer to the horizon
ROWS_APART = 2
WALK_BLUR = 2  # half width in cells
FLOOR_BOUND = 1.03
FOOT_Q = 0.03  # a foot is not looked for closer to the horizon
FOOT_ROWS = 1.5  # rows' worth of obstacle cells that end the ground
FOOT_FLOOR_ROWS = 2
LEVELS = 0.02, 4.0  # in camera heights: nothing is distinguished beyond
UNCERTAINTY_Q = 0.05  # uncertainty is looked for below the horizon, where there may be floor
UNCERTAINTIES = 0.05, 0.4  # no more was seen, and nothing is learned beyond
UNCERTAINTY_S = (
    5.0  # it is a place that is known or not: single frames say less of that than several
)
RISING = 1, 2, 5, 9  # the weights of ``stand`` that must not be negative
REACH_Q = 0.3
REACH_CELLS = 8


@dataclass(frozen=True, slots=True)
class GroundLine:
    """The floor's line before any evidence; sigmas are those between single frames."""

    alpha: float
    beta: float
    alpha_sigma: float
    beta_sigma: float
    correlation: float = 0.0


@dataclass(frozen=True, slots=True)
class NetworkPrior:
    """One network's traits.

    Attributes:
        ground_line: before any evidence.
        ground: weights of :func:`ground_features`, a logistic regression of "this is floor".
        obstacle: weights of :func:`obstacle_inverse`, a regression of ``log u``.
        obstacle_sigma: its residual, as a standard deviation of ``log u``, by uncertainty.
        reach: (c0, c1) of ``log distance_m = c0 + c1 * share``, where share is how much of a
            zone's lower part is floor: a way that is seen can be walked.
        reach_sigma: its residual, by uncertainty.
        together: what is left when all cues are weighed, as a standard deviation of the log of a
            distance, by uncertainty.
        zone: what a zone as a whole says of its nearest obstacle, or None.
    """

    ground_line: GroundLine
    ground: tuple[float, ...]
    obstacle: tuple[float, ...]
    obstacle_sigma: Spread
    reach: tuple[float, float]
    reach_sigma: Spread
    together: Spread
    zone: ZoneRegression | None = None


def out_of_distribution(walkable: Array | None, view: View) -> float:
    """How little a network knows what it sees, by how undecided its ``walkable`` is.

    The mean of ``4 p (1 - p)`` below the horizon: about 0.1 in places that the built-in model was
    trained on, 0.25 to 0.4 in others (``zones_fit_prior`` of 0.1.0 printed it by folder). No
    unit, within :data:`UNCERTAINTIES`; the most where there is no ``walkable``, or no horizon
    above.
    """
    low = view.q > UNCERTAINTY_Q
    if walkable is None or not low.any():
        return UNCERTAINTIES[1]
    seen = walkable[low]
    return float(
        min(max(4.0 * float((seen * (1.0 - seen)).mean()), UNCERTAINTIES[0]), UNCERTAINTIES[1])
    )


def follow_uncertainty(before: float | None, now: float, dt_s: float) -> float:
    """The uncertainty of a place, from that of one more frame."""
    if before is None:
        return now
    return before + (1.0 - float(np.exp(-dt_s / UNCERTAINTY_S))) * (now - before)


@cache
def _repeated(length: int, half: int) -> NDArray[np.intp]:
    """Indices that repeat the first and the last place ``half`` times."""
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


def ground_features(u: Array, walkable: Array | None, view: View) -> list[Array]:
    """Per cell: float32 arrays of the grid's shape, in the order of ``NetworkPrior.ground`` after
    its constant.

    Args:
        u: ``alpha * d + beta`` under the present scale.
        walkable: probability, or None where the network has none (counts as 0.3).
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
    return [
        seen,
        around,
        np.sqrt(np.maximum(around, 0.0)),
        excess,
        np.abs(excess),
        above * above,
        growth,
        np.abs(growth),
    ]


def ground_probability(u: Array, walkable: Array | None, view: View, prior: NetworkPrior) -> Array:
    """Probability per cell that it is floor; 0 near and above the horizon."""
    constant, *weights = prior.ground
    logit = np.full_like(u, -constant)
    for weight, feature in zip(weights, ground_features(u, walkable, view), strict=True):
        logit -= np.float32(weight) * feature
    np.minimum(logit, np.float32(20.0), out=logit)
    np.exp(logit, out=logit)
    logit += np.float32(1.0)
    p: Array = np.reciprocal(logit, out=logit)
    p[view.q < FLOOR_Q] = 0.0
    return p


def ground_share(floor: Array, zone: Mask, view: View) -> float | None:
    """How much of a zone's lower part is floor, 0 to 1; None if too little is low."""
    low = zone & (view.q > REACH_Q)
    if int(np.count_nonzero(low)) < REACH_CELLS:
        return None
    return float(floor[low].mean())


def reach(floor: Array, zone: Mask, view: View, prior: NetworkPrior) -> float | None:
    """Log of the distance that the zone's share of floor speaks for, or None."""
    share = ground_share(floor, zone, view)
    return None if share is None else prior.reach[0] + prior.reach[1] * share


def contact(floor: Array, view: View) -> tuple[Array, Array]:
    """The ground contact row of each column: an obstacle there is at that row's distance.

    Args:
        floor: probability per cell.

    Returns:
        ``log q`` of the foot's row and 1 where there is one, else 0 (the floor does not reach
        the frame's lower edge there); float32 arrays ``(columns,)``.
    """
    smooth = box_mean(floor, 1)
    standing = np.where(view.q > FOOT_Q, _clip(1.0 - 2.0 * smooth, 0.0, 1.0), 1.0)
    rows, cols = floor.shape
    evidence = np.cumsum(standing[::-1], axis=0)
    up = np.argmax(evidence >= FOOT_ROWS, axis=0)  # rows above the lower edge
    columns = np.arange(cols)
    ground = np.cumsum(smooth[::-1] > 0.5, axis=0)[up, columns]
    foot = np.clip(rows - 1 - up + round(FOOT_ROWS - 0.5), 0, rows - 1)
    q = np.clip(view.q[foot, columns], 0.05, 1.0)
    return np.log(q).astype(np.float32), (ground >= FOOT_FLOOR_ROWS).astype(np.float32)


def obstacle_terms(u: Array, floor: Array, view: View, uncertainty: float) -> list[Array]:
    """What :func:`obstacle_inverse` weighs, in the order of ``NetworkPrior.obstacle``; for fitting.

    Behind the cells' terms come two rows of columns (of the floor's end) and one number (the
    uncertainty). Terms of :data:`RISING` have weights of 0 or more: a nearer output never gives a
    farther obstacle, nor does more uncertainty.
    """
    level = np.log(np.clip(u, *LEVELS))
    below = np.clip(view.q, 0.0, 1.0)
    log_q, there = contact(floor, view)
    terms = [np.ones_like(u), level * (1.0 - below), np.maximum(level, 0.0)]
    terms += [below, below * below, below * level]
    terms += [np.minimum(view.q, 0.0), there[None], (there * log_q)[None]]
    return [*terms, np.array([[uncertainty]])]


def obstacle_inverse(
    u: Array, floor: Array, view: View, prior: NetworkPrior, uncertainty: float
) -> Array:
    """Inverse distance in camera heights of cells as far as they stand.

    ``log u`` is the sum of :func:`obstacle_terms`, weighed.
    """
    c = [np.float32(weight) for weight in prior.obstacle]
    level = _clip(u.copy(), *LEVELS)
    np.log(level, out=level)
    below = _clip(view.q.copy(), 0.0, 1.0)
    log_q, there = contact(floor, view)
    log_u = (c[5] - c[1]) * below
    log_u += c[1]
    log_u *= level
    log_u += c[2] * np.maximum(level, np.float32(0.0))
    log_u += (c[3] + c[4] * below) * below
    log_u += c[6] * np.minimum(view.q, np.float32(0.0))
    log_u += c[0] + c[9] * np.float32(uncertainty) + there * (c[7] + c[8] * log_q)
    np.exp(_clip(log_u, -4.0, 3.0), out=log_u)
    out: Array = np.maximum(log_u, view.q * np.float32(FLOOR_BOUND), out=log_u)
    return out


def to_json(prior: NetworkPrior) -> str:
    """The traits as :data:`NUMBERS` holds them, without the zone regression's."""
    numbers = asdict(replace(prior, zone=None))
    del numbers["zone"]
    return json.dumps(_rounded(numbers), indent=1) + "\n"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, tuple) else round(value, 3)


@cache
def builtin_prior() -> NetworkPrior:
    """The built-in model's traits, as ``zones_fit_prior`` of 0.1.0 wrote them.

    From measured depth of folders of frames (an office walk, a kitchen, cubicles, a
    classroom...); the sigmas are residuals in folders left out of the fit.
    """
    numbers: dict[str, Any] = json.loads(NUMBERS.read_text("utf-8"))
    for name in ("ground", "obstacle", "reach"):
        numbers[name] = tuple(numbers[name])
    for name in ("obstacle_sigma", "reach_sigma", "together"):
        numbers[name] = Spread(*numbers[name])
    numbers["ground_line"] = GroundLine(**numbers["ground_line"])
    return NetworkPrior(**numbers, zone=builtin_regression())


def prior_for(model: str) -> NetworkPrior | None:
    """The traits known of a model by its name in :class:`~sonar.types.DepthMap`, or None."""
    return builtin_prior() if model == "builtin" else None


@dataclass(frozen=True, slots=True)
class Settings:
    """What does not change from frame to frame.

    Attributes:
        tracked: pitch and roll in ``mount`` are this very frame's (an IMU, a recording's poses).
        prior: what the output of the model that made the present map is worth, or None.
    """

    zones: ZonesConfig
    mount: MountConfig
    prior: NetworkPrior | None = None
    tracked: bool = False
