"""How long stages take: sections, frames, quantiles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonar.clock import WINDOW, ManualClock, StageTimer, quantiles_ms


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


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=50))
def test_quantiles_are_numpys(readings: list[float]) -> None:
    median, p95 = np.percentile(readings, [50, 95])
    found = quantiles_ms(readings)
    assert found["median_ms"] == pytest.approx(median, abs=2e-3)
    assert found["p95_ms"] == pytest.approx(p95, abs=2e-3)
    assert quantiles_ms([]) == {}
