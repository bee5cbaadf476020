"""How long the stages take, seen from outside the stages."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from sonar.ports import Clock

WINDOW = 10_000  # readings kept per stage: bounded, so that a day's run stays small


class StageTimer:
    """Times the sections of one frame and keeps the last ``WINDOW`` readings of each."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._current: dict[str, float] = {}
        self._history: dict[str, deque[float]] = {}

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Time a ``with`` block; a section entered twice in a frame adds up."""
        start = self._clock.now()
        try:
            yield
        finally:
            spent_ms = 1000.0 * (self._clock.now() - start)
            self._current[name] = self._current.get(name, 0.0) + spent_ms

    def finish_frame(self) -> dict[str, float]:
        """Milliseconds by section of the frame that ends here, with their sum as ``total``."""
        spent, self._current = self._current, {}
        spent["total"] = sum(spent.values())
        for name, ms in spent.items():
            self._history.setdefault(name, deque(maxlen=WINDOW)).append(ms)
        return spent

    def summary(self) -> dict[str, dict[str, float]]:
        """``median_ms`` and ``p95_ms`` by section."""
        return {name: quantiles_ms(ms) for name, ms in self._history.items()}


def quantiles_ms(readings_ms: deque[float] | list[float]) -> dict[str, float]:
    """Median and 95th percentile of readings in milliseconds; empty for no readings."""
    if not readings_ms:
        return {}
    median, p95 = np.percentile(np.fromiter(readings_ms, np.float64), [50, 95])
    return {"median_ms": round(float(median), 3), "p95_ms": round(float(p95), 3)}
