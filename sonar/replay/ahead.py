"""Looking ahead in a recording: the depth of the next frames is estimated before their turn.

Several frames are in the network at once. Each gets exactly the depth that it would have got
alone, and they come out in order: what is heard and written does not depend on it.
"""

import queue
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as LateError
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from sonar import app
from sonar.clock import SystemClock
from sonar.config import SonarConfig
from sonar.depth.engine import NetworkEngine
from sonar.depth.threads import thread_count
from sonar.errors import DepthError, SonarError
from sonar.ports import Clock, Engine, FrameSource
from sonar.records import Step
from sonar.types import DepthMap, Frame

MAX_ENGINES = 4  # zones, sound and video, one frame after the other, keep about three of them busy
SPARE = 2  # frames that are read beyond those in the engines
_LIMIT_S = 120.0  # the largest network needs some seconds for a frame; more is a hang


def open_engines(config: SonarConfig) -> list[Engine]:
    """Equal engines that share the configured threads, one frame each.

    Several frames at once keep the cores busier than several threads at one frame. The threads of
    torch belong to the process, so there it is one engine. A session of ONNX Runtime takes several
    frames at once, so its weights are in memory once.

    Raises ModelError or MissingExtraError.
    """
    threads = thread_count(config.engine.threads)
    count = 1 if config.engine.backend == "torch" else min(threads, MAX_ENGINES)
    engine = config.engine.model_copy(update={"threads": max(1, threads // count)})
    shared = config.model_copy(update={"engine": engine})
    first = app.open_engine(shared)
    engines = [first]
    while len(engines) < count:
        if isinstance(first, NetworkEngine) and first.backend.name == "onnx":
            engines.append(
                NetworkEngine(first.backend, first.contract, first.label, model=first.model)
            )
        else:
            engines.append(app.open_engine(shared))
    return engines


class Ahead:
    """A recording whose frames are read, and given to the engines, before their turn: a
    FrameSource.

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
        self.frame_count, self.rate_hz = source.frame_count, source.rate_hz
        self.depths: dict[int, Future[DepthMap]] = {}
        self.engine: Engine = _Engine(self, engines[0].label)
        self._source, self._engines = source, engines
        self._clock = clock or SystemClock()
        self._free: queue.SimpleQueue[Engine] = queue.SimpleQueue()
        for engine in engines:
            self._free.put(engine)
        self._pool = ThreadPoolExecutor(len(engines), "depth")
        self._frames: deque[Frame] = deque()
        self._ended = False
        self._error: SonarError | None = None
        self._depth_ms: dict[int, float] = {}

    @property
    def dropped(self) -> int:
        """Of the recording."""
        return self._source.dropped

    def open(self) -> None:
        """It is open."""

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame. Raises what reading it raised."""
        while not self._ended and len(self._frames) < len(self._engines) + SPARE:
            try:
                frame = self._source.read(timeout_s)
            except SonarError as error:  # raised below, where this frame would have been read
                frame, self._error = None, error
            if frame is None:
                self._ended = True
            else:
                self._frames.append(frame)
                self.depths[frame.id] = self._pool.submit(self._estimate, frame)
        if self._frames:
            return self._frames.popleft()
        if self._error is not None:
            raise self._error
        return None

    def close(self) -> None:
        """Release source and engines; safe to call twice."""
        self._pool.shutdown(cancel_futures=True)
        with ExitStack() as stack:  # one that fails keeps no other open
            for engine in self._engines:
                stack.callback(engine.close)
            stack.callback(self._source.close)

    def timed(self, step: Step) -> Step:
        """``step`` with the time that its depth took, in place of the wait for it."""
        spent_ms = {**step.timings_ms, "depth": self._depth_ms.pop(step.frame.id, 0.0)}
        spent_ms["total"] = round(sum(ms for name, ms in spent_ms.items() if name != "total"), 3)
        return replace(step, timings_ms=spent_ms)

    @contextmanager
    def free_engine(self) -> Iterator[Engine]:
        """One of the engines, for as long as the block lasts."""
        engine = self._free.get(timeout=_LIMIT_S)
        try:
            yield engine
        finally:
            self._free.put(engine)

    def _estimate(self, frame: Frame) -> DepthMap:
        with self.free_engine() as engine:
            began_s = self._clock.now()
            try:
                return engine.estimate(frame)
            finally:
                self._depth_ms[frame.id] = round(1000.0 * (self._clock.now() - began_s), 3)


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
