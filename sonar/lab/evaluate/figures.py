"""From readings to figures, with confidence intervals, and the comparison of two models.

Definitions, for one place of ``n`` zone readings (a zone of a frame with enough measured depth):

- near: the true nearest obstacle is closer than ``NEAR_M``; reported near: the reported distance
  is, or, where no meters are reported, the distance that belongs to the proximity.
- ``near_auc``: probability that a near zone is reported nearer than another; an unknown zone
  says nothing and counts half against every other.
- ``near_recall``, ``near_false_alarm``: share of the near zones, and of the others, that are
  reported near; unknown is not near.
- distance errors: |reported - true| / true, over zones with an obstacle closer than
  ``DISTANCE_RANGE_M`` for which meters are reported; ``distance_share`` says for how many that is.
  ``distance_bias``: median of log(reported / true), above 0 is too far.
- ``zone_within_sigma``: share of those distances that err by at most their stated deviation.
- facts of frames (:data:`FACTS`): their mean over the frames that have one.
- ``ci``: 95 % intervals of the figures, by resampling blocks (seeded): frames that follow one
  another within ``BLOCK_S`` stay together, because they resemble each other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

NEAR_M = 1.5
DISTANCE_RANGE_M = 5.0
BLOCK_S = 0.5
FEWEST_BLOCKS = 6  # with fewer, a difference of one sign in all of them is chance too often
RESAMPLES = 400
FACTS = (
    "false_drops_per_1000",  # 1000 where a drop was reported, of the frames that show none
    "pixel_within_sigma",  # see maps.within_sigma
    "bands_equal",  # share of the zones with the same band as the first model's
    "depth_deviation",  # from the first model's map, as a share of its range
    "flicker",  # see maps.flicker
)
# What decides whether one model is better than another, and whether more of it is.
DECIDING = {
    "distance_median_rel_error": False,
    "near_auc": True,
    "near_recall": True,
    "near_false_alarm": False,
}
VERDICTS = WORSE, BETTER, SAME, TOO_FEW = (
    "worse", "better", "no difference beyond the interval", "too few frames to say"
)  # fmt: skip

Figures = dict[str, Any]
"""JSON: ``n``, ``unknown``, each figure (a number, or None where there is nothing to count) and
``ci`` (figure -> [low, high] or None)."""
Values = Mapping[str, float | None]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class FigureReading:
    """One zone of one frame: truth beside what was reported.

    Attributes:
        frame: index of the frame in its place.
        true_m: None = no obstacle.
        rank_m: what the report ranks by: meters, or the distance that belongs to its proximity;
            infinite for clear, None for unknown.
        said_m: meters reported, or None. sigma_m: their stated standard deviation, or None.
    """

    frame: int
    true_m: float | None
    rank_m: float | None
    said_m: float | None
    sigma_m: float | None = None


@dataclass(slots=True)
class FigureColumn:
    """What one model reported at one place.

    Attributes:
        readings, without_mount: with the camera's height and angles known, and with neither.
        facts: of each frame, some of :data:`FACTS`.
        drop_found_m: distance to the edge of the drop when it was first reported, or None.
    """

    readings: list[FigureReading] = field(default_factory=list)
    without_mount: list[FigureReading] = field(default_factory=list)
    facts: list[Mapping[str, float]] = field(default_factory=list)
    drop_found_m: float | None = None


@dataclass(frozen=True, slots=True)
class Sampled:
    """Figures over all frames of a place, and over each draw of its blocks."""

    whole: Values
    draws: list[Values]
    readings: Sequence[FigureReading]
    blocks: int

    def figures(self) -> Figures:
        """As JSON."""
        return {
            "n": len(self.readings),
            "unknown": sum(r.rank_m is None for r in self.readings),
            **rounded(self.whole),
            "ci": quantiles(self.whole, self.draws),
        }


def sample(
    readings: Sequence[FigureReading],
    facts: Sequence[Mapping[str, float]],
    blocks: Sequence[int],
    seed: int = 0,
) -> Sampled:
    """All figures of one column of a place. The same seed and blocks give the same draws.

    Args:
        blocks: of each frame.
    """
    table, of_frame = _ReadingTable(readings), np.array(blocks, int)
    arrays = {
        name: np.array([one.get(name, np.nan) for one in facts or [{}] * len(blocks)], float)
        for name in FACTS
    }
    none = np.empty(0, int)
    of_reading = of_frame[table.frame] if len(readings) else none
    each = [(np.flatnonzero(of_reading == b), np.flatnonzero(of_frame == b)) for b in set(blocks)]
    members = each or [(none, none)]

    def over(picked: Indices) -> Values:
        chosen = [members[index] for index in picked]
        at, frames = (np.concatenate([one[k] for one in chosen]) for k in (0, 1))
        return {**table.figures(at), **{name: _mean(a[frames]) for name, a in arrays.items()}}

    whole = over(np.arange(len(members)))
    draws = drawn(len(members), over, times=RESAMPLES, seed=seed)
    return Sampled(whole, draws, readings, len(members))


def compare(first: Sampled, other: Sampled) -> dict[str, Any]:
    """Whether ``other`` is better than ``first`` on the same frames, beyond chance.

    Returns:
        ``figures``: for each of :data:`DECIDING` the difference (other less first), its 95 %
        interval over paired draws, and a verdict; ``verdict``: the first of :data:`VERDICTS` that
        one of them has.
    """
    pairs = list(zip(first.draws, other.draws, strict=True))
    whole = _difference(first.whole, other.whole)
    intervals = quantiles(whole, [_difference(one, two) for one, two in pairs])
    found = {}
    for name, more_is_better in DECIDING.items():
        interval, verdict = intervals[name], SAME
        if first.blocks < FEWEST_BLOCKS:
            verdict = TOO_FEW
        elif interval is not None and (interval[0] > 0 or interval[1] < 0):
            verdict = BETTER if (interval[0] > 0) == more_is_better else WORSE
        found[name] = {"difference": rounded(whole)[name], "ci": interval, "verdict": verdict}
    said = {one["verdict"] for one in found.values()}
    return {"verdict": next(v for v in VERDICTS if v in said), "figures": found}


def _difference(first: Values, other: Values) -> Values:
    def less(name: str) -> float | None:
        one, two = first[name], other[name]
        return None if one is None or two is None else two - one

    return {name: less(name) for name in DECIDING}


class _ReadingTable:
    """Readings as arrays, so that resampling is cheap."""

    def __init__(self, readings: Sequence[FigureReading]) -> None:
        self.frame = np.array([r.frame for r in readings], int)
        # None becomes NaN; no obstacle is infinitely far.
        self.true_m = np.array([np.inf if r.true_m is None else r.true_m for r in readings], float)
        self.rank_m = np.array([r.rank_m for r in readings], float)
        self.said_m = np.array([r.said_m for r in readings], float)
        self.sigma_m = np.array([r.sigma_m for r in readings], float)

    def figures(self, at: Indices) -> dict[str, float | None]:
        """Every figure over the readings ``at`` (indices, repeats allowed)."""
        true, rank, said = self.true_m[at], self.rank_m[at], self.said_m[at]
        near, inside = true < NEAR_M, true < DISTANCE_RANGE_M
        use = inside & np.isfinite(said)
        error = np.abs(said[use] - true[use]) / true[use]
        off, sigma = np.abs(said - true)[use], self.sigma_m[at][use]
        says_near = (rank < NEAR_M).astype(float)  # NaN, unknown, is not near
        return {
            "distance_median_rel_error": _quantile(error, 0.5),
            "distance_p95_rel_error": _quantile(error, 0.95),
            "distance_bias": _quantile(np.log(np.maximum(said[use], 0.01) / true[use]), 0.5),
            "distance_share": _mean(np.isfinite(said[inside]).astype(float)),
            "zone_within_sigma": _mean((off <= sigma)[np.isfinite(sigma)].astype(float)),
            "near_auc": _auc(rank[near], rank[~near]),
            "near_recall": _mean(says_near[near]),
            "near_false_alarm": _mean(says_near[~near]),
        }


def drawn(
    count: int, figures: Callable[[Indices], Values], *, times: int, seed: int
) -> list[Values]:
    """``figures`` over ``times`` draws of ``count`` members out of as many, with repeats; the same
    draws for the same seed, and none for fewer than two members.

    Args:
        count: how many members there are: blocks, or recordings.
        figures: over some members (indices, int (count,)).
    """
    rng = np.random.default_rng(seed)
    return [figures(rng.integers(0, count, count)) for _ in range(times if count > 1 else 0)]


def quantiles(whole: Values, draws: Sequence[Values]) -> dict[str, tuple[float, float] | None]:
    """Per figure of ``whole`` the 2.5 % and 97.5 % quantiles of ``draws``, to four digits.

    None where the whole, or more than half of the draws, cannot give it.
    """
    found: dict[str, tuple[float, float] | None] = {}
    for name, value in whole.items():
        given = [one for draw in draws if (one := draw[name]) is not None]
        found[name] = None
        if value is not None and given and len(given) >= len(draws) // 2:
            low, high = np.quantile(given, (0.025, 0.975))
            found[name] = round(float(low), 4), round(float(high), 4)
    return found


def rounded(values: Values) -> dict[str, float | None]:
    """To four digits."""
    return {name: None if value is None else round(value, 4) for name, value in values.items()}


def _auc(near: NDArray[np.float64], others: NDArray[np.float64]) -> float | None:
    a, b = near[:, None], others[None, :]
    if not a.size or not b.size:
        return None
    wins = np.where(np.isnan(a) | np.isnan(b) | (a == b), 0.5, (a < b).astype(float))
    return float(wins.mean())


def _quantile(values: NDArray[np.float64], share: float) -> float | None:
    return float(np.quantile(values, share)) if values.size else None


def _mean(values: NDArray[np.float64]) -> float | None:
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else None
