"""From a synthesiser's recording to a clip for the mixer: trimmed, resampled, levelled.

Pure numpy: scipy is no base dependency.
"""

import io
import math
import wave
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sonar.errors import SpeechError

Samples = NDArray[np.float32]

LEVEL_DB = -20.0  # RMS of the spoken parts, dB below full scale
PEAK_DB = -1.0  # no sample beyond
SAME_WORDS = 0.96  # likeness of spectrograms; see agree
_SILENT_DB = -40.0  # relative to the loudest 5 ms: below is silence
_MAX_SECONDS = 60.0
_TAPS = 64  # of the resampler, at the lower of the two rates
_KAISER_BETA = 9.0  # about 90 dB stop band


def read_wav(data: bytes) -> tuple[Samples, int]:
    """Samples in [-1, 1] (mono, shape ``(n,)``) and rate of a 16-bit mono WAV file.

    Raises:
        SpeechError: anything else, or longer than a minute.
    """
    try:
        with wave.open(io.BytesIO(data)) as file:
            shape = (file.getnchannels(), file.getsampwidth())
            rate_hz = file.getframerate()
            raw = file.readframes(file.getnframes())
    except (wave.Error, EOFError, OSError, RuntimeError) as error:
        raise SpeechError(f"the synthesiser gave no WAV file ({error})") from error
    if shape != (1, 2) or not 4000 <= rate_hz <= 192_000 or len(raw) > 2 * rate_hz * _MAX_SECONDS:
        raise SpeechError("the synthesiser gave a WAV file of an unexpected kind")
    return np.frombuffer(raw[: len(raw) // 2 * 2], "<i2").astype(np.float32) / 32768.0, rate_hz


def write_wav(samples: Samples, rate_hz: int) -> bytes:
    """``samples`` in [-1, 1] as a 16-bit mono WAV file."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.round(np.clip(samples, -1, 1) * 32767.0).astype("<i2").tobytes())
    return stream.getvalue()


def clip_for_mixer(samples: Samples, source_hz: int, target_hz: int) -> Samples:
    """A recording as the mixer wants it; empty when nothing was spoken.

    Args:
        samples: float32 of shape ``(n,)``, in [-1, 1], at ``source_hz``.
        target_hz: the mixer's rate.

    Returns:
        float32 of shape ``(m,)`` at ``target_hz``: no silence around it, edges faded, its
        spoken parts at :data:`LEVEL_DB` RMS unless a peak would pass :data:`PEAK_DB`.
    """
    spoken = trim(samples, source_hz)
    if spoken.size == 0:
        return spoken
    return _fade(level(resample(spoken, source_hz, target_hz), target_hz), target_hz)


def trim(samples: Samples, rate_hz: int) -> Samples:
    """Without leading and trailing silence; 5 ms before and 30 ms after are kept."""
    step = max(1, rate_hz // 200)
    power = _frame_power(samples, step)
    if power.size == 0 or power.max() < 1e-8:
        return samples[:0]
    loud = np.flatnonzero(power > power.max() * 10 ** (_SILENT_DB / 10))
    first = max(0, int(loud[0]) - 1) * step
    last = (int(loud[-1]) + 7) * step
    return samples[first:last]


def level(samples: Samples, rate_hz: int) -> Samples:
    """Scaled so that what is spoken has :data:`LEVEL_DB` RMS, pauses not counted."""
    power = _frame_power(samples, max(1, rate_hz // 50))
    if power.size == 0 or power.max() <= 0.0:
        return samples
    rms = math.sqrt(float(power[power > power.max() * 10**-3.5].mean()))
    gain = min(10 ** (LEVEL_DB / 20) / rms, 10 ** (PEAK_DB / 20) / float(np.abs(samples).max()))
    return (samples * np.float32(gain)).astype(np.float32)


def resample(samples: Samples, source_hz: int, target_hz: int) -> Samples:
    """Polyphase windowed-sinc resampling; images and aliases below -80 dB.

    Args:
        samples: float32 of shape ``(n,)``.

    Returns:
        float32 of shape ``(ceil(n * target_hz / source_hz),)``, no delay.
    """
    if source_hz == target_hz or samples.size == 0:
        return samples.astype(np.float32)
    divisor = math.gcd(source_hz, target_hz)
    up, down = target_hz // divisor, source_hz // divisor
    bank = _filter_bank(up, down)
    half = bank.shape[1] // 2
    padded = np.concatenate([np.zeros(half), samples.astype(np.float64), np.zeros(half + 1)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, bank.shape[1])
    count = -(-samples.size * up // down)
    out = np.empty(count, np.float32)
    for phase in range(up):
        # Outputs phase, phase + up, ... share a filter and are ``down`` inputs apart.
        starts = np.arange(phase, count, up)
        position = starts * down
        out[starts] = windows[position // up + 1] @ bank[phase * down % up]
    return out


@lru_cache(maxsize=4)
def _filter_bank(up: int, down: int) -> NDArray[np.float64]:
    """One filter a fraction ``i / up`` of an input sample, shape ``(up, taps)``, unit gain."""
    scale = min(1.0, up / down)  # going down, the filter is stretched
    half = math.ceil(_TAPS / 2 / scale)
    # The pass band ends where the window's own slope still fits below the lower Nyquist rate.
    cutoff = scale * (1.0 - 5.7 / _TAPS)
    distance = np.arange(1 - half, half + 1)[None, :] - (np.arange(up) / up)[:, None]
    window = np.i0(_KAISER_BETA * np.sqrt(np.clip(1 - (distance / half) ** 2, 0, 1)))
    bank: NDArray[np.float64] = np.sinc(cutoff * distance) * window
    bank /= bank.sum(axis=1, keepdims=True)
    return bank


def agree(one: tuple[Samples, int], other: tuple[Samples, int]) -> bool:
    """Whether two recordings (samples and rate) by one voice are of the same words.

    Compared are length and spectrogram, each 10 ms with the likest within 10 ms of it. Of sonar's
    phrases in English and Mandarin, pyttsx3's and espeak-ng's own recordings of the same are
    alike by 0.98 or more, those of the likest two ("low obstacle left" and "right", "half a
    metre" and "two metres") by 0.92 or less.
    """
    first, second = (_spectrogram(trim(*each), each[1]) for each in (one, other))
    frames = min(len(first), len(second))
    if frames == 0 or abs(len(first) - len(second)) > 2 + 0.01 * frames:
        return False
    return _likeness(first[:frames], second[:frames]) > SAME_WORDS


def _spectrogram(samples: Samples, rate_hz: int) -> NDArray[np.float64]:
    """Log power in 24 bands of 400 Hz, each 10 ms: shape ``(frames, 24)``."""
    size, hop = rate_hz // 50, rate_hz // 100
    if samples.size < size:
        return np.zeros((0, 24))
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop] * np.hanning(size)
    bins = 24 * 8  # of 50 Hz; where the rate gives fewer, the rest is empty
    power = np.zeros((len(frames), bins))
    found = np.abs(np.fft.rfft(frames))[:, :bins]
    power[:, : found.shape[1]] = found
    bands: NDArray[np.float64] = power.reshape(len(frames), 24, 8).sum(axis=2)
    bands = np.log(bands + 1e-3 * bands.max() + 1e-12)
    return bands


def _likeness(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """1 for equal spectrograms of shape ``(frames, bands)``, about 0 for unrelated ones."""
    first, second = one - one.mean(), other - other.mean()
    size = float((first**2).sum() + (second**2).sum())
    if size <= 0.0:
        return 0.0
    around = np.pad(second, ((1, 1), (0, 0)), mode="edge")
    distance = [((first - around[k : k + len(first)]) ** 2).sum(axis=1) for k in range(3)]
    return 1.0 - float(np.min(distance, axis=0).sum()) / size


def _frame_power(samples: Samples, step: int) -> NDArray[np.float64]:
    n = samples.size // step
    frames = samples[: n * step].reshape(n, step).astype(np.float64)
    power: NDArray[np.float64] = (frames**2).mean(axis=1) if n else np.zeros(0)
    return power


def _fade(samples: Samples, rate_hz: int) -> Samples:
    out = samples.copy()
    for seconds, edge in ((0.002, slice(None)), (0.010, slice(None, None, -1))):
        n = min(out.size, max(1, round(seconds * rate_hz)))
        out[edge][:n] *= np.linspace(0.0, 1.0, n, endpoint=False, dtype=np.float32)
    return out
