"""Is the same heard as before? Compares the ``events.jsonl`` of two runs (``--baseline``)."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sonar.errors import SourceError
from sonar.records import Event

TOLERANCE_S = 0.5
LATE_S = 2.0  # further apart than this, two sounds are not the same one


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
            found.append(Difference("other side", b.t, f"{describe(b)}, was {a.side}"))
        elif abs(b.t - a.t) > tolerance_s:
            kind = "late" if b.t > a.t else "early"
            found.append(Difference(kind, b.t, f"{describe(b)}, was at {a.t:.2f} s"))
    found += [Difference("missing", old[i].t, describe(old[i])) for i in free_old]
    found += [Difference("extra", new[j].t, describe(new[j])) for j in free_new]
    return sorted(found, key=lambda difference: difference.t)


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


def describe(event: Event) -> str:
    """A sound or phrase, and its side, in words."""
    words = f'"{event.text}"' if event.kind == "speech" and event.text else _what(event)
    return f"{words}, {event.side}" if event.side else words
