"""The failure sounds, rendered before the supervisor starts and handed to it in memory.

They must not be mistaken for anything the mixer plays: a siren of two notes, and a fall of four.
Energy lies near 2 kHz, where bone conduction and old ears still hear. `sonar service run` renders
them; the supervisor that it becomes only plays them, so it needs neither numpy nor a synthesizer,
and a full disk does not mute it.
"""

import io
import os
import wave
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.audio.speech.bank import SpeechWorker
from sonar.audio.speech.catalogue import Utterance
from sonar.audio.speech.clips import Samples
from sonar.errors import SpeechError
from sonar.service.supervisor.siren import LEAD_S

RATE_HZ = 24_000
_PARTIALS = (1.0, 0.6, 0.45, 0.3)
_EDGE_S = 0.006
_SIREN_EVERY_S = 0.9
_SIRENS_ALONE, _SIRENS_AFTER_WORDS = 4, 2
_SPEECH_TIMEOUT_S = 3.0
_RATE_WPM = 180

# name -> (pitch in Hz, seconds) one after the other; pitch 0 is a pause
PATTERNS: dict[str, tuple[tuple[float, float], ...]] = {
    "failed": ((932.0, 0.11), (622.0, 0.11), (932.0, 0.11), (622.0, 0.13)),
    "gave_up": ((932.0, 0.2), (740.0, 0.2), (587.0, 0.2), (440.0, 0.45), (0.0, 0.2)),
}
# The supervisor speaks when the guide cannot, so it has its own few words.
WORDS = {
    "en": {
        "failed": "Sonar failed. Starting again.",
        "input": "No picture. Check the camera.",
        "device": "Camera or sound device missing.",
        "model": "The depth model is missing or damaged.",
        "config": "The configuration is wrong. Sonar stops.",
        "gave_up": "Sonar gave up. There is no guidance.",
    },
    "zh": {
        "failed": "声纳出错，正在重启。",
        "input": "没有画面，请检查摄像头。",
        "device": "找不到摄像头或声音设备。",
        "model": "深度模型丢失或损坏。",
        "config": "设置有误，声纳停止。",
        "gave_up": "声纳已放弃，没有引导。",
    },
}
_VOICES = {"en": "gmw/en-us", "zh": "sit/cmn"}


def render(language: str, log: Callable[[str], Any] = print) -> dict[str, Samples]:
    """Every sound by name, mono float32 in [-1, 1] at RATE_HZ.

    "failed" is one siren, "failing" several, "failing:KEY" has words among them, "say:KEY" is the
    words alone, "gave_up" the fall. A language that is not in WORDS gets English. Without a
    synthesizer there are no words; ``log`` gets the reason.
    """
    sounds = {name: pattern(name) for name in PATTERNS}
    sounds["failing"] = failing()
    language = language if language in WORDS else "en"
    worker = SpeechWorker(_SPEECH_TIMEOUT_S)
    try:
        for key, text in WORDS[language].items():
            clip = worker.render(Utterance(text, _VOICES[language], _RATE_WPM), RATE_HZ)
            spoken = clip / max(float(np.abs(clip).max(initial=0.0)), 1e-6)
            sounds[f"say:{key}"], sounds[f"failing:{key}"] = spoken, failing(spoken)
    except SpeechError as error:
        log(f"the failure sounds have no words: {error}")
    finally:
        worker.close()
    return sounds


def in_memory(sounds: dict[str, Samples], volume_db: float) -> dict[str, tuple[int, float]]:
    """Each sound as a WAV file in memory: number of the open file, which a process that is
    started or executed inherits, and seconds."""
    files = {}
    for name, samples in sounds.items():
        fd = os.memfd_create(f"sonar-{name}", 0)
        os.write(fd, wav(samples, volume_db))
        files[name] = (fd, len(samples) / RATE_HZ)
    return files


def tone(pitch_hz: float, seconds: float) -> Samples:
    """A note with soft edges, peak at most 1; silence for a pitch of 0."""
    at = np.arange(round(seconds * RATE_HZ))
    if pitch_hz <= 0.0:
        return np.zeros(at.size, np.float32)
    phase = 2.0 * np.pi * pitch_hz * at / RATE_HZ
    waves = [weight * np.sin((k + 1) * phase) for k, weight in enumerate(_PARTIALS)]
    edge = np.minimum(1.0, np.minimum(at, at[::-1]) / (_EDGE_S * RATE_HZ))
    note: NDArray[np.float64] = edge * np.sum(waves, axis=0) / sum(_PARTIALS)
    return note.astype(np.float32)


def pattern(name: str) -> Samples:
    """One of PATTERNS."""
    return np.concatenate([tone(pitch_hz, seconds) for pitch_hz, seconds in PATTERNS[name]])


def failing(words: Sequence[float] | Samples = ()) -> Samples:
    """LEAD_S of silence, then sirens one after the other, with ``words`` after the first.

    It ends with the last siren. The silence is for the player to be started in: begun that much
    earlier, it is heard in time although it took a second to start.
    """
    siren = pattern("failed")
    pause = np.zeros(round(_SIREN_EVERY_S * RATE_HZ) - siren.size, np.float32)
    parts = [np.zeros(round(LEAD_S * RATE_HZ), np.float32)]
    if len(words):
        parts += [siren, pause, np.asarray(words, np.float32), pause]
    count = _SIRENS_AFTER_WORDS if len(words) else _SIRENS_ALONE
    return np.concatenate([*parts, *[siren, pause] * (count - 1), siren])


def wav(samples: Samples, volume_db: float) -> bytes:
    """A 16-bit stereo WAV file: players and sound cards differ least on those."""
    gain = 32_767 * 10.0 ** (min(0.0, volume_db) / 20.0)
    pcm = np.clip(np.round(gain * samples.astype(np.float64)), -32_767, 32_767).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(RATE_HZ)
        writer.writeframes(np.repeat(pcm, 2).tobytes())
    return file.getvalue()
