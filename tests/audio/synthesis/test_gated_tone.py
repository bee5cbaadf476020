"""The silence that is kept for the street."""

from dataclasses import replace

import numpy as np
import pytest
from hearing import AUDIO, CLEAR, RATE, SPEECH, render, scene, stop

from sonar.audio.cues import PulseMapper
from sonar.audio.synthesis import Mixer
from sonar.testing.audio import ToneSpeaker
from sonar.types import Band, Cue, CueKind, Priority


def sounding(samples, window_s=0.005):
    """Which windows have a sound in them."""
    size = round(window_s * RATE)
    whole = samples[: samples.shape[0] // size * size]
    return np.abs(whole).max(axis=1).reshape(-1, size).max(axis=1) > 1e-3


def walk(max_duty, scheme):
    """Past a table on the left, towards a wall and away, along a hedge: nobody stops."""
    config = AUDIO.model_copy(update={"scheme": scheme})
    mixer = Mixer(config, SPEECH, ToneSpeaker(RATE, seconds=0.6), max_duty=max_duty)
    mapper = PulseMapper(config, SPEECH)
    heard = []
    for step in range(600):
        t = step / 15
        zones = [CLEAR] * 3
        if t < 10:
            zones[0] = (Band.CLOSE, 0.7) if 4 < t < 9 else (Band.NEAR, 0.3 + t / 50)
        elif t < 22:
            zones[1] = (Band.NEAR, 0.4) if t < 16 else (Band.CLOSE, 0.6 + (t - 16) / 20)
        elif t > 28:
            zones[2] = (Band.NEAR, 0.45)
        mixer.post(mapper.update(scene(*zones, t=t)))
        heard.append(render(mixer, 1 / 15))
    return sounding(np.concatenate(heard))


@pytest.mark.parametrize("scheme", ["pulse", "continuous"])
def test_an_ordinary_walk_leaves_the_street_its_share(scheme):
    share = {duty: walk(duty, scheme).mean() for duty in (0.2, 0.4, 1.0)}
    assert 0.02 < share[0.2] < share[0.4] < share[1.0]
    assert share[0.4] <= 0.4


@pytest.mark.parametrize("duty", [0.1, 0.4, 0.7])
def test_a_tone_pauses_once_a_second_and_a_change_is_heard_at_once(duty):
    mixer = Mixer(AUDIO, SPEECH, max_duty=duty)
    tone = Cue(CueKind.CONTINUOUS, pitch_hz=440.0, priority=Priority.WARNING)
    mixer.post(tone)
    loud = sounding(render(mixer, 4.0))
    assert loud.mean() == pytest.approx(duty, abs=0.02)
    assert np.count_nonzero(np.diff(loud.astype(int)) == 1) == 3  # and the first note
    render(mixer, 0.95)
    assert not sounding(render(mixer, 0.04)).any()
    mixer.post(replace(tone, pan=1.0))
    assert sounding(render(mixer, 0.02)).any()


@pytest.mark.parametrize("duty", [0.1, 0.4])
def test_danger_has_no_pauses(duty):
    mixer = Mixer(AUDIO, SPEECH, max_duty=duty)
    mixer.post(Cue(CueKind.CONTINUOUS, pitch_hz=440.0, priority=Priority.WARNING))
    render(mixer, 0.9)
    mixer.post(stop())
    render(mixer, 0.03)
    assert sounding(render(mixer, 5.0)).all()
