"""Frame rates by scene, heat, battery and load; readings of the machine, by psutil."""

from collections import namedtuple
from typing import Any

import numpy as np
import psutil
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
    LOW_MB,
    LOWEST_HZ,
    SAY_AGAIN_S,
    Governor,
    Machine,
    MachineReading,
    MemoryWatch,
)
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
    for urgent in (
        *(DANGER, scene(Band.STOP), scene(drop_off=True)),
        Scene.unknown(0, 0.0, Reason.DARK),
    ):
        day.pass_(15, CALM, 0.0)
        assert day.now(urgent, 0.0) == pytest.approx(30)


def test_heat_lowers_the_most_and_is_announced() -> None:
    day = Day()
    for celsius, seconds, rate_hz, warned in (
        (80.0, 10, 19, []),  # half way
        (90.0, 10, 8, ["hot"]),
        (60.0, 1, 30, ["hot"]),
    ):
        day.reading = MachineReading(temperature_c=celsius)
        assert day.pass_(seconds, WALL, BUSY_CHANGE) == pytest.approx(rate_hz, rel=0.02)
        assert day.warned == warned


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
        governor, value = Day().governor, 0.0
        for i in range(10):
            image = np.full((64, 64, 3), int(100 + 30 * i / rate_hz), np.uint8)
            value = governor.change_of(Frame(image, i, i / rate_hz))
        return value

    assert moving(10) == pytest.approx(30, rel=0.15) and moving(3) == pytest.approx(30, rel=0.15)
    governor, still = Day().governor, np.full((64, 64, 3), 9, np.uint8)
    governor.change_of(Frame(still, 0, 0.0))
    assert governor.change_of(Frame(still, 1, 0.1)) == 0.0
    assert governor.change_of(Frame(still[:32], 2, 0.2)) == BUSY_CHANGE  # not comparable


# -- the machine ---------------------------------------------------------------------------------

Temperature = namedtuple("Temperature", "label current high critical")
Battery = namedtuple("Battery", "percent secsleft power_plugged")


def heat(*celsius: float) -> list[Temperature]:
    return [Temperature("", c, None, None) for c in celsius]


@pytest.mark.parametrize(
    ("groups", "battery", "expected"),
    [
        (
            {"cpu": heat(48.25, 61.0), "nvme": heat(40.0)},
            Battery(37.2, 1, False),
            (61.0, 37.2, True),
        ),
        ({"cpu": heat(-274.0, 200.0)}, Battery(80, 1, True), (None, 80, False)),  # absent sensors
        ({}, Battery(55.0, 1, None), (None, 55.0, False)),  # a battery that does not say
        ({}, None, (None, None, False)),
    ],
)
def test_heat_and_battery(
    monkeypatch: pytest.MonkeyPatch, groups: Any, battery: Any, expected: Any
) -> None:
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: groups, raising=False)
    monkeypatch.setattr(psutil, "sensors_battery", lambda: battery, raising=False)
    reading = Machine().read()
    assert (reading.temperature_c, reading.battery_percent, reading.discharging) == expected
    assert 10 < (reading.memory_mb or 0) < 10_000 and (reading.memory_available_mb or 0) > 0

    def broken() -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(psutil, "sensors_temperatures", broken, raising=False)
    reading = Machine().read()  # a driver that fails gives no reading
    assert reading.temperature_c is None and (reading.memory_mb or 0) > 10


def test_memory_must_be_well_for_a_while() -> None:
    watch = MemoryWatch()
    short = MachineReading(memory_available_mb=0.0)
    well = MachineReading(memory_available_mb=LOW_MB + 1)
    assert not watch.update(well, 0.0)
    assert watch.update(short, 0.0) and watch.low
    assert not watch.update(well, 1.0) and not watch.update(well, 25.0)
    assert not watch.update(short, 26.0)
    assert not watch.update(well, 27.0) and not watch.update(well, 55.9)
    assert watch.update(well, 56.1) and not watch.low
    assert not watch.update(MachineReading(), 58.0)  # a system that does not say is not short


def test_what_was_freed_is_given_back_after_growth_and_not_too_often() -> None:
    watch = MemoryWatch()
    grown = [(0.0, 220.0), (1.0, 215.0), (2.0, 222.9), (3.0, 223.1), (4.0, 240.0), (64.0, 216.0)]
    due = [watch.has_grown(MachineReading(memory_mb=mb), now) for now, mb in grown]
    assert due == [False, False, False, True, False, False]
    assert not watch.has_grown(MachineReading(), 65.0)
    assert not watch.has_grown(MachineReading(memory_mb=223.0), 66.0)
    assert watch.has_grown(MachineReading(memory_mb=224.1), 67.0)
