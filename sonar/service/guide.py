"""The guiding process: the whole product without screen or keyboard.

``sonar run --headless`` ends up here, alone or under the supervisor. It logs JSON lines, tells
its progress (to the supervisor, else to systemd), ends on SIGTERM within 2 s with its goodbye,
and on SIGHUP takes the configuration anew, if that is right and its model opens; else the old
one stays.
"""

import contextlib
import ctypes
import faulthandler
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from sonar import app
from sonar.audio.listen import listening
from sonar.config import SonarConfig
from sonar.errors import OutputError, SonarError
from sonar.ports import AudioSink, Clock, DepthEngine, FrameSource, Observer
from sonar.records import Event, FrameRecord
from sonar.service.beats import Beat, BeatSender
from sonar.service.board import Board, ages
from sonar.service.governor import ChangeMeter, Governor
from sonar.service.guard import GuardedEngine
from sonar.service.health import HealthServer, Snapshot
from sonar.service.logs import JsonLog
from sonar.service.notify import Notifier
from sonar.service.recorder import Recorder
from sonar.service.stages import WatchedSink, WatchedSource
from sonar.types import DepthMap, Frame, Reason, Scene, State

if TYPE_CHECKING:
    from sonar.audio.mixer import Mixer

GOODBYE_AFTER_S = 0.6  # a loop that has not ended by then hangs: the goodbye is sounded past it
EXIT_AFTER_S = 1.6  # after SIGTERM, whatever still closes
HEALTH_EVERY_S = 1.0
SUMMARY_EVERY_S = 60.0
BROKEN = 1  # exit code when only a new process helps
TELLS = {
    "battery_low": ("battery_low", "state_battery_low"),
    "hot": ("degraded", "state_hot"),
    "slow": ("degraded", "state_slow"),
}

SourceFactory = Callable[[SonarConfig, Clock], FrameSource]
EngineFactory = Callable[[SonarConfig], DepthEngine]
SinkMaker = Callable[[SonarConfig, Clock, "Mixer"], AudioSink]


def device_sink(config: SonarConfig, clock: Clock, mixer: "Mixer") -> AudioSink:
    """The configured sound device."""
    return app.device_sink(config, clock)(mixer)


@dataclass
class _Run:
    """One pipeline and what is around it; a reload makes another."""

    config: SonarConfig
    running: app.Running
    engine: GuardedEngine
    source: WatchedSource
    sink: WatchedSink
    mixer: "Mixer"
    governor: Governor | None


class Guide:
    """Runs pipelines one after the other until told to stop.

    Args:
        load: reads and checks the configuration; called again on SIGHUP.
        leave: ends the process when it does not end by itself in time.
        open_source, open_engine, make_sink: what to run with; the installed product by default.
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
        sender: BeatSender | None = None,
        notifier: Notifier | None = None,
        recording_folder: Path | None = None,
        leave: Callable[[int], object] = os._exit,
    ) -> None:
        self._leave = leave
        self._load = load
        self._clock = clock
        self._log = log
        self._open_source, self._open_engine = open_source, open_engine
        self._make_sink = make_sink
        self._sender = sender
        self._notifier = notifier or Notifier(clock, {})
        self._recording_folder = recording_folder
        self._config = load()
        self.board = Board(clock)
        self.board.extra = self._more_figures
        self._recorder: Recorder | None = None
        self._run: _Run | None = None
        self._next: _Run | None = None
        self._stopping = threading.Event()
        self._over = threading.Event()
        self._leaving = threading.Event()  # this run: it is to end
        self._reload_asked = threading.Event()
        self._reloading: threading.Thread | None = None
        self._posted = 0  # cues of runs that are over
        self._change = ChangeMeter()
        self._health_s = float("-inf")
        self._summary_s = clock.now()
        self._eco = False
        self._speech_told = False
        self._hangs = False

    # -- the life of the process ---------------------------------------------------------------

    def run(self) -> int:
        """Guide until stopped; returns the exit code. Raises SonarError when it cannot start."""
        self._start_recorder()
        run: _Run | None = self._build(self._config)
        while run is not None:
            self._run = run
            self._leaving.clear()
            if self._stopping.is_set():
                self._leaving.set()
                run.running.pipeline.stop()
            try:
                with listening(run.running.controls, run.config.controls) as notes:
                    for problem in notes:
                        self._log("controls", level="warning", problem=problem)
                    outcome = run.running.pipeline.run()
            finally:
                self._posted += run.sink.posted
                for key, times in run.running.pipeline.timings.items():
                    self._log("timing", stage=key, ms=times)
            run, self._next = self._next, None
            if run is None:
                break
            self._log("reloaded", source=run.source.label, engine=run.engine.label)
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
        threading.Thread(target=self._see_it_end, name="goodbye", daemon=True).start()

    def reload(self) -> None:
        """Ask it to read its configuration again."""
        self._reload_asked.set()

    def keep(self, why: str) -> None:
        """Keep the recording of the last minutes, if there is one."""
        if self._recorder is not None:
            self._recorder.keep(why)
        run = self._run
        if run is not None:
            run.mixer.tell("confirm" if self._recorder is not None else "refused")

    def snapshot(self) -> Snapshot:
        """For a health endpoint of this process."""
        figures = {**self.board.figures(), "frames": self.board.frames}
        return Snapshot(*self._state(), figures, self._clock.now())

    # -- observing the pipeline (its thread) ---------------------------------------------------

    def on_frame(
        self, record: FrameRecord, frame: Frame, depth: DepthMap | None, scene: Scene
    ) -> None:
        """After every picture: the governor's turn."""
        run = self._run
        if run is None or run.governor is None:
            return
        battery = self.board.battery
        run.governor.sensors(
            self.board.temperature_c,
            battery.percent if battery is not None and battery.discharging else None,
        )
        work_s = (record.latency_ms["total"] - record.latency_ms.get("capture", 0.0)) / 1000.0
        change = self._change.update(frame)
        budget = run.governor.update(scene, change, work_s, self._clock.now())
        run.source.rate_limit_hz = budget.rate_hz
        if budget.eco != self._eco:
            self._change_model(run, budget.eco)
        for what in budget.tell:
            self._log("governor", level="warning", what=what, rate_hz=round(budget.rate_hz, 1))
            self._tell(run, what)

    def on_event(self, event: Event) -> None:
        """State changes, sounds and words, as log lines."""
        fields = event.model_dump(mode="json", exclude={"schema_"}, exclude_none=True)
        kind = fields.pop("kind")
        media_t = fields.pop("t")
        level = "warning" if kind == "state" and event.name == State.DEGRADED else "info"
        self._log(kind, level=level, media_t=media_t, **fields)
        self._beat()

    def _on_post(self) -> None:
        """A cue was handed over: a picture was processed, or a wait in vain told."""
        self._beat()
        run = self._run
        if run is not None and run.engine.broken and not self._hangs:
            self._hangs = True
            self._log("broken", level="error", problem="the depth network hangs again and again")
            self._leaving.set()
            run.running.pipeline.stop()
        if self._reload_asked.is_set() and not self._stopping.is_set():
            self._reload_asked.clear()
            if self._reloading is None or not self._reloading.is_alive():
                self._reloading = threading.Thread(target=self._prepare, name="reload", daemon=True)
                self._reloading.start()

    def _beat(self) -> None:
        now = self._clock.now()
        run = self._run
        health: Mapping[str, Any] | None = None
        if now - self._health_s >= HEALTH_EVERY_S:
            self._health_s = now
            self.board.sense()
            health = self.board.figures()
            if now - self._summary_s >= SUMMARY_EVERY_S:
                self._summary_s = now
                self._log("figures", **health)
            self._check_speech(run)
        posted = self._posted + (0 if run is None else run.sink.posted)
        state, reason = self._state()
        beat = Beat(
            state=state,
            reason=reason,
            frames=self.board.frames,
            told=max(0, posted - self.board.frames),
            samples=None if run is None else run.mixer.rendered,
            regaining=run is not None and run.sink.lost,
            health=None if health is None else dict(health),
        )
        if self._sender is not None:
            self._sender.send(beat)
        elif state in ("guiding", "degraded"):
            self._notifier.ready()
            if not beat.regaining:
                self._notifier.progress()
            self._notifier.status(f"{beat.state} {beat.reason}".strip())

    def _state(self) -> tuple[str, str]:
        """State and reason; a lost sound device outranks what the pipeline sees."""
        if self._run is not None and self._run.sink.lost:
            return State.DEGRADED.value, Reason.AUDIO_LOST.value
        return self.board.state, self.board.reason

    def _more_figures(self) -> dict[str, Any]:
        run = self._run
        if run is None:
            return {}
        figures = {
            "dropped": run.source.dropped,
            "engine_restarts": run.engine.restarts,
            "engine": run.engine.label,
            "source": run.source.label,
            "xruns": getattr(run.sink.inner, "xruns", None),
            "sound_reopened": getattr(run.sink.inner, "reopened", None),
            "sound_lost": run.sink.lost,
            **ages(run.sink.inner),
        }
        if run.governor is not None and run.source.rate_limit_hz != float("inf"):
            figures["rate_hz"] = round(run.source.rate_limit_hz, 2)
        return figures

    def _check_speech(self, run: _Run | None) -> None:
        """Speech that is lost is told once, by tone; the mixer's tones go on without it."""
        if run is None or self._speech_told:
            return
        lost = run.running.speech.status.lost
        if lost:
            self._speech_told = True
            self._log("speech_lost", level="warning", problem=lost)
            run.mixer.tell("degraded", "unknown_speech_lost")

    # -- making, changing and ending ----------------------------------------------------------

    def _build(self, config: SonarConfig) -> _Run:
        """A run that is ready to start but holds neither camera nor sound device."""
        service = config.service
        # The sink is made in start(), when the mixer exists.
        mixers: list[Mixer] = []
        sink = WatchedSink(lambda: self._make_sink(config, self._clock, mixers[0]), self._on_post)

        def with_mixer(mixer: "Mixer") -> AudioSink:
            mixers.append(mixer)
            return sink

        engine = GuardedEngine(
            self._open_engine(config),
            lambda: self._open_engine(config),
            self._clock,
            self._log,
            service.inference_timeout_s,
        )
        try:
            source = WatchedSource(
                self._open_source(config, self._clock), self._clock, self._leaving
            )
            observers: list[Observer] = [self.board, self]
            if self._recorder is not None:
                observers.append(self._recorder)
            running = app.assemble(
                config,
                source,
                with_mixer,
                clock=self._clock,
                observers=observers,
                engine=engine,
            )
        except BaseException:
            engine.close()
            raise
        governor = None
        if service.governor.enabled and source.live:
            governor = Governor(service.governor)
        return _Run(config, running, engine, source, sink, mixers[0], governor)

    def _prepare(self) -> None:
        """In a thread, while the old run guides on: read, check and build the new one."""
        self._notifier.reloading()
        try:
            config = self._load()
            run = self._build(config)
        except SonarError as error:
            self._log("reload_refused", level="error", problem=str(error))
            if self._run is not None:
                self._run.mixer.tell("refused")
            self._notifier.reloaded()
            return
        self._config = config
        self._eco, self._speech_told = False, False
        self._next = run
        old = self._run
        if old is not None and not self._stopping.is_set():
            old.sink.retire()
            self._leaving.set()
            old.running.pipeline.stop()
        self._notifier.reloaded()

    def _change_model(self, run: _Run, eco: bool) -> None:
        self._eco = eco
        name = run.config.service.governor.eco_model
        if name is None:
            return
        config = run.config
        if eco:
            config = config.model_copy(
                update={"engine": config.engine.model_copy(update={"model": name})}
            )
        self._log("model", model=config.engine.model, why="eco" if eco else "recovered")
        run.engine.change(lambda: self._open_engine(config))

    def _tell(self, run: _Run, what: str) -> None:
        from sonar.audio.phrases import PHRASES

        earcon, phrase = TELLS[what]
        run.mixer.tell(earcon, *([phrase] if phrase in PHRASES else []))

    def _start_recorder(self) -> None:
        config = self._config.service.recording
        if not config.enabled:
            return
        folder = Path(config.folder).expanduser() if config.folder else self._recording_folder
        if folder is None:
            return
        try:
            self._recorder = Recorder(config, folder, self._clock, self._log)
        except OutputError as error:  # people walk by the sound, not by the recording
            self._log("recording_off", level="error", problem=str(error))
            return
        self._log("recording", level="warning", folder=str(folder), ring_s=config.ring_s)

    def _see_it_end(self) -> None:
        """A loop that hangs still says goodbye, and the process ends in time."""
        if self._over.wait(GOODBYE_AFTER_S):
            return
        run = self._run
        if run is not None and self.board.state != State.STOPPED:
            run.mixer.tell("stopped")
        if not self._over.wait(EXIT_AFTER_S - GOODBYE_AFTER_S):
            self._log("ended_in_haste", level="warning")
            self._leave(0)

    def _finish(self) -> None:
        if self._recorder is not None:
            self._recorder.close()
        if self._sender is not None:
            self._sender.close()
        self._notifier.stopping()
        self._log("ended", frames=self.board.frames)
        self._over.set()


def main(
    load: Callable[[], SonarConfig],
    open_source: SourceFactory,
    clock: Clock,
    **parts: Any,
) -> NoReturn:
    """Guide as this process: signals, log, health and beats; ends the process with its exit code.

    ``parts`` go to :class:`Guide`. Raises ConfigError when the configuration is wrong.
    """
    faulthandler.enable()
    log = JsonLog("guide", clock)
    _log_warnings_of_the_rooms(log)
    sender = BeatSender.from_environment(clock)
    if sender is not None:
        _die_with_parent()
    notifier = Notifier(clock, {} if sender is not None else None)
    guide = Guide(load, clock, log, open_source, sender=sender, notifier=notifier, **parts)

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            guide.reload()
        elif number == signal.SIGUSR1:
            guide.keep("button")
        else:
            guide.stop()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, on_signal)
    service = guide._config.service
    if sender is None:  # the supervisor has its own
        HealthServer.start(
            service.health_host,
            service.health_port,
            service.health_token_file,
            guide.snapshot,
            log,
        )
    code = 1
    try:
        code = guide.run()
    except Exception as error:
        if not isinstance(error, SonarError):
            log("crashed", level="error", problem=traceback.format_exc())
            _exit_now(1)
        log("cannot_start", level="error", problem=str(error), code=error.exit_code)
        code = error.exit_code
    finally:
        _exit_now(code)


def _exit_now(code: int) -> NoReturn:
    """End this process without tidying up the interpreter: everything is written and closed,
    and threads that were left behind in a driver or a network must not hold it up."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


class _ToJson(logging.Handler):
    def __init__(self, log: JsonLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log(
            "warning", level=record.levelname.lower(), room=record.name, text=record.getMessage()
        )


def _log_warnings_of_the_rooms(log: JsonLog) -> None:
    logging.getLogger("sonar").addHandler(_ToJson(log))
    logging.getLogger("sonar").propagate = False


def _die_with_parent() -> None:
    """Without its supervisor nobody would sound a failure of this process: say goodbye and end;
    systemd starts both anew."""
    parent = os.getppid()
    try:
        ctypes.CDLL(None).prctl(1, int(signal.SIGTERM), 0, 0, 0)  # PR_SET_PDEATHSIG
    except (OSError, AttributeError):  # not Linux
        return
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
