"""What the tests hear with: levels, onsets and pitch, measured from samples."""

import tracemalloc

import numpy as np
from numpy.typing import NDArray

from sonar.audio.cues import PulseMapper
from sonar.audio.synthesis import Mixer
from sonar.config import AudioConfig, SpeechConfig
from sonar.types import SIDES, Band, Cue, CueKind, Priority, Scene, ZoneReading

RATE = 48000
CLEAR = (Band.CLEAR, 0.0)
FAR, NEAR, CLOSE, STOP = (Band.FAR, 0.15), (Band.NEAR, 0.4), (Band.CLOSE, 0.7), (Band.STOP, 0.9)
UNKNOWN = (Band.UNKNOWN, 0.0)
Zone = tuple  # (band, proximity) or (band, proximity, {more fields})

AUDIO = AudioConfig(volume_db=0.0)  # so that levels are those of the design
SPEECH = SpeechConfig()


def scene(left: Zone = CLEAR, center: Zone = CLEAR, right: Zone = CLEAR, t=0.0, **more) -> Scene:
    zones = []
    for side, zone in zip(SIDES, (left, center, right), strict=True):
        band, proximity, *fields = zone
        zones.append(ZoneReading(side, band, proximity, **(fields[0] if fields else {})))
    return Scene(round(t * 1000), t, *zones, **more)


def pulse(pan=0.0, rate_hz=4.0, pitch_hz=500.0, level_db=0.0, **more) -> Cue:
    return Cue(
        CueKind.PULSE, pan=pan, rate_hz=rate_hz, pitch_hz=pitch_hz, level_db=level_db, **more
    )


def stop(pan=0.0, **more) -> Cue:
    return Cue(CueKind.CONTINUOUS, pan=pan, pitch_hz=800.0, priority=Priority.DANGER, **more)


def mapper(**speech) -> PulseMapper:
    return PulseMapper(AUDIO, SPEECH.model_copy(update=speech))


def first_cue(*zones: Zone, **more) -> Cue:
    """What a walker hears who meets these zones first."""
    return mapper().update(scene(*zones, **more))


def run(mapper, make, seconds, start_s=0.0, rate_hz=20.0):
    """Cues for ``make(t)`` over time: list of (t, cue)."""
    count = round(seconds * rate_hz)
    times = [start_s + i / rate_hz for i in range(count)]
    return [(t, mapper.update(make(t))) for t in times]


def render(mixer: Mixer, seconds: float, block: int = 480) -> NDArray[np.float32]:
    """The next seconds, float32 (n, 2), in blocks of ``block``."""
    left = round(seconds * mixer.rate_hz)
    out = np.zeros((left, 2), np.float32)
    for begin in range(0, left, block):
        mixer.render(out[begin : begin + block])
    return out


def assert_keeps_no_memory(mixer: Mixer, block: NDArray[np.float32]) -> None:
    """Twenty blocks need at most 64 KB at a time, and keep next to nothing."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    for _ in range(20):
        mixer.render(block)
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - before < 65536
    assert after - before < 16384  # an array kept for each quantum would be 38 KB


def rms_db(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Level by channel, dB full scale."""
    power = np.mean(np.square(samples.astype(np.float64)), axis=0)
    return 10 * np.log10(np.maximum(power, 1e-30))


def onsets(samples: NDArray[np.float32], quiet_s: float = 0.01) -> NDArray[np.int64]:
    """Samples at which a sound begins after at least ``quiet_s`` of silence."""
    loud = np.flatnonzero(np.abs(samples).max(axis=1) > 1e-4)
    if loud.size == 0:
        return loud
    gaps = np.flatnonzero(np.diff(loud) > quiet_s * RATE)
    return np.concatenate([loud[:1], loud[gaps + 1]])


def pitch_hz(samples: NDArray[np.float64], near_hz: float) -> float:
    """Frequency of the partial nearest to ``near_hz``: peak of a windowed, padded spectrum."""
    wave = samples * np.hanning(samples.size)
    size = 1 << 20
    spectrum = np.abs(np.fft.rfft(wave, size))
    frequency = np.fft.rfftfreq(size, 1 / RATE)
    close = np.flatnonzero(np.abs(frequency / near_hz - 1) < 0.1)
    peak = close[np.argmax(spectrum[close])]
    return float(frequency[peak])


def cents(measured_hz: float, wanted_hz: float) -> float:
    return float(1200 * np.log2(measured_hz / wanted_hz))


def band_power(samples: NDArray[np.float64], low_hz: float, high_hz: float) -> float:
    """Power of a mono signal between two frequencies."""
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    frequency = np.fft.rfftfreq(samples.size, 1 / RATE)
    inside = (frequency >= low_hz) & (frequency < high_hz)
    return float(spectrum[inside].sum() / samples.size**2)


def biggest_bend(samples: NDArray[np.float32]) -> float:
    """The sharpest corner of a signal: its largest second difference."""
    return float(np.abs(np.diff(samples.astype(np.float64), 2, axis=0)).max())


def heard_in(samples: np.ndarray, clip: np.ndarray) -> float:
    """How much of ``clip`` is in the left channel of ``samples``: best normalized match."""
    wave = samples[:, 0].astype(float)
    size = 1 << (wave.size + clip.size).bit_length()
    match = np.fft.irfft(np.fft.rfft(wave, size) * np.conj(np.fft.rfft(clip, size)), size)
    return float(np.abs(match).max() / np.square(clip.astype(float)).sum())
