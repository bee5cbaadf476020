"""What a guide reports of itself: its heartbeat, and figures."""

import threading
from collections import deque
from typing import Any

import numpy as np

from sonar import app
from sonar.ports import Clock
from sonar.records import Step, Update
from sonar.service.guide.governor import Governor
from sonar.service.health import Snapshot
from sonar.service.heartbeat import Heartbeat, HeartbeatSender
from sonar.service.logs import JsonLog
from sonar.service.machine import MachineReading, Sensors
from sonar.types import Reason, State

WINDOW_S = 5.0  # over which the frame rate is counted
SENSORS_EVERY_S, HEALTH_EVERY_S, SUMMARY_EVERY_S = 2.0, 1.0, 60.0


class Reporter:
    """Counts the steps of all runs in this process and reports after each.

    Attributes:
        running, governor: the present run, and its governor.
        frames: processed since the process started.
        reading: the last of the machine.
    """

    def __init__(
        self,
        clock: Clock,
        log: JsonLog,
        sensors: Sensors,
        sender: HeartbeatSender | None,
    ) -> None:
        self.running: app.Running | None = None
        self.governor: Governor | None = None
        self.frames = 0
        self.reading = MachineReading()
        self._clock, self._log, self._sensors = clock, log, sensors
        self._sender = sender
        self._state, self._reason = State.LOADING.value, ""
        self._waits = 0  # updates without a frame
        self._sensed_s = self._health_s = float("-inf")
        self._summary_s = clock.now()
        self._lock = threading.Lock()  # the health endpoint asks from its own thread
        self._times_s: deque[float] = deque()
        self._depth_ms: deque[float] = deque(maxlen=200)

    def consume(self, update: Update) -> None:
        """Count, and report."""
        now = self._clock.now()
        for event in update.events:
            if event.kind == "state":
                self._state, self._reason = event.name, event.why
        if isinstance(update, Step):
            self.frames += 1
            with self._lock:
                self._times_s.append(now)
                while now - self._times_s[0] > WINDOW_S:
                    self._times_s.popleft()
                self._depth_ms.append(update.timings_ms.get("depth", 0.0))
        else:
            self._waits += 1
        if now - self._sensed_s >= SENSORS_EVERY_S:
            self._sensed_s = now
            self.reading = self._sensors.read()
        health: dict[str, Any] | None = None
        if now - self._health_s >= HEALTH_EVERY_S:
            self._health_s = now
            health = self.figures()
            if now - self._summary_s >= SUMMARY_EVERY_S:
                self._summary_s = now
                self._log("figures", **health)
        if self._sender is not None:
            running = self.running
            samples = None if running is None else running.controls.mixer.rendered
            lost = running is not None and running.sink.status.lost
            self._sender.send(
                Heartbeat(*self.state(), self.frames, self._waits, samples, lost, health)
            )

    @property
    def stopped(self) -> bool:
        """The present run announced its end."""
        return self._state == State.STOPPED

    def state(self) -> tuple[str, str]:
        """State and reason; a lost sound device outranks what the pipeline sees."""
        if self.running is not None and self.running.sink.status.lost:
            return State.DEGRADED.value, Reason.AUDIO_LOST.value
        return self._state, self._reason

    def snapshot(self) -> Snapshot:
        """For a health endpoint of this process."""
        return Snapshot(*self.state(), {**self.figures(), "frames": self.frames})

    def figures(self) -> dict[str, Any]:
        """Present values by the names in :data:`sonar.service.health.METRICS`, and some more."""
        now = self._clock.now()
        with self._lock:
            recent = [t for t in self._times_s if now - t <= WINDOW_S]
            depth_ms = list(self._depth_ms)
        # Over the window, not between the frames: a source that stopped shows as such.
        span_s = min(WINDOW_S, max(now - recent[0], 1e-3)) if len(recent) > 1 else WINDOW_S
        values: dict[str, Any] = {
            "fps": round(len(recent) / span_s, 2),
            "depth_ms": round(float(np.median(depth_ms)), 2) if depth_ms else None,
            "temperature_c": self.reading.temperature_c,
            "battery_percent": self.reading.battery_percent,
            "memory_mb": self.reading.memory_mb,
            "memory_available_mb": self.reading.available_mb,
            "cpu_percent": self.reading.cpu_percent,
            "rate_hz": None if self.governor is None else round(self.governor.rate_hz, 2),
        }
        if self.running is not None:
            source, status = self.running.source, self.running.sink.status
            values |= {
                "engine": self.running.engine.label,
                "dropped": source.dropped,
                "source": source.label,
                "xruns": status.gaps,
                "sound_reopened": status.reopened,
                "sound_lost": status.lost,
            }
            # A recording's frames are as old as the recording says.
            if source.live and status.ages_s.size:
                ages_ms = np.percentile(1000.0 * status.ages_s, [50, 95, 99]).round(1).tolist()
                names = ("age_ms", "age_p95_ms", "age_p99_ms")
                values |= dict(zip(names, ages_ms, strict=True))
        return {key: value for key, value in values.items() if value is not None}

    def close(self) -> None:
        """No more heartbeats."""
        if self._sender is not None:
            self._sender.close()
