"""Memory that runs short, and giving back what is not needed."""

import gc

from sonar.service.sysfs import Memory
from sonar.threads import run_briefly

LOW_MB = 80.0  # less than this to be had, and a network or a picture may not find room
STALLED_PERCENT = 10.0  # of the last ten seconds, somebody waited for memory
SPARE_MB = 8.0  # grown by so much, what was freed is given back ...
GIVE_EVERY_S = 60.0  # ... not oftener than this
WELL_S = 30.0  # so long must it be well until it counts as such


class MemoryWatch:
    """Tells low from well, not too often.

    Attributes:
        low: memory runs short.
    """

    def __init__(self) -> None:
        self.low = False
        self._well_since_s: float | None = None

    def update(self, memory: Memory, now: float) -> bool:
        """Whether ``low`` changed by what was measured at ``now``."""
        short = memory.available_mb is not None and memory.available_mb < LOW_MB
        stalled = memory.stalled_percent is not None and memory.stalled_percent >= STALLED_PERCENT
        if short or stalled:
            self._well_since_s = None
            changed, self.low = not self.low, True
            return changed
        if not self.low:
            return False
        self._well_since_s = now if self._well_since_s is None else self._well_since_s
        if now - self._well_since_s < WELL_S:
            return False
        self.low, self._well_since_s = False, None
        return True


class Growth:
    """Tells when it is time to :func:`release`: after this process grew, and not too often."""

    def __init__(self) -> None:
        self._least_mb: float | None = None
        self._not_before_s = float("-inf")

    def is_due(self, used_mb: float | None, now: float) -> bool:
        """By its resident memory at ``now``; True once, then it starts from what is left."""
        if used_mb is None or now < self._not_before_s:
            return False
        if self._least_mb is None or used_mb < self._least_mb:
            self._least_mb = used_mb
        if used_mb - self._least_mb < SPARE_MB:
            return False
        self._least_mb, self._not_before_s = None, now + GIVE_EVERY_S
        return True


def release() -> None:
    """Give back to the system what was freed; takes some milliseconds.

    glibc keeps what threads free for themselves, so that each network that is closed and opened
    anew would cost its size again.
    """
    from sonar.depth.backends.memory import give_back_memory

    gc.collect()
    give_back_memory()


def release_soon() -> None:
    """:func:`release` in a thread of its own: nobody who guides waits for it."""
    run_briefly("release", release)
