"""The failure sounds, made with the standard library alone and kept in memory.

They must not be mistaken for anything the mixer plays: a siren of two notes, and a fall of four.
Energy lies near 2 kHz, where bone conduction and old ears still hear.
"""

import array
import io
import math
import wave
from collections.abc import Iterable, Sequence

RATE_HZ = 24_000
PARTIALS = (1.0, 0.6, 0.45, 0.3)
_EDGE_S = 0.006
SIREN_EVERY_S = 0.9
LEAD_S = 1.0  # of silence before the sirens of :func:`failing`
_BEFORE_WORDS, _AFTER_WORDS = 1, 2  # sirens
_WITHOUT_WORDS = 4

# name -> (pitch in Hz, seconds) one after the other; pitch 0 is a pause
PATTERNS: dict[str, tuple[tuple[float, float], ...]] = {
    "failed": ((932.0, 0.11), (622.0, 0.11), (932.0, 0.11), (622.0, 0.13)),
    "gave_up": ((932.0, 0.2), (740.0, 0.2), (587.0, 0.2), (440.0, 0.45), (0.0, 0.2)),
}


def tone(pitch_hz: float, seconds: float, rate_hz: int = RATE_HZ) -> list[float]:
    """A note with soft edges, peak at most 1; silence for a pitch of 0."""
    count = round(seconds * rate_hz)
    if pitch_hz <= 0.0:
        return [0.0] * count
    edge = _EDGE_S * rate_hz
    total = sum(PARTIALS)
    out = []
    for i in range(count):
        phase = 2.0 * math.pi * pitch_hz * i / rate_hz
        value = sum(w * math.sin((k + 1) * phase) for k, w in enumerate(PARTIALS)) / total
        out.append(value * min(1.0, i / edge, (count - 1 - i) / edge))
    return out


def pattern(name: str, rate_hz: int = RATE_HZ) -> list[float]:
    """Mono samples in [-1, 1]."""
    return [
        sample
        for pitch_hz, seconds in PATTERNS[name]
        for sample in tone(pitch_hz, seconds, rate_hz)
    ]


def failing(words: Sequence[float] = (), rate_hz: int = RATE_HZ) -> list[float]:
    """LEAD_S of silence, then sirens one after the other, with ``words`` (mono in [-1, 1]) after
    the first. It ends with the last siren. The silence is for the player to be started in: begun
    that much earlier, it is heard in time although it took a second to start."""
    siren = pattern("failed", rate_hz)
    pause = [0.0] * (round(SIREN_EVERY_S * rate_hz) - len(siren))
    lead = [0.0] * round(LEAD_S * rate_hz)
    if not words:
        return lead + (siren + pause) * (_WITHOUT_WORDS - 1) + siren
    begin = lead + (siren + pause) * _BEFORE_WORDS
    return begin + [*words] + pause + (siren + pause) * (_AFTER_WORDS - 1) + siren


def wav(samples: Iterable[float], volume_db: float, rate_hz: int = RATE_HZ) -> bytes:
    """A 16-bit stereo WAV file: players and sound cards differ least on those."""
    gain = 32_767 * 10.0 ** (min(0.0, volume_db) / 20.0)
    values = [max(-32_767, min(32_767, round(gain * sample))) for sample in samples]
    data = array.array("h", (value for value in values for _ in (0, 1)))
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes(data.tobytes())
    return file.getvalue()


def samples_of(file: bytes) -> tuple[list[float], int]:
    """Mono samples in [-1, 1] and the rate of a 16-bit WAV, also one with a streamed length.

    Raises ValueError for anything else.
    """
    try:
        with wave.open(io.BytesIO(file)) as reader:
            if reader.getsampwidth() != 2:
                raise ValueError("not a 16-bit WAV")
            channels, rate_hz = reader.getnchannels(), reader.getframerate()
            data = array.array("h", reader.readframes(len(file) // (2 * channels)))
    except (wave.Error, EOFError) as error:
        raise ValueError(f"not a WAV file: {error}") from error
    return [value / 32_768 for value in data[::channels]], rate_hz
