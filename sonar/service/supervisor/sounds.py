"""The failure sounds, rendered before the supervisor starts and handed to it in memory.

They must not be mistaken for anything the mixer plays: a siren of two notes, and a fall of four.
Energy lies near 2 kHz, where bone conduction and old ears still hear. `sonar service run` renders
them; the supervisor that it becomes only plays them, so it needs neither numpy nor a synthesizer,
and a full disk does not mute it.
"""

import io
import os
import wave
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np

from sonar.audio.speech.bank import SpeechWorker
from sonar.audio.speech.catalogue import Utterance
from sonar.audio.speech.clips import Samples
from sonar.errors import SpeechError
from sonar.service.supervisor.alarm import LEAD_S

RATE_HZ = 24_000
_PARTIALS = (1.0, 0.6, 0.45, 0.3)
_EDGE_S = 0.006
_PAUSE_S = 0.44  # after a siren, so that they are 0.9 s apart
_SIRENS = 4
_SPEECH_TIMEOUT_S = 3.0
_RATE_WPM = 180

# (pitch in Hz, seconds) one after the other
SIREN = ((932.0, 0.11), (622.0, 0.11), (932.0, 0.11), (622.0, 0.13))
FALL = ((932.0, 0.2), (740.0, 0.2), (587.0, 0.2), (440.0, 0.45))
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

    "failed" is one siren, "failing" several, "gave_up" the fall; "failing:KEY" and "gave_up:KEY"
    have words among them. A language that is not in WORDS gets English. Without a synthesizer
    there are no words; ``log`` gets the reason.
    """
    sounds = without_words()
    language = language if language in WORDS else "en"
    try:
        with closing(SpeechWorker(_SPEECH_TIMEOUT_S)) as worker:
            for key, text in WORDS[language].items():
                words = worker.render(Utterance(text, _VOICES[language], _RATE_WPM), RATE_HZ)
                words = words / max(float(np.abs(words).max(initial=0.0)), 1e-6)
                sounds[f"failing:{key}"], sounds[f"gave_up:{key}"] = failing(words), gave_up(words)
    except SpeechError as error:
        log(f"the failure sounds have no words: {error}")
    return sounds


def without_words() -> dict[str, Samples]:
    """The sounds that need no synthesizer."""
    return {"failed": notes(SIREN), "failing": failing(), "gave_up": gave_up()}


def in_memory(sounds: dict[str, Samples], volume_db: float) -> dict[str, tuple[int, float]]:
    """Each sound as a WAV file in memory: number of the open file, which a process that is
    started or executed inherits, and seconds."""
    files = {}
    for name, samples in sounds.items():
        fd = os.memfd_create(f"sonar-{name}", 0)
        os.write(fd, wav(samples, volume_db))
        files[name] = (fd, len(samples) / RATE_HZ)
    return files


def notes(pattern: tuple[tuple[float, float], ...]) -> Samples:
    """Notes with soft edges one after the other, peak at most 1."""
    parts = []
    for pitch_hz, seconds in pattern:
        at = np.arange(round(seconds * RATE_HZ))
        phase = 2.0 * np.pi * pitch_hz * at / RATE_HZ
        waves = [weight * np.sin((k + 1) * phase) for k, weight in enumerate(_PARTIALS)]
        edge = np.minimum(1.0, np.minimum(at, at[::-1]) / (_EDGE_S * RATE_HZ))
        parts.append(edge * np.sum(waves, axis=0) / sum(_PARTIALS))
    return np.concatenate(parts).astype(np.float32)


def failing(words: Samples | None = None) -> Samples:
    """LEAD_S of silence, then sirens one after the other, with ``words`` after the first.

    It ends with the last siren. The silence is for the player to be started in: begun that much
    earlier, it is heard in time although it took a second to start.
    """
    siren, pause = notes(SIREN), _silence(_PAUSE_S)
    spoken = [] if words is None else [siren, pause, words, pause]
    return np.concatenate([_silence(LEAD_S), *spoken, *[siren, pause] * (_SIRENS - 1), siren])


def gave_up(words: Samples | None = None) -> Samples:
    """The fall, and the words."""
    spoken = [] if words is None else [_silence(_PAUSE_S), words]
    return np.concatenate([notes(FALL), *spoken])


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


def _silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE_HZ), np.float32)
