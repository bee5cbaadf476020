"""A measured head: where its filters put a sound.

The files are written by :mod:`measured_head`; one test uses KEMAR, where Debian has put it.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hearing import (
    AUDIO,
    RATE,
    SPEECH,
    assert_renders_without_arrays,
    biggest_bend,
    onsets,
    pulse,
    render,
    rms_db,
    stop,
)
from measured_head import ear_delay_s, with_head, write
from test_space_and_silence import lead_us

from sonar.audio.head import PLACES, Head, HeadSpace, pan_of, place_of
from sonar.audio.synthesis.mixer import Mixer
from sonar.audio.synthesis.synth import Ears
from sonar.audio.synthesis.tables import QUANTUM
from sonar.testing.audio import ToneSpeaker
from sonar.types import Cue, CueKind

KEMAR = Path("/usr/share/libmysofa/MIT_KEMAR_normal_pinna.sofa")


# -- where a sound is ----------------------------------------------------------------------------


@pytest.mark.parametrize("make", [pulse, stop])
@pytest.mark.parametrize("pan", [-1.0, -0.5, 0.0, 0.25, 1.0])
def test_a_sound_has_the_time_and_the_level_of_its_direction(sphere, make, pan):
    mixer = Mixer(with_head(sphere), SPEECH)
    mixer.post(make(pan=pan))
    samples = render(mixer, 0.6)
    azimuth = 5.0 * np.trunc(-18.0 * pan_of(place_of(pan)) * (1 + 1e-9))  # the measured one
    wanted_us = 1e6 * (ear_delay_s(azimuth, -90.0) - ear_delay_s(azimuth, 90.0))
    assert lead_us(samples) == pytest.approx(wanted_us, abs=12.0)
    left_db, right_db = rms_db(samples[RATE // 20 :] if make is stop else samples)
    wanted_db = 12.0 * np.sin(np.deg2rad(azimuth))
    assert left_db - right_db == pytest.approx(wanted_db, abs=0.5)


@pytest.mark.parametrize("rate_hz", [44100, 96000])
def test_a_file_of_another_rate_is_heard_alike(sphere, tmp_path, rate_hz):
    other = write(tmp_path / "other.sofa", rate_hz)
    heard = []
    for path in (sphere, other):
        mixer = Mixer(with_head(path), SPEECH)
        mixer.post(pulse(pan=-1.0))
        heard.append(render(mixer, 0.5))
    assert lead_us(heard[1]) == pytest.approx(lead_us(heard[0]), abs=6.0)
    assert rms_db(heard[1]) == pytest.approx(rms_db(heard[0]), abs=0.3)


@pytest.mark.parametrize("pan", [-1.0, -0.4, 0.0, 1.0])
@pytest.mark.parametrize("pitch_hz", [250.0, 500.0, 1000.0])
def test_loudness_says_how_near_not_from_where(sphere, pan, pitch_hz):
    powers = []
    for audio in (AUDIO, with_head(sphere)):
        mixer = Mixer(audio, SPEECH)
        mixer.post(pulse(pan=pan, pitch_hz=pitch_hz))
        powers.append(np.square(render(mixer, 1.0).astype(float)).sum())
    assert 10 * np.log10(powers[1] / powers[0]) == pytest.approx(0.0, abs=1.0)


def test_a_mirrored_scene_swaps_the_channels_of_a_symmetric_head(sphere):
    def heard(sign):
        mixer = Mixer(with_head(sphere), SPEECH, ToneSpeaker(RATE))
        parts = []
        for cue in (pulse(pan=-sign), stop(pan=sign), stop(pan=-0.5 * sign), pulse(pan=sign)):
            mixer.post(cue)
            parts.append(render(mixer, 0.11))
        return np.concatenate(parts)

    assert np.abs(heard(1.0) - heard(-1.0)[:, ::-1]).max() < 1e-6
    assert np.abs(heard(1.0) - heard(-1.0)).max() > 0.05


def test_phrases_come_from_their_side_and_tones_give_way(sphere):
    mixer = Mixer(with_head(sphere), SPEECH, ToneSpeaker(RATE))
    mixer.post(stop(pan=1.0))
    before = rms_db(render(mixer, 0.5)[RATE // 4 :])
    mixer.post(stop(pan=1.0, phrase="close_left"))
    during = render(mixer, 0.4)[RATE // 8 :].astype(float)
    spectrum = np.abs(np.fft.rfft(during, axis=0)) ** 2
    frequency = np.fft.rfftfreq(during.shape[0], 1 / RATE)
    near = np.abs(frequency - ToneSpeaker(RATE).pitch_hz("close_left")) < 20
    assert 10 * np.log10(spectrum[near, 0].sum() / spectrum[near, 1].sum()) > 4
    low = frequency < 2500
    power = 2 * spectrum[low].sum(axis=0) / during.shape[0] ** 2
    assert 10 * np.log10(power[1]) - before[1] == pytest.approx(SPEECH.duck_db, abs=1.5)


def test_a_danger_is_heard_in_the_first_block(sphere):
    mixer = Mixer(with_head(sphere), SPEECH)
    mixer.post(pulse(rate_hz=1.0))
    render(mixer, 0.5)
    mixer.post(stop(pan=1.0))
    assert rms_db(render(mixer, 0.01))[1] > -40


def test_one_ear_needs_no_head_and_swapped_sides_are_swapped(sphere, tmp_path):
    heard = {}
    for name, audio in {
        "one ear": AUDIO.model_copy(update={"mono": True}),
        "one ear, a head": with_head(tmp_path / "not there.sofa", mono=True),
        "head": with_head(sphere),
        "swapped": with_head(sphere, swap_sides=True),
    }.items():
        mixer = Mixer(audio, SPEECH)
        mixer.post(pulse(pan=-0.7))
        heard[name] = render(mixer, 0.3)
    assert np.array_equal(heard["one ear"], heard["one ear, a head"])
    assert np.array_equal(heard["head"], heard["swapped"][:, ::-1])


# -- the filters themselves ----------------------------------------------------------------------


@pytest.mark.parametrize("taps", [17, 240, 241, 512])
def test_it_is_the_convolution_itself(taps):
    generator = np.random.default_rng(taps)
    filters = generator.normal(0, 1, (PLACES, 2, taps)).astype(np.float32)
    space, quanta = HeadSpace(Head(filters, "")), 41
    wanted = np.zeros((2, quanta * QUANTUM + taps))
    heard = np.zeros((2, quanta * QUANTUM), np.float32)
    spot = space.spot()
    for quantum in range(quanta):
        here = slice(quantum * QUANTUM, (quantum + 1) * QUANTUM)
        bus = np.zeros((2, QUANTUM), np.float32)
        # places come and go, some while they still ring, some again after they were silent
        for place in generator.choice(5, 2, replace=False) if quantum % 7 < 3 else ():
            wave = generator.normal(0, 1, QUANTUM).astype(np.float32)
            spot.add(bus, wave, Ears(0.5, 0.5, 0.0, int(place)))
            for ear in range(2):
                ringing = np.convolve(0.5 * wave, filters[place, ear])
                wanted[ear, here.start : here.start + ringing.size] += ringing
        space.finish(bus)
        heard[:, here] = bus
    assert np.abs(heard - wanted[:, : heard.shape[1]]).max() < 1e-3 * np.abs(wanted).max()
    assert not space.finish(np.zeros((2, QUANTUM), np.float32))  # nothing rings for ever


def test_changing_sides_does_not_click(sphere):
    """Mono waves are at most as sharp as a centered tone's; a filter adds at most its own sum."""
    generator = np.random.default_rng(3)
    mixers = [Mixer(with_head(sphere), SPEECH), Mixer(AUDIO, SPEECH)]
    heard = [[], []]
    for _ in range(600):
        pan = float(generator.choice([-1.0, -0.3, 0.0, 0.6, 1.0]))
        cue = stop(pan=pan) if generator.random() < 0.6 else pulse(pan=pan, rate_hz=8.0)
        length_s = float(generator.uniform(0.004, 0.06))
        for mixer, pan_ in zip(mixers, (pan, 0.0), strict=True):
            mixer.post(replace(cue, pan=pan_))
            heard[mixers.index(mixer)].append(render(mixer, length_s))
    head, plain = (biggest_bend(np.concatenate(parts)) for parts in heard)
    assert head < 3.0 * plain


def test_rendering_through_a_head_allocates_no_arrays(sphere):
    mixer = Mixer(with_head(sphere), SPEECH, ToneSpeaker(RATE))
    block = np.zeros((480, 2), np.float32)
    cues = (
        pulse(rate_hz=8.0, pan=-1.0, phrase="close_left"),
        stop(pan=1.0, phrase="stop"),
        Cue(CueKind.SILENCE),
    )
    for cue in cues:
        mixer.post(cue)
        mixer.render(block)
        assert_renders_without_arrays(mixer, block)


def test_blocks_of_any_size_give_the_same_samples(sphere):
    whole, cut = (Mixer(with_head(sphere), SPEECH) for _ in range(2))
    for mixer in (whole, cut):
        mixer.post(pulse(pan=0.4))
    assert np.array_equal(render(whole, 0.4, block=480), render(cut, 0.4, block=331))


# -- a real head ---------------------------------------------------------------------------------


@pytest.mark.skipif(not KEMAR.exists(), reason="needs libmysofa1's KEMAR (apt install libmysofa1)")
def test_kemar():
    """MIT's measurement of 1994, 44.1 kHz: 0.6 to 0.8 ms and more than 5 dB to the side."""
    heard = {}
    for pan in (-1.0, 0.0, 1.0):
        mixer = Mixer(with_head(KEMAR), SPEECH)
        mixer.post(pulse(pan=pan))
        heard[pan] = render(mixer, 0.6)
    for pan in (-1.0, 1.0):
        assert 600 < -pan * lead_us(heard[pan]) < 850
        left_db, right_db = rms_db(heard[pan])
        assert pan * (right_db - left_db) > 5
    assert abs(lead_us(heard[0.0])) < 25
    assert abs(np.diff(rms_db(heard[0.0]))[0]) < 1
    assert 0 < onsets(heard[-1.0])[0] < RATE // 500
