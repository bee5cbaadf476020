"""What is said for each phrase key: ``catalogues/en.yaml``, ``zh.yaml``, or a file of the user's.

The keys are those of :data:`sonar.audio.cues.PHRASES` and no others.
"""

import contextlib
import difflib
import math
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from sonar.audio.cues import PHRASES
from sonar.config import SpeechConfig
from sonar.config.plain_yaml import read
from sonar.errors import ConfigError
from sonar.files import expanded

FALLBACK = "en"
MAX_TEXT = 80  # characters; far beyond what fits into 1.2 s
RATE_RANGE_WPM = (80, 450)  # what espeak-ng takes
_FOLDER = Path(__file__).resolve().parent / "catalogues"
_KEYS = ("language", "voice", "rate_scale", "phrases")


@dataclass(frozen=True, slots=True)
class Utterance:
    """One phrase's words, the espeak-ng voice that says them, and its words a minute."""

    text: str
    voice: str
    rate_wpm: int


def languages() -> tuple[str, ...]:
    """Names of the catalogues that come with sonar."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def load_utterances(config: SpeechConfig) -> Mapping[str, Utterance]:
    """Every phrase key with its words and voice, in the order of :data:`PHRASES`.

    A key that the configured catalogue lacks is said in English, by the English voice.

    Raises:
        ConfigError: an unknown language, or a catalogue with an unknown key, a wrong value or
            broken YAML, with file and line.
    """
    fallback = _load(_FOLDER / f"{FALLBACK}.yaml")
    chosen = _load(_path(config.language))
    result = {}
    for key in PHRASES:
        source = chosen if key in chosen["phrases"] else fallback
        voice = config.voice or source["voice"] or fallback["voice"]
        rate_wpm = round(config.rate_wpm * source["rate_scale"])
        rate_wpm = min(max(rate_wpm, RATE_RANGE_WPM[0]), RATE_RANGE_WPM[1])
        result[key] = Utterance(source["phrases"][key], voice, rate_wpm)
    return result


def _path(language: str) -> Path:
    with contextlib.suppress(OSError, ValueError):  # too long, or not a path at all
        for path in (_FOLDER / f"{language}.yaml", expanded(language)):
            if path.is_file():
                return path
    raise ConfigError(
        f"speech.language: there is no catalogue {language!r}; take one of "
        f"{', '.join(languages())}, or the path of a YAML file."
    )


def _load(path: Path) -> dict[str, Any]:
    """A catalogue's voice (None where it names none), rate_scale and phrases, checked."""
    document = read(path, str(path))
    values = document.value

    def refuse(message: str, *key: str) -> NoReturn:
        line = document.lines.get(key) or document.lines.get(key[:1], 1)
        raise ConfigError(f"{path}:{line}: {message}.")

    if not isinstance(values, dict):
        refuse("a catalogue has voice: and phrases:")
    for key in values:
        if key not in _KEYS:
            refuse(f"no such key {key}{_nearest(key, _KEYS)}", key)
    voice = values.get("voice")
    try:
        scale = float(values.get("rate_scale", 1.0))
    except (TypeError, ValueError):
        scale = math.nan
    if voice is not None and not (isinstance(voice, str) and voice.strip()):
        refuse("voice must be a name from `espeak-ng --voices`", "voice")
    if not 0.25 <= scale <= 4:
        refuse("rate_scale must be a number from 0.25 to 4", "rate_scale")
    phrases = values.get("phrases") or {}
    if not isinstance(phrases, dict):
        refuse("phrases must be keys with their words", "phrases")
    for key, value in phrases.items():
        if key not in PHRASES:
            refuse(f"no such phrase {key}{_nearest(key, PHRASES)}", "phrases", key)
        if not isinstance(value, str) or not any(letter.isalnum() for letter in value):
            refuse(f"{key} needs words", "phrases", key)
        if len(value) > MAX_TEXT:
            refuse(f"{key} is longer than {MAX_TEXT} characters", "phrases", key)
        # Control characters and lone surrogates reach espeak-ng as commands or not at all.
        if any(unicodedata.category(letter) in ("Cc", "Cs", "Co", "Cn") for letter in value):
            refuse(f"{key} has characters that cannot be spoken", "phrases", key)
        phrases[key] = " ".join(value.split())
    return {"voice": voice, "rate_scale": scale, "phrases": phrases}


def _nearest(word: str, known: Iterable[str]) -> str:
    match = difflib.get_close_matches(word, list(known), n=1, cutoff=0.0)
    return f"; the nearest is {match[0]}" if match else ""
