"""The sound before everything else: the audio thread's place among the threads of the machine."""

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
