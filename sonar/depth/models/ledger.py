"""What is known of an installed model: ``record.json`` beside it."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sonar.errors import OutputError
from sonar.files import atomic_path

RECORD_NAME = "record.json"


@dataclass(frozen=True, slots=True)
class Record:
    """One installed file.

    Attributes:
        sha256: what it was when it was proven, 64 hex digits.
        size, mtime_ns: of the file then; while they hold it need not be read again.
        origin: URL or path it came from, for people.
        fixed_hw: (height, width) where the network takes one size only.
        wall_s: when, in seconds since the epoch.
    """

    sha256: str
    size: int
    mtime_ns: int | None
    origin: str
    fixed_hw: tuple[int, int] | None = None
    wall_s: int = 0

    @classmethod
    def of(
        cls,
        path: Path,
        sha256: str,
        origin: str,
        fixed_hw: tuple[int, int] | None,
        wall_s: float,
    ) -> "Record":
        """Of the file that lies at ``path`` now."""
        state = path.stat()
        return cls(sha256, state.st_size, state.st_mtime_ns, origin, fixed_hw, round(wall_s))

    def still_holds(self, path: Path) -> bool:
        """Whether the file at ``path`` was not touched since."""
        state = path.stat()
        return (self.size, self.mtime_ns) == (state.st_size, state.st_mtime_ns)


def read_record(folder: Path) -> Record | None:
    """None when there is none, or it cannot be read: then the file itself has to be."""
    try:
        data: Any = json.loads((folder / RECORD_NAME).read_text(encoding="utf-8"))
        fixed = data.get("fixed_hw")
        record = Record(**{**data, "fixed_hw": tuple(fixed) if fixed else None})
        return record if len(record.sha256) == 64 else None
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def write_record(folder: Path, record: Record) -> None:
    """Raises OutputError."""
    with atomic_path(folder / RECORD_NAME) as temporary:
        temporary.write_text(json.dumps(asdict(record), indent=1), encoding="utf-8")


def remember(folder: Path, path: Path, sha256: str, before: Record | None) -> None:
    """Note that ``path`` was read and what its sum is, so that it need not be read again."""
    known = before or Record(sha256, 0, None, "a file found in the cache")
    record = Record.of(path, sha256, known.origin, known.fixed_hw, known.wall_s)
    with suppress(OutputError):  # a read-only cache works; it is only read again each time
        write_record(folder, record)
