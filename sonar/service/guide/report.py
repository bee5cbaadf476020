"""What a guide reports of itself: its heartbeat, or readiness and progress to systemd; figures."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.ports import Clock
from sonar.records import Step, Update
from sonar.service.guide.runs import Run
from sonar.service.health import Snapshot
from sonar.service.heartbeat import Heartbeat, HeartbeatSender
from sonar.service.logs import JsonLog
from sonar.service.machine import MachineReading, Sensors
from sonar.service.notify import Notifier
from sonar.types import Reason, State

WINDOW_S = 5.0  # over which the frame rate is counted
SENSORS_EVERY_S, HEALTH_EVERY_S, SUMMARY_EVERY_S = 2.0, 1.0, 60.0


class Reporter:
    """Counts the steps of all runs in this process and reports after each.

    Args:
        sender: to the supervisor; None reports to systemd.
        sensed: called with each new reading of the machine.

    Attributes:
        run: the present one.
        frames: processed since the process started.
        reading: the last of the machine.
    """

    def __init__(
        self,
        clock: Clock,
        log: JsonLog,
        sensors: Sensors,
        sender: HeartbeatSender | None,
        notifier: Notifier,
        sensed: Callable[[MachineReading], None],
    ) -> None:
        self.run: Run | None = None
        self.frames = 0
        self.reading = MachineReading()
        self._state, self._reason = State.LOADING.value, ""
        self._clock, self._log, self._sensors = clock, log, sensors
        self._sender, self._notifier, self._sensed = sender, notifier, sensed
        self._posted = 0  # cues of runs that are over
        self._sensed_s = self._health_s = float("-inf")
        self._summary_s = clock.now()
        self._speech_lost = False
        self._lock = threading.Lock()  # the health endpoint asks from its own thread
        self._times_s: deque[float] = deque()
        self._depth_ms: deque[float] = deque(maxlen=200)

    def consume(self, update: Update) -> None:
        """Count, and report."""
        for event in update.events:
            if event.kind == "state":
                self._state, self._reason = event.name, event.why
        if isinstance(update, Step):
            now = self._clock.now()
            self.frames += 1
            with self._lock:
                self._times_s.append(now)
                while now - self._times_s[0] > WINDOW_S:
                    self._times_s.popleft()
                self._depth_ms.append(update.timings_ms.get("depth", 0.0))
        self._report()

    def run_ended(self, run: Run) -> None:
        """Its cues count on."""
        self._posted += run.sink.posted

    def reset(self) -> None:
        """Another configuration is in force: a loss of speech is announced anew."""
        self._speech_lost = False

    @property
    def stopped(self) -> bool:
        """The present run announced its end."""
        return self._state == State.STOPPED

    def state(self) -> tuple[str, str]:
        """State and reason; a lost sound device outranks what the pipeline sees."""
        if self.run is not None and self.run.sink.lost:
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
        }
        if self.run is not None:
            values |= _figures_of(self.run)
        return {key: value for key, value in values.items() if value is not None}

    def close(self) -> None:
        """No more heartbeats."""
        if self._sender is not None:
            self._sender.close()
        self._notifier.stopping()

    def _report(self) -> None:
        now, run = self._clock.now(), self.run
        if now - self._sensed_s >= SENSORS_EVERY_S:
            self._sensed_s = now
            self.reading = self._sensors.read()
            self._sensed(self.reading)
        health: dict[str, Any] | None = None
        if now - self._health_s >= HEALTH_EVERY_S:
            self._health_s = now
            health = self.figures()
            if now - self._summary_s >= SUMMARY_EVERY_S:
                self._summary_s = now
                self._log("figures", **health)
            self._check_speech()
        posted = self._posted + (0 if run is None else run.sink.posted)
        state, reason = self.state()
        heartbeat = Heartbeat(
            state=state,
            reason=reason,
            frames=self.frames,
            waits=max(0, posted - self.frames),
            samples=None if run is None else run.mixer.rendered,
            reopening=run is not None and run.sink.lost,
            health=health,
        )
        if self._sender is not None:
            self._sender.send(heartbeat)
        elif state in ("guiding", "degraded"):
            self._notifier.ready()
            if not heartbeat.reopening:
                self._notifier.progress()
            self._notifier.status(f"{state} {reason}".strip())

    def _check_speech(self) -> None:
        """A loss of speech is announced once, by tone; the tones go on without it."""
        lost = None if self.run is None else self.run.running.speech.status.lost
        if self.run is not None and lost and not self._speech_lost:
            self._speech_lost = True
            self._log("speech_lost", level="warning", problem=lost)
            self.run.mixer.announce("degraded", "unknown_speech_lost")


def _figures_of(run: Run) -> dict[str, Any]:
    status = run.sink.status
    figures: dict[str, Any] = {
        "dropped": run.source.dropped,
        "engine_restarts": run.engine.restarts,
        "engine": run.engine.label,
        "source": run.source.label,
        "xruns": status.gaps,
        "sound_reopened": status.reopened,
        "sound_lost": status.lost,
    }
    if run.source.live:  # a recording's frames are as old as the recording says
        figures |= age_quantiles(status.ages_s)
    if run.governor is not None and run.source.rate_limit_hz != float("inf"):
        figures["rate_hz"] = round(run.source.rate_limit_hz, 2)
    return figures


def age_quantiles(seconds: NDArray[np.float64]) -> dict[str, float]:
    """Quantiles of frame-to-sound ages, milliseconds; empty where there are none."""
    if seconds.size == 0:
        return {}
    quantiles = 1000.0 * np.percentile(seconds, [50, 95, 99])
    names = ("age_ms", "age_p95_ms", "age_p99_ms")
    return {name: round(float(ms), 1) for name, ms in zip(names, quantiles, strict=True)}
