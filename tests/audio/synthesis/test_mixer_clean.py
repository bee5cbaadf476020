"""What the mixer renders is clean: no clicks, nothing too loud, the same in blocks of any size."""

from dataclasses import replace

import numpy as np
from hearing import (
    AUDIO,
    RATE,
    SPEECH,
    assert_keeps_no_memory,
    biggest_bend,
    pulse,
    render,
    stop,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from sonar.audio.cues import PHRASES
from sonar.audio.synthesis import EARCONS, Mixer, waves
from sonar.testing.audio import ToneSpeaker
from sonar.types import Cue, CueKind, Priority

SILENCE = Cue(CueKind.SILENCE)


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
    weights = np.array(waves.timbre(cue.pitch_hz))
    k = np.arange(1, weights.size + 1)
    gain = waves.db_to_gain(cue.level_db) * waves.pan_gain(-abs(cue.pan), 30.0)
    return float(1.2 * gain * (weights * (k * omega) ** 2).sum()) + 2e-5


def test_no_click_in_thousands_of_random_changes_of_tone():
    """At most the outgoing, the incoming and one more fading tone are heard together."""
    generator = np.random.default_rng(7)
    mixer = Mixer(AUDIO, SPEECH)
    block = np.zeros((240, 2), np.float32)
    last = np.zeros((2, 2), np.float32)
    recent = [0.0] * 40
    for _ in range(3000):
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


def test_a_recording_cut_off_mid_wave_does_not_click():
    """Phrases begin and end where the synthesizer left them; both ends are ramped."""

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


def test_full_volume_of_everything_stays_below_the_ceiling():
    loud = AUDIO.model_copy(update={"volume_db": 12.0})
    mixer = Mixer(loud, SPEECH, ToneSpeaker(RATE, seconds=1.0))
    mixer.post(stop(pan=-1.0, earcon="drop_off", phrase="stop"))
    samples = render(mixer, 1.5)
    assert 0.8 < np.abs(samples).max() <= waves.CEILING


def test_a_speaker_that_gives_nan_is_not_passed_on():
    class Broken(ToneSpeaker):
        def get(self, phrase):
            return np.full(4800, np.nan, np.float32)

    mixer = Mixer(AUDIO, SPEECH, Broken(RATE))
    mixer.post(replace(stop(), phrase="stop"))
    samples = render(mixer, 0.3)
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= waves.CEILING


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


def test_rendering_keeps_no_memory():
    mixer = Mixer(AUDIO, SPEECH, ToneSpeaker(RATE))
    block = np.zeros((480, 2), np.float32)
    for cue in (pulse(rate_hz=8.0, phrase="close_left"), stop(phrase="stop"), SILENCE):
        mixer.post(cue)
        for _ in range(20):
            mixer.render(block)  # Python's own caches of small objects fill on the first turns
        mixer.post(replace(cue, phrase=None))
        assert_keeps_no_memory(mixer, block)
