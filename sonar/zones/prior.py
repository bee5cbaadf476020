"""What one network's output is worth: evidence that plane geometry alone cannot give.

A small network bends the world: it lifts the far floor, flattens what stands near, and its level
says more about a picture's layout than about metres. For a network whose level is steady from
picture to picture, measured depth teaches three things, all in units of the camera's height
(``u = height / Z``), which makes them independent of who wears the camera:

1. the line of the floor, ``u = alpha * d + beta``, before any ground is seen;
2. how to tell floor from what stands on it, from ``walkable``, the excess over the floor's line
   and its growth from row to row (0 on the floor, -1 on an upright face);
3. how far away a cell that stands really is: a monotone map of its level, bounded below by the
   floor behind it (nothing that is seen against the floor lies beyond it).

Numbers are fitted by ``scripts/zones_fit_prior``; nothing here is used without a prior.
"""

from dataclasses import dataclass

import numpy as np

from sonar.zones.geometry import Array, View

FLOOR_Q = 0.08  # the floor is not judged closer to the horizon
ROWS_APART = 4
WALK_BLUR = 4  # half width in cells
FLOOR_BOUND = 1.03


@dataclass(frozen=True, slots=True)
class LevelPrior:
    """The floor's line before any evidence; sigmas are those between single pictures."""

    alpha: float
    beta: float
    alpha_sigma: float
    beta_sigma: float
    correlation: float = 0.0


@dataclass(frozen=True, slots=True)
class NetworkPrior:
    """One network's traits.

    Attributes:
        level: the line of the floor.
        floor: weights of :func:`floor_features`, a logistic regression of "this is floor".
        stand: weights of :func:`stand_features`, a regression of ``log u``.
        stand_sigma: its residual, as a standard deviation of ``log u``, in unseen places.
    """

    level: LevelPrior
    floor: tuple[float, ...]
    stand: tuple[float, ...]
    stand_sigma: float


def box_mean(a: Array, half: int) -> Array:
    """Mean over a square of ``2 * half + 1`` cells, smaller at the edges of the picture."""
    for axis in (0, 1):
        n = a.shape[axis]
        total = np.cumsum(a, axis=axis, dtype=np.float32)
        total = np.concatenate([np.zeros_like(np.take(total, [0], axis)), total], axis)
        high = np.minimum(np.arange(n) + half + 1, n)
        low = np.maximum(np.arange(n) - half, 0)
        count = (high - low).astype(np.float32)
        a = (np.take(total, high, axis) - np.take(total, low, axis)) / (
            count[:, None] if axis == 0 else count[None, :]
        )
    return a


def floor_features(u: Array, walkable: Array | None, view: View) -> list[Array]:
    """Per cell: float32 arrays of the grid's shape, in the order of ``NetworkPrior.floor``.

    Args:
        u: ``alpha * d + beta`` under the present scale.
        walkable: probability, or None where the network has none (counts as 0.3).
    """
    q = view.q
    excess = np.clip(u - q, -0.5, 0.5)
    smooth = box_mean(excess, 1)
    rows = np.arange(q.shape[0])
    down, up = np.minimum(rows + ROWS_APART, rows[-1]), np.maximum(rows - ROWS_APART, 0)
    growth = (smooth[down] - smooth[up]) / np.maximum(q[down] - q[up], np.float32(0.01))
    growth = np.clip(growth, -2.0, 2.0)
    seen = np.full_like(u, 0.3) if walkable is None else walkable
    around = box_mean(seen, WALK_BLUR)
    above = np.maximum(excess, 0.0)
    return [
        np.ones_like(u),
        seen,
        around,
        np.sqrt(np.maximum(around, 0.0)),
        excess,
        np.abs(excess),
        above * above,
        growth,
        np.abs(growth),
    ]


def floor_probability(u: Array, walkable: Array | None, view: View, prior: NetworkPrior) -> Array:
    """Probability per cell that it is floor; 0 near and above the horizon."""
    logit = np.zeros_like(u)
    for weight, feature in zip(prior.floor, floor_features(u, walkable, view), strict=True):
        logit += np.float32(weight) * feature
    p: Array = (1.0 / (1.0 + np.exp(-np.clip(logit, -20.0, 20.0)))).astype(np.float32)
    p[view.q < FLOOR_Q] = 0.0
    return p


def stand_features(u: Array, view: View) -> list[Array]:
    """Per cell, in the order of ``NetworkPrior.stand``."""
    level = np.clip(u, 0.02, 2.0)
    below = np.maximum(view.q, 0.0)
    return [
        np.ones_like(u),
        level,
        level * level,
        below,
        below * below,
        below * level,
        np.minimum(view.q, 0.0),
    ]


def stand_inverse(u: Array, view: View, prior: NetworkPrior) -> Array:
    """Inverse distance in camera heights of cells that stand, floor or not."""
    log_u = np.zeros_like(u)
    for weight, feature in zip(prior.stand, stand_features(u, view), strict=True):
        log_u += np.float32(weight) * feature
    out: Array = np.maximum(np.exp(np.clip(log_u, -4.0, 3.0)), view.q * np.float32(FLOOR_BOUND))
    return out


# The built-in model, from the measured depth of eight folders (1,100 to 60,000 cells each, a
# folder weighs by the square root of its cells). What a place that was not used sees is in
# ``stand_sigma``: the residual with that folder left out.
BUILTIN_PRIOR = NetworkPrior(
    level=LevelPrior(0.8, -0.024, 0.19, 0.08, -0.5),
    floor=(-1.08, -2.75, 2.79, 4.95, -6.60, -3.60, 0.87, 0.495, -1.416),
    stand=(-1.862, 4.111, -1.567, 0.633, 2.006, -3.108, -0.322),
    stand_sigma=0.32,
)


def prior_for(model: str) -> NetworkPrior | None:
    """The traits known of a model by its registry name, or None."""
    return BUILTIN_PRIOR if model == "builtin" else None
