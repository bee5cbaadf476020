"""The loop: order of states, what each failure becomes, and that everything is closed."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
import pytest

from sonar.clock import ManualClock
from sonar.errors import (
    DepthError,
    ModelError,
    OutputError,
    SourceError,
    SourceLost,
)
from sonar.pipeline import Pipeline, Stages
from sonar.ports import SinkStatus, Spoken
from sonar.records import Event, FrameRecord, Step, Update
from sonar.testing.capture import Delay, ScriptedSource
from sonar.testing.depth import FakeEngine
from sonar.types import (
    Band,
    Cue,
    CueKind,
    DepthMap,
    Frame,
    Reason,
    Scene,
    Side,
    State,
    ZoneReading,
)

IMAGE = np.zeros((48, 64, 3), np.uint8)
DEPTH = DepthMap(np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4))


class Zones:
    """Everything is near on the left."""

    def update(self, depth: DepthMap, frame: Frame) -> Scene:
        return Scene(
            frame.id,
            frame.t,
            ZoneReading(Side.LEFT, Band.NEAR, 0.5, distance_m=2.0),
            ZoneReading(Side.CENTER, Band.CLEAR),
            ZoneReading(Side.RIGHT, Band.CLEAR),
            drop_off=False,
        )

    def lost(self, frame_id: int, t: float, reason: Reason) -> Scene:
        return Scene.unknown(frame_id, t, reason)

    def reset(self) -> None:
        pass


class Mapper:
    """States and unknown as earcons, otherwise a pulse on the left."""

    def update(self, scene: Scene) -> Cue:
        if scene.state is not State.GUIDING:
            return Cue(CueKind.EARCON, earcon=scene.state.value, why=scene.state.value)
        return Cue(CueKind.PULSE, pan=-1, rate_hz=2, pitch_hz=800, phrase="near_left", why="near")


@dataclass
class Sink:
    label: str = "fake"
    posted: list[Cue] = field(default_factory=list)
    advanced: list[float] = field(default_factory=list)
    drained: float = 0.0
    closed: bool = False
    fail_after: int | None = None
    fail_start: Exception | None = None
    begun: list[list[Spoken]] = field(default_factory=list)  # by call of ``spoken``
    status: SinkStatus = field(default_factory=SinkStatus)

    def spoken(self) -> list[Spoken]:
        return self.begun.pop(0) if self.begun else []

    def start(self) -> None:
        if self.fail_start:
            raise self.fail_start

    def post(self, cue: Cue) -> None:
        self.posted.append(cue)

    def advance(self, t: float) -> None:
        if self.fail_after is not None and len(self.advanced) >= self.fail_after:
            raise OutputError("the disk is full")
        self.advanced.append(t)

    def drain(self, limit_s: float) -> None:
        self.drained += limit_s

    def close(self) -> None:
        self.closed = True


class Silent:
    closed = False

    def text(self, phrase: str) -> str:
        return f"words of {phrase}"

    def close(self) -> None:
        self.closed = True


@dataclass
class Log:
    frames: list[FrameRecord] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def consume(self, update: Update) -> None:
        self.events.extend(update.events)
        if isinstance(update, Step):
            self.frames.append(update.record())

    def states(self) -> list[tuple[str, str]]:
        return [(e.name, e.why) for e in self.events if e.kind == "state"]


def build(
    source: ScriptedSource,
    *,
    engine: FakeEngine | None = None,
    sink: Sink | None = None,
    clock: ManualClock | None = None,
) -> tuple[Pipeline, Stages, Log]:
    log = Log()
    stages = Stages(
        source=source,
        engine=engine or FakeEngine(DEPTH),
        zones=Zones(),
        mapper=Mapper(),
        sink=sink or Sink(),
        speaker=Silent(),
    )
    return Pipeline(stages, clock or ManualClock(), open_timeout_s=1.0), stages, log


def failing(error: Exception) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_a_recording_goes_from_loading_to_stopped() -> None:
    pipeline, stages, log = build(ScriptedSource([IMAGE] * 3, rate_hz=10))
    outcome = pipeline.run([log.consume])
    assert [name for name, _ in log.states()] == ["loading", "ready", "guiding", "stopped"]
    assert outcome.frames == 3 and outcome.error is None and not outcome.interrupted
    assert [record.frame for record in log.frames] == [0, 1, 2]
    assert [record.t for record in log.frames] == pytest.approx([0, 0.1, 0.2])
    sink = stages.sink
    assert isinstance(sink, Sink)
    # Sound is rendered up to each frame before its cue, and past the last frame at the end.
    assert sink.advanced == pytest.approx([0, 0.1, 0.2, 0.3])
    assert sink.posted[-1].earcon == "stopped" and sink.drained > 0
    assert log.frames[0].zones.left.band is Band.NEAR
    assert log.frames[0].model_dump(by_alias=True)["schema"] == "sonar.frame/1"
    assert set(log.frames[1].latency_ms) == {"capture", "depth", "zones", "audio", "total"}


@pytest.mark.parametrize("broken", ["source", "sink", "engine"])
def test_all_stages_are_closed_when_one_cannot_start(broken: str) -> None:
    error = ModelError("damaged")
    source = ScriptedSource([IMAGE], open_errors=[error] if broken == "source" else [])
    pipeline, stages, _ = build(source, sink=Sink(fail_start=error if broken == "sink" else None))
    if broken == "engine":
        stages.engine.warm_up = failing(error)
    with pytest.raises(ModelError, match="damaged"):
        pipeline.run()
    assert source.closes and stages.sink.closed and stages.engine.closed and stages.speaker.closed


def test_the_engine_is_warm_before_ready() -> None:
    engine = FakeEngine(DEPTH)
    pipeline, _, _ = build(ScriptedSource([IMAGE]), engine=engine)
    warm: dict[str, bool] = {}
    for update in pipeline.steps():
        for event in update.events:
            warm.setdefault(event.name, bool(engine.warmed_up))
    assert engine.warmed_up == [(48, 64)]
    assert warm["loading"] is False and warm["ready"] is True


def test_a_network_that_throws_is_unknown_not_clear_and_recovers() -> None:
    engine = FakeEngine(DEPTH, failures={1: DepthError("NaN")})
    pipeline, _, log = build(ScriptedSource([IMAGE] * 3), engine=engine)
    outcome = pipeline.run([log.consume])
    assert [r.state for r in log.frames] == [State.GUIDING, State.DEGRADED, State.GUIDING]
    bad = log.frames[1]
    assert bad.reason is Reason.DEPTH_FAILED
    assert {bad.zones.left.band, bad.zones.center.band, bad.zones.right.band} == {Band.UNKNOWN}
    assert bad.cue is not None  # heard
    assert outcome.degraded == 1 and outcome.error is None


def test_a_silent_camera_is_heard_and_comes_back() -> None:
    clock = ManualClock(100.0)
    script = [IMAGE, IMAGE, Delay(1.5), IMAGE, IMAGE, SourceLost("unplugged")]
    source = ScriptedSource(script, live=True, clock=clock, rate_hz=10)
    pipeline, stages, log = build(source, clock=clock)
    outcome = pipeline.run([log.consume])
    states = log.states()
    assert ("degraded", "stale") in states
    assert states.index(("degraded", "stale")) < len(states) - 2  # guiding again after it
    assert ("guiding", "") in states[states.index(("degraded", "stale")) :]
    assert isinstance(outcome.error, SourceLost)
    assert ("degraded", "source_lost") in states and states[-1][0] == "stopped"
    # One cue for every wait in vain: the mixer can trust that silence means a hang.
    sink = stages.sink
    assert isinstance(sink, Sink)
    assert sum(cue.earcon == "degraded" for cue in sink.posted) >= 4


def test_a_frame_that_aged_in_the_engine_is_stale() -> None:
    clock = ManualClock(5.0)
    source = ScriptedSource([IMAGE] * 40, live=True, clock=clock, rate_hz=30)

    def slow(_frame: Frame) -> DepthMap:
        clock.sleep(0.8)
        return DEPTH

    engine = FakeEngine(slow)
    pipeline, _, log = build(source, engine=engine, clock=clock)
    pipeline.run([log.consume])
    assert log.frames and all(r.reason is Reason.STALE for r in log.frames)
    assert all(r.zones.center.band is Band.UNKNOWN for r in log.frames)


def test_a_damaged_recording_keeps_what_was_done() -> None:
    script = [IMAGE, IMAGE, SourceError("damaged at 0.1 s"), IMAGE]
    pipeline, stages, log = build(ScriptedSource(script))
    outcome = pipeline.run([log.consume])
    assert outcome.frames == 2 and isinstance(outcome.error, SourceError)
    assert log.states()[-1][0] == "stopped" and stages.sink.closed


def test_a_full_disk_ends_the_run_in_order() -> None:
    pipeline, _, log = build(ScriptedSource([IMAGE] * 5), sink=Sink(fail_after=2))
    outcome = pipeline.run([log.consume])
    assert isinstance(outcome.error, OutputError) and outcome.frames == len(log.frames) == 2


def test_stop_ends_after_the_frame_in_hand() -> None:
    pipeline, _, log = build(ScriptedSource([IMAGE] * 50))

    def stop_at_three(update: Update) -> None:
        if isinstance(update, Step) and update.frame.id == 2:
            pipeline.stop()

    outcome = pipeline.run([log.consume, stop_at_three])
    assert outcome.interrupted and outcome.frames == 3
    assert log.states()[-1][0] == "stopped"


def test_no_frame_at_all_is_an_error_in_time() -> None:
    clock = ManualClock()
    source = ScriptedSource([], live=True, clock=clock, then="silence")
    pipeline, _, _ = build(source, clock=clock)
    with pytest.raises(SourceError):
        pipeline.run()
    assert clock.now() < 5


def test_an_empty_recording_ends_without_a_frame() -> None:
    pipeline, _, log = build(ScriptedSource([]))
    assert pipeline.run([log.consume]).frames == 0
    assert [name for name, _ in log.states()] == ["loading", "stopped"]


def test_speech_and_changes_become_events_once() -> None:
    # The mixer began it a moment after it was asked for.
    sink = Sink(begun=[[], [], [], [Spoken(0.105, "near_left")]])
    pipeline, _, log = build(ScriptedSource([IMAGE] * 4, rate_hz=10), sink=sink)
    pipeline.run([log.consume])
    cues = [e for e in log.events if e.kind == "cue" and e.name == "pulse"]
    assert len(cues) == 1 and cues[0].side == "left" and cues[0].t == 0
    spoken = [e for e in log.events if e.kind == "speech"]
    assert [(e.t, e.text, e.side) for e in spoken] == [(0.105, "words of near_left", "left")]


@pytest.mark.parametrize("error", [OutputError("the disk is full"), RuntimeError("a driver's own")])
def test_a_stage_that_cannot_be_closed_keeps_no_other_open(error: Exception) -> None:
    source = ScriptedSource([IMAGE] * 3)
    pipeline, stages, _ = build(source)
    source.close = failing(error)
    if isinstance(error, OutputError):
        outcome = pipeline.run()
        assert outcome.error is error and outcome.frames == 3
    else:
        with pytest.raises(RuntimeError, match="driver"):
            pipeline.run()
    assert stages.sink.closed and stages.engine.closed and stages.speaker.closed


def test_steps_are_frozen_and_carry_what_belongs_to_their_frame() -> None:
    pipeline, _, _ = build(ScriptedSource([IMAGE] * 3, rate_hz=10))
    updates = list(pipeline.steps())
    steps = [update for update in updates if isinstance(update, Step)]
    assert [step.frame.id for step in steps] == [0, 1, 2]
    assert all(step.depth is DEPTH and step.scene.frame_id == step.frame.id for step in steps)
    assert steps[0].cue.kind is CueKind.PULSE and steps[0].timings_ms["total"] >= 0.0
    assert [event.kind for event in steps[0].events] == ["state", "cue"]
    assert [update.scene.state.value for update in updates if not isinstance(update, Step)] == [
        "loading",
        "ready",
        "stopped",
    ]
    with pytest.raises(AttributeError):
        steps[0].scene = updates[0].scene


@pytest.mark.parametrize("how", ["break", "exception", "interrupt"])
def test_whoever_takes_no_more_steps_closes_everything_and_says_goodbye(how: str) -> None:
    source = ScriptedSource([IMAGE] * 50, rate_hz=10)
    pipeline, stages, _ = build(source)
    error = {"exception": ZeroDivisionError, "interrupt": KeyboardInterrupt}.get(how, Exception)

    def take() -> None:
        with closing(pipeline.steps()) as steps:
            for update in steps:
                if isinstance(update, Step) and update.frame.id == 3:
                    if how == "break":
                        break
                    raise error

    if how == "break":
        take()
    else:
        with pytest.raises(error):
            take()
    assert source.closes and stages.sink.closed and stages.engine.closed and stages.speaker.closed
    sink = stages.sink
    assert isinstance(sink, Sink)
    assert sink.posted[-1].earcon == "stopped" and sink.drained > 0


def test_a_consumer_that_fails_ends_the_run_in_order() -> None:
    pipeline, stages, log = build(ScriptedSource([IMAGE] * 5))

    def full(update: Update) -> None:
        if isinstance(update, Step) and update.frame.id == 1:
            raise OutputError("the disk is full")

    outcome = pipeline.run([log.consume, full])
    assert isinstance(outcome.error, OutputError) and outcome.frames == 2
    assert log.states()[-1][0] == "stopped" and stages.sink.closed
