"""The failure sounds, rendered before the supervisor starts and handed to it in memory.

They must not be mistaken for anything the mixer plays: a siren of two notes, and a fall of four.
Energy lies near 2 kHz, where bone conduction and old ears still hear. `sonar service run` renders
them; the supervisor that it becomes only plays them, so it needs neither numpy nor a synthesizer,
and a full disk does not mute it.
"""

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
GAIN = 10 ** (-6 / 20)  # 6 dB below full scale
_PARTIALS = (1.0, 0.6, 0.45, 0.3)
_EDGE_S = 0.006
_PAUSE = np.zeros(round(0.44 * RATE_HZ), np.float32)  # after a siren: they are 0.9 s apart
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
    """Every sound by name, mono float32 in [-1, 1] at RATE_HZ: those of :func:`without_words`, and
    "failing:KEY" and "gave_up:KEY" with words, in English where the language is not in WORDS.
    Without a synthesizer there are no words; ``log`` gets the reason."""
    sounds = without_words()
    language = language if language in WORDS else "en"
    try:
        with closing(SpeechWorker(_SPEECH_TIMEOUT_S)) as worker:
            for key, text in WORDS[language].items():
                words = worker.render(Utterance(text, _VOICES[language], _RATE_WPM), RATE_HZ)
                words = words / max(float(np.abs(words).max(initial=0.0)), 1e-6)
                sounds[f"failing:{key}"] = failing(words)
                sounds[f"gave_up:{key}"] = np.concatenate([notes(FALL), _PAUSE, words])
    except SpeechError as error:
        log(f"the failure sounds have no words: {error}")
    return sounds


def without_words() -> dict[str, Samples]:
    """One siren, several, and the fall: they need no synthesizer."""
    return {"failed": notes(SIREN), "failing": failing(), "gave_up": notes(FALL)}


def in_memory(sounds: dict[str, Samples]) -> dict[str, tuple[int, float]]:
    """Each sound as a WAV file in memory, 16-bit stereo: players and cards differ least on those.

    Returns the number of the open file, which a process that is started or executed inherits, and
    seconds.
    """
    files = {}
    for name, samples in sounds.items():
        fd = os.memfd_create(f"sonar-{name}", 0)
        pcm = np.round(32_767 * GAIN * samples).astype("<i2")
        with os.fdopen(fd, "wb", closefd=False) as file, wave.open(file, "wb") as writer:
            writer.setparams((2, 2, RATE_HZ, len(samples), "NONE", ""))
            writer.writeframes(np.repeat(pcm, 2).tobytes())
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

    A player that is started that much earlier is heard in time although it took a second to start.
    """
    siren, lead = notes(SIREN), np.zeros(round(LEAD_S * RATE_HZ), np.float32)
    spoken = [] if words is None else [siren, _PAUSE, words, _PAUSE]
    return np.concatenate([lead, *spoken, *[siren, _PAUSE] * (_SIRENS - 1), siren])
