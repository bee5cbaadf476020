"""How long stages take: sections, frames, quantiles."""

import pytest

from sonar.clock import WINDOW, ManualClock, StageTimer


def test_sections_add_up_in_a_frame_and_the_window_is_bounded() -> None:
    clock = ManualClock()
    timer = StageTimer(clock.now)
    for spent_s in (0.01, 0.02):
        with timer.section("depth"):
            clock.advance(spent_s)
    with timer.section("zones"):
        clock.advance(0.005)
    spent = timer.finish_frame()
    assert spent == pytest.approx({"depth": 30.0, "zones": 5.0, "total": 35.0})
    for _ in range(WINDOW + 10):
        timer.finish_frame()
    assert timer.summary()["total"] == {"median_ms": 0.0, "p95_ms": 0.0}
    assert timer.summary()["depth"]["median_ms"] == 30.0
