"""One pipeline with what the service puts around it: a watched source, engine and sink."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sonar import app
from sonar.config import SonarConfig
from sonar.errors import SourceTimeout
from sonar.ports import AudioSink, Clock, Engine, FrameSource, SinkStatus, Spoken
from sonar.service.guide.governor import Governor
from sonar.service.guide.guard import GuardedEngine
from sonar.service.logs import JsonLog
from sonar.types import Cue, Frame

if TYPE_CHECKING:
    from sonar.audio.synthesis import Mixer

SLICE_S = 0.1  # a wait for a frame is cut into these, so that a request to stop is seen

SourceFactory = Callable[[SonarConfig, Clock], FrameSource]
EngineFactory = Callable[[SonarConfig], Engine]
SinkMaker = Callable[[SonarConfig, Clock, "Mixer"], AudioSink]


def device_sink(config: SonarConfig, clock: Clock, mixer: "Mixer") -> AudioSink:
    """The configured sound device."""
    return app.device_sink(config, clock)(mixer)


class WatchedSource:
    """A source that stops waiting when asked, and that hands out no more than ``rate_hz``.

    Attributes:
        rate_limit_hz: frames per second at most; infinity for all. Only for live sources and
            recordings at their own pace, which skip what is not asked for.
    """

    def __init__(self, inner: FrameSource, clock: Clock, stopping: threading.Event) -> None:
        self.inner = inner
        self.label, self.live = inner.label, inner.live
        self.rate_limit_hz = float("inf")
        self._clock = clock
        self._stopping = stopping
        self._given_s = float("-inf")

    @property
    def frame_count(self) -> int | None:
        return self.inner.frame_count

    @property
    def rate_hz(self) -> float | None:
        return self.inner.rate_hz

    @property
    def dropped(self) -> int:
        return self.inner.dropped

    def open(self) -> None:
        self.inner.open()

    def read(self, timeout_s: float) -> Frame | None:
        """As the inner source's; SourceTimeout within SLICE_S once stopping."""
        start = self._clock.now()
        due = self._given_s + 1.0 / self.rate_limit_hz
        self._clock.sleep(min(due - start, timeout_s))
        while True:
            left_s = start + timeout_s - self._clock.now()
            try:
                frame = self.inner.read(max(0.0, min(SLICE_S, left_s)))
            except SourceTimeout:
                if self._stopping.is_set() or self._clock.now() - start >= timeout_s:
                    raise
                continue
            # From when it was due, so that the mean rate is kept though frames come in steps.
            now = self._clock.now()
            self._given_s = max(due, now - 0.5 / self.rate_limit_hz) if due > 0.0 else now
            return frame

    def close(self) -> None:
        self.inner.close()


class WatchedSink:
    """A sink that is made when it is started, counts its cues, and can fall silent for good.

    Made late, since a device that takes one stream only must be free of the run before.

    Attributes:
        posted: cues handed over, one for each frame and each wait in vain.
        inner: the sink, None before ``start``.
    """

    def __init__(self, make: Callable[[], AudioSink]) -> None:
        self.label = "not started"
        self.posted = 0
        self.inner: AudioSink | None = None
        self._make = make
        self._retired = False

    @property
    def lost(self) -> bool:
        """The device is gone and looked for."""
        return self.status.lost

    @property
    def status(self) -> SinkStatus:
        return SinkStatus() if self.inner is None else self.inner.status

    def spoken(self) -> Sequence[Spoken]:
        return () if self.inner is None else self.inner.spoken()

    def start(self) -> None:
        self.inner = self._make()
        self.inner.start()
        self.label = self.inner.label

    def post(self, cue: Cue) -> None:
        if self.inner is None or self._retired:
            return
        self.inner.post(cue)
        self.posted += 1

    def advance(self, t: float) -> None:
        if self.inner is not None:
            self.inner.advance(t)

    def drain(self, limit_s: float) -> None:
        if self.inner is not None and not self._retired:
            self.inner.drain(limit_s)

    def close(self) -> None:
        if self.inner is not None:
            self.inner.close()

    def retire(self) -> None:
        """Take no more cues: another run goes on at once, so no goodbye is due."""
        self._retired = True


@dataclass
class Run:
    """One pipeline and what is around it; a reload makes another."""

    config: SonarConfig
    running: app.Running
    engine: GuardedEngine
    source: WatchedSource
    sink: WatchedSink
    mixer: "Mixer"
    governor: Governor | None


@dataclass(frozen=True)
class Workshop:
    """Makes runs out of what a guide was given."""

    clock: Clock
    log: JsonLog
    open_source: SourceFactory
    open_engine: EngineFactory
    make_sink: SinkMaker

    def build(
        self,
        config: SonarConfig,
        leaving: threading.Event,
        keep: Callable[[str], bool],
    ) -> Run:
        """A run that is ready to start but holds neither camera nor sound device.

        Args:
            leaving: once set, nobody waits for frames any more.
            keep: keeps the recording for a reason, if there is one.

        Raises SonarError when the model or the source's name is wrong.
        """
        # The sink is made in start(), when the mixer exists.
        mixers: list[Mixer] = []
        sink = WatchedSink(lambda: self.make_sink(config, self.clock, mixers[0]))

        def with_mixer(mixer: "Mixer") -> AudioSink:
            mixers.append(mixer)
            return sink

        engine = GuardedEngine(
            self.open_engine(config),
            lambda: self.open_engine(config),
            self.clock,
            self.log,
            config.service.inference_timeout_s,
        )
        try:
            source = WatchedSource(self.open_source(config, self.clock), self.clock, leaving)
            running = app.assemble(
                config,
                source,
                with_mixer,
                clock=self.clock,
                engine=engine,
            )
        except BaseException:
            engine.close()
            raise
        running.controls.on_keep = lambda: keep("button")
        governor = None
        if config.service.governor.enabled and source.live:
            governor = Governor()
        return Run(config, running, engine, source, sink, mixers[0], governor)
