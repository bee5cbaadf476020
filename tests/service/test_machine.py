"""Readings of the machine, by psutil; memory that runs short, and memory given back."""

from collections import namedtuple
from typing import Any

import psutil
import pytest

from sonar.service.machine import LOW_MB, Machine, MachineReading, MemoryWatch

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


def test_a_driver_that_fails_is_no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(psutil, "sensors_temperatures", broken, raising=False)
    reading = Machine().read()
    assert reading.temperature_c is None and reading.battery_percent is None
    assert reading.memory_mb is not None and reading.memory_mb > 10


def test_this_process_and_machine_are_measured() -> None:
    machine = Machine()
    sum(i * i for i in range(2_000_000))
    reading = machine.read()
    assert 10 < (reading.memory_mb or 0) < 10_000
    assert (reading.cpu_percent or 0) > 0
    assert (reading.available_mb or 0) > 0


def test_memory_must_be_well_for_a_while() -> None:
    watch = MemoryWatch()
    short, well = MachineReading(available_mb=LOW_MB - 1), MachineReading(available_mb=500.0)
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
