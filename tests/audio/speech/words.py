"""Whether two recordings say the same words."""

import io
import wave

import numpy as np
from numpy.typing import NDArray

from sonar.audio.speech.clips import Samples, trim

SAME_WORDS = 0.96  # likeness of spectrograms; see agree


def read_wav(data: bytes) -> tuple[Samples, int]:
    """Samples in [-1, 1] and rate of a 16-bit mono WAV file, as espeak-ng's program writes it."""
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return pcm.astype(np.float32) / 32768.0, file.getframerate()


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
