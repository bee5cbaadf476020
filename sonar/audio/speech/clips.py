"""From a synthesizer's recording to a clip for the mixer: trimmed, resampled, of one loudness."""

import math

import av
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

LOUDNESS_DB = -20.0  # RMS of the spoken parts, dB below full scale
PEAK_DB = -1.0  # no sample beyond
_SILENT_DB = -40.0  # relative to the loudest 5 ms: below is silence
_PAUSE_DB = -35.0  # relative to the loudest 20 ms: below is a pause, which does not count
_FADE_IN_S, _FADE_OUT_S = 0.002, 0.010
_PAD = 256  # samples


def clip_for_mixer(samples: Samples, source_hz: int, target_hz: int) -> Samples:
    """A recording as the mixer wants it; empty when nothing was spoken.

    From and to float32 of shape ``(n,)`` in [-1, 1]: no silence around it, edges faded, its
    spoken parts at :data:`LOUDNESS_DB` RMS unless a peak would pass :data:`PEAK_DB`.
    """
    spoken = trim(samples, source_hz)
    if spoken.size == 0:
        return spoken
    return _fade(normalize(resample(spoken, source_hz, target_hz), target_hz), target_hz)


def trim(samples: Samples, rate_hz: int) -> Samples:
    """Without leading and trailing silence; 5 ms before and 30 ms after are kept."""
    step = max(1, rate_hz // 200)
    power = _block_power(samples, step)
    if power.size == 0 or power.max() < 1e-8:
        return samples[:0]
    loud = np.flatnonzero(power > power.max() * 10 ** (_SILENT_DB / 10))
    first = max(0, int(loud[0]) - 1) * step
    last = (int(loud[-1]) + 7) * step
    return samples[first:last]


def normalize(samples: Samples, rate_hz: int) -> Samples:
    """Scaled so that what is spoken has :data:`LOUDNESS_DB` RMS, pauses not counted."""
    power = _block_power(samples, max(1, rate_hz // 50))
    if power.size == 0 or power.max() <= 0.0:
        return samples
    rms = math.sqrt(float(power[power > power.max() * 10 ** (_PAUSE_DB / 10)].mean()))
    gain = min(10 ** (LOUDNESS_DB / 20) / rms, 10 ** (PEAK_DB / 20) / float(np.abs(samples).max()))
    return (samples * np.float32(gain)).astype(np.float32)


def resample(samples: Samples, source_hz: int, target_hz: int) -> Samples:
    """At another rate, by FFmpeg: float32 of shape ``(ceil(n * target / source),)``, no delay.

    Of a tone below 5 kHz, delay, images and aliases together are below -96 dB (measured, see
    tests/audio/speech/test_clips.py).
    """
    if source_hz == target_hz or samples.size == 0:
        return samples.astype(np.float32)
    block = np.pad(samples.astype(np.float32), (0, _PAD))  # FFmpeg cuts the end of short ones
    frame = av.AudioFrame.from_ndarray(block[None, :], format="flt", layout="mono")
    frame.sample_rate = source_hz
    resampler = av.AudioResampler(format="flt", layout="mono", rate=target_hz)
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    count = -(-samples.size * target_hz // source_hz)
    return np.concatenate([part.to_ndarray()[0] for part in parts])[:count].astype(np.float32)


def _block_power(samples: Samples, step: int) -> NDArray[np.float64]:
    count = samples.size // step
    blocks = samples[: count * step].reshape(count, step).astype(np.float64)
    power: NDArray[np.float64] = (blocks**2).mean(axis=1) if count else np.zeros(0)
    return power


def _fade(samples: Samples, rate_hz: int) -> Samples:
    out = samples.copy()
    for seconds, edge in ((_FADE_IN_S, slice(None)), (_FADE_OUT_S, slice(None, None, -1))):
        count = min(out.size, max(1, round(seconds * rate_hz)))
        out[edge][:count] *= np.linspace(0.0, 1.0, count, endpoint=False, dtype=np.float32)
    return out
