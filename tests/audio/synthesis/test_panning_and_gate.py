"""The time difference between the ears, and the silence that is kept for the street."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hearing import AUDIO, CLEAR, RATE, SPEECH, biggest_bend, pulse, render, scene, stop
from hypothesis import given, settings
from hypothesis import strategies as st

from sonar.audio.cues import PulseMapper
from sonar.audio.synthesis import Mixer
from sonar.audio.synthesis.panning import Ears
from sonar.audio.synthesis.voices import OnceVoice, recorded
from sonar.testing.audio import ToneSpeaker
from sonar.types import Band, Cue, CueKind, Priority

LATE = AUDIO.model_copy(update={"itd_us": 650.0})


def lead_us(samples):
    """By how much the left ear leads: the phase slope of the cross spectrum, 300 to 3000 Hz."""
    left, right = np.fft.rfft(samples.astype(np.float64), axis=0).T
    frequency = np.fft.rfftfreq(samples.shape[0], 1 / RATE)
    lags = np.arange(-1000e-6, 1000e-6, 1e-6)
    strong = np.flatnonzero((frequency > 300) & (frequency < 3000))
    strong = strong[np.argsort(np.abs(left[strong] * right[strong]))[-300:]]
    cross = left[strong] * np.conj(right[strong])
    turned = np.exp(-2j * np.pi * np.outer(lags, frequency[strong]))
    return float(1e6 * lags[np.argmax((turned @ cross).real)])


SOUNDS = [
    pulse(rate_hz=4.0),
    stop(),
    Cue(CueKind.EARCON, earcon="unknown", rate_hz=0.5),
]


@pytest.mark.parametrize("cue", SOUNDS, ids=lambda cue: cue.kind.value)
@pytest.mark.parametrize("pan", [-1.0, -0.4, 0.0, 1.0])
@pytest.mark.parametrize("itd_us", [0.0, 300.0, 655.0])
def test_the_far_ear_hears_it_later_by_what_is_configured(cue, pan, itd_us):
    mixer = Mixer(AUDIO.model_copy(update={"itd_us": itd_us}), SPEECH)
    mixer.post(replace(cue, pan=pan))
    assert lead_us(render(mixer, 0.5)) == pytest.approx(-pan * itd_us, abs=6.0)


def test_level_and_time_agree_and_one_ear_has_neither():
    mixer = Mixer(LATE.model_copy(update={"mono": True}), SPEECH)
    mixer.post(pulse(pan=-1.0, rate_hz=4.0))
    samples = render(mixer, 0.5)
    assert np.array_equal(samples[:, 0], samples[:, 1])


def test_sides_exchanged_are_ears_exchanged_exactly():
    def heard(sign):
        mixer = Mixer(LATE, SPEECH)
        parts = []
        for cue in (pulse(pan=-sign), stop(pan=sign), stop(pan=-0.5 * sign), pulse(pan=sign)):
            mixer.post(cue)
            parts.append(render(mixer, 0.11))
        return np.concatenate(parts)

    assert np.array_equal(heard(1.0), heard(-1.0)[:, ::-1])


def test_going_over_to_the_other_ear_does_not_click():
    """Bends stay within those of the same changes without a time difference, and a little."""
    generator = np.random.default_rng(3)
    mixers = [Mixer(LATE, SPEECH), Mixer(AUDIO, SPEECH)]
    heard = [[], []]
    for _ in range(400):
        pan = float(generator.choice([-1.0, -0.3, 0.0, 0.6, 1.0]))
        cue = stop(pan=pan) if generator.random() < 0.6 else pulse(pan=pan, rate_hz=8.0)
        length_s = float(generator.uniform(0.004, 0.06))
        for mixer, parts in zip(mixers, heard, strict=True):
            mixer.post(cue)
            parts.append(render(mixer, length_s))
    late, plain = (biggest_bend(np.concatenate(parts)) for parts in heard)
    assert plain > 0.0
    assert late < 1.3 * plain


def played(clip, lag, count):
    """So many samples of a clip whose right ear is late, float32 (2, count)."""
    voice = OnceVoice(partial(recorded, clip), Ears(1.0, 1.0, lag), clip.size)
    out = np.zeros((2, count), np.float32)
    for begin in range(0, count, 240):
        voice.add(out[:, begin : begin + 240])
    return out


def test_a_late_ear_hears_the_end_too():
    """Energy of both ears is alike at pan 0 plus a lag: nothing is cut off at the end."""
    clip = np.sin(np.arange(1, 481) * 0.3).astype(np.float32)
    out = played(clip, 31.0, 960)
    assert np.array_equal(out[0, :480], clip)
    assert np.array_equal(out[1, 31:511], clip)


@given(lag=st.floats(0.0, 64.0))
@settings(max_examples=30, deadline=None)
def test_a_fraction_of_a_sample_is_a_fraction_of_a_sample(lag):
    t = np.arange(480.0)
    out = played(np.sin(2 * np.pi * 1000.0 * t / RATE).astype(np.float32), -lag, 480)
    wanted = np.sin(2 * np.pi * 1000.0 * (t[240:] - lag) / RATE)
    assert np.abs(out[0, 240:] - wanted).max() < 0.003


# -- silence for the street ----------------------------------------------------------------------


def sounding(samples, window_s=0.005):
    """Which windows have a sound in them."""
    size = round(window_s * RATE)
    whole = samples[: samples.shape[0] // size * size]
    return np.abs(whole).max(axis=1).reshape(-1, size).max(axis=1) > 1e-3


def walk(max_duty, scheme):
    """Past a table on the left, towards a wall and away, along a hedge: nobody stops."""
    config = AUDIO.model_copy(update={"scheme": scheme})
    mixer, mapper = Mixer(config, SPEECH, ToneSpeaker(RATE, seconds=0.6), max_duty=max_duty), None
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
