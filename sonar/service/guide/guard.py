"""A depth network that may hang or throw, without stopping the loop."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from sonar.errors import DepthError, SonarError
from sonar.ports import Clock, Engine
from sonar.types import DepthMap, Frame

WARM_UP_LIMIT_S = 30.0
HANG_LIMITS = 4.0  # a call that lasts this many limits hangs; until then it is only slow
BUSY_WAIT_S = 0.2  # how long the loop waits each time for a call that is late
FAILS_S = 30.0  # without a single depth, then the network is given up
APART_S = 5.0  # failures with more between them do not belong together


class GuardedEngine:
    """A :class:`sonar.ports.Engine` around one that is not trusted, in a thread of its own.

    A call that exceeds ``limit_s`` raises DepthError, so that the loop announces "unknown". It may
    only be slow, on a starved machine: its late result is thrown away and the next frame taken.
    After HANG_LIMITS times the limit it hangs.

    ``broken``: it hangs, or fails all the time; only a new process helps, since a thread that hangs
    cannot be ended.
    """

    def __init__(
        self, inner: Engine, clock: Clock, log: Callable[..., None], limit_s: float = 0.5
    ) -> None:
        self.label = inner.label
        self.broken = False
        self._inner, self._clock, self._log, self._limit_s = inner, clock, log, limit_s
        self._late: tuple[Future[DepthMap], float] | None = None  # a call, and when it began
        self._failing_since_s = self._failed_s = float("-inf")
        self._thread = ThreadPoolExecutor(1, "depth")

    def warm_up(self, height: int, width: int) -> None:
        """As the engine's; raises DepthError when it takes longer than WARM_UP_LIMIT_S."""
        call = self._thread.submit(self._inner.warm_up, height, width)
        if wait([call], WARM_UP_LIMIT_S).not_done:
            self._give_up("hangs at its first frames")
        call.result()

    def estimate(self, frame: Frame) -> DepthMap:
        """As the engine's, within the limit."""
        self._wait_for_late()
        began_s = self._clock.now()
        call = self._thread.submit(self._inner.estimate, frame)
        if wait([call], self._limit_s).not_done:
            self._late = (call, began_s)
            self._log("engine_slow", level="warning", engine=self.label, limit_s=self._limit_s)
            raise DepthError(f"{self.label} took longer than {self._limit_s:g} s")
        try:
            depth = call.result()
        except Exception as error:
            if began_s - self._failed_s > APART_S:
                self._failing_since_s = began_s
            self._failed_s = self._clock.now()
            if began_s - self._failing_since_s > FAILS_S:
                self._give_up("fails all the time")
            if isinstance(error, SonarError):
                raise
            raise DepthError(f"{self.label} failed: {type(error).__name__}") from error
        self._failed_s = float("-inf")
        return depth

    def close(self) -> None:
        """Does not wait for an engine that hangs."""
        call = self._thread.submit(self._inner.close)
        self._thread.shutdown(wait=False)
        if wait([call], self._limit_s).done and (error := call.exception()):
            self._log("engine_not_closed", level="warning", problem=type(error).__name__)

    def _wait_for_late(self) -> None:
        """Return once the thread is free; raises DepthError while it is not."""
        if self._late is None:
            return
        call, began_s = self._late
        if wait([call], BUSY_WAIT_S).done:
            self._late = None
        elif self._clock.now() - began_s > HANG_LIMITS * self._limit_s:
            self._give_up("hangs")
        else:
            raise DepthError(f"{self.label} is still busy with an earlier frame")

    def _give_up(self, why: str) -> None:
        if not self.broken:
            self._log("engine_broken", level="error", engine=self.label, problem=why)
        self.broken = True
        raise DepthError(f"{self.label} {why}")
