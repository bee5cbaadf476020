"""The guide's figures: counted from outside the stages, for beats, health and log."""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.pipeline import Step, Update
from sonar.ports import Clock
from sonar.service import sysfs
from sonar.types import State

WINDOW_S = 5.0
SENSORS_EVERY_S = 2.0


class Board:
    """Consumes the steps of a run; :meth:`figures` are what ``/healthz`` and ``/metrics`` show.

    Attributes:
        state, reason: of the last state event.
        frames: processed since the process started, over all runs in it.
    """

    def __init__(self, clock: Clock, sysfs_root: Path = sysfs.SYS, proc: Path = sysfs.PROC) -> None:
        self.state, self.reason = State.LOADING.value, ""
        self.frames = 0
        self.temperature_c: float | None = None
        self.battery: sysfs.Battery | None = None
        self.extra: Callable[[], Mapping[str, Any]] = dict
        self._clock = clock
        self.memory = sysfs.Memory()
        self._root, self._proc = sysfs_root, proc
        self._lock = threading.Lock()  # the health endpoint asks from its own thread
        self._times: deque[float] = deque()
        self._depth_ms: deque[float] = deque(maxlen=200)
        self._sensed_s = float("-inf")
        self._cpu: tuple[float, float] | None = None
        self._cpu_percent: float | None = None

    def consume(self, update: Update) -> None:
        """Count."""
        for event in update.events:
            if event.kind == "state":
                self.state, self.reason = event.name, event.why
        if not isinstance(update, Step):
            return
        now = self._clock.now()
        self.frames += 1
        with self._lock:
            self._times.append(now)
            while now - self._times[0] > WINDOW_S:
                self._times.popleft()
            self._depth_ms.append(update.timings_ms.get("depth", 0.0))
        self.sense()

    def sense(self) -> bool:
        """Read the machine's sensors when that is due; whether it was."""
        now = self._clock.now()
        if now - self._sensed_s < SENSORS_EVERY_S:
            return False
        self._sensed_s = now
        self.temperature_c = sysfs.temperature_c(self._root)
        self.battery = sysfs.battery(self._root)
        self.memory = sysfs.memory(self._root, self._proc)
        used = sysfs.cpu_s()
        if used is not None:
            if self._cpu is not None and now > self._cpu[0]:
                self._cpu_percent = 100.0 * (used - self._cpu[1]) / (now - self._cpu[0])
            self._cpu = (now, used)
        return True

    def figures(self) -> dict[str, Any]:
        """Present values by the names in :data:`sonar.service.health.METRICS`."""
        now = self._clock.now()
        with self._lock:
            recent = [t for t in self._times if now - t <= WINDOW_S]
            depth_ms = list(self._depth_ms)
        # Over the window, not between the pictures: a source that stopped shows as such.
        span = min(WINDOW_S, max(now - recent[0], 1e-3)) if len(recent) > 1 else WINDOW_S
        values: dict[str, Any] = {
            "fps": round(len(recent) / span, 2),
            "depth_ms": round(float(np.median(depth_ms)), 2) if depth_ms else None,
            "temperature_c": self.temperature_c,
            "battery_percent": None if self.battery is None else self.battery.percent,
            "memory_mb": sysfs.memory_mb(),
            "memory_available_mb": self.memory.available_mb,
            "cpu_percent": None if self._cpu_percent is None else round(self._cpu_percent, 1),
        }
        values |= self.extra()
        return {key: value for key, value in values.items() if value is not None}


def age_quantiles(seconds: NDArray[np.float64]) -> dict[str, float]:
    """Quantiles of frame-to-sound ages; empty where there are none."""
    if seconds.size == 0:
        return {}
    quantiles = 1000.0 * np.percentile(seconds, [50, 95, 99])
    names = ("age_ms", "age_p95_ms", "age_p99_ms")
    return {name: round(float(ms), 1) for name, ms in zip(names, quantiles, strict=True)}
