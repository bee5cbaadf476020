"""The guiding process: the whole product without screen or keyboard.

``sonar run --headless`` ends up here, alone or under the supervisor. It logs JSON lines, reports
its progress (to the supervisor, else to systemd), ends on SIGTERM within 2 s with its goodbye,
and on SIGHUP takes the configuration anew, if that is right and its model opens; else the old
one stays.
"""

import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from sonar import app
from sonar.config import SonarConfig
from sonar.controls.listen import listening
from sonar.errors import ConfigError, OutputError, SonarError
from sonar.files import expanded
from sonar.pipeline import Consumer
from sonar.ports import Clock
from sonar.records import Event, Update
from sonar.service.guide.recorder import RING_S, Recorder
from sonar.service.guide.report import Reporter
from sonar.service.guide.runs import (
    EngineFactory,
    Run,
    SinkMaker,
    SourceFactory,
    Workshop,
    device_sink,
)
from sonar.service.guide.steering import Steering
from sonar.service.heartbeat import HeartbeatSender
from sonar.service.logs import JsonLog
from sonar.service.machine import Machine, Sensors, release_soon
from sonar.service.notify import Notifier
from sonar.threads import GuardedThread, run_briefly
from sonar.types import State

GOODBYE_AFTER_S = 0.6  # a loop that has not ended by then hangs: the goodbye is sounded past it
EXIT_AFTER_S = 1.6  # after SIGTERM, whatever still closes
BROKEN = 1  # exit code when only a new process helps


class Guide:
    """Runs pipelines one after the other until asked to stop.

    Args:
        load: reads and checks the configuration; called again on SIGHUP.
        leave: ends the process when it does not end by itself in time.
        open_source, open_engine, make_sink: what to run with; the installed product by default.
        sensors: of heat, battery and memory; this machine's by default.

    Attributes:
        config: the one in force.
        reporter: counts and reports.
    """

    def __init__(
        self,
        load: Callable[[], SonarConfig],
        clock: Clock,
        log: JsonLog,
        open_source: SourceFactory,
        *,
        open_engine: EngineFactory = app.open_engine,
        make_sink: SinkMaker = device_sink,
        sender: HeartbeatSender | None = None,
        notifier: Notifier | None = None,
        recording_folder: Path | None = None,
        leave: Callable[[int], object] = os._exit,
        sensors: Sensors | None = None,
    ) -> None:
        self._leave = leave
        self._load = load
        self._log = log
        self._clock = clock
        self._workshop = Workshop(clock, log, open_source, open_engine, make_sink)
        self._notifier = notifier or Notifier(clock, {})
        self._recording_folder = recording_folder
        self.config = load()
        self._steering = Steering(clock, log, open_engine)
        self.reporter = Reporter(
            clock, log, sensors or Machine(), sender, self._notifier, self._steering.sensed
        )
        self._recorder: Recorder | None = None
        self._run: Run | None = None
        self._next: Run | None = None
        self._stopping = threading.Event()
        self._over = threading.Event()
        self._leaving = threading.Event()  # this run: it is to end
        self._reload_asked = threading.Event()
        self._reloading: GuardedThread | None = None
        self._hangs = False

    # -- the life of the process ---------------------------------------------------------------

    def run(self) -> int:
        """Guide until stopped; returns the exit code. Raises SonarError when it cannot start."""
        self._start_recorder()
        run: Run | None = self._build(self.config)
        while run is not None:
            self._run = self.reporter.run = self._steering.run = run
            self._leaving.clear()
            if self._stopping.is_set():
                self._leaving.set()
                run.running.pipeline.stop()
            try:
                with listening(run.running.controls, run.config.controls) as notes:
                    for problem in notes:
                        self._log("controls", level="warning", problem=problem)
                    outcome = run.running.run(*self._consumers())
            finally:
                self.reporter.run_ended(run)
                for key, times in run.running.pipeline.timings.items():
                    self._log("timing", stage=key, ms=times)
            run, self._next = self._next, None
            if run is None:
                break
            self._log("reloaded", source=run.source.label, engine=run.engine.label)
            release_soon()  # what the run before left behind
        self._finish()
        if self._stopping.is_set():
            return 0
        if self._hangs:
            return BROKEN
        if outcome.error is not None:
            self._log("failed", level="error", problem=str(outcome.error))
            return outcome.error.exit_code
        return 0

    def stop(self) -> None:
        """Ask it to end with its goodbye; for signal handlers and other threads."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._leaving.set()
        run = self._run
        if run is not None:
            run.running.pipeline.stop()
        run_briefly("goodbye", self._see_it_end)

    def reload(self) -> None:
        """Ask it to read its configuration again."""
        self._reload_asked.set()

    def keep(self, why: str) -> bool:
        """Keep the recording of the last minutes; answers by sound, and whether there is one."""
        recorder, run = self._recorder, self._run
        kept = recorder is not None and recorder.keep(why)
        if run is not None:
            run.mixer.announce("confirm" if kept else "refused")
        return kept

    # -- consuming the steps (in the pipeline's thread) ----------------------------------------

    def _consumers(self) -> list[Consumer]:
        recorder = [] if self._recorder is None else [self._recorder.consume]
        return [self._consume, self._steering.consume, *recorder]

    def _consume(self, update: Update) -> None:
        """Events become log lines; after each step, what was asked for meanwhile is done."""
        for event in update.events:
            self._write(event)
        self.reporter.consume(update)
        self._see_to_wishes()

    def _write(self, event: Event) -> None:
        fields = event.model_dump(mode="json", exclude={"schema_"}, exclude_none=True)
        kind = fields.pop("kind")
        media_t = fields.pop("t")
        level = "warning" if kind == "state" and event.name == State.DEGRADED else "info"
        self._log(kind, level=level, media_t=media_t, **fields)

    def _see_to_wishes(self) -> None:
        run = self._run
        if run is not None and run.engine.broken and not self._hangs:
            self._hangs = True
            self._log("broken", level="error", problem="the depth network hangs again and again")
            self._leaving.set()
            run.running.pipeline.stop()
        if self._reload_asked.is_set() and not self._stopping.is_set():
            self._reload_asked.clear()
            if self._reloading is None or not self._reloading.is_alive():
                self._reloading = run_briefly("reload", self._prepare)

    # -- making, changing and ending ----------------------------------------------------------

    def _build(self, config: SonarConfig) -> Run:
        return self._workshop.build(config, self._leaving, self.keep)

    def _prepare(self) -> None:
        """In a thread, while the old run guides on: read, check and build the new one."""
        self._notifier.reloading()
        try:
            config = self._load()
            run = self._build(config)
        except SonarError as error:
            self._log("reload_refused", level="error", problem=str(error))
            if self._run is not None:
                self._run.mixer.announce("refused")
            self._notifier.reloaded()
            return
        self.config = config
        self._steering.reset()
        self.reporter.reset()
        self._next = run
        old = self._run
        if old is not None and not self._stopping.is_set():
            old.sink.retire()
            self._leaving.set()
            old.running.pipeline.stop()
        self._notifier.reloaded()

    def _start_recorder(self) -> None:
        config = self.config.service.recording
        if not config.enabled:
            return
        try:
            folder = expanded(config.folder) if config.folder else self._recording_folder
            if folder is None:
                return
            self._recorder = Recorder(config, folder, self._clock, self._log)
        except (OutputError, ConfigError) as error:  # the sound matters, not the recording
            self._log("recording_off", level="error", problem=str(error))
            return
        self._steering.recorder = self._recorder
        self._log("recording", level="warning", folder=str(folder), ring_s=RING_S)

    def _see_it_end(self) -> None:
        """A loop that hangs still says goodbye, and the process ends in time."""
        if self._over.wait(GOODBYE_AFTER_S):
            return
        run = self._run
        if run is not None and not self.reporter.stopped:
            run.mixer.announce("stopped")
        if not self._over.wait(EXIT_AFTER_S - GOODBYE_AFTER_S):
            self._log("ended_in_haste", level="warning")
            self._leave(0)

    def _finish(self) -> None:
        with ExitStack() as stack:  # the last first; one that fails skips none
            stack.callback(self._over.set)
            stack.callback(lambda: self._log("ended", frames=self.reporter.frames))
            stack.callback(self.reporter.close)
            if self._recorder is not None:
                stack.callback(self._recorder.close)
