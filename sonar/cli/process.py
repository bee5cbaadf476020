"""This process: standard output and error that never stop the work, signals that end it in order.

A line that cannot be written (full disk, a reader or a terminal that went away) is dropped, and the
work goes on. What is lost is remembered, so that a command whose only product is its text can end
with an error.
"""

import errno
import io
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sonar.pipeline import Pipeline

_CHUNK_BYTES = 512  # POSIX's least PIPE_BUF: a pipe that poll calls writable takes so much at once


class _Raw(io.RawIOBase):
    """The descriptor ``fd``; a write never raises."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.lost: OSError | None = None  # the first reason why something was not written
        self.wait_s: float | None = None  # longest wait for a slow reader; None waits

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
    for number in (0, 1, 2):  # a closed one would be given to the next file that is opened
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for number, name in ((1, "stdout"), (2, "stderr")):
        raw = _raw[name] = _Raw(number)
        stream = io.TextIOWrapper(
            io.BufferedWriter(raw),  # type: ignore[type-var]  # a RawIOBase is what it takes
            encoding=getattr(getattr(sys, name), "encoding", "utf-8"),
            errors="backslashreplace",
            line_buffering=True,
        )
        setattr(sys, name, stream)


def never_wait(wait_s: float = 0.02) -> None:
    """From now on a line that its reader does not take within ``wait_s`` is dropped: guiding must
    not wait for a terminal that is held or a pipe that nobody reads."""
    for raw in _raw.values():
        raw.wait_s = wait_s


def lost() -> OSError | None:
    """Why text to stdout was lost; None where all of it was written, or its reader had enough."""
    reason = _raw["stdout"].lost if _raw else None
    return None if reason is None or reason.errno == errno.EPIPE else reason


@contextmanager
def stops(pipeline: "Pipeline") -> Iterator[None]:
    """While inside, the first Ctrl-C, SIGTERM or closed terminal asks ``pipeline`` to stop, and a
    second Ctrl-C ends the process. A SIGHUP that is ignored (``nohup``) stays ignored."""

    def ask(number: int, _frame: FrameType | None) -> None:
        if pipeline.outcome.interrupted and number == signal.SIGINT:
            raise KeyboardInterrupt
        pipeline.stop()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    with _handled(numbers, ask):
        yield


@contextmanager
def terminates() -> Iterator[None]:
    """While inside, SIGTERM is what Ctrl-C is: a KeyboardInterrupt."""
    with _handled([signal.SIGTERM], signal.default_int_handler):
        yield


@contextmanager
def _handled(
    numbers: list[signal.Signals], handler: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
