"""Standard output and error that never stop the work.

A line that cannot be written (full disk, a reader or a terminal that went away, a character that
the encoding lacks) is dropped, and the work goes on. What is lost is remembered, so that a command
whose only product is its text can end with an error.
"""

import codecs
import errno
import io
import os
import select
import sys

_CHUNK_BYTES = 512  # POSIX's least PIPE_BUF: a pipe that poll calls writable takes so much at once
_ERRORS = "sonar.printable"


class _Raw(io.RawIOBase):
    """The descriptor ``fd``; a write never raises.

    Attributes:
        lost: the first reason for which something could not be written.
        wait_s: longest wait for a reader that is slow; None waits.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.lost: OSError | None = None
        self.wait_s: float | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return os.isatty(self._fd)

    def write(self, data: "bytes | memoryview") -> int:  # type: ignore[override]
        try:
            if self.wait_s is None:
                return os.write(self._fd, data)
            if select.select([], [self._fd], [], self.wait_s)[1]:
                return os.write(self._fd, data[:_CHUNK_BYTES])
            self.lost = self.lost or OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        except OSError as error:
            self.lost = self.lost or error
        return len(data)


_raw: dict[str, _Raw] = {}


def install() -> None:
    """Replace ``sys.stdout`` and ``sys.stderr`` of this process; once, by ``main``."""
    codecs.register_error(_ERRORS, _printable)
    for number in (0, 1, 2):  # a closed one would be given to the next file that is opened
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for number, name in ((1, "stdout"), (2, "stderr")):
        before = getattr(sys, name)
        raw = _raw[name] = _Raw(number)
        stream = io.TextIOWrapper(
            io.BufferedWriter(raw),  # type: ignore[type-var]  # a RawIOBase is what it takes
            encoding=before.encoding if before is not None else "utf-8",
            errors=_ERRORS,
            line_buffering=True,
        )
        setattr(sys, name, stream)


def never_wait(wait_s: float = 0.02) -> None:
    """From now on a line that its reader does not take within ``wait_s`` is dropped: guiding must
    not wait for a terminal that is held or a pipe that nobody reads."""
    for raw in _raw.values():
        raw.wait_s = wait_s


def lost(name: str = "stdout") -> OSError | None:
    """Why text to ``name`` was lost; None where all of it was written, or its reader had enough."""
    reason = _raw[name].lost if name in _raw else None
    return None if reason is None or reason.errno == errno.EPIPE else reason


def _printable(error: UnicodeError) -> tuple[str | bytes, int]:
    """Bytes of a name that is not UTF-8 as they are, other characters as ``\\xe9``."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if "\udc80" <= character <= "\udcff":
        return bytes([ord(character) - 0xDC00]), error.start + 1
    return character.encode("ascii", "backslashreplace").decode("ascii"), error.start + 1
