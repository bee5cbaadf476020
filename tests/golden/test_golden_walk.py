"""What is heard of the built-in walk, in every scheme, is what is kept in this folder.

After a change that is meant: ``python tests/golden/test_golden_walk.py`` writes the records anew.
The events that it prints as different belong in the commit's message.
"""

from pathlib import Path

import numpy as np
import pytest

from sonar import app
from sonar.audio.cues import SCHEMES, PulseMapper
from sonar.audio.synthesis import Mixer
from sonar.clock import ManualClock
from sonar.config import SonarConfig
from sonar.demo import CLIP
from sonar.pipeline import Pipeline, Stages
from sonar.replay.regression import compare, read_events
from sonar.testing import CollectSink, FakeEngine, ScriptedSource, ToneSpeaker
from sonar.types import DepthMap, Frame

HERE = Path(__file__).parent
RATE_HZ = 25.0
NOTHING = np.zeros((1, 1, 3), np.uint8)
DEPTH = DepthMap(np.zeros((1, 1), np.float32))


class StoredZones:
    """The zones' part of a run, from scenes that were computed once for all schemes."""

    def __init__(self, scenes):
        self._scenes = iter(scenes)

    def update(self, depth, frame):
        scene = next(self._scenes)
        assert scene.frame_id == frame.id
        return scene

    def lost(self, frame_id, t, reason):
        raise AssertionError("a recording loses no frame")

    def reset(self):
        pass


def walked():
    """The scenes of the built-in walk, by the built-in network."""
    config = SonarConfig()
    source, engine = app.open_source(str(CLIP), config), app.open_engine(config)
    zones, scenes = app.make_zones(config), []
    try:
        source.open()
        while (frame := source.read(5.0)) is not None:
            scenes.append(zones.update(engine.estimate(frame), frame))
    finally:
        source.close()
        engine.close()
    return scenes


def heard(scenes, scheme):
    """The events of a run over ``scenes``; every phrase is a tone of half a second."""
    config = SonarConfig.model_validate({"audio": {"scheme": scheme}})
    speaker = ToneSpeaker(config.audio.rate_hz)
    frames = [Frame(NOTHING, scene.frame_id, scene.t) for scene in scenes]
    stages = Stages(
        source=ScriptedSource(frames, rate_hz=RATE_HZ),
        engine=FakeEngine(DEPTH),
        zones=StoredZones(scenes),
        mapper=PulseMapper(config.audio, config.speech),
        sink=CollectSink(Mixer(config.audio, config.speech, speaker)),
        speaker=speaker,
    )
    pipeline = Pipeline(stages, ManualClock())
    events = [event for step in pipeline.steps() for event in step.events]
    assert pipeline.outcome.error is None
    return events


@pytest.fixture(scope="module")
def scenes():
    return walked()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_built_in_walk_is_heard_as_recorded(scenes, scheme):
    events = heard(scenes, scheme)
    golden = read_events(HERE / f"walk_{scheme}.jsonl")
    assert len(golden) > 10
    assert [str(difference) for difference in compare(golden, events)] == []


def test_another_scheme_is_not_heard_as_recorded(scenes):
    assert compare(read_events(HERE / "walk_pulse.jsonl"), heard(scenes, "quiet"))


if __name__ == "__main__":
    seen = walked()
    for name in SCHEMES:
        file, now = HERE / f"walk_{name}.jsonl", heard(seen, name)
        for difference in compare(read_events(file) if file.exists() else [], now):
            print(name, difference)
        file.write_text("".join(event.model_dump_json(by_alias=True) + "\n" for event in now))
