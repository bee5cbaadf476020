"""What the mixer renders, measured: side, rate, pitch, onset, level, clicks, limits."""

from dataclasses import replace

import numpy as np
import pytest
from hearing import (
    AUDIO,
    RATE,
    SPEECH,
    STEADY,
    assert_renders_without_arrays,
    biggest_bend,
    cents,
    onsets,
    pitch_hz,
    pulse,
    render,
    rms_db,
    stop,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from sonar.audio import synth
from sonar.audio.earcons import EARCONS
from sonar.audio.fakes import ToneSpeaker
from sonar.audio.mixer import Mixer
from sonar.audio.phrases import PHRASES
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
    weights = np.array(synth.timbre(pitch))
    frequency = pitch * np.arange(1, weights.size + 1)
    near = (frequency >= 1400) & (frequency <= 2800)
    assert (weights[near] ** 2).sum() >= 0.35 * (weights**2).sum()


@pytest.mark.parametrize("pitch", [200.0, 250.0, 440.0, 500.0, 800.0, 1000.0, 2000.0])
def test_every_pitch_is_equally_loud(pitch):
    """Measured from the tone itself with scipy's own filter response of the A curve."""
    signal = pytest.importorskip("scipy.signal")
    mixer = Mixer(STEADY, SPEECH)
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
    assert 20 * np.log10(loudness / synth.LOUDNESS) == pytest.approx(0.0, abs=0.1)


def test_a_weighting_matches_the_standard_table():
    table = {100: -19.1, 250: -8.6, 500: -3.2, 1000: 0.0, 2000: 1.2, 4000: 1.0, 8000: -1.1}
    for frequency, level in table.items():
        assert synth.a_weighting_db(frequency) == pytest.approx(level, abs=0.1)


def test_the_street_is_heard_between_pulses():
    mixer = Mixer(AUDIO, SPEECH)
    mixer.post(pulse(rate_hz=8.0))
    loud = np.abs(render(mixer, 4.0)).max(axis=1) > 1e-4
    assert 0.3 < loud.mean() <= 0.42


@pytest.mark.parametrize("rate_hz", [1.0, 4.0, 8.0])
def test_a_pulse_is_struck_and_dies_away(rate_hz):
    mixer = Mixer(AUDIO, SPEECH)
    mixer.post(pulse(rate_hz=rate_hz))
    wave = np.abs(render(mixer, 0.9 / rate_hz)[:, 0])
    last = np.flatnonzero(wave > 1e-6)[-1]
    assert wave[: RATE // 100].max() > 0.8 * wave.max()  # within 10 ms
    assert wave[last - RATE // 400 :].max() < 0.01 * wave.max()


def test_a_danger_is_heard_in_the_first_block():
    mixer = Mixer(AUDIO, SPEECH)
    mixer.post(pulse(rate_hz=1.0))
    render(mixer, 0.5)
    mixer.post(stop(pan=1.0))
    block = render(mixer, 0.01)
    assert rms_db(block)[1] > -40


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
        for news in (None, cue):
            mixer = Mixer(AUDIO, SPEECH, ToneSpeaker(RATE))
            mixer.post(before)
            render(mixer, wait_s, block=block)
            if news is not None:
                mixer.post(news)
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


def test_volume_is_a_gain():
    quiet, loud = Mixer(AUDIO.model_copy(update={"volume_db": -20.0}), SPEECH), Mixer(AUDIO, SPEECH)
    for mixer in (quiet, loud):
        mixer.post(pulse(level_db=-6.0))
    assert rms_db(render(loud, 1.0)) - rms_db(render(quiet, 1.0)) == pytest.approx(20.0, abs=0.05)


def random_cue(generator: np.random.Generator) -> Cue:
    kind = list(CueKind)[generator.integers(4)]
    names = sorted(EARCONS)
    rides = kind is CueKind.EARCON or generator.random() < 0.1
    return Cue(
        kind,
        pan=float(generator.uniform(-1, 1)),
        rate_hz=float(generator.uniform(0.5, 12)),
        pitch_hz=float(generator.uniform(150, 1500)),
        level_db=float(generator.uniform(-12, 0)),
        priority=Priority(int(generator.integers(4))),
        earcon=names[generator.integers(len(names))] if rides else None,
        phrase=str(generator.choice(sorted(PHRASES))) if generator.random() < 0.05 else None,
    )


def bend_bound(cue: Cue) -> float:
    """The sharpest bend (second difference) of a steady tone, with 20 % for its envelope.

    A sum of harmonics bends by at most the sum of w_k (2 pi k f / rate)^2. A step, or an attack
    or a release that is missing, bends the curve by the step itself, or by its slope.
    """
    if cue.kind not in (CueKind.PULSE, CueKind.CONTINUOUS):
        return 0.0
    danger = cue.kind is CueKind.CONTINUOUS and cue.priority is Priority.DANGER
    omega = 2 * np.pi * cue.pitch_hz * (1.12 if danger else 1.0) / RATE
    weights = np.array(synth.timbre(cue.pitch_hz))
    k = np.arange(1, weights.size + 1)
    gain = synth.db_to_gain(cue.level_db) * synth.pan_gain(-abs(cue.pan), 30.0)
    return float(1.2 * gain * (weights * (k * omega) ** 2).sum()) + 2e-5


STEEP = [  # pitches whose waves are not at zero when a block or a pulse ends
    pulse(rate_hz=8.0, pitch_hz=517.0),
    pulse(rate_hz=3.0, pitch_hz=263.0, pan=-1.0),
    pulse(rate_hz=5.0, pitch_hz=1013.0, pan=1.0),
    stop(),
    stop(pan=1.0),
    SILENCE,
]


@pytest.mark.parametrize("before", STEEP)
@pytest.mark.parametrize("after", STEEP)
def test_a_change_is_no_sharper_than_the_tones_themselves(before, after):
    bound = bend_bound(before) + bend_bound(after)
    for wait_s in np.arange(0.1, 0.24, 0.013):
        mixer = Mixer(AUDIO, SPEECH)
        mixer.post(before)
        first = render(mixer, float(wait_s))
        mixer.post(after)
        joined = np.concatenate([np.zeros((2, 2)), first, render(mixer, 0.3)])
        assert biggest_bend(joined) <= bound


def test_no_click_in_ten_thousand_random_changes_of_tone():
    """At most the outgoing, the incoming and one more fading tone are heard together."""
    generator = np.random.default_rng(7)
    mixer = Mixer(AUDIO, SPEECH)
    block = np.zeros((240, 2), np.float32)
    last = np.zeros((2, 2), np.float32)
    recent = [0.0] * 40
    for _ in range(10_000):
        cue = random_cue(generator)
        if cue.kind is CueKind.EARCON:
            cue = SILENCE
        mixer.post(replace(cue, earcon=None, phrase=None))
        # a pulse may ring for 24 quanta, and the steady tone glides through other pitches
        recent = [*recent[1:], bend_bound(replace(cue, pan=1.0, level_db=0.0))]
        bound = sum(sorted(recent)[-3:])
        for _ in range(int(generator.integers(1, 4))):
            mixer.render(block)
            assert biggest_bend(np.concatenate([last, block])) <= bound
            last = block[-2:].copy()


def test_no_sample_beyond_the_limit_in_thousands_of_random_changes_of_everything():
    generator = np.random.default_rng(8)
    mixer = Mixer(AUDIO, SPEECH, ToneSpeaker(RATE, seconds=0.3))
    for _ in range(3000):
        mixer.post(random_cue(generator))
        assert np.abs(render(mixer, 0.01)).max() <= synth.CEILING


def test_a_recording_cut_off_mid_wave_does_not_click():
    """Phrases begin and end where the synthesiser left them; both ends are ramped."""

    class Abrupt(ToneSpeaker):
        def get(self, phrase):
            t = np.arange(4801) / RATE
            return (0.5 * np.cos(2 * np.pi * 300 * t)).astype(np.float32)

    mixer = Mixer(AUDIO, SPEECH, Abrupt(RATE))
    mixer.post(replace(SILENCE, phrase="stop"))
    samples = render(mixer, 0.3)
    assert np.abs(samples).max() > 0.3
    slope = 0.5 * 0.7072 * (2 * np.pi * 300 / RATE + np.pi / 2 / (0.003 * RATE))
    assert np.abs(np.diff(samples, axis=0)).max() <= slope


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
    mixer = Mixer(STEADY, SPEECH)
    levels = []
    for pitch in (300.0, 900.0):
        mixer.post(Cue(CueKind.CONTINUOUS, pitch_hz=pitch, pan=-1.0))
        wave = render(mixer, 1.2)[-RATE:, 0].astype(float)
        assert abs(cents(pitch_hz(wave, pitch), pitch)) < 1
        alone = Mixer(STEADY, SPEECH)
        alone.post(Cue(CueKind.CONTINUOUS, pitch_hz=pitch, pan=-1.0))
        levels.append(np.std(wave) / np.std(render(alone, 1.2)[-RATE:, 0].astype(float)))
    assert levels == pytest.approx([1.0, 1.0], abs=0.01)


def test_full_volume_of_everything_stays_below_the_ceiling():
    loud = AUDIO.model_copy(update={"volume_db": 12.0})
    speech = SPEECH.model_copy(update={"volume_db": 12.0, "duck_db": 0.0})
    mixer = Mixer(loud, speech, ToneSpeaker(RATE, seconds=1.0))
    mixer.post(stop(pan=-1.0, earcon="drop_off", phrase="stop"))
    samples = render(mixer, 1.5)
    assert 0.8 < np.abs(samples).max() <= synth.CEILING


def test_a_speaker_that_gives_nan_is_not_passed_on():
    class Broken(ToneSpeaker):
        def get(self, phrase):
            return np.full(4800, np.nan, np.float32)

    mixer = Mixer(AUDIO, SPEECH, Broken(RATE))
    mixer.post(replace(stop(), phrase="stop"))
    samples = render(mixer, 0.3)
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= synth.CEILING


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 1500), min_size=1, max_size=12), st.integers(0, 2**31))
def test_blocks_of_any_size_give_the_same_samples(sizes, seed):
    """Posted at the same samples, heard the same: phases run on across every boundary."""
    cues = [random_cue(np.random.default_rng(seed + i)) for i in range(len(sizes))]
    whole, cut = (Mixer(AUDIO, SPEECH, ToneSpeaker(RATE)) for _ in range(2))
    splits = np.random.default_rng(seed)
    for cue, size in zip(cues, sizes, strict=True):
        parts = []
        for mixer in (whole, cut):
            mixer.post(cue)
        expected = render(whole, size / RATE, block=size)
        left = size
        while left:
            take = int(splits.integers(1, left + 1))
            parts.append(render(cut, take / RATE, block=take))
            left -= take
        assert np.array_equal(expected, np.concatenate(parts))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31))
def test_mirrored_cues_swap_the_channels_exactly(seed):
    generator = np.random.default_rng(seed)
    plain, mirrored = Mixer(AUDIO, SPEECH), Mixer(AUDIO, SPEECH)
    for _ in range(12):
        cue = random_cue(generator)
        plain.post(cue)
        mirrored.post(replace(cue, pan=-cue.pan))
        seconds = float(generator.uniform(0.005, 0.1))
        assert np.array_equal(render(plain, seconds), render(mirrored, seconds)[:, ::-1])


def test_rendering_allocates_no_arrays():
    mixer = Mixer(AUDIO, SPEECH, ToneSpeaker(RATE))
    block = np.zeros((480, 2), np.float32)
    for cue in (pulse(rate_hz=8.0, phrase="close_left"), stop(phrase="stop"), SILENCE):
        mixer.post(cue)
        for _ in range(20):
            mixer.render(block)  # Python's own caches of small objects fill on the first turns
        mixer.post(replace(cue, phrase=None))
        assert_renders_without_arrays(mixer, block)
