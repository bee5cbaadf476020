"""Long-lived threads: one guard that logs, announces and restarts what fails in them.

Also real-time scheduling, and processes that end with their parent. Standard library only: the
supervisor uses it too.
"""

import ctypes
import logging
import os
import signal
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from sonar.clock import SystemClock

if TYPE_CHECKING:
    from sonar.ports import Clock

RESTARTS, WINDOW_S = 3, 60.0  # more failures than this within the window, and a thread gives up
FIRST_PAUSE_S = 0.1  # before the first restart in the window; doubles with each further one

Announce = Callable[[str, bool], None]  # one sentence, and whether the thread has given up

_log = logging.getLogger(__name__)


class GuardedThread(threading.Thread):
    """A daemon thread that begins its work again when that raises; not started yet.

    Args:
        work: what the thread does; the thread ends when it returns. It may be called again after
            an exception, so it keeps its state elsewhere.
        announce: where the user or the service hears of a failure. What it raises is logged.
        restarts: at most so many within ``WINDOW_S``; then ``gave_up`` is set.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], object],
        *,
        announce: Announce | None = None,
        restarts: int = RESTARTS,
        clock: "Clock | None" = None,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.gave_up = False
        self._work, self._announce = work, announce
        self._restarts, self._clock = restarts, clock or SystemClock()

    def run(self) -> None:
        failures_s: deque[float] = deque()
        while True:
            try:
                self._work()
                return
            except Exception as error:  # whatever it is: a thread never ends unnoticed
                now = self._clock.now()
                failures_s.append(now)
                while now - failures_s[0] > WINDOW_S:
                    failures_s.popleft()
                self.gave_up = len(failures_s) > self._restarts
                self._report(error)
            if self.gave_up:
                return
            self._clock.sleep(FIRST_PAUSE_S * 2 ** (len(failures_s) - 1))

    def _report(self, error: Exception) -> None:
        what = "gave up" if self.gave_up else "failed and is restarted"
        # The type alone in the sentence: messages of drivers may hold addresses with passwords.
        sentence = f"the thread {self.name} {what} ({type(error).__name__})"
        _log.error("%s", sentence, exc_info=error)
        try:
            if self._announce is not None:
                self._announce(sentence, self.gave_up)
        except Exception:
            _log.exception("a failure of the thread %s could not be announced", self.name)


def run_briefly(name: str, work: Callable[[], object]) -> GuardedThread:
    """Do ``work`` once in a thread of its own, started here; a failure is logged."""
    thread = GuardedThread(name, work, restarts=0)
    thread.start()
    return thread


def end_with_parent(parent: int, number: signal.Signals) -> None:
    """Let Linux send signal ``number`` to this process when the thread that started it ends, in
    the process ``parent``. Elsewhere nothing happens."""
    try:
        ctypes.CDLL(None).prctl(1, int(number), 0, 0, 0)  # PR_SET_PDEATHSIG
    except (OSError, AttributeError):  # not Linux
        return
    if os.getppid() != parent:  # it ended before
        os.kill(os.getpid(), number)


def realtime(priority: int, pid: int = 0) -> bool:
    """Let a process (0: the calling thread) run before ordinary ones, but not what it starts.

    Round-robin scheduling, see sched(7); ``priority`` from 1 to 99. Returns whether it is permitted
    (to root, and by ``ulimit -r`` or a unit's ``LimitRTPRIO=``).
    """
    try:
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(pid, policy, os.sched_param(priority))
    except (AttributeError, OSError):  # no such call outside Linux; no right to it
        return False
    return True
