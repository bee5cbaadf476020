"""Trimmed, resampled and normalized: measured, not believed."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from words import agree

from sonar.audio.speech.clips import (
    LOUDNESS_DB,
    PEAK_DB,
    Samples,
    clip_for_mixer,
    normalize,
    resample,
    trim,
)

RATES = [(22_050, 48_000), (22_050, 44_100), (48_000, 22_050), (16_000, 44_100)]


def sine(hz: float, rate_hz: int, seconds: float = 0.5, peak: float = 0.5) -> Samples:
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return (peak * np.sin(2 * math.pi * hz * t)).astype(np.float32)


def rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


def burst(rate_hz: int = 22_050, before_s: float = 0.2, seconds: float = 0.3) -> Samples:
    silence = np.zeros(round(before_s * rate_hz), np.float32)
    return np.concatenate([silence, sine(700, rate_hz, seconds), silence])


@pytest.mark.parametrize(("source", "target"), RATES)
@pytest.mark.parametrize("hz", [100.0, 1000.0, 5000.0])
def test_a_tone_keeps_its_place_level_and_purity(source: int, target: int, hz: float) -> None:
    out = resample(sine(hz, source), source, target)
    assert out.dtype == np.float32
    assert out.size == math.ceil(round(0.5 * source) * target / source)
    inner = slice(out.size // 10, -out.size // 10)
    wanted = 0.5 * np.sin(2 * math.pi * hz * np.arange(out.size) / target)
    residue = rms((out - wanted)[inner]) / rms(wanted[inner])
    assert 20 * math.log10(residue) < -96  # level, delay, images and aliases in one figure


def test_the_speech_band_is_flat_and_its_mirror_is_gone() -> None:
    for hz in (3000.0, 6000.0, 9000.0):
        out = resample(sine(hz, 22_050), 22_050, 48_000)[2000:-2000]
        spectrum = np.abs(np.fft.rfft(out * np.hanning(out.size)))
        freqs = np.fft.rfftfreq(out.size, 1 / 48_000)
        image = spectrum[np.abs(freqs - (22_050 - hz)) < 100].max() / spectrum.max()
        assert 20 * math.log10(image + 1e-12) < -80
        assert 20 * math.log10(rms(out) / (0.5 / math.sqrt(2))) == pytest.approx(0, abs=0.05)


def test_going_down_what_would_alias_is_removed() -> None:
    out = resample(sine(15_000, 48_000), 48_000, 22_050)[500:-500]
    assert 20 * math.log10(rms(out) / 0.35) < -80


def test_scipy_agrees() -> None:
    signal = pytest.importorskip("scipy.signal", reason="scipy is in the dev extra")
    noise = np.random.default_rng(1).standard_normal(11_025).astype(np.float32)
    low = signal.sosfiltfilt(signal.butter(8, 6000, fs=22_050, output="sos"), noise)
    ours = resample(low.astype(np.float32), 22_050, 48_000)
    theirs = signal.resample_poly(low, 320, 147, window=("kaiser", 9.0))
    assert rms((ours - theirs[: ours.size])[500:-500]) / rms(ours) < 1e-3


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(0, 400),
    st.sampled_from([8000, 16_000, 22_050, 24_000, 48_000]),
    st.sampled_from([44_100, 48_000]),
)
def test_any_length_at_any_rate(count: int, source: int, target: int) -> None:
    samples = np.random.default_rng(count).uniform(-1, 1, count).astype(np.float32)
    out = resample(samples, source, target)
    assert out.size == math.ceil(count * target / source)
    assert np.isfinite(out).all()


def test_silence_goes_and_the_onset_stays() -> None:
    cut = trim(burst(before_s=0.2, seconds=0.3), 22_050)
    assert cut.size / 22_050 == pytest.approx(0.3, abs=0.045)
    assert np.flatnonzero(np.abs(cut) > 0.05)[0] / 22_050 < 0.012


@pytest.mark.parametrize("silent", [np.zeros(0), np.zeros(5), np.zeros(5000), np.full(900, 1e-6)])
def test_silence_alone_gives_nothing(silent: Samples) -> None:
    assert clip_for_mixer(silent.astype(np.float32), 22_050, 48_000).size == 0


@pytest.mark.parametrize("peak", [0.001, 0.05, 0.5, 1.0])
def test_loud_and_quiet_voices_end_at_one_loudness(peak: float) -> None:
    clip = clip_for_mixer(burst() * np.float32(2 * peak), 22_050, 48_000)
    spoken = clip[clip.size // 4 : clip.size // 2]
    assert 20 * math.log10(rms(spoken)) == pytest.approx(LOUDNESS_DB, abs=0.5)


def test_a_spiky_voice_is_held_below_the_ceiling() -> None:
    spiky = sine(300, 48_000, peak=0.01)
    spiky[::4800] = 1.0
    assert np.abs(normalize(spiky, 48_000)).max() <= 10 ** (PEAK_DB / 20) + 1e-6


def test_edges_are_free_of_clicks() -> None:
    clip = clip_for_mixer(np.ones(9000, np.float32) * 0.5, 22_050, 48_000)
    assert clip[0] == 0.0 and clip[-1] == 0.0
    assert np.abs(np.diff(clip)).max() < 0.02


def test_agreement_separates_words() -> None:
    rng = np.random.default_rng(0)
    one = np.concatenate([burst(), burst(before_s=0.05, seconds=0.1)])
    again = (one * 0.8 + rng.normal(0, 1e-4, one.size)).astype(np.float32)
    silence, nothing = np.zeros(9000, np.float32), np.zeros(0, np.float32)

    def same(first: Samples, second: Samples) -> bool:
        return agree((first, 22_050), (second, 22_050))

    assert same(one, again)
    assert not same(one, one[: one.size // 2]), "half the words"
    assert not same(one, one[::-1]), "another rhythm"
    assert not same(one, resample(one, 190, 200)), "another speed"
    assert not same(one, silence)
    assert not same(nothing, nothing)
