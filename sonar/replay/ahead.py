"""Looking ahead in a recording: frames are decoded, and their depth estimated, before their turn.

A recording can be read ahead, so several frames can be in the network at once. Each gets exactly
the depth that it would have got alone, and they come out in order: what is heard and written does
not depend on whether, or how far, one looks ahead.
"""

import os
import queue
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as LateError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

from sonar import app
from sonar.clock import WINDOW, SystemClock, quantiles_ms
from sonar.config import SonarConfig
from sonar.depth.engine import NetworkEngine
from sonar.depth.threads import thread_count
from sonar.errors import DepthError, SourceError
from sonar.ports import Clock, Engine, FrameSource
from sonar.records import Step, Update
from sonar.threads import GuardedThread
from sonar.types import DepthMap, Frame

MAX_ENGINES = 4  # zones and sound, one frame after the other, keep about three of them busy
SPARE = 2  # frames that are done, or read, beyond those in the engines
_LIMIT_S = 120.0  # the largest network needs some seconds for a frame; more is a hang

_Seen = tuple[Frame, Future[DepthMap]]


def open_engines(config: SonarConfig) -> list[Engine]:
    """Equal engines that share the configured threads, one frame each.

    Several frames at once keep the cores busier than several threads at one frame. torch's
    threads belong to the process, so that there it stays one. A session of ONNX Runtime takes
    several frames at once, so that its weights are there, and in the cache, once.

    Raises ModelError or MissingExtraError.
    """
    threads = thread_count(config.engine.threads)
    count = 1 if config.engine.backend == "torch" else min(threads, MAX_ENGINES)
    engine = config.engine.model_copy(update={"threads": max(1, threads // count)})
    shared = config.model_copy(update={"engine": engine})
    engines = [app.open_engine(shared)]
    first = engines[0]
    while len(engines) < count:
        if isinstance(first, NetworkEngine) and first.backend.name == "onnx":
            engines.append(
                NetworkEngine(first.backend, first.contract, first.label, model=first.model)
            )
        else:
            engines.append(app.open_engine(shared))
    return engines


@contextmanager
def opencv_alone() -> Iterator[None]:
    """One thread for each call of OpenCV: its idle ones spin, and every core has work anyway."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


@contextmanager
def unhurried() -> Iterator[None]:
    """Threads begun in here are not interrupted for one another all the time (SCHED_BATCH, see
    sched(7)): nobody waits for a single frame of a recording, and a core keeps what it has at
    hand. Elsewhere than on Linux, and for who has another place in line, nothing changes.
    """
    changed = False
    with suppress(AttributeError, OSError):
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
            changed = True
    try:
        yield
    finally:
        if changed:
            with suppress(OSError):
                os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


class Ahead:
    """A recording whose frames, and their depth, are worked on before their turn: a FrameSource.

    Attributes:
        engine: gives each of its frames the depth, which is done or on its way.

    Args:
        source: a recording; opened already.
        engines: equal ones; each is used by one thread at a time. Owned from here on.
    """

    live = False

    def __init__(
        self, source: FrameSource, engines: Sequence[Engine], clock: Clock | None = None
    ) -> None:
        self.label = source.label
        self._clock = clock or SystemClock()
        self._inner = source
        self._engines = list(engines)
        self._free: queue.Queue[Engine] = queue.Queue()
        for engine in engines:
            self._free.put(engine)
        self._pool = ThreadPoolExecutor(len(engines), "depth")
        self._ready: queue.Queue[_Seen | BaseException | None] = queue.Queue(len(engines) + SPARE)
        self._spent_ms: dict[int, dict[str, float]] = {}
        self._history: dict[str, deque[float]] = {}
        self._closing = threading.Event()
        self._reader: GuardedThread | None = None
        self.depths: dict[int, Future[DepthMap]] = {}
        self.engine: Engine = _Engine(self, engines[0].label)

    @property
    def frame_count(self) -> int | None:
        """Of the recording."""
        return self._inner.frame_count

    @property
    def rate_hz(self) -> float | None:
        """Of the recording."""
        return self._inner.rate_hz

    @property
    def dropped(self) -> int:
        """Of the recording."""
        return self._inner.dropped

    @property
    def timings(self) -> dict[str, dict[str, float]]:
        """Median and p95 milliseconds by stage; what a stage took, not what was waited for it."""
        return {stage: quantiles_ms(ms) for stage, ms in self._history.items()}

    def open(self) -> None:
        """It is open."""

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame. Raises what reading it raised."""
        if self._reader is None:
            self._reader = GuardedThread("reader", self._read_all, restarts=0)
            self._reader.start()
        try:
            item = self._ready.get(timeout=_LIMIT_S)
        except queue.Empty:
            raise SourceError(f"{self.label}: decoding hangs.") from None
        if isinstance(item, tuple):
            frame, self.depths[item[0].id] = item
            return frame
        self._put(item)  # the end stays the end
        if item is not None:
            raise item
        return None

    def close(self) -> None:
        """Stop, and release source and engines."""
        self._closing.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._reader is not None:
            self._reader.join(_LIMIT_S)
        self._pool.shutdown(wait=True)
        with ExitStack() as stack:  # one that fails keeps no other open
            for engine in self._engines:
                stack.callback(engine.close)
            stack.callback(self._inner.close)

    def timed(self, update: Update) -> Update:
        """``update`` with the times that reading and depth really took, which are kept for
        :attr:`timings` too."""
        if not isinstance(update, Step):
            return update
        stages = {**update.timings_ms, **self._spent_ms.pop(update.frame.id, {})}
        stages["total"] = round(sum(ms for name, ms in stages.items() if name != "total"), 3)
        for stage, ms in stages.items():
            self._history.setdefault(stage, deque(maxlen=WINDOW)).append(ms)
        return replace(update, timings_ms=stages)

    def _read_all(self) -> None:
        end: BaseException | None = None
        try:
            while not self._closing.is_set():
                began = self._clock.now()
                frame = self._inner.read(1.0)
                if frame is None:
                    break
                spent = {"capture": self._ms_since(began)}
                self._spent_ms[frame.id] = spent
                self._put((frame, self._pool.submit(self._see, frame, spent)))
        except BaseException as error:
            end = error  # it is raised where this frame would have been read
        self._put(end)

    def _see(self, frame: Frame, spent: dict[str, float]) -> DepthMap:
        with self.free_engine() as engine:
            began = self._clock.now()
            try:
                return engine.estimate(frame)
            finally:
                spent["depth"] = self._ms_since(began)

    def _put(self, item: _Seen | BaseException | None) -> None:
        while not self._closing.is_set():
            try:
                return self._ready.put(item, timeout=0.1)
            except queue.Full:
                continue  # whoever reads is busy

    def _ms_since(self, began_s: float) -> float:
        return round(1000.0 * (self._clock.now() - began_s), 3)

    @contextmanager
    def free_engine(self) -> Iterator[Engine]:
        """One of the engines, for as long as the block lasts."""
        engine = self._free.get(timeout=_LIMIT_S)
        try:
            yield engine
        finally:
            self._free.put(engine)


class _Engine:
    """What the pipeline asks for depth."""

    def __init__(self, ahead: Ahead, label: str) -> None:
        self._ahead = ahead
        self.label = label

    def warm_up(self, height: int, width: int) -> None:
        """One engine proves that it works; a recording waits for the first frames anyway."""
        with self._ahead.free_engine() as engine:
            engine.warm_up(height, width)

    def estimate(self, frame: Frame) -> DepthMap:
        """The depth of a frame that was read. Raises DepthError."""
        try:
            return self._ahead.depths.pop(frame.id).result(_LIMIT_S)
        except LateError:
            raise DepthError(f"{self.label} hangs") from None

    def close(self) -> None:
        self._ahead.close()
