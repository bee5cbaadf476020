"""Single keys on the terminal that sonar runs in."""

import os
import re
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sonar.controls.listen import Do

KEYS = {
    "m": "mute",
    "+": "volume up",
    "=": "volume up",
    "-": "volume down",
    "v": "verbosity next",
    "s": "scheme next",
    "d": "describe",
    " ": "describe",
    "r": "repeat",
    "q": "quit",
}
KEYS_HELP = (
    "Keys: m mute, + and - volume, v how much is said, s scheme, d or space what is around me, "
    "r repeat, q quit."
)
_ESCAPES = re.compile(rb"\x1b(\[[0-9;]*[A-Za-z~]|O[A-Za-z])")  # arrow and function keys
_LOCAL = 3  # index of the local modes in what tcgetattr gives


class Keyboard:
    """Reads keys without waiting for the return key, while sonar is in the foreground.

    The terminal is put back as it was found when this is closed. In the background it is left
    alone: reading there would stop the process. Nothing happens where ``file`` is no terminal.

    Attributes:
        on_terminal: whether keys are read at all.
    """

    def __init__(self, do: Do, file: int | None = None) -> None:
        self._do = do
        self._file = _stdin() if file is None else file
        self.on_terminal = self._file >= 0 and os.isatty(self._file)
        self._before: list[int | list[bytes | int]] | None = None  # the modes to go back to

    def files(self) -> list[int]:
        """The terminal while sonar is in front; single keys are asked for then, without echo, and
        again after a shell has had the terminal in between."""
        if not self.on_terminal or not self._in_foreground():
            return []
        try:
            modes = termios.tcgetattr(self._file)
        except termios.error:
            return []
        local: int = modes[_LOCAL]
        if local & (termios.ICANON | termios.ECHO):
            self._before = list(modes)
            modes[_LOCAL] = local & ~(termios.ICANON | termios.ECHO)
            if not _set(self._file, modes):
                return []
        return [self._file]

    def read(self, file: int) -> None:
        if not self._in_foreground():
            return
        try:
            keys = os.read(file, 32)
        except OSError:
            keys = b""
        self.on_terminal = bool(keys)  # else the terminal is gone
        for key in _ESCAPES.sub(b"", keys).decode("utf-8", "ignore").lower():
            if key in KEYS:
                self._do(KEYS[key])

    def close(self) -> None:
        before, self._before = self._before, None
        if before is not None and self._in_foreground():
            _set(self._file, before)

    def _in_foreground(self) -> bool:
        try:
            return os.tcgetpgrp(self._file) == os.getpgrp()
        except OSError:
            return False


@contextmanager
def single_keys() -> Iterator[Callable[[float], str | None]]:
    """The next key of standard input: None after so many seconds, "" when no more will come."""
    file = _stdin()

    def read(timeout_s: float) -> str | None:
        if file < 0:
            return ""
        if not select.select([file], [], [], timeout_s)[0]:
            return None
        return os.read(file, 1).decode("ascii", "replace").lower()

    before = termios.tcgetattr(file) if file >= 0 and os.isatty(file) else None
    try:
        if before is not None:
            tty.setcbreak(file, termios.TCSADRAIN)
        yield read
    finally:
        if before is not None:
            _set(file, before)


def _set(file: int, modes: list[int | list[bytes | int]]) -> bool:
    try:
        termios.tcsetattr(file, termios.TCSADRAIN, modes)
    except termios.error:  # the terminal was closed meanwhile
        return False
    return True


def _stdin() -> int:
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):  # none, closed, or replaced
        return -1
