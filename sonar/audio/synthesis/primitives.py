"""What sounds are made of: timbre, loudness, envelopes, the limiter. Pure functions.

Frequencies in hertz, gains in dB, times in seconds, samples float32 in [-1, 1].
"""

import math

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

HARMONICS = 8
HIGHEST_PITCH_HZ = 2500.0  # its eighth harmonic stays below half of 44.1 kHz
LOUDNESS = 0.16  # A-weighted RMS of a steady tone at 0 dB, before panning
CEILING = 10 ** (-1 / 20)  # -1 dBFS: no sample is ever beyond it
_KNEE = 0.7  # the limiter leaves smaller samples alone
_FORMANT_HZ = 2000.0  # where bone conduction leaks least between the ears


def db_to_gain(gain_db: float) -> float:
    """Amplitude ratio of a gain in dB."""
    return float(10.0 ** (gain_db / 20.0))


def a_weighting_db(frequency_hz: float) -> float:
    """How loud a tone of this frequency is beside one of 1 kHz (IEC 61672-1, A curve)."""
    f2 = frequency_hz * frequency_hz
    response = (12194.0**2 * f2 * f2) / (
        (f2 + 20.6**2) * math.sqrt((f2 + 107.7**2) * (f2 + 737.9**2)) * (f2 + 12194.0**2)
    )
    return 20.0 * math.log10(response) + 2.0


def timbre(pitch_hz: float) -> tuple[float, ...]:
    """Amplitudes of the harmonics 1 to 8 of a tone.

    The fundamental carries the pitch, a formant at 2 kHz carries the direction through bone,
    and the whole is scaled so that its A-weighted power is that of every other pitch.
    """
    raw = []
    power = 0.0
    for harmonic in range(1, HARMONICS + 1):
        frequency_hz = harmonic * pitch_hz
        octaves = math.log2(frequency_hz / _FORMANT_HZ)
        amplitude = 1.0 / harmonic + 0.8 * math.exp(-((octaves / 0.5) ** 2))
        amplitude /= 1.0 + (frequency_hz / 5000.0) ** 4
        raw.append(amplitude)
        power += 0.5 * (amplitude * db_to_gain(a_weighting_db(frequency_hz))) ** 2
    scale = LOUDNESS / math.sqrt(power)
    return tuple(scale * amplitude for amplitude in raw)


def rise(length: int) -> Samples:
    """Raised cosine from 0 (excluded) to 1, float32 ``(length,)``."""
    steps = np.arange(1, length + 1, dtype=np.float64) / length
    return (0.5 - 0.5 * np.cos(np.pi * steps)).astype(np.float32)


def limit(samples: Samples, scratch: Samples) -> None:
    """Bend what is above the knee towards the ceiling, in place; memoryless, so no pumping.

    ``scratch`` has the shape of ``samples``. NaN becomes silence.
    """
    np.abs(samples, out=scratch)
    loudest = float(scratch.max())
    if loudest <= _KNEE:
        return
    if not math.isfinite(loudest):
        np.nan_to_num(samples, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        np.abs(samples, out=scratch)
    margin = CEILING - _KNEE
    np.subtract(scratch, _KNEE, out=scratch)
    np.maximum(scratch, 0.0, out=scratch)  # how far beyond the knee
    np.divide(scratch, margin, out=scratch)
    np.tanh(scratch, out=scratch)
    np.multiply(scratch, margin, out=scratch)
    np.copysign(scratch, samples, out=scratch)
    np.clip(samples, -_KNEE, _KNEE, out=samples)
    np.add(samples, scratch, out=samples)
    np.clip(samples, -CEILING, CEILING, out=samples)  # rounding of the last bit
