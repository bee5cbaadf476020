"""What a helper is shown while sonar guides: the truth of now, and the frame only where allowed."""

import base64
import json

import cv2
import numpy as np
import pytest

from sonar import app
from sonar.audio.cues import PulseMapper
from sonar.audio.output import NullSink
from sonar.audio.synthesis import Mixer
from sonar.clock import ManualClock
from sonar.config import SonarConfig
from sonar.config.load import load_config
from sonar.controls.controls import Controls
from sonar.controls.view import STALE_S, RunView
from sonar.records import Event, Step, Update
from sonar.testing.capture import ScriptedSource
from sonar.testing.depth import FakeEngine
from sonar.types import SIDES, Band, Cue, CueKind, DepthMap, Frame, Reason, Scene, State
from sonar.types import ZoneReading as Zone
from sonar.zones import zone_borders

IMAGE = np.zeros((600, 800, 3), np.uint8)
IMAGE[:, :400] = (250, 20, 20)  # red on the left


def configured(*sets: str) -> SonarConfig:
    return load_config(None, ["speech.enabled=false", *sets], {})


class Seen:
    """A view, its clock, and the controls that it shows."""

    def __init__(self, *sets: str) -> None:
        config = configured(*sets)
        self.clock = ManualClock()
        self.view = RunView(config, self.clock)
        self.controls = Controls(
            Mixer(config.audio, config.speech), PulseMapper(config.audio, config.speech), -6.0
        )

    def state(self, state: State, reason: Reason | None = None) -> None:
        self.event(Event(t=0, frame=0, kind="state", name=state, why=reason or ""))

    def event(self, event: Event) -> None:
        scene = Scene.unknown(-1, 0.0, None)
        self.view.consume(Update(scene=scene, cue=Cue(CueKind.SILENCE), events=(event,)))

    def frame(self, scene: Scene | None = None) -> None:
        bands = (Band.CLOSE, Band.CLEAR, Band.NEAR)
        zones = [Zone(side, band, 0.5) for side, band in zip(SIDES, bands, strict=True)]
        scene = scene or Scene(7, 1.0, *zones)
        cue = Cue(CueKind.PULSE, pan=-1.0, rate_hz=4.0, why="close, left")
        frame = Frame(IMAGE, scene.frame_id, scene.t)
        self.view.consume(
            Step(scene=scene, cue=cue, frame=frame, depth=None, timings_ms={"total": 10.0})
        )

    def guide(self) -> None:
        """A frame, its sound and a phrase."""
        self.state(State.GUIDING)
        self.frame()
        self.event(Event(t=1, frame=7, kind="cue", name="pulse", side="left", why="close, left"))
        self.event(Event(t=1, frame=7, kind="speech", name="stop", text="<Stop>"))

    def answer(self) -> dict:
        line = self.view.answer(self.controls)
        assert "\n" not in line
        return json.loads(line)


def bands(found: dict) -> list[str]:
    return [found["zones"][side]["band"] for side in SIDES]


def test_the_newest_frame_sound_and_words_are_shown():
    seen = Seen()
    seen.state(State.GUIDING)
    seen.frame()
    seen.event(Event(t=1, frame=7, kind="cue", name="pulse", side="left", why="close, left"))
    for name in ("first", "second"):
        seen.event(Event(t=1, frame=7, kind="speech", name=name, text=name.title()))
        seen.clock.advance(0.5)
    found = seen.answer()
    assert bands(found) == ["close", "clear", "near"] and found["age_s"] == 1.0
    assert found["sentence"] == "close on the left, clear ahead, near on the right"
    assert found["cue"]["pan"] == -1.0 and found["cue"]["rate_hz"] == 4.0
    assert found["heard"] == {"name": "pulse", "side": "left", "why": "close, left"}
    assert found["said"] == [{"text": "Second", "ago_s": 0.5}, {"text": "First", "ago_s": 1.0}]
    assert (found["muted"], found["volume_db"], found["scheme"]) == (False, -6.0, "pulse")


def test_the_frame_is_off_unless_allowed():
    seen = Seen()
    seen.state(State.GUIDING)
    seen.frame()
    found = seen.answer()
    assert not found["picture_allowed"] and found["picture"] is None and found["borders"] is None


def test_the_frame_is_a_small_jpeg_with_its_colours_in_place():
    seen = Seen("controls.picture=true")
    assert seen.answer()["picture"] is None  # none came yet
    seen.state(State.GUIDING)
    seen.frame()
    found = seen.answer()
    data = base64.b64decode(found["picture"])
    image = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), 1), cv2.COLOR_BGR2RGB)
    assert image.shape == (360, 480, 3) and len(data) < 30_000
    assert abs(image[:, :200].mean((0, 1)) - (250, 20, 20)).max() < 5
    left, right = found["borders"]
    assert (left, right) == zone_borders(configured(), 600, 800) and 0 < left < 0.5 < right < 1


def test_what_is_old_is_unknown():
    seen = Seen()
    seen.state(State.GUIDING)
    seen.frame()
    seen.clock.advance(STALE_S)
    assert bands(seen.answer()) == ["close", "clear", "near"]
    seen.clock.advance(0.01)
    found = seen.answer()
    assert bands(found) == ["unknown"] * 3 and found["reason"] == "stale" and found["cue"] is None


def test_a_state_that_came_after_the_frame_counts():
    seen = Seen()
    assert (seen.answer()["state"], seen.answer()["age_s"]) == ("loading", None)
    seen.state(State.GUIDING)
    seen.frame()
    seen.state(State.DEGRADED, Reason.SOURCE_LOST)
    found = seen.answer()
    assert bands(found) == ["unknown"] * 3
    assert "the camera is gone" in found["sentence"]
    seen.state(State.STOPPED)
    assert seen.answer()["sentence"] == "sonar is stopped"


@pytest.mark.parametrize("allowed", [False, True])
def test_a_run_answers_the_command(allowed: bool):
    clock = ManualClock()
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(6)]
    ramp = np.repeat(np.linspace(0.2, 1.0, 48, dtype=np.float32)[:, None], 64, axis=1)
    running = app.assemble(
        configured(f"controls.picture={str(allowed).lower()}"),
        ScriptedSource(images, live=False, clock=clock, rate_hz=10),
        lambda mixer: NullSink(mixer, clock),
        clock=clock,
        engine=FakeEngine(DepthMap(ramp)),
    )
    running.run()
    verdict, _, line = running.controls("view").partition(" ")
    found = json.loads(line)
    assert verdict == "ok" and found["state"] == "stopped" and found["age_s"] is not None
    assert (found["picture"] is not None) is allowed
