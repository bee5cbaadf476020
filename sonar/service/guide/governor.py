"""How many frames per second are worth their power: few when nothing moves, all in danger.

At 1.4 m/s and 8 frames per second a walker moves 0.18 m between two; that is the lowest rate by
choice. A collision ahead, or a frame that changes much, asks for the highest at once; calm lets
the rate fall slowly. Heat and an empty battery lower the highest, a collision ahead overrules the
battery; a processor that is too slow lowers it below the lowest, since frames that queue up
would be old when heard.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonar.types import Band, Frame, Scene, State

MIN_RATE_HZ, MAX_RATE_HZ = 8.0, 30.0  # frames a second
HOT_C, TOO_HOT_C = 75.0, 85.0  # from the first on fewer frames, at the second the fewest
BATTERY_LOW_PERCENT = 20.0  # below it that is announced
BATTERY_SAVE_PERCENT = 10.0  # below it as few frames as the scene allows
URGENT_TTC_S = 3.0
CALM_CHANGE = 1.0  # gray values per second by which a resting camera's frame changes
BUSY_CHANGE = 40.0  # ... and a walker's; between them the rate grows with the logarithm
FALL_S = 1.5  # time constant of slowing down
BUSY_SHARE = 0.8  # of the time between frames that work on one may take
SLOW_AFTER_S = 3.0
RECOVER_S = 30.0  # all well for this long: back to the better model; doubles each time
LONGEST_RECOVER_S = 3600.0
SAY_AGAIN_S = 600.0
_GRID = 16  # every 16th pixel is enough to see change


@dataclass(frozen=True, slots=True)
class Budget:
    """What the governor decides.

    Attributes:
        rate_hz: frames per second at most.
        eco: use the faster model.
        warnings: to announce now: battery_low, hot, slow.
    """

    rate_hz: float
    eco: bool = False
    warnings: tuple[str, ...] = ()


class ChangeMeter:
    """How much the frame changes, gray values per second."""

    def __init__(self) -> None:
        self._last: NDArray[np.int16] | None = None
        self._t = 0.0

    def update(self, frame: Frame) -> float:
        """Mean absolute change of green since the last frame, by the second."""
        grid = frame.image[::_GRID, ::_GRID, 1].astype(np.int16)
        last, since_s = self._last, frame.t - self._t
        self._last, self._t = grid, frame.t
        if last is None or last.shape != grid.shape or since_s <= 0.0:
            return BUSY_CHANGE
        return float(np.abs(grid - last).mean()) / max(since_s, 1e-3)


class Governor:
    """Decides from scene to scene. Its time is the clock's seconds, given to each call."""

    def __init__(self, lowest_hz: float = MIN_RATE_HZ, highest_hz: float = MAX_RATE_HZ) -> None:
        self._lowest_hz, self._highest_hz = lowest_hz, highest_hz
        self._rate_hz = self._highest_hz
        self._at_s: float | None = None
        self._change = BUSY_CHANGE
        self._work_s = 0.0
        self._temperature_c: float | None = None
        self._battery_percent: float | None = None
        self._slow_since_s: float | None = None
        self._well_since_s: float | None = None
        self._eco = False
        self._recover_s = RECOVER_S
        self._hot = False
        self._said_s: dict[str, float] = {}

    def sensors(self, temperature_c: float | None, battery_percent: float | None) -> None:
        """What the machine measures; ``battery_percent`` None on mains or without a battery."""
        self._temperature_c, self._battery_percent = temperature_c, battery_percent

    def update(self, scene: Scene, change: float, work_s: float, now: float) -> Budget:
        """The budget from now on.

        Args:
            change: see :class:`ChangeMeter`; smoothed here.
            work_s: seconds that depth, zones and sound took for this frame.
        """
        since_s = 0.0 if self._at_s is None else max(0.0, now - self._at_s)
        self._at_s = now
        share = 1.0 - np.exp(-since_s / 0.3)
        self._change += float(share) * (change - self._change)
        self._work_s = work_s if self._work_s == 0.0 else 0.9 * self._work_s + 0.1 * work_s
        warnings = self._warnings(now)
        wanted = self._wanted(scene)
        cap = self._cap(_is_urgent(scene))
        warnings += self._slowness(now)
        wanted = min(wanted, cap)
        if wanted < self._rate_hz:  # up at once, down slowly
            fall = float(np.exp(-since_s / FALL_S))
            wanted += (self._rate_hz - wanted) * fall
        self._rate_hz = min(wanted, self._bearable_hz())
        return Budget(self._rate_hz, self._eco, warnings)

    def _wanted(self, scene: Scene) -> float:
        if _is_urgent(scene) or scene.state is not State.GUIDING:
            return self._highest_hz
        span = np.log(BUSY_CHANGE / CALM_CHANGE)
        share = float(np.clip(np.log(max(self._change, 1e-6) / CALM_CHANGE) / span, 0.0, 1.0))
        return self._lowest_hz + (self._highest_hz - self._lowest_hz) * share

    def _cap(self, urgent: bool) -> float:
        cap = self._highest_hz
        if self._temperature_c is not None and self._temperature_c > HOT_C:
            span = TOO_HOT_C - HOT_C
            share = min(1.0, (self._temperature_c - HOT_C) / span)
            cap += (self._lowest_hz - self._highest_hz) * share
        percent = self._battery_percent
        if percent is not None and percent <= BATTERY_SAVE_PERCENT and not urgent:
            cap = min(cap, (self._lowest_hz * self._highest_hz) ** 0.5)
        return cap

    def _bearable_hz(self) -> float:
        return BUSY_SHARE / self._work_s if self._work_s > 0.0 else float("inf")

    def _slowness(self, now: float) -> tuple[str, ...]:
        """Too slow for the lowest rate, or too hot: change the model, and say so."""
        slow = self._bearable_hz() < self._lowest_hz
        if not slow:
            self._slow_since_s = None
        elif self._slow_since_s is None:
            self._slow_since_s = now
        too_slow = self._slow_since_s is not None and now - self._slow_since_s >= SLOW_AFTER_S
        if too_slow or self._hot:
            self._well_since_s = None
            self._eco = True
        elif self._eco:
            self._well_since_s = now if self._well_since_s is None else self._well_since_s
            if now - self._well_since_s >= self._recover_s:
                self._eco, self._well_since_s = False, None
                self._recover_s = min(2.0 * self._recover_s, LONGEST_RECOVER_S)
        return self._say("slow", now) if too_slow else ()

    def _warnings(self, now: float) -> tuple[str, ...]:
        warnings: tuple[str, ...] = ()
        celsius = self._temperature_c
        if celsius is not None:
            self._hot = celsius >= (TOO_HOT_C - (5.0 if self._hot else 0.0))
        if self._hot:
            warnings += self._say("hot", now)
        percent = self._battery_percent
        if percent is not None and percent <= BATTERY_LOW_PERCENT:
            warnings += self._say("battery_low", now)
        return warnings

    def _say(self, what: str, now: float) -> tuple[str, ...]:
        if now - self._said_s.get(what, float("-inf")) < SAY_AGAIN_S:
            return ()
        self._said_s[what] = now
        return (what,)


def _is_urgent(scene: Scene) -> bool:
    if scene.drop_off:
        return True
    return any(
        zone.band is Band.STOP or (zone.ttc_s is not None and zone.ttc_s <= URGENT_TTC_S)
        for zone in scene.zones
    )
