"""From readings to figures, with confidence intervals.

Definitions, for one folder of ``n`` zone readings (a zone of a frame with enough measured depth):

- near: the true nearest obstacle is closer than ``NEAR_M``; reported near: the reported distance
  is, or, where no meters are reported, the distance that the proximity stands for.
- ``near_auc``: probability that a near zone is reported nearer than another; an unknown zone
  says nothing and counts half against every other.
- ``near_recall``, ``near_false_alarm``: share of the near zones, and of the others, that are
  reported near; unknown is not near. ``near_balance``: the first minus the second (an approach
  that always, or never, alarms gets 0).
- distance errors: |reported - true| / true, over zones with an obstacle closer than
  ``DISTANCE_RANGE_M`` for which meters are reported; ``distance_share`` says for how many that is.
- ``nearest_zone_agreement``: over frames with an obstacle closer than ``DISTANCE_RANGE_M``, share
  in which the zone reported nearest is the nearest, or within 5 % of it; a tie counts its part.
- ``band_agreement``, ``bands``: true band (rows, by the configured edges) against reported.
- ``ci``: 95 % intervals of the figures, by resampling frames (seeded).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sonar.config import BandEdges
from sonar.types import Band

NEAR_M = 1.5
DISTANCE_RANGE_M = 5.0
NEAREST_TOLERANCE = 0.05
RESAMPLES = 400

Values = Mapping[str, float | None]
FiguresOver = Callable[[NDArray[np.intp]], Values]
Intervals = dict[str, tuple[float, float] | None]
Figure = Annotated[float, Field(allow_inf_nan=False)] | None
FIGURES = (
    "distance_median_rel_error",
    "distance_p95_rel_error",
    "distance_share",
    "near_auc",
    "near_recall",
    "near_false_alarm",
    "near_balance",
    "nearest_zone_agreement",
    "band_agreement",
)


class Figures(BaseModel):
    """The figures of one approach on one folder; null where the folder has nothing to count."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n: int
    unknown: int
    distance_median_rel_error: Figure
    distance_p95_rel_error: Figure
    distance_share: Figure
    near_auc: Figure
    near_recall: Figure
    near_false_alarm: Figure
    near_balance: Figure
    nearest_zone_agreement: Figure
    band_agreement: Figure
    bands: dict[str, dict[str, int]]
    ci: dict[str, tuple[float, float] | None]


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
    everything = np.arange(len(readings))
    values = {name: table.figure(name, everything) for name in FIGURES}
    return Figures(
        n=len(readings),
        unknown=sum(r.rank_m is None for r in readings),
        bands=_confusion(readings, edges),
        ci=_intervals(table, values, seed),
        **{name: _rounded(value) for name, value in values.items()},
    )


class _Table:
    """Readings as arrays, so that resampling is cheap."""

    def __init__(self, readings: Sequence[FigureReading], edges: BandEdges) -> None:
        def column(values: Sequence[float | None], missing: float) -> NDArray[np.float64]:
            return np.array([missing if v is None else v for v in values], float)

        self.frame = np.array([r.frame for r in readings], int)
        self.true_m = column([r.true_m for r in readings], np.inf)
        self.rank_m = column([r.rank_m for r in readings], np.nan)
        self.said_m = column([r.said_m for r in readings], np.nan)
        self.agrees = np.array([band_of(r.true_m, edges) is r.band for r in readings], float)
        self.nearest = np.array([self._nearest(index) for index in range(len(readings))])

    def figure(self, name: str, at: NDArray[np.intp]) -> float | None:
        """One figure over the readings ``at`` (indices, repeats allowed)."""
        functions: dict[str, Callable[[NDArray[np.intp]], float | None]] = {
            "distance_median_rel_error": lambda i: self._error(i, 0.5),
            "distance_p95_rel_error": lambda i: self._error(i, 0.95),
            "distance_share": self._share,
            "near_auc": self._auc,
            "near_recall": lambda i: self._said_near(i, True),
            "near_false_alarm": lambda i: self._said_near(i, False),
            "near_balance": self._balance,
            "nearest_zone_agreement": lambda i: _mean(self.nearest[i]),
            "band_agreement": lambda i: _mean(self.agrees[i]),
        }
        return functions[name](at)

    def _error(self, at: NDArray[np.intp], quantile: float) -> float | None:
        true, said = self.true_m[at], self.said_m[at]
        use = (true < DISTANCE_RANGE_M) & np.isfinite(said)
        if not use.any():
            return None
        return float(np.quantile(np.abs(said[use] - true[use]) / true[use], quantile))

    def _share(self, at: NDArray[np.intp]) -> float | None:
        use = self.true_m[at] < DISTANCE_RANGE_M
        return _mean(np.isfinite(self.said_m[at][use]).astype(float))

    def _auc(self, at: NDArray[np.intp]) -> float | None:
        near = self.true_m[at] < NEAR_M
        rank = self.rank_m[at]
        a, b = rank[near][:, None], rank[~near][None, :]
        if not a.size or not b.size:
            return None
        wins = np.where(np.isnan(a) | np.isnan(b) | (a == b), 0.5, (a < b).astype(float))
        return float(wins.mean())

    def _said_near(self, at: NDArray[np.intp], near: bool) -> float | None:
        chosen = (self.true_m[at] < NEAR_M) == near
        with np.errstate(invalid="ignore"):
            said = (self.rank_m[at] < NEAR_M).astype(float)
        return _mean(said[chosen])

    def _balance(self, at: NDArray[np.intp]) -> float | None:
        recall, alarm = self._said_near(at, True), self._said_near(at, False)
        return None if recall is None or alarm is None else recall - alarm

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


def _intervals(table: _Table, values: Values, seed: int) -> Intervals:
    frames = np.unique(table.frame)
    members = [np.flatnonzero(table.frame == frame) for frame in frames]

    def over(picked: NDArray[np.intp]) -> Values:
        at = np.concatenate([members[index] for index in picked])
        return {name: table.figure(name, at) for name in FIGURES}

    return intervals(values, len(members), over, times=RESAMPLES, seed=seed)


def intervals(
    whole: Values, count: int, figures: FiguresOver, *, times: int, seed: int
) -> Intervals:
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
    drawn: dict[str, list[float]] = {name: [] for name in whole}
    for _ in range(times if count > 1 else 0):
        for name, value in figures(rng.integers(0, count, count)).items():
            if value is not None:
                drawn[name].append(value)
    return {
        name: None
        if whole[name] is None or len(sample) < times // 2
        else (
            round(float(np.quantile(sample, 0.025)), 4),
            round(float(np.quantile(sample, 0.975)), 4),
        )
        for name, sample in drawn.items()
    }


def _confusion(readings: Sequence[FigureReading], edges: BandEdges) -> dict[str, dict[str, int]]:
    table = {
        str(true): {str(said): 0 for said in Band} for true in Band if true is not Band.UNKNOWN
    }
    for reading in readings:
        table[str(band_of(reading.true_m, edges))][str(reading.band)] += 1
    return table


def _mean(values: NDArray[np.float64]) -> float | None:
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
