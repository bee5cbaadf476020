"""What a guide does about heat, battery, a slow processor and memory that runs short."""

from sonar.ports import Clock, Engine
from sonar.records import Step, Update
from sonar.service.guide.governor import ChangeMeter
from sonar.service.guide.recorder import Recorder
from sonar.service.guide.runs import EngineFactory, Run
from sonar.service.logs import JsonLog
from sonar.service.machine import MachineReading, MemoryWatch, release_soon

WARNINGS = {
    "battery_low": ("battery_low", "state_battery_low"),
    "hot": ("degraded", "state_hot"),
    "slow": ("degraded", "state_slow"),
    "memory_low": ("degraded", "state_memory_low"),
}


class Steering:
    """Consumes the steps of a run; gives way where the machine cannot go on as it did, and says so.

    Attributes:
        run: the one to steer, None between runs.
        recorder: paused while memory is short; None where nothing is recorded.
    """

    def __init__(self, clock: Clock, log: JsonLog, open_engine: EngineFactory) -> None:
        self.run: Run | None = None
        self.recorder: Recorder | None = None
        self._clock, self._log = clock, log
        self._reading = MachineReading()
        self._open_engine = open_engine
        self._change = ChangeMeter()
        self._memory = MemoryWatch()
        self._eco = False

    def reset(self) -> None:
        """Another configuration is in force: its own model is used."""
        self._eco = False

    def consume(self, update: Update) -> None:
        """After every frame: the governor's turn."""
        run = self.run
        if run is None or run.governor is None or not isinstance(update, Step):
            return
        reading = self._reading
        run.governor.sensors(
            reading.temperature_c, reading.battery_percent if reading.discharging else None
        )
        work_s = (update.timings_ms["total"] - update.timings_ms.get("capture", 0.0)) / 1000.0
        change = self._change.update(update.frame)
        budget = run.governor.update(update.scene, change, work_s, self._clock.now())
        run.source.rate_limit_hz = budget.rate_hz
        if budget.eco != self._eco:
            self._change_model(run, budget.eco)
        for what in budget.warnings:
            self._log("governor", level="warning", what=what, rate_hz=round(budget.rate_hz, 1))
            _announce(run, what)

    def sensed(self, reading: MachineReading) -> None:
        """After the machine's sensors were read: the memory's turn."""
        self._reading, now = reading, self._clock.now()
        if self._memory.has_grown(reading, now):
            release_soon()
        if not self._memory.update(reading, now):
            return
        low = self._memory.low
        self._log(
            "memory_low" if low else "memory_well",
            level="warning" if low else "info",
            available_mb=reading.available_mb,
            recording=None if self.recorder is None else ("paused" if low else "goes on"),
        )
        if self.recorder is not None:
            self.recorder.pause(low)
        if low:
            release_soon()
            if self.run is not None:
                _announce(self.run, "memory_low")

    def _change_model(self, run: Run, eco: bool) -> None:
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

        def reopen() -> Engine:
            return self._open_engine(config)

        run.engine.change(reopen)


def _announce(run: Run, what: str) -> None:
    from sonar.audio.cues import PHRASES

    earcon, phrase = WARNINGS[what]
    run.mixer.announce(earcon, *([phrase] if phrase in PHRASES else []))
