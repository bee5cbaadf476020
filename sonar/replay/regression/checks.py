"""Baseline and expectations of one recording or of many, checked against what is heard now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from sonar.config import SpeechConfig
from sonar.errors import ConfigError, SourceError
from sonar.records import Event
from sonar.replay.regression.compare import compare, read_events
from sonar.replay.regression.expect import Expectation, known_words, parse_expectations, unmet


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
        speech: whose phrases the sentences may name; None: those that come with sonar.

    Raises:
        SourceError: the baseline holds none of these recordings.
        ConfigError: a sentence that cannot be read or names nothing that is heard, or a name that
            is none of ``names``.
    """
    before: dict[str, Sequence[Event] | None] | None = None
    if baseline is not None:
        before = {name: _stored(baseline / name) for name in names}
        if len(names) == 1 and before[names[0]] is None:
            before = {names[0]: read_events(baseline)}
        if all(events is None for events in before.values()):
            raise SourceError(f"{baseline} holds no run of {' or '.join(names[:3])}.")
    if expect is None:
        return Checks(before)
    return Checks(before, _wanted(names, expect, known_words(speech or SpeechConfig())))


def _stored(folder: Path) -> list[Event] | None:
    return read_events(folder) if (folder / "events.jsonl").is_file() else None


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
