"""Single keys on the terminal that sonar runs in."""

import os
import re
import sys
import termios

from sonar.controls.listen.commands import Do
from sonar.controls.listen.waiting import WaitingThread
from sonar.threads import Announce

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
_LOOK_S = 0.5
_ESCAPES = re.compile(rb"\x1b(\[[0-9;]*[A-Za-z~]|O[A-Za-z])")  # arrow and function keys
_LOCAL = 3  # index of the local modes in what tcgetattr gives


class Keyboard(WaitingThread):
    """Reads keys without waiting for the return key, while sonar is in the foreground.

    The terminal is put back as it was found when this is closed. In the background it is left
    alone: reading there would stop the process. Nothing happens where ``file`` is no terminal.

    Attributes:
        on_terminal: whether keys are read at all.
    """

    def __init__(self, do: Do, file: int | None = None, announce: Announce | None = None) -> None:
        super().__init__("sonar-keys", announce)
        self._do = do
        self._file = _stdin() if file is None else file
        self.on_terminal = self._file >= 0 and os.isatty(self._file)
        self._before: list[int | list[bytes | int]] | None = None  # the modes to go back to

    def close(self) -> None:
        """Put the terminal back; safe to call twice."""
        try:
            super().close()
        finally:
            if self._before is not None:
                before, self._before = self._before, None
                if self._in_foreground():
                    _set(self._file, before)

    def _run(self) -> None:
        while self.on_terminal and not self._closing.is_set():
            if not self._in_foreground() or not self._take_keys():
                self._ready((), _LOOK_S)
                continue
            if not self._ready((self._file,), _LOOK_S) or not self._in_foreground():
                continue
            try:
                read = os.read(self._file, 32)
            except OSError:
                return  # the terminal is gone
            if not read:
                return
            self._press(read)

    def _press(self, read: bytes) -> None:
        for key in _ESCAPES.sub(b"", read).decode("utf-8", "ignore").lower():
            if key in KEYS:
                self._do(KEYS[key])

    def _take_keys(self) -> bool:
        """Single keys, no echo; again after a shell has had the terminal in between."""
        try:
            modes = termios.tcgetattr(self._file)
        except termios.error:
            return False
        local: int = modes[_LOCAL]
        if not local & (termios.ICANON | termios.ECHO):
            return True
        if self._closing.is_set():
            return False
        self._before = list(modes)
        modes[_LOCAL] = local & ~(termios.ICANON | termios.ECHO)
        return _set(self._file, modes)

    def _in_foreground(self) -> bool:
        try:
            return os.tcgetpgrp(self._file) == os.getpgrp()
        except OSError:
            return False


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
