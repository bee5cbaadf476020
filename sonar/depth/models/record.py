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
    """

    sha256: str
    size: int
    mtime_ns: int
    origin: str
    fixed_hw: tuple[int, int] | None = None

    @classmethod
    def of(
        cls, path: Path, sha256: str, origin: str, fixed_hw: tuple[int, int] | None = None
    ) -> "Record":
        """Of the file that lies at ``path`` now."""
        state = path.stat()
        return cls(sha256, state.st_size, state.st_mtime_ns, origin, fixed_hw)

    def still_holds(self, path: Path) -> bool:
        """Whether the file at ``path`` was not touched since."""
        state = path.stat()
        return (self.size, self.mtime_ns) == (state.st_size, state.st_mtime_ns)

    def write(self, folder: Path) -> None:
        """Raises OutputError."""
        with atomic_path(folder / RECORD_NAME) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")


def read_record(folder: Path) -> Record | None:
    """None when there is none, or it cannot be read: then the file itself has to be."""
    try:
        data: Any = json.loads((folder / RECORD_NAME).read_text(encoding="utf-8"))
        data.pop("wall_s", None)  # of the first edition
        fixed = data.get("fixed_hw")
        record = Record(**{**data, "fixed_hw": tuple(fixed) if fixed else None})
        return record if len(record.sha256) == 64 else None
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def remember(folder: Path, path: Path, sha256: str, before: Record | None) -> None:
    """Write down that ``path`` was read and its sum, so that it need not be read again."""
    origin = before.origin if before is not None else "a file found in the cache"
    fixed = before.fixed_hw if before is not None else None
    with suppress(OutputError):  # a read-only cache works; it is only read again each time
        Record.of(path, sha256, origin, fixed).write(folder)
