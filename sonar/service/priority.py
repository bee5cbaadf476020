"""Which process runs first on a busy machine: the supervisor and its alarm, then the guide.

Niceness alone does not do it: Linux may weigh whole sessions (sched(7), "the autogroup feature").
Where such a process leads a session, as under systemd, its session's niceness is set with its own.
"""

import contextlib
import os
from pathlib import Path

REALTIME = 1  # of 1 to 99, of supervisor and alarm: before ordinary work, after the guide's sound
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


def give(pid: int, nice: int, proc: Path = PROC) -> None:
    """Give a process, and the session that it leads, ``nice``; what is not permitted is left."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, nice)
    with contextlib.suppress(OSError):
        if os.getsid(pid) == pid:  # not a terminal's: others live there
            (proc / str(pid) / "autogroup").write_text(str(nice))


def give_child(pid: int, below: int) -> None:
    """Give a process that was just started ``below`` more than this one's, as long as this one
    is raised at all; never more than 0."""
    own = os.getpriority(os.PRIO_PROCESS, 0)
    if own < 0:
        give(pid, min(0, own + below))
