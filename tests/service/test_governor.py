"""Frame rates by scene, heat, battery and load."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonar.clock import ManualClock
from sonar.records import Step
from sonar.service.guide.governor import (
    BUSY_CHANGE,
    BUSY_SHARE,
    CALM_CHANGE,
    HIGHEST_HZ,
    LOWEST_HZ,
    SAY_AGAIN_S,
    ChangeMeter,
    Governor,
)
from sonar.service.machine import MachineReading
from sonar.types import Band, Cue, CueKind, Frame, Reason, Scene, Side, ZoneReading


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
        self.clock = ManualClock()
        self.reading = MachineReading()
        self.warned: list[str] = []
        self.governor = Governor(self.clock, lambda: self.reading, self.warned.append)

    def now(self, what: Scene, change: float = 0.0, work_s: float = 0.02) -> float:
        self.governor.update(what, change, work_s)
        return self.governor.rate_hz

    def pass_(self, seconds: float, what: Scene, change: float, work_s: float = 0.02) -> float:
        end = self.clock.now() + seconds
        while self.clock.now() < end:
            self.clock.advance(1.0 / min(self.now(what, change, work_s), 30.0))
        return self.governor.rate_hz


def test_rest_is_slow_walking_is_fast_danger_is_at_once() -> None:
    day = Day()
    assert day.pass_(1, WALL, BUSY_CHANGE) == pytest.approx(30)
    assert day.pass_(1, CALM, CALM_CHANGE / 2) > 12  # slows down gently
    assert day.pass_(15, CALM, CALM_CHANGE / 2) == pytest.approx(8, rel=0.02)
    assert day.now(DANGER, 0.0) == pytest.approx(30)


@pytest.mark.parametrize(
    "urgent", [scene(Band.STOP), scene(drop_off=True), Scene.unknown(0, 0.0, Reason.DARK)]
)
def test_what_is_urgent_gets_every_frame(urgent: Scene) -> None:
    day = Day()
    day.pass_(15, CALM, 0.0)
    assert day.now(urgent, 0.0) == pytest.approx(30)


def test_heat_lowers_the_most_and_is_announced() -> None:
    day = Day()
    day.reading = MachineReading(temperature_c=80.0)
    assert day.pass_(10, WALL, BUSY_CHANGE) == pytest.approx(19, rel=0.02)  # half way
    assert day.warned == []
    day.reading = MachineReading(temperature_c=90.0)
    assert day.pass_(10, WALL, BUSY_CHANGE) == pytest.approx(8, rel=0.02)
    assert day.warned == ["hot"]
    day.reading = MachineReading(temperature_c=60.0)
    assert day.pass_(1, WALL, BUSY_CHANGE) == pytest.approx(30)


def test_battery_is_announced_now_and_then_and_saved_but_not_in_danger() -> None:
    day = Day()
    day.reading = MachineReading(battery_percent=18.0, discharging=True)
    day.pass_(SAY_AGAIN_S - 1, CALM, 0.0)
    assert day.warned == ["battery_low"]
    day.pass_(10, CALM, 0.0)
    assert day.warned == ["battery_low", "battery_low"]
    day.reading = MachineReading(battery_percent=5.0, discharging=True)
    assert day.pass_(15, WALL, BUSY_CHANGE) == pytest.approx((8 * 30) ** 0.5, rel=0.02)
    assert day.now(DANGER, 50.0) == pytest.approx(30)


def test_a_processor_at_a_quarter_is_not_overrun_and_it_is_announced() -> None:
    day = Day()
    day.pass_(5, WALL, BUSY_CHANGE, work_s=0.03)
    assert day.governor.rate_hz <= BUSY_SHARE / 0.03 + 1
    day.pass_(10, WALL, BUSY_CHANGE, work_s=0.12)  # a quarter of the speed
    assert day.governor.rate_hz == pytest.approx(BUSY_SHARE / 0.12, rel=0.05)
    assert day.warned == ["slow"]
    day.pass_(60, WALL, BUSY_CHANGE, work_s=0.03)
    assert day.governor.rate_hz > 25


@given(
    changes=st.lists(st.floats(0, 500), min_size=1, max_size=40),
    celsius=st.none() | st.floats(-10, 120),
    percent=st.none() | st.floats(0, 100),
    work_s=st.floats(0.001, 0.2),
)
def test_the_rate_stays_within_its_bounds(
    changes: list[float], celsius: float | None, percent: float | None, work_s: float
) -> None:
    day = Day()
    day.reading = MachineReading(celsius, percent, discharging=True)
    for change in changes:
        rate_hz = day.now(CALM, change, work_s)
        assert min(LOWEST_HZ, BUSY_SHARE / work_s) * 0.999 <= rate_hz
        assert rate_hz <= min(HIGHEST_HZ, BUSY_SHARE / work_s) * 1.001
        day.clock.advance(0.1)


def test_the_next_frame_is_taken_when_it_is_due() -> None:
    day = Day()
    image = np.full((64, 64, 3), 9, np.uint8)
    times_s = []
    for number in range(440):
        times_s.append(day.clock.now())
        step = Step(
            scene=CALM,
            cue=Cue(CueKind.SILENCE),
            frame=Frame(image, number, times_s[-1]),
            depth=None,
            timings_ms={"total": 20.0},
        )
        day.clock.advance(0.02)  # the work
        day.governor.consume(step)
    assert np.diff(times_s[400:]).mean() == pytest.approx(1 / LOWEST_HZ, rel=0.05)


def test_one_long_frame_does_not_stop_the_next_ones() -> None:
    day = Day()
    image = np.full((64, 64, 3), 9, np.uint8)
    waits_s = []
    for number in range(100):
        work_s = 60.0 if number == 10 else 0.02  # the machine was suspended
        step = Step(
            scene=WALL,
            cue=Cue(CueKind.SILENCE),
            frame=Frame(image, number, day.clock.now()),
            depth=None,
            timings_ms={"total": 1000.0 * work_s},
        )
        day.clock.advance(work_s)
        began_s = day.clock.now()
        day.governor.consume(step)
        waits_s.append(day.clock.now() - began_s)
    assert max(waits_s) < 0.2 and day.warned == []


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
