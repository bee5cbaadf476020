"""95 % intervals of figures, by resampling what they were counted on."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Values = Mapping[str, float | None]
Figures = Callable[[NDArray[np.intp]], Values]
Intervals = dict[str, tuple[float, float] | None]


def intervals(whole: Values, count: int, figures: Figures, *, times: int, seed: int) -> Intervals:
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
