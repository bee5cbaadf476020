"""The sound before everything else: the audio thread's place among the threads of the machine."""

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PRIORITY = 5  # of 1 to 99: before all ordinary work, after the kernel's own and a sound server's
SWITCH_S = 0.0005  # the longest that Python code of another thread keeps a block waiting


def make_urgent() -> bool:
    """Let the calling thread run before ordinary ones; whether the system permits it.

    It does for root, and where ``ulimit -r`` (``LimitRTPRIO=`` of a service) is 5 or more.
    Round-robin scheduling, see sched(7): the kernel keeps such threads from taking all time.
    """
    try:
        os.sched_setscheduler(
            0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY)
        )  # 0 is this thread
    except (AttributeError, OSError):  # no such call outside Linux; no right to it
        return False
    return True


@contextmanager
def quick_switching() -> Iterator[None]:
    """Python's threads take turns every half millisecond instead of every five: a block of sound
    lasts ten, and must not wait for half of that."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(min(before_s, SWITCH_S))
    try:
        yield
    finally:
        sys.setswitchinterval(before_s)


class Lateness:
    """Whether the last blocks were rendered in time.

    The device's clock and sonar's own differ by an unknown offset. The least difference ever seen
    is that of a block which did not wait; it may grow by a thousandth of the time that passes, for
    clocks drift.
    """

    _DRIFT = 1e-3
    _SPARE_BLOCKS = 2

    def __init__(self) -> None:
        self._least_s = math.inf
        self._left = 0  # blocks for which a late one may still be the cause of a gap

    @property
    def recent(self) -> bool:
        """A block was late, and what was buffered before it may have run out since."""
        return self._left > 0

    def note(
        self, asked_device_s: float, begun_s: float, done_s: float, block_s: float, lead_s: float
    ) -> None:
        """One block.

        Args:
            asked_device_s: when the device asked for it, on its clock; 0 where it does not say.
            begun_s, done_s: when rendering began and ended, on sonar's.
            block_s: how long it lasts.
            lead_s: how long after being asked for it is heard, as the device expects.
        """
        waited_s = 0.0
        if asked_device_s > 0.0:
            behind_s = begun_s - asked_device_s
            self._least_s = min(self._least_s + self._DRIFT * block_s, behind_s)
            waited_s = behind_s - self._least_s
        self._left = max(0, self._left - 1)
        if waited_s + done_s - begun_s > block_s:
            self._left = math.ceil(max(0.0, lead_s) / block_s) + self._SPARE_BLOCKS
