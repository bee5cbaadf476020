"""One pipeline with what the service puts around it, made from a configuration."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sonar import app
from sonar.config import SonarConfig
from sonar.ports import AudioSink, Clock, Engine, FrameSource
from sonar.service.guide.governor import Governor
from sonar.service.guide.guard import GuardedEngine
from sonar.service.guide.stages import WatchedSink, WatchedSource
from sonar.service.logs import JsonLog

if TYPE_CHECKING:
    from sonar.audio.synthesis.mixer import Mixer

SourceFactory = Callable[[SonarConfig, Clock], FrameSource]
EngineFactory = Callable[[SonarConfig], Engine]
SinkMaker = Callable[[SonarConfig, Clock, "Mixer"], AudioSink]


def device_sink(config: SonarConfig, clock: Clock, mixer: "Mixer") -> AudioSink:
    """The configured sound device."""
    return app.device_sink(config, clock)(mixer)


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
            leaving: once set, nobody waits for pictures any more.
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
            governor = Governor(config.service.governor)
        return Run(config, running, engine, source, sink, mixers[0], governor)
