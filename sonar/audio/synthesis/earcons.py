"""Earcons: short fixed signals, one for each message that a pulse cannot carry. Rendered once.

Each differs from every other in rhythm and contour, not only in pitch, so that a listener who
has heard them once tells them apart, also one who does not hear pitch well.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from sonar.audio.synthesis.primitives import LOUDNESS, a_weighting_db, db_to_gain, rise, timbre
from sonar.types import Priority

Wave = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Earcon:
    """How a signal is used.

    Attributes:
        name: as in ``Cue.earcon``.
        meaning: in words, for documentation and `sonar demo`.
        priority: a higher one cuts off a lower one; equals wait.
        make: samples from the sample rate.
    """

    name: str
    meaning: str
    priority: Priority
    make: Callable[[int], Wave]


def _note(rate_hz: int, pitch_hz: float, seconds: float, *, decay_s: float = 0.12) -> Wave:
    """One struck note with the timbre of the pulses."""
    return _sweep(rate_hz, pitch_hz, pitch_hz, seconds, decay_s=decay_s)


def _sweep(
    rate_hz: int, from_hz: float, to_hz: float, seconds: float, *, decay_s: float = 10.0
) -> Wave:
    """A note that glides, geometrically, from one pitch to another."""
    count = round(seconds * rate_hz)
    share = np.arange(count) / count
    pitch = from_hz * (to_hz / from_hz) ** share
    phase = 2 * np.pi * np.cumsum(pitch) / rate_hz
    weights = timbre((from_hz * to_hz) ** 0.5)
    wave = sum(weight * np.sin((k + 1) * phase) for k, weight in enumerate(weights))
    wave = wave * np.exp(-np.arange(count) / (decay_s * rate_hz))
    return _edged(np.asarray(wave), rate_hz)


def _edged(wave: Wave, rate_hz: int, attack_s: float = 0.004, release_s: float = 0.025) -> Wave:
    attack, release = rise(round(attack_s * rate_hz)), rise(round(release_s * rate_hz))
    wave[: attack.size] *= attack
    wave[-release.size :] *= release[::-1]
    return wave


def _static(rate_hz: int, seconds: float, seed: int) -> Wave:
    """Noise around 2.2 kHz: a radio without a station."""
    count = round(seconds * rate_hz)
    generator = np.random.default_rng(seed)
    spectrum = np.fft.rfft(generator.standard_normal(count))
    frequency = np.fft.rfftfreq(count, 1 / rate_hz)
    spectrum *= np.exp(-((np.log2(np.maximum(frequency, 1.0) / 2200.0) / 0.45) ** 2))
    wave = np.fft.irfft(spectrum, count)
    gain = LOUDNESS / (np.sqrt(np.mean(wave**2)) * db_to_gain(a_weighting_db(2200.0)))
    return _edged(wave * gain, rate_hz, attack_s=0.025)


def _row(rate_hz: int, *parts: Wave | float) -> Wave:
    """Waves one after the other; a number is a pause in seconds."""
    return np.concatenate(
        [np.zeros(round(part * rate_hz)) if isinstance(part, float) else part for part in parts]
    )


def _unknown(rate_hz: int) -> Wave:
    return _row(rate_hz, _static(rate_hz, 0.13, 1), 0.07, _static(rate_hz, 0.13, 2))


def _drop_off(rate_hz: int) -> Wave:
    fall = _sweep(rate_hz, 1600.0, 220.0, 0.26)
    return _row(rate_hz, fall, 0.04, fall)


def _head(rate_hz: int) -> Wave:
    low, high = _note(rate_hz, 1000.0, 0.07), _note(rate_hz, 1500.0, 0.07)
    return _row(rate_hz, low, high, low, high)


def _loading(rate_hz: int) -> Wave:
    return 0.5 * _note(rate_hz, 400.0, 0.09, decay_s=0.03)


def _ready(rate_hz: int) -> Wave:
    return _row(rate_hz, *(_note(rate_hz, pitch, 0.11) for pitch in (523.25, 659.26, 783.99)))


def _guiding(rate_hz: int) -> Wave:
    return _row(rate_hz, _note(rate_hz, 523.25, 0.09), _note(rate_hz, 783.99, 0.12))


def _degraded(rate_hz: int) -> Wave:
    return _row(rate_hz, _note(rate_hz, 622.25, 0.12), 0.02, _note(rate_hz, 440.0, 0.2))


def _stopped(rate_hz: int) -> Wave:
    return _row(rate_hz, *(_note(rate_hz, pitch, 0.15) for pitch in (783.99, 659.26, 523.25)))


def _battery_low(rate_hz: int) -> Wave:
    beep = _note(rate_hz, 330.0, 0.06)
    return _row(rate_hz, beep, 0.06, beep, 0.06, beep, 0.06, _note(rate_hz, 247.0, 0.15))


def _confirm(rate_hz: int) -> Wave:
    return 0.7 * _note(rate_hz, 1175.0, 0.05, decay_s=0.02)


def _muted(rate_hz: int) -> Wave:
    tick = 0.3 * _note(rate_hz, 600.0, 0.04, decay_s=0.015)
    return _row(rate_hz, tick, 0.12, tick)


def _refused(rate_hz: int) -> Wave:
    thud = 0.7 * _note(rate_hz, 196.0, 0.07, decay_s=0.03)
    return _row(rate_hz, thud, 0.04, thud)


_ALL = (
    Earcon("unknown", "sonar cannot see: static, twice", Priority.WARNING, _unknown),
    Earcon("drop_off", "possible drop ahead: two steep falls", Priority.DANGER, _drop_off),
    Earcon("head", "at head height: a high trill", Priority.WARNING, _head),
    Earcon("loading", "starting: soft slow ticks", Priority.INFO, _loading),
    Earcon("ready", "ready: three notes rising", Priority.INFO, _ready),
    Earcon("guiding", "sees again: two notes rising", Priority.INFO, _guiding),
    Earcon("degraded", "sees badly: two notes falling", Priority.WARNING, _degraded),
    Earcon("stopped", "has stopped: three notes falling", Priority.WARNING, _stopped),
    Earcon("battery_low", "battery low: three short, one lower", Priority.INFO, _battery_low),
    Earcon("confirm", "a command was done: one short tick", Priority.INFO, _confirm),
    Earcon("muted", "sound is switched off: two soft ticks", Priority.INFO, _muted),
    Earcon("refused", "a command could not be done: two thuds", Priority.INFO, _refused),
)
EARCONS: Mapping[str, Earcon] = MappingProxyType({earcon.name: earcon for earcon in _ALL})


def render_earcons(rate_hz: int) -> dict[str, NDArray[np.float32]]:
    """All of them, mono float32 ``(n,)``, peaks below 1, by name."""
    return {name: earcon.make(rate_hz).astype(np.float32) for name, earcon in EARCONS.items()}
