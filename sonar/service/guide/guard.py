"""A depth network that may hang or throw, without stopping the loop."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import TypeVar

from sonar.errors import DepthError, SonarError
from sonar.ports import Clock, Engine
from sonar.service.machine import release_soon
from sonar.threads import GuardedThread, run_briefly
from sonar.types import DepthMap, Frame

WARM_UP_LIMIT_S = 30.0
HANG_LIMITS = 4.0  # a call that lasts this many limits hangs; until then it is only slow
BUSY_WAIT_S = 0.2  # how long the loop waits each time for a call that is late
HANGS_ALLOWED = 3  # within HANGS_WINDOW_S; a hung thread cannot be ended, only left behind
HANGS_WINDOW_S = 60.0
FAILURES_ALLOWED = 25  # frames in a row, then the network is opened anew
RETRY_S = 2.0  # between attempts to open it anew

T = TypeVar("T")


class Worker:
    """A thread that runs one call at a time and can be left behind when a call hangs."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = GuardedThread(name, self._run)
        self._thread.start()

    def begin(self, work: Callable[[], T]) -> "Future[T]":
        """``work()`` in the thread, after the call in hand."""
        future: Future[T] = Future()

        def call() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # handed to whoever asks the future
                future.set_exception(error)

        self._calls.put(call)
        return future

    def close(self) -> None:
        """End the thread after the call in hand; does not wait."""
        self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


class GuardedEngine:
    """A :class:`sonar.ports.Engine` around one that is not trusted.

    A call that exceeds ``limit_s`` raises DepthError, so that the loop announces "unknown". It may
    only be slow, on a starved machine: its late result is thrown away and the next frame taken.
    After HANG_LIMITS times the limit it hangs: its thread is left behind and the network is
    opened anew in the background, as it is after FAILURES_ALLOWED failures in a row. Until then
    every estimate is a DepthError.

    Args:
        first: the engine to begin with.
        reopen: makes a fresh one; may raise SonarError.

    Attributes:
        restarts: how often it was opened anew.
        broken: it hung too often; only a new process helps.
    """

    def __init__(
        self,
        first: Engine,
        reopen: Callable[[], Engine],
        clock: Clock,
        log: Callable[..., None],
        limit_s: float = 0.5,
    ) -> None:
        self.label = first.label
        self.restarts = 0
        self.broken = False
        self._engine: Engine | None = first
        self._reopen, self._clock, self._log, self._limit_s = reopen, clock, log, limit_s
        self._worker = Worker("depth")
        self._size: tuple[int, int] | None = None
        self._hangs_s: deque[float] = deque()
        self._failures = 0
        self._late: tuple[Future[DepthMap], float] | None = None  # a call, and when it began
        self._lock = threading.Lock()  # of the three below
        self._opening = False
        self._opened: Engine | None = None  # waits to be taken over
        self._closed = False

    def warm_up(self, height: int, width: int) -> None:
        """As the engine's; raises DepthError when it takes longer than WARM_UP_LIMIT_S."""
        self._size = (height, width)
        engine = self._present()
        call = self._worker.begin(lambda: engine.warm_up(height, width))
        if not _is_done(call, WARM_UP_LIMIT_S):
            self._hung()
            raise DepthError(f"{engine.label} hangs at its first frames")
        call.result()

    def estimate(self, frame: Frame) -> DepthMap:
        """As the engine's, within the limit."""
        engine = self._present()
        self._size = frame.image.shape[0], frame.image.shape[1]
        self._wait_for_late(engine)
        began_s = self._clock.now()
        call = self._worker.begin(lambda: engine.estimate(frame))
        if not _is_done(call, self._limit_s):
            self._late = (call, began_s)
            self._log("engine_slow", level="warning", engine=engine.label, limit_s=self._limit_s)
            raise DepthError(f"{engine.label} took longer than {self._limit_s:g} s")
        try:
            depth = call.result()
        except Exception as error:
            self._failures += 1
            if self._failures == FAILURES_ALLOWED:
                self._log("engine_fails", level="error", engine=engine.label, times=self._failures)
                self._failures = 0
                self._open_anew()
            if isinstance(error, SonarError):
                raise
            raise DepthError(f"{engine.label} failed: {type(error).__name__}") from error
        self._failures = 0
        return depth

    def close(self) -> None:
        """Does not wait for an engine that hangs."""
        with self._lock:
            self._closed = True
            opened, self._opened = self._opened, None
        for engine in (self._engine, opened):
            if engine is not None:
                self._close_in_worker(engine)
        self._engine = None
        self._worker.close()

    def _present(self) -> Engine:
        """The engine to use, the new one once it is there; raises DepthError without any."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            if self._engine is not None and self._late is None:
                self._close_in_worker(self._engine)
            elif self._engine is not None:  # it is busy, perhaps for ever
                self._leave_worker()
            self._late, self._failures = None, 0
            self._engine, self.label = opened, opened.label
            self.restarts += 1
            self._log("engine_opened", engine=opened.label, restarts=self.restarts)
            release_soon()  # or each restart would cost the size of a network
        if self._engine is None:
            raise DepthError("the depth network is being restarted")
        return self._engine

    def _wait_for_late(self, engine: Engine) -> None:
        """Return once the thread is free; raises DepthError while it is not."""
        if self._late is None:
            return
        call, began_s = self._late
        if _is_done(call, BUSY_WAIT_S):
            self._late = None
            return
        if self._clock.now() - began_s > HANG_LIMITS * self._limit_s:
            self._log("engine_hangs", level="error", engine=engine.label)
            self._hung()
            raise DepthError(f"{engine.label} hangs and is restarted")
        raise DepthError(f"{engine.label} is still busy with an earlier frame")

    def _hung(self) -> None:
        """Leave thread and engine behind; neither can be ended."""
        now = self._clock.now()
        self._hangs_s.append(now)
        while now - self._hangs_s[0] > HANGS_WINDOW_S:
            self._hangs_s.popleft()
        self.broken = self.broken or len(self._hangs_s) > HANGS_ALLOWED
        self._engine = self._late = None
        self._leave_worker()
        self._open_anew()

    def _leave_worker(self) -> None:
        self._worker.close()
        self._worker = Worker("depth")

    def _open_anew(self) -> None:
        with self._lock:
            begin, self._opening = not self._opening, True
        if begin:
            run_briefly("depth-open", self._open)

    def _open(self) -> None:
        """In a thread: open the network, again and again until that works."""
        while not self._closed:
            try:
                engine = self._reopen()
                if self._size is not None:
                    engine.warm_up(*self._size)
            except Exception as error:  # whatever it is, memory included: logged, and tried again
                problem = str(error) if isinstance(error, SonarError) else type(error).__name__
                self._log("engine_not_opened", level="error", problem=problem)
                self._clock.sleep(RETRY_S)
                continue
            with self._lock:
                self._opening = False
                if not self._closed:
                    self._opened = engine
                    return
            engine.close()

    def _close_in_worker(self, engine: Engine) -> None:
        call = self._worker.begin(engine.close)
        if not _is_done(call, self._limit_s):
            self._leave_worker()
        elif error := call.exception():  # what is being thrown away must not end the guiding
            self._log("engine_not_closed", level="warning", problem=type(error).__name__)


def _is_done(call: "Future[T]", limit_s: float) -> bool:
    """Whether it ended within the limit, well or not."""
    return bool(wait([call], limit_s).done)
