"""The loop: capture -> depth -> zones -> audio.

It knows protocols only. What fails in a stage becomes an unknown scene, and is heard.
"""

import math
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass

from sonar.clock import StageTimer
from sonar.errors import DepthError, SonarError, SourceLost, SourceTimeout
from sonar.ports import AudioSink, Clock, CueMapper, Engine, FrameSource, Speaker, ZoneAnalyzer
from sonar.records import Event, Step, Update, side_of
from sonar.types import Cue, CueKind, DepthMap, Frame, Reason, Scene, State

GOODBYE_S = 0.8  # longest wait for the last sound
READ_TIMEOUT_S = 0.4  # without a frame for so long it is heard: nothing is silent for a second

Consumer = Callable[[Update], None]


@dataclass(frozen=True)
class Stages:
    """What the pipeline drives; see :mod:`sonar.ports`."""

    source: FrameSource
    engine: Engine
    zones: ZoneAnalyzer
    mapper: CueMapper
    sink: AudioSink
    speaker: Speaker


@dataclass
class Outcome:
    """How a run went."""

    frames: int = 0
    degraded: int = 0  # frames, or waits between them, of which nothing was known
    end_t: float | None = None  # source time of the last frame in seconds
    shown_s: float = 0.0  # how long that is shown: its own duration, else the source's period
    error: SonarError | None = None  # what ended the run early
    interrupted: bool = False  # somebody asked it to stop

    @contextmanager
    def keep_error(self) -> Iterator[None]:
        """An error ends this part of the run only: a damaged recording, a full disk."""
        try:
            yield
        except SonarError as error:
            self.error = self.error or error


class Pipeline:
    """One run from loading to stopped; make a new one for each.

    It waits ``open_timeout_s`` for the first frame; a live frame older than ``max_frame_age_s``
    says nothing of now.
    """

    def __init__(
        self,
        stages: Stages,
        clock: Clock,
        open_timeout_s: float = 10.0,
        max_frame_age_s: float = 0.5,
    ) -> None:
        self._stages, self._clock = stages, clock
        self._open_timeout_s, self._max_frame_age_s = open_timeout_s, max_frame_age_s
        self._timer = StageTimer(clock.now)
        self._stop = threading.Event()
        self._closed = False
        self._origin_t: float | None = None
        self._last_id, self._last_t = -1, 0.0
        self._heard: tuple[object, ...] = ()
        self._asked: dict[str, tuple[int, Cue]] = {}  # why each phrase was asked for last
        self._state: tuple[State, Reason | None] | None = None
        self.outcome = Outcome()

    def stop(self) -> None:
        """Ask the loop to end after the frame in hand; safe from any thread or signal."""
        self.outcome.interrupted = True
        self._stop.set()

    @property
    def timings(self) -> dict[str, dict[str, float]]:
        """Median and p95 milliseconds by stage so far."""
        return self._timer.summary()

    def run(self, consumers: Sequence[Consumer] = ()) -> Outcome:
        """Take all steps, and hand each to every consumer in turn; raises as :meth:`steps` does.

        A consumer that raises SonarError ends the run in order; it is in ``outcome.error``.
        """
        with closing(self.steps()) as steps:
            for update in steps:
                with self.outcome.keep_error():
                    for consume in consumers:
                        consume(update)
                if self.outcome.error is not None:
                    self._stop.set()
        return self.outcome

    def steps(self) -> Generator[Update, None, None]:
        """Loading, ready, guiding, stopped: a :class:`Step` for each frame, and plain updates.

        Stages are closed whatever happens. Closing the iterator early sounds "stopped" too. Raises
        the SonarError of a stage that could not start; a later one is in ``outcome.error``.
        """
        stages = self._stages
        try:
            stages.sink.start()
            yield self._announce(State.LOADING)
            stages.source.open()
            first = self._first_frame()
            if first is not None:
                stages.engine.warm_up(*first.image.shape[:2])
                yield self._announce(State.READY)
                with self.outcome.keep_error():
                    yield from self._guide(first)
            with self.outcome.keep_error():
                yield from self._finish()
        except (GeneratorExit, KeyboardInterrupt):
            self._leave()
            raise
        finally:
            self.close()

    def close(self) -> None:
        """Close every stage, whatever the others' closing raises; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        stages = self._stages
        with ExitStack() as stack:
            for stage in (stages.speaker, stages.engine, stages.sink, stages.source):
                stack.enter_context(self.outcome.keep_error())
                stack.callback(stage.close)

    def _first_frame(self) -> Frame | None:
        """Wait for a first frame; a live source that opens may take a moment to deliver."""
        deadline = self._clock.now() + self._open_timeout_s
        while not self._stop.is_set():
            try:
                return self._stages.source.read(READ_TIMEOUT_S)
            except SourceTimeout:
                if self._clock.now() >= deadline:
                    raise
        return None

    def _guide(self, first: Frame) -> Iterator[Update]:
        """A step for each frame, an update for each wait in vain."""
        source = self._stages.source
        if not (source.live or self._stop.is_set()):
            yield self._process(first)  # a live one aged while the engine warmed up
        while not self._stop.is_set():
            try:
                with self._timer.section("capture"):
                    frame = source.read(READ_TIMEOUT_S)
            except SourceTimeout:
                yield self._lost(Reason.STALE)
                continue
            except SourceLost as error:
                self.outcome.error = error
                yield self._lost(Reason.SOURCE_LOST)
                return
            if frame is None or self._stop.is_set():
                return
            yield self._process(frame)

    def _finish(self) -> Iterator[Update]:
        """The last frame's share of sound, and goodbye; a sink that failed stays silent."""
        sink, end_t = self._stages.sink, self.outcome.end_t
        if end_t is not None and self._origin_t is not None:
            sink.advance(end_t - self._origin_t + self.outcome.shown_s)
        stopped = self._announce(State.STOPPED)
        yield stopped
        sink.drain(GOODBYE_S)
        if late := tuple(self._spoken(self._last_t - (self._origin_t or 0.0))):
            yield Update(scene=stopped.scene, cue=stopped.cue, events=late)

    def _leave(self) -> None:
        """Goodbye, when whoever takes the steps takes no more."""
        if self._state is not None and self._state[0] is not State.STOPPED:
            with suppress(SonarError):
                self._announce(State.STOPPED)
                self._stages.sink.drain(GOODBYE_S)

    def _process(self, frame: Frame) -> Step:
        stages, timer, outcome = self._stages, self._timer, self.outcome
        depth: DepthMap | None = None
        try:
            with timer.section("depth"):
                depth = stages.engine.estimate(frame)
            with timer.section("zones"):
                age_s = self._clock.now() - frame.t
                if stages.source.live and age_s > self._max_frame_age_s:
                    scene = stages.zones.lost(frame.id, frame.t, Reason.STALE)
                else:
                    scene = stages.zones.update(depth, frame)
        except DepthError:
            scene = stages.zones.lost(frame.id, frame.t, Reason.DEPTH_FAILED)
        with timer.section("audio"):
            cue = self._sound(scene)
        self._last_id, self._last_t = frame.id, frame.t
        outcome.frames, outcome.end_t = outcome.frames + 1, frame.t
        outcome.shown_s = frame.duration_s or 1.0 / (stages.source.rate_hz or math.inf)
        spent_ms, events = timer.finish_frame(), self._events(scene, cue)
        return Step(
            scene=scene, cue=cue, events=events, frame=frame, depth=depth, timings_ms=spent_ms
        )

    def _lost(self, reason: Reason) -> Update:
        """No frame: the zones become unknown, and it is heard."""
        now = self._clock.now() if self._stages.source.live else self._last_t
        return self._update(self._stages.zones.lost(self._last_id, now, reason))

    def _announce(self, state: State) -> Update:
        return self._update(Scene.unknown(self._last_id, self._last_t, None, state))

    def _update(self, scene: Scene) -> Update:
        cue = self._sound(scene)
        return Update(scene=scene, cue=cue, events=self._events(scene, cue))

    def _sound(self, scene: Scene) -> Cue:
        if scene.state in (State.GUIDING, State.DEGRADED):
            if self._origin_t is None:
                self._origin_t = scene.t
            self._stages.sink.advance(scene.t - self._origin_t)
            self.outcome.degraded += scene.state is State.DEGRADED
        cue = self._stages.mapper.update(scene)
        self._stages.sink.post(cue)
        return cue

    def _events(self, scene: Scene, cue: Cue) -> tuple[Event, ...]:
        """Changes of state, of what is heard, and phrases."""
        t, frame = scene.t - (self._origin_t or 0.0), scene.frame_id
        events: list[Event] = []
        if (scene.state, scene.reason) != self._state:
            self._state = (scene.state, scene.reason)
            why = scene.reason or ""
            events.append(Event(t=t, frame=frame, kind="state", name=scene.state, why=why))
        heard = (cue.kind, cue.earcon, side_of(cue.pan), cue.why.split(",")[0])
        if heard != self._heard:
            self._heard = heard
            name = cue.earcon if cue.kind is CueKind.EARCON and cue.earcon else cue.kind.value
            side = None if cue.kind is CueKind.SILENCE else side_of(cue.pan)
            events.append(Event(t=t, frame=frame, kind="cue", name=name, side=side, why=cue.why))
        if cue.phrase:
            self._asked[cue.phrase] = (frame, cue)
        return (*events, *self._spoken(t))

    def _spoken(self, now_t: float) -> Iterator[Event]:
        """Phrases that began since the last frame. Offline, sound time is media time."""
        for sound_t, key in self._stages.sink.spoken():
            frame, cue = self._asked.get(key, (self._last_id, Cue(CueKind.SILENCE)))
            t = now_t if self._stages.source.live else round(sound_t, 3)
            text, side = self._stages.speaker.text(key), side_of(cue.pan)
            yield Event(
                t=t, frame=frame, kind="speech", name=key, side=side, text=text, why=cue.why
            )
