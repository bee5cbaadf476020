"""The whole chain on scenes whose geometry is known: does the loud side agree with the near one?"""

import numpy as np
import pytest
from numpy.typing import NDArray

from sonar.audio.cues import PulseMapper
from sonar.audio.synthesis import Mixer
from sonar.capture.synthetic import SyntheticSource
from sonar.clock import ManualClock
from sonar.config import SonarConfig
from sonar.pipeline import Pipeline, Stages
from sonar.records import Event, FrameRecord, Step, Update
from sonar.testing.audio import CollectSink, ToneSpeaker
from sonar.types import Band
from sonar.zones import DepthZones
from tests.exact import ExactDepth
from tests.truth import truth_at


class Log:
    def __init__(self) -> None:
        self.frames: list[FrameRecord] = []
        self.events: list[Event] = []

    def consume(self, update: Update) -> None:
        self.events.extend(update.events)
        if isinstance(update, Step):
            self.frames.append(update.record())


def listen(scene: str) -> tuple[NDArray[np.float32], Log]:
    """What is heard, float32 (n, 2) at 48 kHz, and the log."""
    config = SonarConfig()
    source = SyntheticSource(scene, rate_hz=15, frames=75)
    engine = ExactDepth(source, scale=0.7, shift=0.1, noise=0.01)
    mount = truth_at(source, 0).mount
    speaker = ToneSpeaker(config.audio.rate_hz, missing={"x"})
    mixer = Mixer(config.audio, config.speech, speaker)
    sink = CollectSink(mixer)
    log = Log()
    stages = Stages(
        source=source,
        engine=engine,
        zones=DepthZones(config.zones, mount),
        mapper=PulseMapper(config.audio, config.speech),
        sink=sink,
        speaker=speaker,
    )
    outcome = Pipeline(stages, ManualClock()).run([log.consume])
    assert outcome.error is None and outcome.frames == 75
    return sink.samples, log


def level_db(samples: NDArray[np.float32]) -> tuple[float, float]:
    """RMS of left and right in dB."""
    left, right = 20 * np.log10(np.sqrt((samples.astype(np.float64) ** 2).mean(axis=0)) + 1e-9)
    return float(left), float(right)


BESIDE = slice(round(4.1 * 48_000), 5 * 48_000)  # the box is close, on its side only


@pytest.mark.parametrize(("scene", "loud"), [("left_box", 0), ("right_box", 1)])
def test_the_loud_side_is_the_near_side(scene: str, loud: int) -> None:
    samples, log = listen(scene)
    levels = level_db(samples[BESIDE])
    assert levels[loud] - levels[1 - loud] > 6
    near = [
        record.frame
        for record in log.frames
        if getattr(record.zones, "left" if loud == 0 else "right").band
        in (Band.NEAR, Band.CLOSE, Band.STOP)
    ]
    assert near, "the box was never near"


def test_nearer_is_faster() -> None:
    _, log = listen("box")
    rates = [r.cue.rate_hz for r in log.frames if r.cue and r.cue.kind == "pulse"]
    assert len(rates) > 10
    assert np.median(rates[-5:]) > 1.5 * np.median(rates[:5])


def test_an_empty_hall_is_quiet() -> None:
    samples, log = listen("empty_hall")
    bands = {zone.band for r in log.frames[15:] for zone in (r.zones.left, r.zones.center)}
    assert bands <= {Band.CLEAR, Band.FAR}
    assert max(level_db(samples[2 * 48_000 : 4 * 48_000])) < -60


def test_sound_and_frames_keep_the_same_time() -> None:
    samples, log = listen("box")
    end_s = log.frames[-1].t + 1 / 15
    assert len(samples) / 48_000 == pytest.approx(end_s, abs=0.9)  # and the goodbye
    assert len(samples) / 48_000 >= end_s
