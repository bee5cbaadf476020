"""The clock, so that tests never sleep, and how long stages take; standard library only."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

WINDOW = 10_000  # readings kept per stage: bounded, so that a day's run stays small


class SystemClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        """Seconds, monotonic, unaffected by NTP steps."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait; negative or zero returns at once."""
        time.sleep(max(0.0, seconds))

    def wall(self) -> float:
        """Seconds since the epoch: for file names and logs only, never for intervals."""
        return time.time()


class ManualClock:
    """A clock that only its callers move; ``sleep`` moves it. Thread-safe."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now = start_s
        self._lock = threading.Lock()

    def now(self) -> float:
        with self._lock:
            return self._now

    def sleep(self, seconds: float) -> None:
        self.advance(max(0.0, seconds))

    def wall(self) -> float:
        return self.now()

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._now += seconds


class StageTimer:
    """Times the sections of one frame and keeps the last ``WINDOW`` readings of each."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._current: dict[str, float] = {}
        self._history: dict[str, deque[float]] = {}

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Time a ``with`` block; a section entered twice in a frame adds up."""
        start = self._now()
        try:
            yield
        finally:
            spent_ms = 1000.0 * (self._now() - start)
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


def quantiles_ms(readings_ms: Iterable[float]) -> dict[str, float]:
    """Median and 95th percentile of readings in milliseconds; empty for no readings."""
    import numpy as np  # not for the supervisor, which only needs the time

    readings = list(readings_ms)
    if not readings:
        return {}
    median, p95 = np.percentile(readings, (50, 95)).round(3).tolist()
    return {"median_ms": median, "p95_ms": p95}
