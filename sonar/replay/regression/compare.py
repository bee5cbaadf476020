"""Is the same heard as before, and is what must be heard there?

Both questions are about ``events.jsonl``: ``--baseline`` compares it with a stored run's,
``--expect`` with a file of sentences such as ``between 3 s and 5 s: close, left``.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sonar.errors import ConfigError, SourceError
from sonar.records import Event
from sonar.replay.regression.vocabulary import unknown_word

TOLERANCE_S = 0.5
LATE_S = 2.0  # further apart than this, two sounds are not the same one
_SENTENCE = re.compile(
    r"^\s*(?P<never>never\s+)?between\s+(?P<start>\d+(?:\.\d*)?)\s*s?\s+and\s+(?P<end>\d+(?:\.\d*)?)\s*s?\s*:"
    r"\s*(?P<words>.+?)\s*$",
    re.IGNORECASE,
)


def read_events(path: Path) -> list[Event]:
    """Events of a run's folder (or of the file itself). Raises SourceError."""
    file = path / "events.jsonl" if path.is_dir() else path
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise SourceError(f"{file} cannot be read: {error.strerror or error}") from error
    try:
        return [Event.model_validate_json(line) for line in lines if line.strip()]
    except ValueError as error:
        raise SourceError(f"{file} is not an event log that sonar wrote") from error


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was. ``kind``: missing, extra, late, early or other side."""

    kind: str
    t: float
    text: str

    def __str__(self) -> str:
        return f"{self.t:7.2f} s  {self.kind}: {self.text}"


def compare(
    before: Iterable[Event], now: Iterable[Event], tolerance_s: float = TOLERANCE_S
) -> list[Difference]:
    """What is heard ``now`` against what was heard ``before``, in order of time.

    Sounds and phrases are matched by what they are, nearest in time first; a match beyond
    ``tolerance_s`` is late or early, one on another side is reported, and what is left over is
    missing or extra. Silences are not matched: the sounds around them are.
    """
    old, new = _heard(before), _heard(now)
    pairs = sorted(
        (abs(b.t - a.t), a.side != b.side, i, j)
        for i, a in enumerate(old)
        for j, b in enumerate(new)
        if (a.kind, _what(a)) == (b.kind, _what(b)) and abs(b.t - a.t) <= LATE_S
    )
    # The same side first: a sound that moved by a moment is not one that changed sides.
    pairs.sort(key=lambda pair: (pair[1], pair[0]))
    free_old, free_new = set(range(len(old))), set(range(len(new)))
    found: list[Difference] = []
    for _, _, i, j in pairs:
        if i not in free_old or j not in free_new:
            continue
        free_old.remove(i)
        free_new.remove(j)
        a, b = old[i], new[j]
        if a.side != b.side:
            found.append(Difference("other side", b.t, f"{_say(b)}, was {a.side}"))
        elif abs(b.t - a.t) > tolerance_s:
            kind = "late" if b.t > a.t else "early"
            found.append(Difference(kind, b.t, f"{_say(b)}, was at {a.t:.2f} s"))
    found += [Difference("missing", old[i].t, _say(old[i])) for i in free_old]
    found += [Difference("extra", new[j].t, _say(new[j])) for j in free_new]
    return sorted(found, key=lambda difference: difference.t)


@dataclass(frozen=True, slots=True)
class Expectation:
    """One sentence: within ``start_s`` to ``end_s`` something with all ``words`` is heard.

    ``never`` turns it round: nothing with all of them is.
    """

    start_s: float
    end_s: float
    words: tuple[str, ...]
    never: bool

    def __str__(self) -> str:
        return (
            f"{'never ' if self.never else ''}between {self.start_s:g} s and {self.end_s:g} s: "
            f"{', '.join(self.words)}"
        )


def parse_expectations(path: Path, sentences: object, known: frozenset[str]) -> list[Expectation]:
    """Expectations from YAML: a list of sentences, alone or under ``expect``.

    ``known``: the words that they may use. Raises ConfigError naming ``path`` and the sentence
    that cannot be read.
    """
    if isinstance(sentences, dict) and list(sentences) == ["expect"]:
        sentences = sentences["expect"]
    if not isinstance(sentences, list) or not sentences:
        raise ConfigError(f"{path} must hold a list of sentences")
    return [_expectation(path, sentence, known) for sentence in sentences]


def _expectation(path: Path, sentence: object, known: frozenset[str]) -> Expectation:
    if isinstance(sentence, dict) and len(sentence) == 1:  # "between ...: close" is YAML's map
        ((key, value),) = sentence.items()
        sentence = f"{key}: {value}"
    match = _SENTENCE.match(sentence) if isinstance(sentence, str) else None
    if match is None or float(match["start"]) > float(match["end"]):
        raise ConfigError(
            f"{path}: {json.dumps(sentence)} is not of the form "
            '"[never] between 3 s and 5 s: close, left"'
        )
    words = tuple(word.strip().lower() for word in match["words"].split(",") if word.strip())
    if not words:
        raise ConfigError(f"{path}: {json.dumps(sentence)} names nothing.")
    if (problem := unknown_word(words, known)) is not None:
        raise ConfigError(f"{path}: {json.dumps(sentence, ensure_ascii=False)}: {problem}.")
    return Expectation(
        float(match["start"]), float(match["end"]), words, match["never"] is not None
    )


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
        met = any(set(expectation.words) <= _words(event) for event in inside)
        if met == expectation.never:
            heard = "; ".join(f"{event.t:.2f} s {_say(event)}" for event in inside) or "nothing"
            failed.append(f"{expectation} -- heard: {heard}")
    return failed


def _spans(events: Sequence[Event]) -> Iterable[tuple[Event, float]]:
    """Each event with the time at which it ends: a sound lasts until the next one."""
    cues = [event for event in events if event.kind == "cue"]
    ends = [*(event.t for event in cues[1:]), float("inf")]
    yield from zip(cues, ends, strict=False)  # no cue at all has one end
    for event in events:
        if event.kind != "cue":
            yield event, event.t


def _words(event: Event) -> set[str]:
    """Everything an expectation may name of an event."""
    words = {event.name.lower(), event.kind, *event.name.lower().split("_")}
    if event.side is not None:
        words.add(event.side)
    if event.text:
        words |= {event.text.lower(), *event.text.lower().split()}
    for part in event.why.lower().replace(";", ",").split(","):
        words.add(part.strip())
    return words


def _heard(events: Iterable[Event]) -> list[Event]:
    return [event for event in events if event.kind != "state" and event.name != "silence"]


def _what(event: Event) -> str:
    """What a sound means, without its side and numbers."""
    if event.kind == "speech":
        stem = event.name
        for side in ("_left", "_center", "_right"):
            stem = stem.removesuffix(side)
        return stem
    return f"{event.name} {event.why.split(',')[0]}"


def _say(event: Event) -> str:
    words = f'"{event.text}"' if event.kind == "speech" and event.text else _what(event)
    return f"{words}, {event.side}" if event.side else words
