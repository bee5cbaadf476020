"""What is said of which scene, and in which order."""

import pytest
from hearing import (
    AUDIO,
    CLEAR,
    CLOSE,
    FAR,
    NEAR,
    STOP,
    first_cue,
    mapper,
    run,
    scene,
)

from sonar.audio.cues import PHRASES, PulseMapper
from sonar.config import SpeechConfig
from sonar.types import (
    Band,
    Height,
    Reason,
    Scene,
    State,
)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_its_phrase(reason):
    cue = mapper().update(Scene.unknown(1, 0.0, reason))
    assert cue.phrase == f"unknown_{reason}"
    assert cue.phrase in PHRASES
    assert str(reason) in cue.why


def test_the_cause_is_worded_with_meters():
    zone = (Band.CLOSE, 0.7, {"distance_m": 0.94, "ttc_s": 1.36, "height": Height.HEAD})
    assert first_cue(zone).why == "close, left, 0.9 m, head, collision in 1.4 s"


@pytest.mark.parametrize(
    ("zone", "phrase"),
    [
        (STOP, "stop_right"),
        (CLOSE, "close_right"),
        ((Band.CLOSE, 0.7, {"height": Height.FLOOR}), "step_right"),
        ((Band.NEAR, 0.4, {"height": Height.HEAD}), "head_right"),
        ((Band.NEAR, 0.4, {"ttc_s": 1.5}), "approaching_right"),
        (NEAR, "near_right"),
        (FAR, "far_right"),
    ],
)
def test_phrases_by_verbosity(zone, phrase):
    order = ("danger", "normal", "chatty")
    for verbosity in order:
        said = mapper(verbosity=verbosity).update(scene(CLEAR, CLEAR, zone)).phrase
        due = order.index(PHRASES[phrase].verbosity) <= order.index(verbosity)
        if verbosity == "chatty" or due:
            assert said == (phrase if due else None)
        else:
            assert said is None


def test_a_phrase_is_not_repeated_too_soon():
    own = mapper()
    cues = run(own, lambda t: scene(CLOSE if int(t) % 2 else CLEAR, t=t), 16.0)
    assert [t for t, cue in cues if cue.phrase] == pytest.approx([1.0, 7.0, 13.0])


def test_a_milder_phrase_of_the_same_side_waits():
    own = mapper()
    assert own.update(scene(STOP, t=0.0)).phrase == "stop_left"
    assert own.update(scene(CLOSE, t=1.0)).phrase is None
    assert own.update(scene(CLEAR, t=1.5)).phrase is None
    assert own.update(scene(CLEAR, CLEAR, CLOSE, t=2.0)).phrase == "close_right"
    assert own.update(scene(CLEAR, CLEAR, STOP, t=2.5)).phrase == "stop_right"


def test_two_new_phrases_are_said_in_turn_the_danger_first():
    own = mapper()
    both = dict(state=State.DEGRADED, reason=Reason.BLURRED)
    assert own.update(scene(STOP, t=0.0, **both)).phrase == "stop_left"
    assert own.update(scene(STOP, t=0.1, **both)).phrase == "unknown_blurred"
    assert own.update(scene(STOP, t=0.2, **both)).phrase is None


def test_speech_off_means_no_phrase():
    own = PulseMapper(AUDIO, SpeechConfig(enabled=False))
    assert own.update(scene(STOP)).phrase is None
