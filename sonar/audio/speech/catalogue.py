"""What is said for each phrase key: ``catalogues/en.yaml``, ``zh.yaml``, or a file of the user's.

The keys are those of :data:`sonar.audio.cues.PHRASES` and no others.
"""

import difflib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonar.audio.cues import PHRASES
from sonar.config import SpeechConfig
from sonar.config.plain_yaml import MAX_CHARACTERS, Document, parse
from sonar.errors import ConfigError
from sonar.files import expanded

FALLBACK = "en"
PITCH = 50  # of 0 to 99: the voice's own
MAX_TEXT = 80  # characters; far beyond what fits into 1.2 s
_FOLDER = Path(__file__).resolve().parent / "catalogues"
_KEYS = ("language", "voice", "rate_scale", "phrases")
RATE_RANGE_WPM = (80, 450)  # what espeak-ng takes


@dataclass(frozen=True, slots=True)
class Voice:
    """How espeak-ng is to speak: its voice's file name, words a minute, pitch from 0 to 99."""

    name: str
    rate_wpm: int
    pitch: int


@dataclass(frozen=True, slots=True)
class Utterance:
    """One phrase's words and the voice that says them."""

    text: str
    voice: Voice


@dataclass(frozen=True, slots=True)
class _Catalogue:
    voice: str | None
    rate_scale: float
    phrases: dict[str, str]


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
        source = chosen if key in chosen.phrases else fallback
        name = config.voice or source.voice or fallback.voice or FALLBACK
        rate = round(config.rate_wpm * source.rate_scale)
        rate = min(max(rate, RATE_RANGE_WPM[0]), RATE_RANGE_WPM[1])
        result[key] = Utterance(source.phrases[key], Voice(name, rate, PITCH))
    return result


def _path(language: str) -> Path:
    if language in languages():
        return _FOLDER / f"{language}.yaml"
    path = expanded(language)
    try:
        if path.is_file():
            return path
    except (OSError, ValueError):
        pass  # too long or not a path at all: refused below like any other wrong name
    known = ", ".join(languages())
    raise ConfigError(
        f"speech.language: there is no catalogue {language!r}; take one of {known}, "
        "or the path of a YAML file."
    )


def _load(path: Path) -> _Catalogue:
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_CHARACTERS + 1).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file in UTF-8.") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}.") from error
    document = parse(text, str(path))
    values = document.value
    if not isinstance(values, dict):
        raise ConfigError(f"{path}:1: a catalogue has voice: and phrases:.")
    for key in values:
        if key not in _KEYS:
            _refuse(path, document, (key,), f"no such key {key}{_nearest(key, _KEYS)}")
    voice, scale = values.get("voice"), values.get("rate_scale", 1.0)
    if voice is not None and not (isinstance(voice, str) and voice.strip()):
        _refuse(path, document, ("voice",), "voice must be a name from `espeak-ng --voices`")
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0.25 <= scale <= 4:
        _refuse(path, document, ("rate_scale",), "rate_scale must be a number from 0.25 to 4")
    phrases = values.get("phrases") or {}
    if not isinstance(phrases, dict):
        _refuse(path, document, ("phrases",), "phrases must be keys with their words")
    words = {}
    for key, value in phrases.items():
        if key not in PHRASES:
            _refuse(
                path, document, ("phrases", key), f"no such phrase {key}{_nearest(key, PHRASES)}"
            )
        raw = document.raw.get(("phrases", key))  # "12" and "true" are words here
        words[key] = _words(path, document, key, value if raw is None or value is None else raw)
    return _Catalogue(voice, float(scale), words)


def _words(path: Path, document: Document, key: str, value: Any) -> str:
    where = ("phrases", key)
    if not isinstance(value, str) or not any(letter.isalnum() for letter in value):
        _refuse(path, document, where, f"{key} needs words")
    if len(value) > MAX_TEXT:
        _refuse(path, document, where, f"{key} is longer than {MAX_TEXT} characters")
    # Control characters and lone surrogates would reach espeak-ng as commands or not at all.
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Co", "Cn") for letter in value):
        _refuse(path, document, where, f"{key} has characters that cannot be spoken")
    return " ".join(value.split())


def _refuse(path: Path, document: Document, key: tuple[str, ...], message: str) -> None:
    line = next(
        (document.lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in document.lines), 1
    )
    raise ConfigError(f"{path}:{line}: {message}.")


def _nearest(word: str, known: Any) -> str:
    match = difflib.get_close_matches(word, list(known), n=1, cutoff=0.0)
    return f"; the nearest is {match[0]}" if match else ""
