"""Is the same heard as before, and is what must be heard there? Both compare event records."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from sonar.config import SpeechConfig
from sonar.errors import ConfigError, SourceError
from sonar.records import Event
from sonar.replay.expect import (
    Expectation,
    describe,
    known_words,
    meaning,
    parse_expectations,
    unmet,
)

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
    """Something that is not as it was. ``kind``: missing, extra, late, early or other side."""

    kind: str
    t: float
    text: str

    def __str__(self) -> str:
        return f"{self.t:7.2f} s  {self.kind}: {self.text}"


def compare(before: Iterable[Event], now: Iterable[Event]) -> list[Difference]:
    """What is heard ``now`` against what was heard ``before``, in order of time.

    Sounds and phrases are matched by what they are, nearest in time first; a match beyond
    ``TOLERANCE_S`` is late or early, one on another side is reported, and what is left over is
    missing or extra. Silences are not matched: the sounds around them are.
    """
    old, new = heard(before), heard(now)
    # The same side first: a sound that moved by a moment is not one that changed sides.
    pairs = sorted(
        (a.side != b.side, abs(b.t - a.t), i, j)
        for i, a in enumerate(old)
        for j, b in enumerate(new)
        if (a.kind, meaning(a)) == (b.kind, meaning(b)) and abs(b.t - a.t) <= LATE_S
    )
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
        elif abs(b.t - a.t) > TOLERANCE_S:
            kind = "late" if b.t > a.t else "early"
            found.append(Difference(kind, b.t, f"{describe(b)}, was at {a.t:.2f} s"))
    found += [Difference("missing", old[i].t, describe(old[i])) for i in free_old]
    found += [Difference("extra", new[j].t, describe(new[j])) for j in free_new]
    return sorted(found, key=lambda difference: difference.t)


def heard(events: Iterable[Event]) -> list[Event]:
    """The sounds and phrases among ``events``."""
    return [event for event in events if event.kind != "state" and event.name != "silence"]


@dataclass(frozen=True)
class Checks:
    """What must be heard; see :func:`read_checks`.

    Attributes:
        before: events of the stored run, by recording; None without a baseline.
        wanted: expectations by recording.
    """

    before: Mapping[str, Sequence[Event] | None] | None = None
    wanted: Mapping[str, Sequence[Expectation]] = field(default_factory=dict)

    @property
    def any(self) -> bool:
        """Whether there is something to check."""
        return self.before is not None or bool(self.wanted)

    def differences(self, name: str, folder: Path) -> list[str]:
        """What is not as it must be in the run in ``folder``, a line each. Raises SourceError."""
        now = read_events(folder)
        problems = []
        if self.before is not None:
            before = self.before.get(name)
            if before is None:
                problems.append("the baseline has no such recording")
            else:
                problems += [str(difference) for difference in compare(before, now)]
        return problems + unmet(self.wanted.get(name, ()), now)


def read_checks(
    names: Sequence[str],
    baseline: Path | None,
    expect: Path | None,
    speech: SpeechConfig | None = None,
) -> Checks:
    """Read everything before the work, so that a mistake in it is reported before and not after.

    Args:
        names: of the recordings, as their folders are called.
        baseline: the folder of an earlier run: of one recording, or of as many.
        expect: a YAML list of sentences, about every recording, or a map from name to list.
        speech: whose phrases the sentences may name; None: the default language.

    Raises:
        SourceError: the baseline holds none of these recordings.
        ConfigError: a sentence that cannot be read or names nothing that is heard, or a name that
            is none of ``names``.
    """
    before: dict[str, Sequence[Event] | None] | None = None
    if baseline is not None:
        before = {
            name: read_events(baseline / name)
            if (baseline / name / "events.jsonl").is_file()
            else None
            for name in names
        }
        if len(names) == 1 and before[names[0]] is None:
            before = {names[0]: read_events(baseline)}
        if all(events is None for events in before.values()):
            raise SourceError(f"{baseline} holds no run of {' or '.join(names[:3])}.")
    if expect is None:
        return Checks(before)
    return Checks(before, _wanted(names, expect, known_words(speech or SpeechConfig())))


def _wanted(
    names: Sequence[str], path: Path, known: frozenset[str]
) -> dict[str, list[Expectation]]:
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict) or list(content) == ["expect"]:
        return dict.fromkeys(names, parse_expectations(path, content, known))
    strange = [str(name) for name in content if name not in names]
    if strange:
        raise ConfigError(f"{path}: there is no recording {strange[0]}, only {', '.join(names)}.")
    return {name: parse_expectations(path, content[name], known) for name in content}
