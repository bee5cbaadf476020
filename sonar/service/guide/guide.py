"""The guiding process: the whole product without screen or keyboard.

``sonar run --headless`` ends up here, alone or under the supervisor. It logs JSON lines, reports
its progress to the supervisor, ends on SIGTERM within 2 s with its goodbye, and on SIGHUP takes
the configuration anew, if that is right and its model opens; else the old one stays. Without a
supervisor above it, it has the health endpoint itself.
"""

import contextlib
import faulthandler
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from socket import socket
from typing import Any, NoReturn

from sonar import app
from sonar.audio.cues import PHRASES
from sonar.audio.speech.catalogue import load_utterances
from sonar.config import SonarConfig
from sonar.controls.listen import listening
from sonar.errors import BROKEN, ConfigError, OutputError, SonarError
from sonar.files import expanded
from sonar.pipeline import Consumer
from sonar.ports import Clock, Engine, FrameSource
from sonar.records import Update
from sonar.service.guide.governor import (
    Governor,
    Machine,
    MachineReading,
    MemoryWatch,
    release_soon,
)
from sonar.service.guide.guard import GuardedEngine
from sonar.service.guide.recorder import RING_S, Recorder
from sonar.service.guide.report import Reporter
from sonar.service.health import HealthServer
from sonar.service.heartbeat import supervisor_socket
from sonar.service.logs import JsonLog
from sonar.threads import end_with_parent, run_briefly
from sonar.types import State

GOODBYE_AFTER_S = 0.6  # a loop that has not ended by then hangs: the goodbye is sounded past it
EXIT_AFTER_S = 1.6  # after SIGTERM, whatever still closes

SourceFactory = Callable[[SonarConfig, Clock], FrameSource]
_Plan = tuple[SonarConfig, GuardedEngine, FrameSource]


class Guide:
    """Runs pipelines one after the other until asked to stop; ``running`` is the present one.

    ``load`` reads and checks the configuration; it is called again on SIGHUP. ``leave`` ends the
    process when it does not end by itself in time.
    """

    def __init__(
        self,
        load: Callable[[], SonarConfig],
        clock: Clock,
        log: JsonLog,
        open_source: SourceFactory,
        *,
        open_engine: Callable[[SonarConfig], Engine] = app.open_engine,
        make_sink: Callable[[SonarConfig, Clock], app.SinkFactory] = app.device_sink,
        supervisor: socket | None = None,
        recording_folder: Path | None = None,
        leave: Callable[[int], object] = os._exit,
        sensors: Machine | None = None,
    ) -> None:
        self._load, self._clock, self._log, self._leave = load, clock, log, leave
        self._open_source, self._open_engine, self._make_sink = open_source, open_engine, make_sink
        self.config = load()
        self.reporter = Reporter(clock, log, sensors or Machine(), supervisor)
        self.running: app.Running | None = None
        self.recorder = self._start_recorder(recording_folder)
        self._engine: GuardedEngine | None = None
        self._next: _Plan | None = None
        self._memory, self._reading = MemoryWatch(), MachineReading()
        self._speech_lost = False
        self._stopping, self._over = threading.Event(), threading.Event()
        self._reload_asked, self._preparing = threading.Event(), False

    def run(self) -> int:
        """Guide until stopped; returns the exit code. Raises SonarError when it cannot start."""
        plan: _Plan | None = self._plan(self.config)
        while plan is not None:
            running, consumers = self._assemble(*plan)
            self.running = running
            if self._stopping.is_set():
                running.pipeline.stop()
            with listening(running.controls, self.config.controls) as notes:
                for problem in notes:
                    self._log("controls", level="warning", problem=problem)
                outcome = running.run(*consumers)
            for key, times in running.pipeline.timings.items():
                self._log("timing", stage=key, ms=times)
            plan, self._next = self._next, None
            self._preparing = False
            if self._stopping.is_set():
                break
            release_soon()  # what the run left behind
        if self.recorder is not None:
            self.recorder.close()
        if plan is not None:  # asked to stop before it began
            plan[1].close()
        self._log("ended", frames=self.reporter.frames)
        self._over.set()
        if self._stopping.is_set():
            return 0
        if self._engine is not None and self._engine.broken:
            return BROKEN
        if outcome.error is not None:
            self._log("failed", level="error", problem=str(outcome.error))
            return outcome.error.exit_code
        return 0

    def stop(self) -> None:
        """Ask it to end with its goodbye; for signal handlers and other threads."""
        if not self._stopping.is_set():
            self._stopping.set()
            if self.running is not None:
                self.running.pipeline.stop()
            run_briefly("goodbye", self._see_it_end)

    def reload(self) -> None:
        """Ask it to read its configuration again."""
        self._reload_asked.set()

    def keep(self, why: str) -> bool:
        """Keep the recording of the last minutes; answers by sound, and whether there is one."""
        kept = self.recorder is not None and self.recorder.keep(why)
        self._announce("confirm" if kept else "refused")
        return kept

    def _see_it_end(self) -> None:
        """A loop that hangs still says goodbye, and the process ends in time."""
        if self._over.wait(GOODBYE_AFTER_S):
            return
        if self.reporter.state()[0] != State.STOPPED:
            self._announce("stopped")
        if not self._over.wait(EXIT_AFTER_S - GOODBYE_AFTER_S):
            self._log("ended_in_haste", level="warning")
            self._leave(0)

    # -- consuming the steps (in the pipeline's thread) ----------------------------------------

    def _consume(self, update: Update) -> None:
        """Events become log lines; after each step, what is due is done."""
        for event in update.events:
            fields = event.model_dump(mode="json", exclude={"schema_"}, exclude_none=True)
            kind, media_t = fields.pop("kind"), fields.pop("t")
            level = "warning" if kind == "state" and event.name == State.DEGRADED else "info"
            self._log(kind, level=level, media_t=media_t, **fields)
        self.reporter.consume(update)
        running, engine = self.running, self._engine
        if running is None or engine is None:
            return
        if self.reporter.reading is not self._reading:
            self._reading = self.reporter.reading
            self._check_memory()
            if (lost := running.speech.status.lost) and not self._speech_lost:
                self._speech_lost = True
                self._log("speech_lost", level="warning", problem=lost)
                running.controls.announce_speech_lost()
        if engine.broken:
            running.pipeline.stop()
        if self._reload_asked.is_set() and not self._preparing:
            self._reload_asked.clear()
            self._preparing = True
            run_briefly("reload", self._prepare)

    def _check_memory(self) -> None:
        """Where memory runs short, record nothing and give back what is free."""
        now = self._clock.now()
        if self._memory.has_grown(self._reading, now):
            release_soon()
        if not self._memory.update(self._reading, now):
            return
        low, available_mb = self._memory.low, self._reading.memory_available_mb
        event = "memory_low" if low else "memory_well"
        self._log(event, level="warning", available_mb=available_mb)
        if self.recorder is not None:
            self.recorder.pause(low)
        if low:
            release_soon()
            self._announce("degraded", "state_memory_low")

    def _warn(self, what: str) -> None:
        self._log("governor", level="warning", what=what)
        self._announce("battery_low" if what == "battery_low" else "degraded", f"state_{what}")

    def _announce(self, earcon: str, phrase: str = "") -> None:
        if self.running is not None:
            self.running.controls.mixer.announce(earcon, *({phrase} & PHRASES.keys()))

    # -- making and changing runs --------------------------------------------------------------

    def _plan(self, config: SonarConfig) -> _Plan:
        """What a run needs. Raises SonarError for a wrong model, source or language."""
        load_utterances(config.speech)
        source = self._open_source(config, self._clock)
        limit_s = config.service.inference_timeout_s
        engine = GuardedEngine(self._open_engine(config), self._clock, self._log, limit_s)
        return config, engine, source

    def _assemble(
        self, config: SonarConfig, engine: GuardedEngine, source: FrameSource
    ) -> tuple[app.Running, list[Consumer]]:
        make_sink = self._make_sink(config, self._clock)
        try:
            running = app.assemble(config, source, make_sink, clock=self._clock, engine=engine)
        except BaseException:
            engine.close()
            raise
        running.controls.on_keep = lambda: self.keep("button")
        self.config, self._speech_lost = config, False
        self._engine, self.reporter.running, self.reporter.governor = engine, running, None
        consumers: list[Consumer] = [self._consume]
        if self.recorder is not None:
            consumers.append(self.recorder.consume)
        if config.service.governor.enabled and source.live:
            governor = Governor(self._clock, lambda: self.reporter.reading, self._warn)
            self.reporter.governor = governor
            consumers.append(governor.consume)  # the last, since it waits
        return running, consumers

    def _prepare(self) -> None:
        """In a thread, while the old run guides on: read and check the new configuration."""
        running = self.running  # what it stops; never a later one
        plan: _Plan | None = None
        try:
            plan = self._plan(self._load())
        except SonarError as error:
            self._log("reload_refused", level="error", problem=str(error))
            self._announce("refused")
        finally:
            self._preparing = plan is not None  # until it is taken: what is asked now comes after
        if plan is not None and running is not None:
            self._log("reloaded", source=plan[2].label, engine=plan[1].label)
            self._next = plan
            running.pipeline.stop()

    def _start_recorder(self, usual: Path | None) -> Recorder | None:
        config = self.config.service.recording
        try:
            folder = expanded(config.folder) if config.folder else usual
            if folder is not None and config.enabled:
                self._log("recording", level="warning", folder=str(folder), ring_s=RING_S)
                return Recorder(config, folder, self._clock, self._log)
        except (OutputError, ConfigError) as error:  # the sound matters, not the recording
            self._log("recording_off", level="error", problem=str(error))
        return None


def main(
    load: Callable[[], SonarConfig], open_source: SourceFactory, clock: Clock, **parts: Any
) -> NoReturn:
    """Guide as this process, and end it with the exit code; ``parts`` go to :class:`Guide`.

    Raises ConfigError when the configuration is wrong.
    """
    faulthandler.enable()
    log = JsonLog("guide", clock)
    logging.getLogger("sonar").addHandler(log)
    logging.getLogger("sonar").propagate = False
    supervisor = supervisor_socket()
    if supervisor is not None:
        # Without its supervisor nobody would sound a failure of this process: say goodbye and end;
        # systemd starts both anew.
        end_with_parent(os.getppid(), signal.SIGTERM)
    guide = Guide(load, clock, log, open_source, supervisor=supervisor, **parts)
    signal.signal(signal.SIGHUP, lambda *_: guide.reload())
    signal.signal(signal.SIGUSR1, lambda *_: guide.keep("button"))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: guide.stop())
    if supervisor is None:  # the supervisor has its own
        HealthServer.start(guide.config.service.health_port, guide.reporter.snapshot, log)
    code = 1
    try:
        code = guide.run()
    except SonarError as error:
        log("cannot_start", level="error", problem=str(error), code=error.exit_code)
        code = error.exit_code
    except Exception:  # whatever it is, the log has it: there is no screen
        log("crashed", level="error", problem=traceback.format_exc())
    finally:
        # Threads that were left behind in a driver or a network must not hold up the end.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
