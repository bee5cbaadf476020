"""Is the same heard as before, and is what must be heard there? Both compare event records."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sonar.config import SpeechConfig
from sonar.errors import SourceError
from sonar.records import Event
from sonar.replay.expect import Expectation, describe, meaning, read_expectations, unmet

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
        if i in free_old and j in free_new:
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

    before: Mapping[str, Sequence[Event]] | None
    wanted: Mapping[str, Sequence[Expectation]]

    def differences(self, name: str, folder: Path) -> list[str]:
        """What is not as it must be in the run in ``folder``, a line each. Raises SourceError."""
        now = read_events(folder)
        problems = []
        if self.before is not None and name not in self.before:
            problems.append("the baseline has no such recording")
        elif self.before is not None:
            problems += map(str, compare(self.before[name], now))
        return problems + unmet(self.wanted.get(name, ()), now)


def read_checks(
    names: Sequence[str],
    baseline: Path | None,
    expect: Path | None,
    speech: SpeechConfig | None = None,
) -> Checks | None:
    """What to check, read before the work, so that a mistake in it is reported before; or None.

    Args:
        names: of the recordings, as their folders are called.
        baseline: the folder of an earlier run: of one recording, or of as many.
        expect, speech: see :func:`~sonar.replay.expect.read_expectations`.

    Raises SourceError where the baseline holds none of these recordings, and ConfigError as
    ``read_expectations`` does.
    """
    if baseline is None and expect is None:
        return None
    before: dict[str, Sequence[Event]] | None = None
    if baseline is not None:
        before = {
            name: read_events(baseline / name)
            for name in names
            if (baseline / name / "events.jsonl").is_file()
        }
        if not before and len(names) == 1:
            before = {names[0]: read_events(baseline)}
        if not before:
            raise SourceError(f"{baseline} holds no run of {' or '.join(names[:3])}.")
    wanted = read_expectations(expect, names, speech or SpeechConfig()) if expect else {}
    return Checks(before, wanted)
