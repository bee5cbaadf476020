"""An engine that hangs or throws; real threads, short limits."""

import threading
import time
from typing import Any

import numpy as np
import pytest

from sonar.clock import ManualClock, SystemClock
from sonar.errors import DepthError
from sonar.service.guide import guard
from sonar.service.guide.guard import GuardedEngine
from sonar.testing.depth import FakeEngine
from sonar.types import DepthMap, Frame

pytestmark = pytest.mark.realtime

DEPTH = DepthMap(np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4))
FRAME = Frame(np.zeros((48, 64, 3), np.uint8), 0, 0.0)


def guarded(inner: Any, limit_s: float = 0.1, clock: Any = None) -> tuple[GuardedEngine, list[str]]:
    logged: list[str] = []
    engine = GuardedEngine(
        inner, clock or SystemClock(), lambda event, **_: logged.append(event), limit_s
    )
    return engine, logged


def test_a_good_engine_is_passed_through() -> None:
    inner = FakeEngine(DEPTH, label="good", failures={1: RuntimeError("ORT")})
    engine, logged = guarded(inner)
    engine.warm_up(48, 64)
    assert engine.estimate(FRAME) is DEPTH
    assert engine.label == "good" and inner.warmed_up == [(48, 64)]
    with pytest.raises(DepthError, match="RuntimeError"):
        engine.estimate(FRAME)
    engine.close()
    assert inner.closed and not engine.broken and logged == []


def test_a_first_frame_that_hangs_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "WARM_UP_LIMIT_S", 0.1)
    release = threading.Event()
    inner = FakeEngine(DEPTH)
    inner.warm_up = lambda height, width: release.wait(20)
    engine, _ = guarded(inner)
    with pytest.raises(DepthError, match="first frames"):
        engine.warm_up(48, 64)
    assert engine.broken
    release.set()


def test_a_machine_that_is_starved_keeps_its_engine() -> None:
    """Late twice, never for long: announced as unknown, and the same engine goes on."""

    class Late(FakeEngine):
        def estimate(self, frame: Frame) -> DepthMap:
            if self.calls in (2, 3):
                time.sleep(0.2)
            return super().estimate(frame)

    engine, _ = guarded(Late(DEPTH, label="late"))
    failures = 0
    for _ in range(8):
        try:
            engine.estimate(FRAME)
        except DepthError:
            failures += 1
    assert 2 <= failures <= 4 and not engine.broken


@pytest.mark.parametrize(("every", "broken"), [(1, True), (2, False)])
def test_failing_all_the_time_needs_a_new_process(every: int, broken: bool) -> None:
    failures = {i: DepthError("NaN") for i in range(0, 1000, every)}
    clock = ManualClock()
    engine, _ = guarded(FakeEngine(DEPTH, failures=failures), 5.0, clock)
    for i in range(700):
        clock.advance(0.05)
        if i % every == 0:
            with pytest.raises(DepthError):
                engine.estimate(FRAME)
        else:
            engine.estimate(FRAME)
    assert engine.broken == broken


def test_two_failures_far_apart_are_not_all_the_time() -> None:
    clock = ManualClock()
    engine, _ = guarded(
        FakeEngine(DEPTH, failures={0: DepthError("0"), 1: DepthError("1")}), 5.0, clock
    )
    for _ in range(2):
        with pytest.raises(DepthError):
            engine.estimate(FRAME)
        clock.advance(600.0)  # without a frame
    assert not engine.broken
