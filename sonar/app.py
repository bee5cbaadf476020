"""Puts the stages together: the same way for every command and for the API."""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sonar.clock import SystemClock
from sonar.config import MountConfig, SonarConfig
from sonar.pipeline import Consumer, Outcome, Pipeline, Stages
from sonar.ports import AudioSink, Clock, Engine, FrameSource

if TYPE_CHECKING:
    from sonar.audio.speech.bank import SpeechBank
    from sonar.audio.synthesis import Mixer
    from sonar.controls.controls import Controls
    from sonar.controls.view import RunView
    from sonar.zones import DepthZones

_log = logging.getLogger(__name__)  # without a handler, Python prints warnings to stderr

SinkFactory = Callable[["Mixer"], AudioSink]


@dataclass(frozen=True)
class Running:
    """A pipeline ready to run, and its parts."""

    pipeline: Pipeline
    source: FrameSource
    sink: AudioSink
    speech: "SpeechBank"
    engine: Engine
    controls: "Controls"
    view: "RunView"

    def run(self, *consumers: Consumer) -> Outcome:
        """Run the pipeline; the view takes its steps first: the last may wait. See Pipeline.run."""
        return self.pipeline.run([self.view.consume, *consumers])


def open_source(
    spec: str, config: SonarConfig, clock: Clock | None = None, *, realtime: bool = False
) -> FrameSource:
    """The source that ``spec`` names, not opened yet. Raises SourceError for a bad one."""
    from sonar.capture import open_source as choose

    return choose(spec, config.capture, clock or SystemClock(), realtime=realtime)


def open_engine(config: SonarConfig) -> Engine:
    """The configured network on its backend. Raises ModelError or MissingExtraError."""
    from sonar.depth import open_engine as choose
    from sonar.depth.models import Store

    store = Store(config.models)
    model = store.resolve(config.engine.model)
    return choose(config.engine, model, store=store, report=_log.warning)


def make_zones(config: SonarConfig, mount: MountConfig | None = None) -> "DepthZones":
    """The analyzer as configured; each map says which model made it."""
    from sonar.zones import DepthZones

    return DepthZones(config.zones, mount or config.mount)


def device_sink(config: SonarConfig, clock: Clock) -> SinkFactory:
    """The sound card, or silence that says so, as the configuration asks."""
    from sonar.audio.output.device import open_sink

    return lambda mixer: open_sink(config.audio, mixer, clock)


def assemble(
    config: SonarConfig,
    source: FrameSource,
    sink: SinkFactory,
    *,
    clock: Clock | None = None,
    spoken: bool = True,
    wait_for_speech: bool = False,
    engine: Engine | None = None,
) -> Running:
    """Wire one run. Raises ModelError or MissingExtraError; nothing opened here stays open then.

    Args:
        spoken: render phrases; without, steps and cues are all that is wanted.
        wait_for_speech: render every phrase first, so that a recording's result does not depend
            on how fast the synthesizer is; live runs start at once.
        engine: instead of the configured one; the caller's until the run begins.
    """
    from sonar.audio.cues import PulseMapper
    from sonar.audio.speech.bank import SpeechBank
    from sonar.audio.synthesis import Mixer
    from sonar.controls.controls import Controls
    from sonar.controls.view import RunView

    clock = clock or SystemClock()
    with ExitStack() as stack:  # closes again what was opened, when a later part fails
        if engine is None:
            engine = open_engine(config)
            stack.callback(engine.close)
        speaking = config.speech.model_copy(update={} if spoken else {"enabled": False})
        speech = SpeechBank(speaking, config.audio.rate_hz, clock=clock)
        stack.callback(speech.close)
        if wait_for_speech:
            speech.prepare()
        mixer = Mixer(config.audio, config.speech, speech)
        mapper = PulseMapper(config.audio, config.speech)
        stages = Stages(source, engine, make_zones(config), mapper, sink(mixer), speech)
        stack.pop_all()
    waits = config.capture.open_timeout_s, config.capture.max_frame_age_s
    view, pipeline = RunView(config, clock), Pipeline(stages, clock, *waits)
    controls = Controls(mixer, mapper, config.audio.volume_db, pipeline.stop, view)
    return Running(pipeline, source, stages.sink, speech, engine, controls, view)
