"""How many frames per second are worth their power: few when nothing moves, all in danger.

At 1.4 m/s and 8 frames per second a walker moves 0.18 m between two; that is the lowest rate by
choice. A collision ahead, or a frame that changes much, asks for the highest at once; calm lets
the rate fall slowly. Heat and an empty battery lower the highest, a collision ahead overrules the
battery; a processor that is too slow lowers it below the lowest, since frames that queue up
would be old when heard.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sonar.pipeline import READ_TIMEOUT_S
from sonar.ports import Clock
from sonar.records import Step, Update
from sonar.service.machine import MachineReading
from sonar.types import Band, Frame, Scene, State

LOWEST_HZ, HIGHEST_HZ = 8.0, 30.0  # frames per second
HOT_C, TOO_HOT_C = 75.0, 85.0  # from the first on fewer frames, at the second the fewest
COOLER_C = 5.0  # below TOO_HOT_C it is no longer too hot
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


class ChangeMeter:
    """How much the frame changes, gray values per second."""

    def __init__(self) -> None:
        self._last: NDArray[np.int16] | None = None
        self._t = 0.0

    def update(self, frame: Frame) -> float:
        """Mean absolute change of green since the last frame, per second."""
        grid = frame.image[::_GRID, ::_GRID, 1].astype(np.int16)
        last, since_s = self._last, frame.t - self._t
        self._last, self._t = grid, frame.t
        if last is None or last.shape != grid.shape or since_s <= 0.0:
            return BUSY_CHANGE
        return float(np.abs(grid - last).mean()) / since_s


class Governor:
    """Consumes steps and waits after each, so that the next frame is taken when it is due.

    Args:
        sensors: the last reading of the machine.
        announce: called with battery_low, hot or slow, at most every SAY_AGAIN_S each.

    Attributes:
        rate_hz: frames per second at most.
    """

    def __init__(
        self,
        clock: Clock,
        sensors: Callable[[], MachineReading],
        announce: Callable[[str], None],
    ) -> None:
        self.rate_hz = HIGHEST_HZ
        self._clock, self._sensors, self._announce = clock, sensors, announce
        self._meter = ChangeMeter()
        self._change = BUSY_CHANGE
        self._at_s = self._due_s = clock.now()
        self._work_s = 0.0
        self._fast_s = float("-inf")  # when it was last fast enough
        self._hot = False
        self._said_s: dict[str, float] = {}

    def consume(self, update: Update) -> None:
        """Decide the rate, and wait until the next frame is due."""
        if not isinstance(update, Step):
            return
        work_s = (update.timings_ms["total"] - update.timings_ms.get("capture", 0.0)) / 1000.0
        self.update(update.scene, self._meter.update(update.frame), work_s)
        # From when it was due, so that the mean rate is kept though frames come in steps.
        now = self._clock.now()
        due_s = max(self._due_s, now - 1.5 / self.rate_hz) + 1.0 / self.rate_hz
        self._due_s = min(due_s, now + READ_TIMEOUT_S)  # nothing is heard while it waits
        self._clock.sleep(self._due_s - now)

    def update(self, scene: Scene, change: float, work_s: float) -> None:
        """The rate from now on.

        Args:
            change: see :class:`ChangeMeter`; smoothed here.
            work_s: seconds that depth, zones and sound took for this frame.
        """
        now, reading = self._clock.now(), self._sensors()
        since_s, self._at_s = now - self._at_s, now
        self._change += (1.0 - float(np.exp(-since_s / CHANGE_S))) * (change - self._change)
        work_s = min(work_s, READ_TIMEOUT_S)  # one frame as the machine was suspended is no rate
        self._work_s = work_s if self._work_s == 0.0 else 0.9 * self._work_s + 0.1 * work_s
        bearable_hz = BUSY_SHARE / max(self._work_s, 1e-6)
        if bearable_hz >= LOWEST_HZ or self._fast_s == float("-inf"):
            self._fast_s = now
        celsius = reading.temperature_c or 0.0
        self._hot = celsius >= (TOO_HOT_C - COOLER_C if self._hot else TOO_HOT_C)
        percent = reading.battery_percent if reading.discharging else None
        percent = 100.0 if percent is None else percent
        for what, is_so in (
            ("hot", self._hot),
            ("battery_low", percent <= BATTERY_LOW_PERCENT),
            ("slow", now - self._fast_s >= SLOW_AFTER_S),
        ):
            if is_so and now - self._said_s.get(what, float("-inf")) >= SAY_AGAIN_S:
                self._said_s[what] = now
                self._announce(what)
        wanted_hz = min(self._wanted_hz(scene), self._cap_hz(celsius, percent, scene))
        if wanted_hz < self.rate_hz:  # up at once, down slowly
            wanted_hz += (self.rate_hz - wanted_hz) * float(np.exp(-since_s / FALL_S))
        self.rate_hz = min(wanted_hz, bearable_hz)

    def _wanted_hz(self, scene: Scene) -> float:
        if _is_urgent(scene) or scene.state is not State.GUIDING:
            return HIGHEST_HZ
        span = np.log(BUSY_CHANGE / CALM_CHANGE)
        share = float(np.clip(np.log(max(self._change, 1e-6) / CALM_CHANGE) / span, 0.0, 1.0))
        return LOWEST_HZ + (HIGHEST_HZ - LOWEST_HZ) * share

    def _cap_hz(self, celsius: float, percent: float, scene: Scene) -> float:
        share = min(1.0, max(0.0, (celsius - HOT_C) / (TOO_HOT_C - HOT_C)))
        cap_hz = HIGHEST_HZ + (LOWEST_HZ - HIGHEST_HZ) * share
        if percent <= BATTERY_SAVE_PERCENT and not _is_urgent(scene):
            cap_hz = min(cap_hz, (LOWEST_HZ * HIGHEST_HZ) ** 0.5)
        return cap_hz


def _is_urgent(scene: Scene) -> bool:
    return bool(scene.drop_off) or any(
        zone.band is Band.STOP or (zone.ttc_s is not None and zone.ttc_s <= URGENT_TTC_S)
        for zone in scene.zones
    )
