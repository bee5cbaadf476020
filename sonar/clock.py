"""Time comes from here and nowhere else, so tests never sleep."""

import threading
import time


class SystemClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        """Seconds, monotonic, unaffected by NTP steps."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait; negative or zero returns at once."""
        if seconds > 0:
            time.sleep(seconds)

    def wall(self) -> float:
        """Seconds since the epoch: for file names and logs only, never for intervals."""
        return time.time()


class ManualClock:
    """A clock that moves only when told; ``sleep`` moves it. Thread-safe."""

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
        """Move forward by ``seconds`` (>= 0)."""
        with self._lock:
            self._now += seconds
