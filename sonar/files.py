"""Files on disk: where the cache is, sums, atomic writes, and one process at a time."""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from sonar.errors import ConfigError, ModelError, OutputError

_NO_HOME = "this user has no home folder; set HOME"

Progress = Callable[[int, int | None], None]  # done, and expected where known


def cache_home() -> Path:
    """Where sonar keeps models and what it derives from them: SONAR_HOME, or the user's cache."""
    if override := os.environ.get("SONAR_HOME"):
        return expanded(override)
    try:
        return user_cache_path("sonar")
    except RuntimeError as error:
        raise ConfigError(f"{_NO_HOME}, or SONAR_HOME to a folder for sonar's files") from error


def expanded(path: str | Path) -> Path:
    """``path`` with ``~`` made a folder. Raises ConfigError where no home folder is known."""
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
    elsewhere = ""
    with suppress(ConfigError):  # without a home folder there is no cache
        if path.is_relative_to(cache_home()):
            elsewhere = "; set SONAR_HOME to another place"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"{path}: no space left on the disk{elsewhere}")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(f"{path}: may not be written to{elsewhere}")
    return OutputError(f"{path}: cannot be written ({error.strerror or error})")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the system refuses in the block (OSError) becomes an OutputError about ``path``."""
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from error


def printable(name: str | Path) -> str:
    """A path as text that can be written as UTF-8; bytes that are none become ``\\xe9``."""
    return str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def json_text(value: Any) -> str:
    """``value`` as indented JSON with a newline, in ASCII, so that every output can take it and
    names that are not UTF-8 come back the same."""
    return json.dumps(value, indent=2) + "\n"


def media_path(path: Path) -> str:
    """``path`` as ffmpeg takes it: absolute, or a colon in its name would make it an address."""
    return str(path.absolute())


def mebibytes(count: int) -> str:
    """ "81.8 MiB"."""
    return f"{count / (1 << 20):.1f} MiB"


def make_folder(folder: Path) -> None:
    """Raises OutputError."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yields a path beside ``target`` to write to; moved over it when the block ends well.

    ``target`` is either as it was or complete, and nothing else stays behind. Raises OutputError.
    """
    make_folder(target.parent)
    temporary = None
    try:
        handle, name = tempfile.mkstemp(f".new{target.suffix}", f".{target.name}.", target.parent)
        os.close(handle)
        temporary = Path(name)
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
    path: Path, what: str, wait_s: float, report: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """Hold the lock file ``path``: one process (and one thread) at a time.

    ``report`` gets a sentence on ``what`` is worked on when there is something to wait for. The
    system drops the lock when its holder dies.

    Raises ModelError when it is not free in ``wait_s``, OutputError when it cannot be made.
    """
    from filelock import FileLock, Timeout

    make_folder(path.parent)
    lock, busy = FileLock(path), f"{what} is being worked on by another sonar"
    try:
        with suppress(Timeout):
            lock.acquire(timeout=0)
        if not lock.is_locked:
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
