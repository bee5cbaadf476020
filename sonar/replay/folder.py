"""A folder for results that may hold other things: inputs, files of the user, an older run.

Which files in it are ours is written in a hidden list, :data:`LIST`. Only those are ever
replaced or removed. The list is also the lock: one run at a time writes to a folder.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from sonar.errors import OutputError
from sonar.files import printable, writing

LIST = ".sonar-files"
REPLAY_FILES = (
    "summary.json",  # first: an old one must not outlive the files that it describes
    "audio.wav",
    "events.jsonl",
    "frames.jsonl",
    "annotated.mp4",
    "report.html",
)
EVALUATION_FILES = ("evaluation.json", "evaluation.html")


def write_whole(target: Path, text: str) -> None:
    """Write all of ``text`` or nothing; an older ``target`` stays until the new one is complete.

    Names that are not UTF-8 become printable. Raises OutputError.
    """
    beside = target.with_name(f".{target.name}.part")
    try:
        with writing(target):
            beside.write_text(printable(text), "utf-8", newline="")
            beside.replace(target)
    finally:
        with suppress(OSError):
            beside.unlink()


def refuse_overwrite(targets: Iterable[Path], inputs: Iterable[Path | str]) -> None:
    """Raises OutputError when a target is one of the inputs, by whatever path or link.

    Args:
        targets: files that are about to be written; most do not exist yet.
        inputs: files and folders that are read. Of a folder, the files in it count. What is not
            there (a camera, an address) is no file that could be lost.
    """
    known: dict[tuple[int, int], Path] = {}
    for path in map(Path, inputs):
        with suppress(OSError, ValueError):
            for file in [path, *(path.iterdir() if path.is_dir() else ())]:
                with suppress(OSError):
                    known[_identity(file)] = file
    for target in targets:
        with suppress(OSError, ValueError):
            if read := known.get(_identity(target)):
                raise OutputError(
                    f"{target} would be written over the input {read}: choose another folder for "
                    "the results"
                )


def _identity(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_dev, facts.st_ino


class OutputFolder:
    """The right to write to a folder, from :func:`output_folder`."""

    def __init__(self, path: Path, ours: BinaryIO, inputs: Sequence[Path | str]) -> None:
        self.path = path
        self._list, self._inputs = ours, inputs

    def check(self, names: Iterable[str]) -> None:
        """Raises OutputError when a file of these names is an input or not ours."""
        ours = self._ours()
        targets = [self.path / name for name in names]
        refuse_overwrite(targets, self._inputs)
        for target in targets:
            if target.name not in ours and os.path.lexists(target):
                raise OutputError(
                    f"{target} exists and sonar has no record of having written it: choose another "
                    "folder for the results, or move that file"
                )

    def claim(self, names: Sequence[str], stale: Sequence[str] = ()) -> None:
        """Make room for files of these names, and remember them as ours.

        Args:
            names: will be written. Ours of an earlier run are removed.
            stale: will not be written, and must not be mixed with what will: ours are removed.

        Raises OutputError as :meth:`check` does, or when a file cannot be removed.
        """
        self.check(names)
        ours = self._ours()
        with writing(self.path):
            for name in (*names, *stale):
                if name in ours:
                    (self.path / name).unlink(missing_ok=True)
                    (self.path / f".{name}.part").unlink(missing_ok=True)
            kept = "".join(f"{name}\n" for name in sorted((ours | {*names}) - {*stale}))
            self._list.seek(0)
            self._list.truncate(self._list.write(kept.encode("utf-8", "surrogateescape")))

    def _ours(self) -> set[str]:
        self._list.seek(0)
        text = self._list.read().decode("utf-8", "surrogateescape")
        return {name for name in text.splitlines() if name and "/" not in name}


@contextmanager
def output_folder(path: Path, inputs: Sequence[Path | str] = ()) -> Iterator[OutputFolder]:
    """Make ``path``, and hold the right to write to it until the block ends.

    Args:
        inputs: files and folders that the run reads; no result goes over them.

    Raises OutputError: the folder cannot be made or written to, or another run writes to it.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path / LIST, flags, 0o666)
        file = os.fdopen(descriptor, "r+b", 0)  # unbuffered: closing it on a full disk cannot fail
    with file:  # closing it ends the lock
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(
                f"another sonar is writing to {path}: wait for its end, or choose another folder"
            ) from None
        except OSError:
            pass  # a file system without locks
        try:
            yield OutputFolder(path, file, inputs)
        finally:
            if os.fstat(file.fileno()).st_size == 0:  # refused: nothing of ours is in it
                with suppress(OSError):
                    (path / LIST).unlink()
