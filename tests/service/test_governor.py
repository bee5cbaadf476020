"""Frame rates by scene, heat, battery and load."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonar.service.guide.governor import (
    BUSY_CHANGE,
    BUSY_SHARE,
    CALM_CHANGE,
    SAY_AGAIN_S,
    ChangeMeter,
    Governor,
)
from sonar.types import Band, Frame, Reason, Scene, Side, ZoneReading


def scene(
    band: Band = Band.CLEAR, ttc_s: float | None = None, drop_off: bool | None = False
) -> Scene:
    return Scene(
        0,
        0.0,
        ZoneReading(Side.LEFT, Band.CLEAR),
        ZoneReading(Side.CENTER, band, ttc_s=ttc_s),
        ZoneReading(Side.RIGHT, Band.CLEAR),
        drop_off=drop_off,
    )


CALM, WALL, DANGER = scene(), scene(Band.NEAR), scene(Band.NEAR, ttc_s=1.5)


class Day:
    """A governor and a clock."""

    def __init__(self) -> None:
        self.governor = Governor()
        self.now = 0.0
        self.warned: list[str] = []
        self.eco = False
        self.rate_hz = 0.0

    def pass_(self, seconds: float, what: Scene, change: float, work_s: float = 0.02) -> float:
        end = self.now + seconds
        while self.now < end:
            budget = self.governor.update(what, change, work_s, self.now)
            self.warned += budget.warnings
            self.eco, self.rate_hz = budget.eco, budget.rate_hz
            self.now += 1.0 / min(self.rate_hz, 30.0)
        return self.rate_hz


def test_rest_is_slow_walking_is_fast_danger_is_at_once() -> None:
    day = Day()
    assert day.pass_(1, WALL, BUSY_CHANGE) == pytest.approx(30)
    assert day.pass_(1, CALM, CALM_CHANGE / 2) > 12  # slows down gently
    assert day.pass_(15, CALM, CALM_CHANGE / 2) == pytest.approx(8, rel=0.02)
    assert day.governor.update(DANGER, 0.0, 0.02, day.now).rate_hz == pytest.approx(30)


@pytest.mark.parametrize(
    "urgent", [scene(Band.STOP), scene(drop_off=True), Scene.unknown(0, 0.0, Reason.DARK)]
)
def test_what_is_urgent_gets_every_frame(urgent: Scene) -> None:
    day = Day()
    day.pass_(15, CALM, 0.0)
    assert day.governor.update(urgent, 0.0, 0.02, day.now).rate_hz == pytest.approx(30)


def test_heat_lowers_the_most_and_is_announced() -> None:
    day = Day()
    day.governor.sensors(80.0, None)
    assert day.pass_(10, WALL, BUSY_CHANGE) == pytest.approx(19, rel=0.02)  # half way
    assert day.warned == [] and not day.eco
    day.governor.sensors(90.0, None)
    assert day.pass_(10, WALL, BUSY_CHANGE) == pytest.approx(8, rel=0.02)
    assert day.warned == ["hot"] and day.eco
    day.governor.sensors(82.0, None)  # not cool yet
    day.pass_(5, WALL, BUSY_CHANGE)
    assert day.eco
    day.governor.sensors(60.0, None)
    assert day.pass_(40, WALL, BUSY_CHANGE) == pytest.approx(30)
    assert not day.eco


def test_battery_is_announced_now_and_then_and_saved_but_not_in_danger() -> None:
    day = Day()
    day.governor.sensors(None, 18.0)
    day.pass_(SAY_AGAIN_S - 1, CALM, 0.0)
    assert day.warned == ["battery_low"]
    day.pass_(10, CALM, 0.0)
    assert day.warned == ["battery_low", "battery_low"]
    day.governor.sensors(None, 5.0)
    assert day.pass_(15, WALL, BUSY_CHANGE) == pytest.approx((8 * 30) ** 0.5, rel=0.02)
    assert day.governor.update(DANGER, 50.0, 0.02, day.now).rate_hz == pytest.approx(30)


def test_a_processor_at_a_quarter_is_not_overrun_and_it_is_announced() -> None:
    day = Day()
    day.pass_(5, WALL, BUSY_CHANGE, work_s=0.03)
    assert day.rate_hz <= BUSY_SHARE / 0.03 + 1
    day.pass_(10, WALL, BUSY_CHANGE, work_s=0.12)  # a quarter of the speed
    assert day.rate_hz == pytest.approx(BUSY_SHARE / 0.12, rel=0.05)
    assert day.warned == ["slow"] and day.eco
    day.pass_(60, WALL, BUSY_CHANGE, work_s=0.03)
    assert not day.eco and day.rate_hz > 25


def test_going_back_and_forth_between_models_becomes_rare() -> None:
    """The better model stays too slow: each return is tried later than the one before."""
    day = Day()
    changes = 0
    eco = False
    for _ in range(900):
        day.pass_(1, WALL, BUSY_CHANGE, work_s=0.03 if day.eco else 0.15)
        changes += day.eco != eco
        eco = day.eco
    assert 3 <= changes <= 12


@given(
    changes=st.lists(st.floats(0, 500), min_size=1, max_size=40),
    celsius=st.none() | st.floats(-10, 120),
    percent=st.none() | st.floats(0, 100),
    work_s=st.floats(0.001, 0.1),
    low=st.floats(1, 20),
    high=st.floats(1, 60),
)
def test_the_rate_stays_within_its_bounds(
    changes: list[float],
    celsius: float | None,
    percent: float | None,
    work_s: float,
    low: float,
    high: float,
) -> None:
    low, high = sorted((low, high))
    governor = Governor(low, high)
    governor.sensors(celsius, percent)
    most, least = max(low, high), min(low, high)
    for i, change in enumerate(changes):
        rate = governor.update(CALM, change, work_s, i / 10).rate_hz
        assert min(least, BUSY_SHARE / work_s) * 0.999 <= rate <= most * 1.001
        assert rate <= BUSY_SHARE / work_s * 1.001


def test_change_is_measured_by_the_second_whatever_the_rate() -> None:
    def moving(rate_hz: float) -> float:
        meter = ChangeMeter()
        value = 0.0
        for i in range(10):
            image = np.full((64, 64, 3), int(100 + 30 * i / rate_hz), np.uint8)
            value = meter.update(Frame(image, i, i / rate_hz))
        return value

    assert moving(10) == pytest.approx(30, rel=0.15) and moving(3) == pytest.approx(30, rel=0.15)
    meter = ChangeMeter()
    still = Frame(np.full((64, 64, 3), 9, np.uint8), 0, 0.0)
    meter.update(still)
    assert meter.update(Frame(still.image, 1, 0.1)) == 0.0
    other = Frame(np.zeros((32, 32, 3), np.uint8), 2, 0.2)
    assert meter.update(other) == BUSY_CHANGE  # another size: not comparable
