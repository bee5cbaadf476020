"""What sounds are made of: timbre, ramps, harmonics, panning, the limiter.

Frequencies in hertz, gains in dB, times in seconds, samples float32 in [-1, 1]. numpy gives up the
interpreter's lock for more than 500 elements, and the audio callback would have to wait until it
comes back: the callback computes at most a quantum of two channels at once.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Wave = NDArray[np.float64]

QUANTUM = 240  # samples: 5 ms at 48 kHz, the grid on which changes take effect
CUT_SAMPLES = 2 * QUANTUM  # the fade of a sound that is cut off, 10 ms
INDEX = np.arange(QUANTUM, dtype=np.float64)
RAMP = (INDEX + 1.0) / QUANTUM
HIGHEST_PITCH_HZ = 2500.0  # its eighth harmonic stays below half of 44.1 kHz
LOUDNESS = 0.16  # A-weighted RMS of a steady tone at 0 dB, before panning
CEILING = 10 ** (-1 / 20)  # -1 dBFS: no sample is ever beyond it
_KNEE = 0.7  # the limiter leaves smaller samples alone
_FORMANT_HZ = 2000.0  # where bone conduction leaks least between the ears
LONGEST_PULSE_S, _DECAY_S = 0.12, 0.07
_ORDERS = (2.0 * np.pi * np.arange(1, 9)).astype(np.float32)[:, None]
_PART = 60  # samples: eight harmonics of them stay below 500 elements


def db_to_gain(gain_db: float) -> float:
    """Amplitude ratio of a gain in dB."""
    return float(10.0 ** (gain_db / 20.0))


def pan_gain(pan: float, pan_db: float) -> float:
    """Gain of the left ear for a ``pan`` from -1 (left) to 1; the right ear's is that of ``-pan``.

    The squares of both sum to 1 (constant power), and at ``pan`` = -1 the left ear gets
    ``pan_db`` more than the right: a level difference, exaggerated, is what bone conduction
    needs; a time difference hardly helps there.
    """
    return 1.0 / math.sqrt(1.0 + 10.0 ** (pan * pan_db / 10.0))


def ears(pan: float, pan_db: float, gain_db: float = 0.0) -> tuple[float, float]:
    """Gains of the left and the right ear; the opposite pan exchanges them, exactly."""
    gain = db_to_gain(gain_db)
    return gain * pan_gain(pan, pan_db), gain * pan_gain(-pan, pan_db)


def approach(value: float, target: float, step: float) -> float:
    """``value`` moved towards ``target`` by at most ``step``."""
    return max(value - step, min(value + step, target))


def ramp(before: float, after: float) -> Wave | float:
    """Evenly from one value to the other within a quantum; a number where both are the same."""
    return before if before == after else before + (after - before) * RAMP


@lru_cache(maxsize=16)
def rise(length: int) -> Samples:
    """Raised cosine from 0 (excluded) to 1, float32 ``(length,)``; to be read only."""
    return (0.5 - 0.5 * np.cos(np.pi * np.arange(1, length + 1) / length)).astype(np.float32)


def a_weighting(frequency_hz: Wave) -> Wave:
    """Loudness of a tone beside one of 1 kHz, as an amplitude ratio (IEC 61672-1, A curve)."""
    f2 = np.square(frequency_hz)
    response = (12194.0**2 * f2 * f2) / (
        (f2 + 20.6**2) * np.sqrt((f2 + 107.7**2) * (f2 + 737.9**2)) * (f2 + 12194.0**2)
    )
    return np.asarray(response * db_to_gain(2.0))


@lru_cache(maxsize=256)
def timbre(pitch_hz: float) -> Samples:
    """Amplitudes of the harmonics 1 to 8 of a tone, float32; to be read only.

    The fundamental carries the pitch, a formant at 2 kHz carries the direction through bone,
    and the whole is scaled so that its A-weighted power is that of every other pitch.
    """
    order = np.arange(1.0, 9.0)
    frequency_hz = order * pitch_hz
    formant = np.exp(-((np.log2(frequency_hz / _FORMANT_HZ) / 0.5) ** 2))
    raw = (1.0 / order + 0.8 * formant) / (1.0 + (frequency_hz / 5000.0) ** 4)
    power = 0.5 * np.sum(np.square(raw * a_weighting(frequency_hz)))
    return np.asarray(LOUDNESS / np.sqrt(power) * raw, np.float32)


def harmonics(turns: Wave, weights: Samples) -> Samples:
    """The sum of ``weights[k]`` times the sine of harmonic ``k + 1``, float32 ``(n,)``.

    ``turns`` is the phase of the fundamental in turns, float64 ``(n,)``; ``weights`` is as from
    :func:`timbre`.
    """
    # only the share of a turn: the rest would cost float32 its digits
    share = (turns - np.floor(turns)).astype(np.float32)[None, :]
    out = np.empty(turns.size, np.float32)
    for begin in range(0, turns.size, _PART):
        part = slice(begin, begin + _PART)
        angles = np.dot(_ORDERS, share[:, part])
        np.dot(weights, np.sin(angles, out=angles), out=out[part])
    return out


@lru_cache(maxsize=16)
def pulse(rate_hz: int, pitch_hz: float, bend: float) -> Samples:
    """A tone that was struck and rings out, whole, float32; few are used, again and again.

    Its pitch rises by the share ``2 * bend`` of itself a sample.
    """
    parts, weights = [], timbre(pitch_hz)
    for begin in range(0, round(LONGEST_PULSE_S * rate_hz), QUANTUM):
        index = begin + INDEX
        turns = index * (1.0 + bend * index) * (pitch_hz / rate_hz)
        parts.append(harmonics(turns, weights) * np.exp(-index / (_DECAY_S * rate_hz)))
    return np.concatenate(parts).astype(np.float32)


class Fader:
    """A gain that reaches each new target evenly, over whole quanta."""

    def __init__(self, value: float) -> None:
        self._value = self._target = value
        self._step = 0.0

    def over(self, target: float, quanta: int) -> Wave | float:
        """The gain over the coming quantum, on the way to ``target``."""
        if target == self._value:
            return target
        if target != self._target:
            self._target, self._step = target, abs(target - self._value) / quanta
        before, self._value = self._value, approach(self._value, target, self._step)
        return ramp(before, self._value)


def limit(samples: Samples) -> None:
    """Bend what is above the knee towards the ceiling, in place; memoryless, so no pumping.

    NaN becomes silence.
    """
    loudest = float(np.abs(samples).max())
    if loudest <= _KNEE:
        return
    if not math.isfinite(loudest):
        np.nan_to_num(samples, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    margin = CEILING - _KNEE
    beyond = margin * np.tanh(np.maximum(np.abs(samples) - _KNEE, 0.0) / margin)
    bent = np.clip(samples, -_KNEE, _KNEE) + np.copysign(beyond, samples)
    np.clip(bent, -CEILING, CEILING, out=samples)  # rounding of the last bit
