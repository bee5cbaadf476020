"""What a guide reports of itself: its heartbeat, and figures."""

from collections import deque
from dataclasses import asdict
from socket import socket
from typing import Any

import numpy as np

from sonar import app
from sonar.ports import Clock
from sonar.records import Step, Update
from sonar.service.guide.governor import Governor, Machine, MachineReading
from sonar.service.health import Snapshot
from sonar.service.heartbeat import Heartbeat
from sonar.service.logs import JsonLog
from sonar.types import Reason, State

WINDOW_S = 5.0  # over which the frame rate is counted
SENSORS_EVERY_S, HEALTH_EVERY_S, SUMMARY_EVERY_S = 2.0, 1.0, 60.0


class Reporter:
    """Counts the steps of all runs in this process and reports after each.

    ``running`` is the present run, ``reading`` the last of the machine.
    """

    def __init__(
        self, clock: Clock, log: JsonLog, sensors: Machine, supervisor: socket | None
    ) -> None:
        self.running: app.Running | None = None
        self.governor: Governor | None = None
        self.frames = 0
        self.reading = MachineReading()
        self._clock, self._log = clock, log
        self._sensors, self._supervisor = sensors, supervisor
        self._state, self._reason = State.LOADING.value, ""
        self._waits = 0  # updates without a frame
        self._sensed_s = self._health_s = float("-inf")
        self._summary_s = clock.now()
        # When each frame came, and its depth in ms; the health endpoint's thread copies it.
        self._frames: deque[tuple[float, float]] = deque(maxlen=200)

    def consume(self, update: Update) -> None:
        """Count, and report."""
        now = self._clock.now()
        for event in update.events:
            if event.kind == "state":
                self._state, self._reason = event.name, event.why
        if isinstance(update, Step):
            self.frames += 1
            self._frames.append((now, update.timings_ms.get("depth", 0.0)))
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
        if self._supervisor is not None:
            samples = None if self.running is None else self.running.controls.mixer.rendered
            lost = self._sound_lost
            new = Heartbeat(*self.state(), self.frames, self._waits, samples, lost, health)
            new.send(self._supervisor)

    def state(self) -> tuple[str, str]:
        """State and reason; a lost sound device outranks what the pipeline sees."""
        if self._sound_lost:
            return State.DEGRADED.value, Reason.AUDIO_LOST.value
        return self._state, self._reason

    @property
    def _sound_lost(self) -> bool:
        return self.running is not None and self.running.sink.status.lost

    def snapshot(self) -> Snapshot:
        """For the health endpoint."""
        return Snapshot(*self.state(), {**self.figures(), "frames": self.frames})

    def figures(self) -> dict[str, Any]:
        """Present values by the names in :data:`sonar.service.health.METRICS`, and some more."""
        now = self._clock.now()
        recent = [(t, ms) for t, ms in tuple(self._frames) if now - t <= WINDOW_S]
        # Over the window, not between the frames: a source that stopped shows as such.
        span_s = min(WINDOW_S, max(now - recent[0][0], 1e-3)) if len(recent) > 1 else WINDOW_S
        values: dict[str, Any] = {
            "fps": round(len(recent) / span_s, 2),
            "depth_ms": round(float(np.median([ms for _, ms in recent])), 2) if recent else None,
            **asdict(self.reading),
            "rate_hz": None if self.governor is None else round(self.governor.rate_hz, 2),
        }
        if self.running is not None:
            source, status = self.running.source, self.running.sink.status
            values |= {"engine": self.running.engine.label, "source": source.label}
            values |= {"dropped": source.dropped, "xruns": status.gaps}
            values |= {"sound_reopened": status.reopened, "sound_lost": status.lost}
            # A recording's frames are as old as the recording says.
            if source.live and status.ages_s.size:
                ages_ms = np.percentile(1000.0 * status.ages_s, [50, 95, 99]).round(1).tolist()
                names = ("age_ms", "age_p95_ms", "age_p99_ms")
                values |= dict(zip(names, ages_ms, strict=True))
        return {key: value for key, value in values.items() if value is not None}
