"""Who runs first when the processors are busy: the supervisor and its alarm, then the guide.

Niceness alone does not do it: Linux may weigh whole sessions (sched(7), "the autogroup feature").
Where such a process leads a session, as under systemd, its session's niceness is set with its own.
"""

import contextlib
import os
from pathlib import Path

URGENT = 1  # of 1 to 99, real-time: before all ordinary work, after the guide's sound
SUPERVISOR = -10
GUIDE = -5
PROC = Path("/proc")


def raised(nice: int = SUPERVISOR) -> int:
    """Raise this process to ``nice``, unless it is higher already; its niceness now.

    Needs the right to (root, or ``Nice`` in its unit); without it nothing changes.
    """
    now = os.getpriority(os.PRIO_PROCESS, 0)
    give(os.getpid(), min(now, nice))
    return os.getpriority(os.PRIO_PROCESS, 0)


def urgent(pid: int = 0) -> bool:
    """Let a process (0 = this thread) run before all ordinary ones, though not what it starts;
    whether that is permitted (root, or ``LimitRTPRIO`` in its unit). For what works little."""
    try:
        os.sched_setscheduler(pid, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(URGENT))
    except (AttributeError, OSError):  # no such call outside Linux; no right to it
        return False
    return True


def is_urgent() -> bool:
    """Whether :func:`urgent` was permitted to this thread."""
    try:
        return os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR
    except (AttributeError, OSError):
        return False


def give(pid: int, nice: int, proc: Path = PROC) -> None:
    """Give a process, and the session that it leads, ``nice``; what is not permitted is left."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, nice)
    with contextlib.suppress(OSError):
        if os.getsid(pid) == pid:  # not a terminal's: others live there
            give_session(pid, nice, proc)


def give_session(pid: int, nice: int, proc: Path = PROC) -> None:
    """Give the session that a process is in ``nice``, where the kernel has that and permits it."""
    with contextlib.suppress(OSError):
        (proc / str(pid) / "autogroup").write_text(str(nice))


def give_child(pid: int, below: int) -> None:
    """Give a process that was just started ``below`` more than this one's, as long as this one
    is raised at all; never more than 0."""
    own = os.getpriority(os.PRIO_PROCESS, 0)
    if own < 0:
        give(pid, min(0, own + below))
