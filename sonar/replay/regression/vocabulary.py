"""The words that an expectation may use: an unknown one would assert nothing."""

import difflib
import re
from collections.abc import Iterable
from functools import cache

from sonar.audio.cues.phrases import PHRASES
from sonar.audio.speech.catalogue import languages, load_utterances
from sonar.audio.synthesis.earcons import EARCONS
from sonar.config import SpeechConfig
from sonar.types import Band, CueKind, Height, Reason, Side, State

_CAUSES = ("unknown", "unchanged", "no evidence", "no news from the pipeline", "possible drop")
_KINDS = ("cue", "speech", "state", "ahead")
_MEASURED = re.compile(r"(\d+(\.\d+)? m|collision in \d+(\.\d+)? s|nearest \d+(\.\d+)?)")


def known_words(speech: SpeechConfig) -> frozenset[str]:
    """Everything that an event may be named by: kinds, sounds, sides, bands, heights, reasons,
    states, phrases by their keys, and their texts in every language. Raises ConfigError."""
    names = [*_KINDS, *_CAUSES, *EARCONS, *PHRASES]
    for kind in (Band, CueKind, Height, Reason, Side, State):
        names += [str(member) for member in kind]
    names += [" and ".join((a, b)) for a in Side for b in Side if a is not b]
    parts = [part for name in names for part in name.split("_")]
    spoken = [text for language in languages() for text in _packaged(language)]
    spoken += _texts(speech) if speech.language not in languages() else ()
    return frozenset([*names, *parts, *spoken, *(word for text in spoken for word in text.split())])


@cache
def _packaged(language: str) -> tuple[str, ...]:
    return _texts(SpeechConfig(language=language))


def _texts(speech: SpeechConfig) -> tuple[str, ...]:
    return tuple(utterance.text.lower() for utterance in load_utterances(speech).values())


def unknown_word(words: Iterable[str], known: frozenset[str]) -> str | None:
    """What is wrong with the first word that names nothing; None where all of them do."""
    for word in words:
        if word not in known and not _MEASURED.fullmatch(word):
            near = difflib.get_close_matches(word, known, n=1, cutoff=0.0)[0]
            return f"nothing that is heard is called {word!r}; the nearest is {near!r}"
    return None
