"""Which recordings a batch is about, and the folder of each."""

import logging
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sonar.errors import ConfigError, SourceError
from sonar.files import printable
from sonar.replay.labels import VIDEO_SUFFIXES

_BESIDE_SUFFIXES = frozenset((".yaml", ".yml", ".json", ".jsonl", ".txt", ".md", ".srt"))
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One recording and its folder."""

    name: str
    spec: str
    out: Path


def find_videos(specs: Sequence[str]) -> list[str] | None:
    """The recordings that ``specs`` name: files, and the videos in folders, by name.

    None where there is one that is not a folder of videos: that is a run, not a batch.
    """
    found: list[str] = []
    for spec in specs:
        videos = _videos_in(Path(spec))
        if len(specs) == 1 and not videos:
            return None
        found += videos or [spec]
    return found


def plan(specs: Sequence[str], out: Path) -> list[Job]:
    """A folder in ``out`` for each recording, named after it; a second of a name gets a number.

    Raises ConfigError when one is named twice.
    """
    jobs: list[Job] = []
    taken: set[str] = set()
    seen: set[str] = set()
    for spec in specs:
        whole = str(Path(spec).absolute())
        if whole in seen:
            raise ConfigError(f"{spec} is named twice.")
        seen.add(whole)
        stem = Path(spec).stem or "recording"
        name, number = stem, 1
        while _folded(name) in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(_folded(name))
        jobs.append(Job(name, spec, out / name))
    return jobs


def _folded(name: str) -> str:
    """The same for names that some disks take for one: in case, or in how accents are coded."""
    return unicodedata.normalize("NFC", name).casefold()


def _videos_in(path: Path) -> list[str]:
    """Videos of a folder by name; empty for anything else. Raises SourceError."""
    try:
        if not path.is_dir():
            return []
        files = sorted(f for f in path.iterdir() if f.is_file() and not f.name.startswith("."))
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error
    videos = [file for file in files if file.suffix.lower() in VIDEO_SUFFIXES]
    others = [f for f in files if f not in videos and f.suffix.lower() not in _BESIDE_SUFFIXES]
    if videos and others:
        names = ", ".join(printable(file.name) for file in others[:5])
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        _log.warning("Left out of %s: %s%s. Name a file to replay it.", path, names, more)
    return [str(video) for video in videos]
