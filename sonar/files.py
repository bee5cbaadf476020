"""Files on disk: where the cache is, sums, atomic writes, and one process at a time."""

import codecs
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sonar.errors import ConfigError, ModelError, OutputError

_NO_HOME = "this user has no home folder; set HOME"
_ELSEWHERE = "set SONAR_HOME to another place"
SPARE_BYTES = 16 << 20  # left free beside what is written

Progress = Callable[[int, int | None], None]
"""Called with bytes done and bytes expected (None where the server does not say)."""


def cache_home() -> Path:
    """Where sonar keeps models and what it derives from them: SONAR_HOME, or the user's cache."""
    if override := os.environ.get("SONAR_HOME"):
        return expanded(override)
    import platformdirs

    try:
        return platformdirs.user_cache_path("sonar")
    except RuntimeError as error:
        raise ConfigError(f"{_NO_HOME}, or SONAR_HOME to a folder for sonar's files") from error


def expanded(path: str | Path) -> Path:
    """``path`` with ``~`` made a folder. Raises ConfigError where no home folder is known: HOME is
    unset, and the user has no entry in the system's list (a container's ``--user 12345``)."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{path}: {_NO_HOME}") from error


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits. Raises ModelError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror or error})") from error


def write_error(path: Path, error: OSError) -> OutputError:
    """One sentence for a failed write: full disk, read-only folder, or the system's own words."""
    folder = path if path.is_dir() else path.parent
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"{folder}: no space left on the disk; free some, or {_ELSEWHERE}")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(f"{folder}: may not be written to; {_ELSEWHERE}")
    return OutputError(f"{path}: cannot be written ({error.strerror or error})")


def require_space(folder: Path, needed_bytes: int) -> None:
    """Raises OutputError when ``needed_bytes`` do not fit beside ``folder``'s other files."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise write_error(folder, error) from error
    if free < needed_bytes + SPARE_BYTES:
        sizes = f"{mebibytes(needed_bytes)} needed, {mebibytes(free)} free"
        raise OutputError(f"{folder}: {sizes}; free some, or {_ELSEWHERE}")


def printable(name: str | Path) -> str:
    """A path as text that can be written as UTF-8; bytes that are none become ``\\xe9``."""
    return str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def json_text(value: Any, encoding: str = "utf-8") -> str:
    """``value`` as indented JSON with a newline, fit for ``encoding``.

    Names that are not UTF-8 come back the same: their bytes are JSON's ``\\udce9``.
    """
    ascii_only = codecs.lookup(encoding).name != "utf-8"
    text = json.dumps(value, ensure_ascii=ascii_only, indent=2) + "\n"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def media_path(path: Path) -> str:
    """``path`` as ffmpeg takes it: absolute, or a colon in its name would make it an address."""
    return str(path.absolute())


def mebibytes(count: int) -> str:
    """ "81.8 MiB"."""
    return f"{count / (1 << 20):.1f} MiB"


def make_folder(folder: Path) -> None:
    """Raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from error


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yields a path beside ``target`` to write to; moved over it when the block ends well.

    Whatever happens inside, ``target`` is either as it was or complete, and nothing else stays
    behind. Raises OutputError for a full disk or a read-only folder.
    """
    make_folder(target.parent)
    temporary = None
    try:
        name = f".{target.name}.", f".new{target.suffix}"
        handle, path = tempfile.mkstemp(dir=target.parent, prefix=name[0], suffix=name[1])
        os.close(handle)
        temporary = Path(path)
        yield temporary
        replace(temporary, target)
    except OSError as error:
        raise write_error(target, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def replace(source: Path, target: Path) -> None:
    """Flush ``source`` to the disk and move it over ``target`` in one step. Raises OSError."""
    with source.open("r+b") as file:
        os.fsync(file.fileno())
    source.replace(target)


@contextmanager
def exclusive(
    path: Path, what: str, wait_s: float, report: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Hold the lock file ``path``: one process (and one thread) at a time.

    The system itself drops the lock when its holder dies, so a crash leaves nothing stale.

    Args:
        what: is worked on, for messages.
        wait_s: longest wait for another holder.
        report: called once, with a sentence, when there is something to wait for.

    Raises ModelError when it is not free in time, OutputError when it cannot be made.
    """
    from filelock import FileLock, Timeout

    make_folder(path.parent)
    lock, busy = FileLock(path), f"{what} is being worked on by another sonar"
    try:
        with suppress(Timeout):
            lock.acquire(timeout=0)
        if not lock.is_locked:
            if report is not None:
                report(f"{busy}; waiting for it.")
            lock.acquire(timeout=wait_s)
    except Timeout as error:
        raise ModelError(f"{busy}; try again when it is done") from error
    except OSError as error:
        raise write_error(path, error) from error
    try:
        yield
    finally:
        lock.release()
