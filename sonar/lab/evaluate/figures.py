"""From readings to figures, with confidence intervals.

Definitions, for one folder of ``n`` zone readings (a zone of a frame with enough measured depth):

- near: the true nearest obstacle is closer than ``NEAR_M``; reported near: the reported distance
  is, or, where no meters are reported, the distance that the proximity stands for.
- ``near_auc``: probability that a near zone is reported nearer than another; an unknown zone
  says nothing and counts half against every other.
- ``near_recall``, ``near_false_alarm``: share of the near zones, and of the others, that are
  reported near; unknown is not near.
- distance errors: |reported - true| / true, over zones with an obstacle closer than
  ``DISTANCE_RANGE_M`` for which meters are reported; ``distance_share`` says for how many that is.
- ``nearest_zone_agreement``: over frames with an obstacle closer than ``DISTANCE_RANGE_M``, share
  in which the zone reported nearest is the nearest, or within 5 % of it; a tie counts its part.
- ``band_agreement``, ``bands``: true band (rows, by the configured edges) against reported.
- ``ci``: 95 % intervals of the figures, by resampling frames (seeded).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.config import BandEdges
from sonar.types import Band

NEAR_M = 1.5
DISTANCE_RANGE_M = 5.0
NEAREST_TOLERANCE = 0.05
RESAMPLES = 400

Figures = dict[str, Any]
"""JSON: ``n``, ``unknown``, each figure (a number, or None where there is nothing to count),
``bands`` (true band -> reported band -> count) and ``ci`` (figure -> [low, high] or None)."""
Values = Mapping[str, float | None]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class FigureReading:
    """One zone of one frame: truth beside what was reported.

    Attributes:
        frame: index of the frame in its folder.
        true_m: None = no obstacle.
        rank_m: what the report ranks by: meters, or the distance that its proximity stands for;
            infinite for clear, None for unknown.
        said_m: meters reported, or None.
        band: reported.
    """

    frame: int
    true_m: float | None
    rank_m: float | None
    said_m: float | None
    band: Band


def band_of(distance_m: float | None, edges: BandEdges) -> Band:
    """The true band."""
    if distance_m is None:
        return Band.CLEAR
    steps = (
        (edges.stop_m, Band.STOP),
        (edges.close_m, Band.CLOSE),
        (edges.near_m, Band.NEAR),
        (edges.far_m, Band.FAR),
    )
    return next((band for edge, band in steps if distance_m < edge), Band.CLEAR)


def figures(readings: Sequence[FigureReading], edges: BandEdges, seed: int = 0) -> Figures:
    """All figures of one approach on one folder."""
    table = _Table(readings, edges)
    whole = table.figures(np.arange(len(readings)))
    members = [np.flatnonzero(table.frame == frame) for frame in np.unique(table.frame)]

    def over(picked: Indices) -> Values:
        return table.figures(np.concatenate([members[index] for index in picked]))

    bands = {str(t): {str(said): 0 for said in Band} for t in Band if t is not Band.UNKNOWN}
    for reading in readings:
        bands[str(band_of(reading.true_m, edges))][str(reading.band)] += 1
    return {
        "n": len(readings),
        "unknown": sum(r.rank_m is None for r in readings),
        **rounded(whole),
        "bands": bands,
        "ci": intervals(whole, len(members), over, times=RESAMPLES, seed=seed),
    }


class _Table:
    """Readings as arrays, so that resampling is cheap."""

    def __init__(self, readings: Sequence[FigureReading], edges: BandEdges) -> None:
        self.frame = np.array([r.frame for r in readings], int)
        # None becomes NaN; no obstacle is infinitely far.
        self.true_m = np.array([np.inf if r.true_m is None else r.true_m for r in readings], float)
        self.rank_m = np.array([r.rank_m for r in readings], float)
        self.said_m = np.array([r.said_m for r in readings], float)
        self.agrees = np.array([band_of(r.true_m, edges) is r.band for r in readings], float)
        self.nearest = np.array([self._nearest(index) for index in range(len(readings))])

    def figures(self, at: Indices) -> dict[str, float | None]:
        """Every figure over the readings ``at`` (indices, repeats allowed)."""
        true, rank, said = self.true_m[at], self.rank_m[at], self.said_m[at]
        near, inside = true < NEAR_M, true < DISTANCE_RANGE_M
        use = inside & np.isfinite(said)
        error = np.abs(said[use] - true[use]) / true[use]
        says_near = (rank < NEAR_M).astype(float)  # NaN, unknown, is not near
        return {
            "distance_median_rel_error": float(np.quantile(error, 0.5)) if error.size else None,
            "distance_p95_rel_error": float(np.quantile(error, 0.95)) if error.size else None,
            "distance_share": _mean(np.isfinite(said[inside]).astype(float)),
            "near_auc": _auc(rank[near], rank[~near]),
            "near_recall": _mean(says_near[near]),
            "near_false_alarm": _mean(says_near[~near]),
            "nearest_zone_agreement": _mean(self.nearest[at]),
            "band_agreement": _mean(self.agrees[at]),
        }

    def _nearest(self, index: int) -> float:
        """The frame's score, given to its first reading only; NaN where it does not count."""
        group = np.flatnonzero(self.frame == self.frame[index])
        true, rank = self.true_m[group], self.rank_m[group]
        if index != group[0] or group.size < 2 or true.min() >= DISTANCE_RANGE_M:
            return float("nan")
        if np.isnan(rank).all() or np.isinf(np.nanmin(rank)):
            return 0.0
        chosen = rank == np.nanmin(rank)
        right = true <= true.min() * (1 + NEAREST_TOLERANCE)
        return float(np.mean(right[chosen]))


def intervals(
    whole: Values, count: int, figures: Callable[[Indices], Values], *, times: int, seed: int
) -> dict[str, tuple[float, float] | None]:
    """From ``times`` draws of ``count`` members out of as many, with repeats.

    Args:
        whole: the figures over all members, by name; None is one that cannot be given.
        count: how many members there are: frames, or recordings.
        figures: the same over some members (indices, int (count,)).
        times: draws.
        seed: the same draws for the same seed.

    Returns:
        Per figure the 2.5 % and 97.5 % quantiles, to four digits; None where the whole, or
        more than half of the draws, cannot give it, and for fewer than two members.
    """
    rng = np.random.default_rng(seed)
    draws = [figures(rng.integers(0, count, count)) for _ in range(times if count > 1 else 0)]
    found: dict[str, tuple[float, float] | None] = {}
    for name, value in whole.items():
        sample = [drawn for draw in draws if (drawn := draw[name]) is not None]
        found[name] = None
        if value is not None and sample and len(sample) >= times // 2:
            low, high = np.quantile(sample, (0.025, 0.975))
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


def _mean(values: NDArray[np.float64]) -> float | None:
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else None
