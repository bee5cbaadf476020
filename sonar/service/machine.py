"""The machine's temperature, battery, memory and load, by psutil; and memory given back to it."""

import gc
from dataclasses import dataclass
from typing import Protocol

import psutil

from sonar.threads import run_briefly

LOW_MB = 80.0  # less than this available, and a network or a frame may not find room
WELL_S = 30.0  # memory counts as well after so long
GROWN_MB = 8.0  # grown by so much, the process gives back what it freed ...
RELEASE_EVERY_S = 60.0  # ... not more often than this
_PLAUSIBLE_C = (-40.0, 150.0)


@dataclass(frozen=True, slots=True)
class MachineReading:
    """One look at the machine; None where it does not say.

    Attributes:
        temperature_c: of the hottest sensor, degrees Celsius.
        battery_percent: charge of the battery.
        discharging: it runs from the battery.
        available_mb: memory that can still be taken, megabytes.
        memory_mb: resident memory of this process, megabytes.
        cpu_percent: share of this process since the last reading; one core is 100.
    """

    temperature_c: float | None = None
    battery_percent: float | None = None
    discharging: bool = False
    available_mb: float | None = None
    memory_mb: float | None = None
    cpu_percent: float | None = None


class Sensors(Protocol):
    """Where readings come from."""

    def read(self) -> MachineReading: ...


class Machine:
    """The sensors of this machine."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._process.cpu_percent()  # the first one only sets the beginning

    def read(self) -> MachineReading:
        """Now; never raises."""
        try:
            groups = psutil.sensors_temperatures().values()
            battery = psutil.sensors_battery()
        except (AttributeError, OSError, ValueError):  # another system; a driver that fails
            groups, battery = (), None
        found = [sensor.current for group in groups for sensor in group if sensor.current]
        plausible = [c for c in found if _PLAUSIBLE_C[0] <= c <= _PLAUSIBLE_C[1]]
        return MachineReading(
            temperature_c=max(plausible, default=None),
            battery_percent=None if battery is None else round(battery.percent, 1),
            discharging=battery is not None and battery.power_plugged is False,
            available_mb=round(psutil.virtual_memory().available / 1e6, 1),
            memory_mb=round(self._process.memory_info().rss / 1e6, 1),
            cpu_percent=round(self._process.cpu_percent(), 1),
        )


class MemoryWatch:
    """Whether memory runs short (``low``, until it is well for ``WELL_S``), and when to give some
    back."""

    def __init__(self) -> None:
        self.low = False
        self._short_s = self._released_s = float("-inf")
        self._least_mb = float("inf")

    def update(self, reading: MachineReading, now: float) -> bool:
        """Whether ``low`` changed by what was read at ``now``."""
        before = self.low
        if reading.available_mb is not None and reading.available_mb < LOW_MB:
            self._short_s = now
        self.low = now - self._short_s < WELL_S
        return self.low != before

    def has_grown(self, reading: MachineReading, now: float) -> bool:
        """Whether the process grew since it last gave memory back; True at most once a minute."""
        if reading.memory_mb is None or now - self._released_s < RELEASE_EVERY_S:
            return False
        self._least_mb = min(reading.memory_mb, self._least_mb)
        if reading.memory_mb - self._least_mb < GROWN_MB:
            return False
        self._least_mb, self._released_s = float("inf"), now
        return True


def release() -> None:
    """Give back to the system what was freed; takes some milliseconds.

    glibc keeps what threads free for themselves, so that each network that is closed and opened
    anew would cost its size again.
    """
    from sonar.depth.backends import give_back_memory

    gc.collect()
    give_back_memory()


def release_soon() -> None:
    """:func:`release` in a thread of its own: nobody who guides waits for it."""
    run_briefly("release", release)
