"""Expectations: sentences such as ``between 3 s and 5 s: close, left`` about what is heard.

A word that names nothing would assert nothing: it is an error, with the nearest word.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonar.audio.cues import PHRASES
from sonar.audio.speech.catalogue import load_utterances
from sonar.audio.synthesis import EARCONS
from sonar.config import SpeechConfig, plain_yaml
from sonar.errors import ConfigError
from sonar.records import Event
from sonar.types import Band, CueKind, Height, Reason, Side, State

_NUMBER = r"(\d+(?:\.\d*)?)"
_SENTENCE = re.compile(
    rf"\s*(never\s+)?between\s+{_NUMBER}\s*s?\s+and\s+{_NUMBER}\s*s?\s*:\s*(.+?)\s*",
    re.IGNORECASE,
)
_MEASURED = re.compile(r"(\d+(\.\d+)? m|collision in \d+(\.\d+)? s|nearest \d+(\.\d+)?)")


@dataclass(frozen=True, slots=True)
class Expectation:
    """Within ``start_s`` to ``end_s`` something with all ``words`` is heard, or ``never``."""

    sentence: str
    start_s: float
    end_s: float
    words: tuple[str, ...]
    never: bool


def read_expectations(
    path: Path, names: Sequence[str], speech: SpeechConfig
) -> dict[str, list[Expectation]]:
    """Expectations by recording, from YAML.

    Args:
        path: a list of sentences (alone or under ``expect``) about every recording, or such a list
            for each by its name.
        names: of the recordings.
        speech: whose phrases the sentences may name.

    Raises ConfigError: the file or a sentence cannot be read, a word names nothing that is heard,
    or a name is none of ``names``.
    """
    try:
        found = plain_yaml.parse(path.read_text("utf-8"), str(path)).value
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if isinstance(found, dict) and list(found) == ["expect"]:
        found = found["expect"]
    by_name: dict[str, Any] = dict.fromkeys(names, found)
    if isinstance(found, dict) and found:  # an empty one would assert nothing
        by_name = found
    strange = [name for name in by_name if name not in names]
    if strange:
        raise ConfigError(f"{path}: there is no recording {strange[0]}, only {', '.join(names)}.")
    known = known_words(speech)
    wanted = {}
    for name, sentences in by_name.items():
        if not isinstance(sentences, list) or not sentences:
            raise ConfigError(f"{path} must hold a list of sentences")
        wanted[name] = [_expectation(path, sentence, known) for sentence in sentences]
    return wanted


def _expectation(path: Path, sentence: object, known: frozenset[str]) -> Expectation:
    if isinstance(sentence, dict) and len(sentence) == 1:  # "between ...: close" is YAML's map
        sentence = ": ".join(map(str, *sentence.items()))
    where = f'{path}: "{sentence}"'
    match = _SENTENCE.fullmatch(str(sentence))
    if match is None or float(match[2]) > float(match[3]):
        raise ConfigError(f'{where} is not of the form "[never] between 3 s and 5 s: close, left"')
    words = tuple(word.strip().lower() for word in match[4].split(",") if word.strip())
    if not words:
        raise ConfigError(f"{where} names nothing.")
    for word in words:
        if word not in known and not _MEASURED.fullmatch(word):
            near = difflib.get_close_matches(word, known, n=1, cutoff=0.0)[0]
            raise ConfigError(
                f"{where}: nothing that is heard is called {word!r}; the nearest is {near!r}."
            )
    return Expectation(match[0].strip(), float(match[2]), float(match[3]), words, bool(match[1]))


def unmet(expectations: Sequence[Expectation], events: Sequence[Event]) -> list[str]:
    """The expectations that do not hold, each with what was heard instead."""
    spans = list(_spans(events))
    failed = []
    for expectation in expectations:
        inside = [
            event
            for event, end_s in spans
            if event.t <= expectation.end_s and end_s >= expectation.start_s
        ]
        met = any(set(expectation.words) <= words_of(event) for event in inside)
        if met == expectation.never:
            heard = "; ".join(f"{event.t:.2f} s {describe(event)}" for event in inside) or "nothing"
            failed.append(f"{expectation.sentence} -- heard: {heard}")
    return failed


def _spans(events: Sequence[Event]) -> Iterable[tuple[Event, float]]:
    """Each event with the time at which it ends: a sound lasts until the next one."""
    cues = [event for event in events if event.kind == "cue"]
    ends = [*(event.t for event in cues[1:]), float("inf")]
    yield from zip(cues, ends, strict=False)  # no cue at all has one end
    yield from ((event, event.t) for event in events if event.kind != "cue")


def words_of(event: Event) -> set[str]:
    """Everything that an expectation may name of an event."""
    name, text = event.name.lower(), (event.text or "").lower()
    causes = (part.strip() for part in re.split("[;,]", event.why.lower()))
    return {event.kind, name, *name.split("_"), event.side or "", text, *text.split(), *causes}


def known_words(speech: SpeechConfig) -> frozenset[str]:
    """Everything that an event may be named by: kinds, sounds, sides, bands, heights, reasons,
    states, phrases by their keys, and their texts. Raises ConfigError."""
    names = ["cue", "speech", "state", "ahead", "unchanged", "no evidence", "possible drop"]
    names += [*EARCONS, *PHRASES]
    for kind in (Band, CueKind, Height, Reason, Side, State):
        names += [str(member) for member in kind]
    names += [f"{a} and {b}" for a in Side for b in Side if a is not b]
    texts = [utterance.text.lower() for utterance in load_utterances(speech).values()]
    parts = [part for name in names for part in name.split("_")]
    return frozenset([*names, *parts, *texts, *(word for text in texts for word in text.split())])


def meaning(event: Event) -> str:
    """What a sound or phrase means, without its side and numbers."""
    if event.kind == "speech":
        return re.sub("(_left|_center|_right)+$", "", event.name)
    return f"{event.name} {event.why.split(',')[0]}"


def describe(event: Event) -> str:
    """A sound or phrase, and its side, in words."""
    words = f'"{event.text}"' if event.kind == "speech" and event.text else meaning(event)
    return f"{words}, {event.side}" if event.side else words
