"""An engine that hangs, throws or is changed; real threads, short limits."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import wait
from typing import Any

import numpy as np
import pytest

from sonar.clock import SystemClock
from sonar.errors import DepthError, ModelError
from sonar.service.guide import guard
from sonar.service.guide.guard import GuardedEngine, Worker
from sonar.testing.depth import FakeEngine
from sonar.types import DepthMap, Frame

pytestmark = pytest.mark.realtime

DEPTH = DepthMap(np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4))
FRAME = Frame(np.zeros((48, 64, 3), np.uint8), 0, 0.0)


class Hangs(FakeEngine):
    """Blocks until released, from the call ``at`` on."""

    def __init__(self, at: int = 0, label: str = "hangs") -> None:
        super().__init__(DEPTH, label=label)
        self.at = at
        self.release = threading.Event()

    def estimate(self, frame: Frame) -> DepthMap:
        if self.calls >= self.at:
            self.calls += 1
            self.release.wait(20)
        return super().estimate(frame)


class Watched:
    def __init__(self, first: Any, reopen: Callable[[], Any], limit_s: float = 0.1) -> None:
        self.logged: list[str] = []
        self.engine = GuardedEngine(
            first, reopen, SystemClock(), lambda event, **_: self.logged.append(event), limit_s
        )

    def until_it_works(self, limit_s: float = 5.0) -> int:
        failures, deadline = 0, time.monotonic() + limit_s
        while True:
            try:
                self.engine.estimate(FRAME)
                return failures
            except DepthError:
                failures += 1
                assert time.monotonic() < deadline, self.logged
                time.sleep(0.02)


def test_a_worker_gives_results_and_errors_and_limits() -> None:
    worker = Worker("test")
    assert worker.begin(lambda: 7).result(5.0) == 7
    with pytest.raises(ZeroDivisionError):
        worker.begin(lambda: 1 / 0).result(5.0)
    gate = threading.Event()
    assert not wait([worker.begin(gate.wait)], 0.05).done
    worker.close()
    gate.set()
    worker._thread.join(2)
    assert not worker._thread.is_alive()  # a call that returns late ends its thread


def test_a_good_engine_is_passed_through() -> None:
    inner = FakeEngine(DEPTH, label="good")
    watched = Watched(inner, lambda: FakeEngine(DEPTH))
    watched.engine.warm_up(48, 64)
    assert watched.engine.estimate(FRAME) is DEPTH
    assert watched.engine.label == "good" and inner.warmed_up == [(48, 64)]
    watched.engine.close()
    assert inner.closed and watched.engine.restarts == 0


def test_a_hang_is_announced_in_time_and_mended() -> None:
    hung = Hangs(at=2)
    fresh = FakeEngine(DEPTH, label="fresh")
    watched = Watched(hung, lambda: fresh)
    watched.engine.warm_up(48, 64)
    watched.engine.estimate(FRAME)
    watched.engine.estimate(FRAME)
    start = time.monotonic()
    with pytest.raises(DepthError, match="longer than"):
        watched.engine.estimate(FRAME)
    assert 0.09 < time.monotonic() - start < 3.0
    watched.until_it_works(20.0)
    assert watched.engine.restarts == 1 and watched.engine.label == "fresh"
    assert fresh.warmed_up == [(48, 64)]  # warm before it is used
    assert not watched.engine.broken
    watched.engine.close()
    assert fresh.closed
    hung.release.set()


def test_a_machine_that_is_starved_gets_no_new_engine() -> None:
    """Late twice, never for long: announced as unknown, and the same engine goes on."""

    class Late(FakeEngine):
        def estimate(self, frame: Frame) -> DepthMap:
            if self.calls in (2, 3):
                time.sleep(0.2)
            return super().estimate(frame)

    late = Late(DEPTH, label="late")
    watched = Watched(late, lambda: FakeEngine(DEPTH))
    failures = 0
    for _ in range(8):
        try:
            watched.engine.estimate(FRAME)
        except DepthError:
            failures += 1
    assert 2 <= failures <= 4 and watched.engine.restarts == 0
    assert watched.engine.label == "late" and not late.closed


def test_while_it_is_restarted_the_loop_does_not_wait() -> None:
    gate = threading.Event()

    def slow() -> FakeEngine:
        gate.wait(10)
        return FakeEngine(DEPTH)

    watched = Watched(Hangs(), slow, limit_s=0.05)
    while "engine_hangs" not in watched.logged:
        with pytest.raises(DepthError):
            watched.engine.estimate(FRAME)
    start = time.monotonic()
    for _ in range(20):
        with pytest.raises(DepthError, match="restarted"):
            watched.engine.estimate(FRAME)
    assert time.monotonic() - start < 0.5
    gate.set()
    watched.until_it_works()


def test_hanging_again_and_again_needs_a_new_process() -> None:
    made: list[Hangs] = []

    def reopen() -> Hangs:
        engine = Hangs()
        engine.warm_up = lambda height, width: None
        made.append(engine)
        return engine

    watched = Watched(Hangs(), reopen, limit_s=0.02)
    deadline = time.monotonic() + 10
    while not watched.engine.broken:
        with pytest.raises(DepthError):
            watched.engine.estimate(FRAME)
        assert time.monotonic() < deadline
    assert len(made) >= guard.HANGS_ALLOWED
    for engine in made:
        engine.release.set()


def test_failing_frame_after_frame_opens_it_anew() -> None:
    broken = FakeEngine(DEPTH, failures={i: DepthError("NaN") for i in range(1000)})
    watched = Watched(broken, lambda: FakeEngine(DEPTH))
    failures = watched.until_it_works()
    assert failures >= guard.FAILURES_ALLOWED and watched.engine.restarts == 1


def test_a_few_failures_do_not() -> None:
    some = FakeEngine(DEPTH, failures={i: DepthError("NaN") for i in range(0, 1000, 2)})
    watched = Watched(some, lambda: FakeEngine(DEPTH))
    for i in range(200):
        if i % 2 == 0:
            with pytest.raises(DepthError):
                watched.engine.estimate(FRAME)
        else:
            watched.engine.estimate(FRAME)
    assert watched.engine.restarts == 0


def test_an_unexpected_exception_is_a_depth_error() -> None:
    watched = Watched(
        FakeEngine(DEPTH, failures={0: RuntimeError("ORT")}), lambda: FakeEngine(DEPTH)
    )
    with pytest.raises(DepthError, match="RuntimeError"):
        watched.engine.estimate(FRAME)


def test_a_model_that_is_gone_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "RETRY_S", 0.05)
    tries: list[int] = []

    def reopen() -> FakeEngine:
        tries.append(1)
        if len(tries) < 3:
            raise ModelError("the model file is gone")
        return FakeEngine(DEPTH)

    hung = Hangs()
    watched = Watched(hung, reopen)
    watched.until_it_works()
    assert len(tries) == 3 and "engine_not_opened" in watched.logged
    hung.release.set()


def test_close_does_not_wait_for_a_hang() -> None:
    hung = Hangs()
    watched = Watched(hung, lambda: FakeEngine(DEPTH))
    with pytest.raises(DepthError):
        watched.engine.estimate(FRAME)
    start = time.monotonic()
    watched.engine.close()
    assert time.monotonic() - start < 0.5
    hung.release.set()
