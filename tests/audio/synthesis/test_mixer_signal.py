"""What the mixer renders, measured: side, rate, pitch, onset, level."""

from dataclasses import replace

import numpy as np
import pytest
from hearing import (
    AUDIO,
    RATE,
    SPEECH,
    cents,
    onsets,
    pitch_hz,
    pulse,
    render,
    rms_db,
    stop,
)

from sonar.audio.synthesis import Mixer, waves
from sonar.testing.audio import ToneSpeaker
from sonar.types import Column, Cue, CueKind, Priority

SILENCE = Cue(CueKind.SILENCE)


@pytest.mark.parametrize("pan_db", [6.0, 30.0, 50.0])
@pytest.mark.parametrize("pan", [-1.0, -0.5, 0.0, 0.5, 1.0])
@pytest.mark.parametrize("make", [pulse, stop])
def test_level_difference_between_the_ears_is_the_designed_one(make, pan, pan_db):
    mixer = Mixer(AUDIO.model_copy(update={"pan_db": pan_db}), SPEECH)
    mixer.post(make(pan=pan))
    left_db, right_db = rms_db(render(mixer, 1.0))
    assert right_db - left_db == pytest.approx(pan * pan_db, abs=0.1)


@pytest.mark.parametrize("side", [-1, 0, 1])
@pytest.mark.parametrize("kind", ["earcon", "repeated earcon", "head", "phrase", "scan"])
def test_everything_else_comes_from_its_side_too(kind, side):
    """Within 1 dB of the design: 30 dB fully to one side, 18 for phrases."""
    mixer = Mixer(AUDIO, SPEECH, ToneSpeaker(RATE))
    wanted_db = 30.0 * side
    if kind == "earcon":
        mixer.post(Cue(CueKind.EARCON, pan=side, earcon="degraded"))
    elif kind == "repeated earcon":
        mixer.post(Cue(CueKind.EARCON, pan=side, earcon="unknown", rate_hz=0.5))
    elif kind == "head":  # rides on a pulse, and is about the same obstacle
        mixer.post(pulse(pan=side, earcon="head"))
    elif kind == "phrase":
        mixer.post(replace(SILENCE, phrase=("close_left", "close_center", "close_right")[side + 1]))
        wanted_db = 18.0 * side
    else:
        columns = [Column(0.0, 0.5)] * 5
        columns[(0, 2, 4)[side + 1]] = Column(1.0, 0.5)
        mixer.post(Cue(CueKind.SCAN, columns=tuple(columns)))
        wanted_db = 24.0 * side  # the middle of the outermost fifth
    left_db, right_db = rms_db(render(mixer, 1.0))
    assert right_db - left_db == pytest.approx(wanted_db, abs=1.0)


@pytest.mark.parametrize("pan", [-1.0, -0.3, 0.0, 0.7, 1.0])
def test_power_does_not_depend_on_the_side(pan):
    center, side = Mixer(AUDIO, SPEECH), Mixer(AUDIO, SPEECH)
    center.post(pulse())
    side.post(pulse(pan=pan))
    power = [float(np.square(render(m, 1.0).astype(float)).sum()) for m in (center, side)]
    assert power[1] == pytest.approx(power[0], rel=1e-3)


@pytest.mark.parametrize("rate_hz", [1.0, 2.3, 4.0, 7.1, 8.0])
def test_pulses_come_at_their_rate_and_in_time(rate_hz):
    mixer = Mixer(AUDIO, SPEECH)
    mixer.post(pulse(rate_hz=rate_hz))
    heard = onsets(render(mixer, 10.0))
    schedule = np.arange(heard.size) * RATE / rate_hz
    assert heard.size == int(np.ceil(10.0 * rate_hz - 1e-9))
    assert np.abs(heard - schedule).max() <= 48  # 1 ms: attack below the detector's threshold
    measured_hz = (heard.size - 1) * RATE / (heard[-1] - heard[0])
    assert measured_hz == pytest.approx(rate_hz, rel=0.001)


@pytest.mark.parametrize("pitch", [250.0, 500.0, 800.0, 1000.0])
def test_pitch_is_within_five_cents(pitch):
    mixer = Mixer(AUDIO, SPEECH)
    mixer.post(pulse(pitch_hz=pitch, rate_hz=2.0))
    wave = render(mixer, 0.12)[:, 0].astype(float)
    for harmonic in (1, round(2000 / pitch)):
        assert abs(cents(pitch_hz(wave, harmonic * pitch), harmonic * pitch)) < 5


@pytest.mark.parametrize("pitch", [250.0, 500.0, 1000.0])
def test_much_of_a_pulse_lies_near_two_kilohertz(pitch):
    weights = np.array(waves.timbre(pitch))
    frequency = pitch * np.arange(1, weights.size + 1)
    near = (frequency >= 1400) & (frequency <= 2800)
    assert (weights[near] ** 2).sum() >= 0.35 * (weights**2).sum()


@pytest.mark.parametrize("pitch", [200.0, 250.0, 440.0, 500.0, 800.0, 1000.0, 2000.0])
def test_every_pitch_is_equally_loud(pitch):
    """Measured from the tone itself with scipy's own filter response of the A curve."""
    signal = pytest.importorskip("scipy.signal")
    mixer = Mixer(AUDIO, SPEECH, max_duty=1.0)
    mixer.post(Cue(CueKind.CONTINUOUS, pitch_hz=pitch, pan=-1.0))
    wave = render(mixer, 1.2)[-RATE:, 0].astype(float)
    # IEC 61672-1: poles of the A curve in Hz, four zeros at 0, 0 dB at 1 kHz
    poles = (
        -2 * np.pi * np.array([20.598997, 20.598997, 107.65265, 737.86223, 12194.217, 12194.217])
    )
    frequency, bins = np.fft.rfftfreq(wave.size, 1 / RATE), np.fft.rfft(wave)
    _, response = signal.freqs_zpk([0] * 4, poles, 1.0, 2 * np.pi * np.maximum(frequency, 1e-3))
    _, at_1k = signal.freqs_zpk([0] * 4, poles, 1.0, [2 * np.pi * 1000.0])
    weighted = np.abs(bins * response / at_1k[0])
    loudness = np.sqrt(2 * np.sum(weighted**2)) / wave.size
    assert 20 * np.log10(loudness / waves.LOUDNESS) == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("rate_hz", [1.0, 4.0, 8.0])
def test_a_pulse_is_struck_and_dies_away(rate_hz):
    mixer = Mixer(AUDIO, SPEECH)
    mixer.post(pulse(rate_hz=rate_hz))
    wave = np.abs(render(mixer, 0.9 / rate_hz)[:, 0])
    last = np.flatnonzero(wave > 1e-6)[-1]
    assert wave[: RATE // 100].max() > 0.8 * wave.max()  # within 10 ms
    assert wave[last - RATE // 400 :].max() < 0.01 * wave.max()


@pytest.mark.parametrize("block", [240, 480, 1000])
@pytest.mark.parametrize("danger", ["stop", "drop_off"])
@pytest.mark.parametrize(
    "before",
    [
        SILENCE,
        pulse(rate_hz=8.0),
        Cue(CueKind.CONTINUOUS, pitch_hz=440.0),
        Cue(CueKind.SCAN, columns=(Column(1.0, 0.5),) * 8),
        Cue(CueKind.EARCON, earcon="unknown", rate_hz=0.5, priority=Priority.WARNING),
        pulse(earcon="head", phrase="close_left"),
    ],
    ids=["silence", "pulse", "continuous", "scan", "unknown", "head and words"],
)
def test_a_danger_is_heard_in_the_first_block_whatever_sounds(before, danger, block):
    """Beside the same run without it: from the first block on, the samples are others."""
    cue = stop(pan=1.0)
    if danger == "drop_off":
        cue = Cue(CueKind.EARCON, earcon="drop_off", rate_hz=1.2, priority=Priority.DANGER)
    for wait_s in (0.013, 0.101, 0.3):
        parts = []
        for newer in (None, cue):
            mixer = Mixer(AUDIO, SPEECH, ToneSpeaker(RATE))
            mixer.post(before)
            render(mixer, wait_s, block=block)
            if newer is not None:
                mixer.post(newer)
            parts.append(render(mixer, block / RATE, block=block))
        change = np.abs(parts[1] - parts[0]).max()
        assert change > 1e-3  # of full scale; a steady tone takes 25 ms to swell


def test_a_change_of_side_is_heard_at_once():
    mixer = Mixer(AUDIO, SPEECH)
    mixer.post(pulse(pan=-1.0, rate_hz=1.0))
    render(mixer, 0.5)
    mixer.post(pulse(pan=1.0, rate_hz=1.0))
    left_db, right_db = rms_db(render(mixer, 0.02))
    assert right_db - left_db == pytest.approx(30.0, abs=0.1)


def test_a_rate_that_changes_at_once_does_not_put_off_the_new_side():
    mixer = Mixer(AUDIO, SPEECH)
    mixer.post(pulse(pan=-1.0, rate_hz=1.0))
    render(mixer, 0.03)
    mixer.post(pulse(pan=1.0, rate_hz=1.0))
    render(mixer, 0.02)  # its first pulse waits for the shortest gap
    mixer.post(pulse(pan=1.0, rate_hz=0.9))
    left_db, right_db = rms_db(render(mixer, 0.05))
    assert right_db - left_db == pytest.approx(30.0, abs=0.1)


def test_the_old_side_is_cut_off_in_the_middle_of_its_pulse():
    mixer = Mixer(AUDIO, SPEECH)
    mixer.post(pulse(pan=-1.0, rate_hz=1.0))
    render(mixer, 0.03)
    mixer.post(SILENCE)
    mixer.post(pulse(pan=1.0, rate_hz=1.0))
    samples = render(mixer, 0.12)
    assert rms_db(samples[RATE // 50 :])[1] - rms_db(samples[RATE // 50 :])[0] > 25


def test_a_faster_rate_takes_effect_within_its_own_period():
    mixer = Mixer(AUDIO, SPEECH)
    mixer.post(pulse(rate_hz=1.0))
    render(mixer, 0.5)
    mixer.post(pulse(rate_hz=8.0))
    assert onsets(render(mixer, 0.5))[0] < RATE / 8


def test_clear_is_silent_once_the_last_pulse_rang_out():
    mixer = Mixer(AUDIO, SPEECH)
    mixer.post(pulse(rate_hz=8.0))
    render(mixer, 1.0)
    mixer.post(SILENCE)
    render(mixer, 0.12)
    assert not render(mixer, 0.5).any()


def test_swapped_sides_swap_the_channels_exactly():
    plain = Mixer(AUDIO, SPEECH)
    swapped = Mixer(AUDIO.model_copy(update={"swap_sides": True}), SPEECH)
    for mixer in (plain, swapped):
        mixer.post(pulse(pan=-0.7))
    assert np.array_equal(render(plain, 0.3), render(swapped, 0.3)[:, ::-1])


@pytest.mark.parametrize("make", [pulse, stop])
def test_one_ear_hears_both_channels_alike(make):
    mixer = Mixer(AUDIO.model_copy(update={"mono": True}), SPEECH)
    mixer.post(make(pan=-1.0))
    samples = render(mixer, 0.5)
    assert samples.any() and np.array_equal(samples[:, 0], samples[:, 1])


def test_volume_is_a_gain():
    quiet, loud = Mixer(AUDIO.model_copy(update={"volume_db": -20.0}), SPEECH), Mixer(AUDIO, SPEECH)
    for mixer in (quiet, loud):
        mixer.post(pulse(level_db=-6.0))
    assert rms_db(render(loud, 1.0)) - rms_db(render(quiet, 1.0)) == pytest.approx(20.0, abs=0.05)


def test_steady_tones_and_ducking_ramp_over_twenty_five_milliseconds():
    mixer = Mixer(AUDIO, SPEECH, ToneSpeaker(RATE))
    mixer.post(stop(pan=-1.0))
    begin = render(mixer, 0.3)
    steady_db = rms_db(begin[RATE // 10 :])[0]
    assert rms_db(begin[: RATE // 200])[0] < steady_db - 14
    assert rms_db(begin[RATE // 40 : RATE // 20])[0] == pytest.approx(steady_db, abs=1.5)
    mixer.post(stop(pan=-1.0, phrase="clear_ahead"))
    ducking = render(mixer, 0.2)
    assert rms_db(ducking[: RATE // 200])[0] > steady_db - 2.5


def test_a_steady_tone_glides_to_a_new_pitch_and_stays_as_loud():
    mixer = Mixer(AUDIO, SPEECH, max_duty=1.0)
    levels = []
    for pitch in (300.0, 900.0):
        mixer.post(Cue(CueKind.CONTINUOUS, pitch_hz=pitch, pan=-1.0))
        wave = render(mixer, 1.2)[-RATE:, 0].astype(float)
        assert abs(cents(pitch_hz(wave, pitch), pitch)) < 1
        alone = Mixer(AUDIO, SPEECH, max_duty=1.0)
        alone.post(Cue(CueKind.CONTINUOUS, pitch_hz=pitch, pan=-1.0))
        levels.append(np.std(wave) / np.std(render(alone, 1.2)[-RATE:, 0].astype(float)))
    assert levels == pytest.approx([1.0, 1.0], abs=0.01)
