"""The machine: its heat, battery, memory and load, and how many frames a second it is to process.

Few when nothing moves, all in danger. At 1.4 m/s and 8 frames per second a walker moves 0.18 m
between two; that is the lowest rate by choice. A collision ahead, or a frame that changes much,
asks for the highest at once; calm lets the rate fall slowly. Heat and an empty battery lower the
highest, a collision ahead overrules the battery; a processor that is too slow lowers it below the
lowest, since frames that queue up would be old when heard.
"""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from math import exp

import numpy as np
import psutil
from numpy.typing import NDArray

from sonar.pipeline import READ_TIMEOUT_S
from sonar.ports import Clock
from sonar.records import Step, Update
from sonar.threads import run_briefly
from sonar.types import Band, Frame, Scene, State

LOWEST_HZ, HIGHEST_HZ = 8.0, 30.0  # frames per second
HOT_C, TOO_HOT_C = 75.0, 85.0  # from the first on fewer frames, at the second the fewest
BATTERY_LOW_PERCENT = 20.0  # below it that is announced
BATTERY_SAVE_PERCENT = 10.0  # below it as few frames as the scene allows
URGENT_TTC_S = 3.0
CALM_CHANGE = 1.0  # gray values per second by which a resting camera's frame changes
BUSY_CHANGE = 40.0  # ... and a walker's; between them the rate grows with the logarithm
CHANGE_S, FALL_S = 0.3, 1.5  # time constants of smoothing the change, and of slowing down
BUSY_SHARE = 0.8  # of the time between frames that work on one may take
SLOW_AFTER_S = 3.0
SAY_AGAIN_S = 600.0
_GRID = 16  # every 16th pixel is enough to see change
LOW_MB = 80.0  # less than this available, and a network or a frame may not fit
WELL_S = 30.0  # memory counts as well after so long
GROWN_MB = 8.0  # grown by so much, the process gives back what it freed ...
RELEASE_EVERY_S = 60.0  # ... not more often than this
_PLAUSIBLE_C = (-40.0, 150.0)


@dataclass(frozen=True, slots=True)
class MachineReading:
    """One look at the machine; None where it does not say."""

    temperature_c: float | None = None  # of the hottest sensor, degrees Celsius
    battery_percent: float | None = None  # its charge
    discharging: bool = False  # it runs from the battery
    memory_available_mb: float | None = None  # what can still be taken, megabytes
    memory_mb: float | None = None  # resident, of this process, megabytes
    cpu_percent: float | None = None  # of this process since the last reading; one core is 100


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
            memory_available_mb=round(psutil.virtual_memory().available / 1e6, 1),
            memory_mb=round(self._process.memory_info().rss / 1e6, 1),
            cpu_percent=round(self._process.cpu_percent(), 1),
        )


class MemoryWatch:
    """Whether memory runs short (``low``), and when to give some back."""

    def __init__(self) -> None:
        self.low = False
        self._short_s = self._released_s = float("-inf")
        self._least_mb = float("inf")

    def update(self, reading: MachineReading, now: float) -> bool:
        """Whether ``low`` changed by what was read at ``now``."""
        before, available_mb = self.low, reading.memory_available_mb
        if available_mb is not None and available_mb < LOW_MB:
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


def release_soon() -> None:
    """Give back to the system what was freed, in a thread of its own: it takes milliseconds.

    glibc keeps what threads free for themselves, so that each network that is closed and opened
    anew would cost its size again.
    """

    def release() -> None:
        from sonar.depth.backends import give_back_memory

        gc.collect()
        give_back_memory()

    run_briefly("release", release)


class Governor:
    """Consumes steps and waits after each, so that at most ``rate_hz`` frames a second are taken.

    ``sensors`` gives the last reading of the machine; ``announce`` is called with battery_low, hot
    or slow, at most every SAY_AGAIN_S each.
    """

    def __init__(
        self, clock: Clock, sensors: Callable[[], MachineReading], announce: Callable[[str], None]
    ) -> None:
        self.rate_hz = HIGHEST_HZ
        self._clock, self._sensors, self._announce = clock, sensors, announce
        self._grid: NDArray[np.int16] = np.zeros((0, 0), np.int16)
        self._grid_t = 0.0
        self._change = BUSY_CHANGE
        self._at_s = self._due_s = clock.now()
        self._work_s = 0.0
        self._fast_s = float("-inf")  # when it was last fast enough
        self._said_s: dict[str, float] = {}

    def consume(self, update: Update) -> None:
        """Decide the rate, and wait until the next frame is due."""
        if not isinstance(update, Step):
            return
        work_s = (update.timings_ms["total"] - update.timings_ms.get("capture", 0.0)) / 1000.0
        self.update(update.scene, self.change_of(update.frame), work_s)
        # From when it was due, so that the mean rate is kept though frames come in steps.
        now = self._clock.now()
        due_s = max(self._due_s, now - 1.5 / self.rate_hz) + 1.0 / self.rate_hz
        self._due_s = min(due_s, now + READ_TIMEOUT_S)  # nothing is heard while it waits
        self._clock.sleep(self._due_s - now)

    def change_of(self, frame: Frame) -> float:
        """Mean absolute change of green since the last frame, gray values per second."""
        grid = frame.image[::_GRID, ::_GRID, 1].astype(np.int16)
        last, since_s = self._grid, frame.t - self._grid_t
        self._grid, self._grid_t = grid, frame.t
        if last.shape != grid.shape or since_s <= 0.0:
            return BUSY_CHANGE
        return float(np.abs(grid - last).mean()) / since_s

    def update(self, scene: Scene, change: float, work_s: float) -> None:
        """The rate from now on, by the ``change_of`` a frame and the seconds of work on it."""
        now, reading = self._clock.now(), self._sensors()
        since_s, self._at_s = now - self._at_s, now
        self._change += (1.0 - exp(-since_s / CHANGE_S)) * (change - self._change)
        work_s = min(work_s, READ_TIMEOUT_S)  # one frame as the machine was suspended is no rate
        self._work_s = work_s if self._work_s == 0.0 else 0.9 * self._work_s + 0.1 * work_s
        bearable_hz = BUSY_SHARE / max(self._work_s, 1e-6)
        if bearable_hz >= LOWEST_HZ or self._fast_s == float("-inf"):
            self._fast_s = now
        celsius = reading.temperature_c or 0.0
        percent = reading.battery_percent if reading.discharging else None
        percent = 100.0 if percent is None else percent
        for what, is_so in (
            ("hot", celsius >= TOO_HOT_C),
            ("battery_low", percent <= BATTERY_LOW_PERCENT),
            ("slow", now - self._fast_s >= SLOW_AFTER_S),
        ):
            if is_so and now - self._said_s.get(what, float("-inf")) >= SAY_AGAIN_S:
                self._said_s[what] = now
                self._announce(what)
        wanted_hz = self._wanted_hz(scene, celsius, percent)
        if wanted_hz < self.rate_hz:  # up at once, down slowly
            wanted_hz += (self.rate_hz - wanted_hz) * exp(-since_s / FALL_S)
        self.rate_hz = min(wanted_hz, bearable_hz)

    def _wanted_hz(self, scene: Scene, celsius: float, percent: float) -> float:
        urgent = bool(scene.drop_off) or any(
            zone.band is Band.STOP or (zone.ttc_s is not None and zone.ttc_s <= URGENT_TTC_S)
            for zone in scene.zones
        )
        span_hz = HIGHEST_HZ - LOWEST_HZ
        most_hz = HIGHEST_HZ - span_hz * _share(celsius - HOT_C, TOO_HOT_C - HOT_C)
        if percent <= BATTERY_SAVE_PERCENT and not urgent:
            most_hz = min(most_hz, (LOWEST_HZ * HIGHEST_HZ) ** 0.5)
        if urgent or scene.state is not State.GUIDING:
            return most_hz
        change = np.log(max(self._change, 1e-6) / CALM_CHANGE)
        return min(most_hz, LOWEST_HZ + span_hz * _share(change, np.log(BUSY_CHANGE / CALM_CHANGE)))


def _share(value: float, whole: float) -> float:
    return float(min(1.0, max(0.0, value / whole)))
