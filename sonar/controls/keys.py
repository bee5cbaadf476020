"""Keys and buttons: single keys on the terminal that sonar runs in, and Linux input devices.

Such devices are headset media keys and GPIO keys, which the kernel's ``gpio-keys`` makes one (see
docs/sound.md). The format is that of ``struct input_event`` in ``linux/input.h``, the key numbers
those of ``linux/input-event-codes.h``.
"""

import contextlib
import glob
import os
import re
import struct
import termios
from pathlib import Path

from sonar.clock import SystemClock
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
EVENT = struct.Struct("@llHHi")  # seconds, microseconds, type, code, value
EV_KEY = 1
PRESSED, REPEATED = 1, 2
BUTTONS = {
    113: "mute",  # KEY_MUTE
    114: "volume down",  # KEY_VOLUMEDOWN
    115: "volume up",  # KEY_VOLUMEUP
    119: "describe",  # KEY_PAUSE
    163: "scheme next",  # KEY_NEXTSONG
    164: "describe",  # KEY_PLAYPAUSE
    165: "repeat",  # KEY_PREVIOUSSONG
    167: "keep",  # KEY_RECORD: the recording of the last minutes
    200: "describe",  # KEY_PLAYCD, what a Bluetooth headset sends
    201: "describe",  # KEY_PAUSECD
    207: "describe",  # KEY_PLAY
    226: "describe",  # KEY_MEDIA, the one button of a wired headset
}
_LETTERS = (30, 44)  # KEY_A, KEY_Z: somebody types on it
_LOOK_AGAIN_S = 2.0  # for headsets that connect later


class Keyboard:
    """Reads keys without waiting for the return key, while sonar is in front of a terminal.

    That is put back as it was found when this is closed. In the background it is left alone:
    reading there would stop the process.
    """

    def __init__(self, do: Do, file: int = 0) -> None:
        self._do, self._file = do, file  # standard input, if that is open
        self.on_terminal = os.isatty(file)
        self._before: list[int | list[bytes | int]] | None = None  # the modes to go back to

    def files(self) -> list[int]:
        """The terminal while sonar is in front; single keys are asked for then, without echo, and
        again after a shell has had the terminal in between."""
        with contextlib.suppress(termios.error):  # the terminal was closed meanwhile
            if self._in_foreground():
                modes = termios.tcgetattr(self._file)
                local: int = modes[_LOCAL]
                if local & (termios.ICANON | termios.ECHO):
                    self._before = list(modes)
                    modes[_LOCAL] = local & ~(termios.ICANON | termios.ECHO)
                    termios.tcsetattr(self._file, termios.TCSADRAIN, modes)
                return [self._file]
        return []

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
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._file, termios.TCSADRAIN, before)

    def _in_foreground(self) -> bool:
        with contextlib.suppress(OSError):
            return self.on_terminal and os.tcgetpgrp(self._file) == os.getpgrp()
        return False


class Buttons:
    """Reads every device that ``pattern`` names (see :func:`wanted`), now and later.

    One that may not be read (usually: the user is not in the group ``input``) is left alone.
    Devices are shared, not grabbed: the desktop hears the keys too.
    """

    def __init__(self, do: Do, pattern: str) -> None:
        self._do, self._pattern = do, pattern
        self._clock, self._looked_s = SystemClock(), float("-inf")
        self._devices: dict[int, str] = {}  # open file -> path

    def files(self) -> list[int]:
        """Those that are there; looks for new ones now and then."""
        now = self._clock.now()
        if now - self._looked_s >= _LOOK_AGAIN_S:
            self._looked_s = now
            for path in set(wanted(self._pattern)) - set(self._devices.values()):
                with contextlib.suppress(OSError):
                    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                    self._devices[file] = path
        return list(self._devices)

    def read(self, file: int) -> None:
        """Take key presses; a device that is gone is closed."""
        try:
            data = os.read(file, 64 * EVENT.size)  # the kernel gives whole events
        except OSError:  # unplugged
            data = b""
        if not data:
            del self._devices[file]
            os.close(file)
        for _, _, kind, code, value in EVENT.iter_unpack(data):
            if kind == EV_KEY and code in BUTTONS:
                held = value == REPEATED and BUTTONS[code].startswith("volume")
                if value == PRESSED or held:
                    self._do(BUTTONS[code])

    def close(self) -> None:
        while self._devices:
            os.close(self._devices.popitem()[0])


def wanted(
    pattern: str, sysfs: Path = Path("/sys/class/input"), devices: str = "/dev/input/event*"
) -> list[str]:
    """Paths of the input devices that ``pattern`` names: ``auto`` (devices with one of BUTTONS and
    no letters), a path pattern, or part of a device's name."""
    if "/" in pattern:
        return sorted(glob.glob(pattern))  # noqa: PTH207 - Path.glob takes no absolute pattern
    found = []
    for path in sorted(glob.glob(devices)):  # noqa: PTH207
        folder = sysfs / Path(path).name / "device"
        named = pattern.lower() in _text(folder / "name").lower()
        if _has_only_buttons(folder) if pattern == "auto" else named:
            found.append(path)
    return found


def _has_only_buttons(folder: Path) -> bool:
    """From the device's key bits: words of one ``long`` each, highest first, hexadecimal."""
    bits, word = 0, 8 * struct.calcsize("@l")
    for text in _text(folder / "capabilities/key").split():
        bits = bits << word | int(text, 16)
    return any(bits >> key & 1 for key in BUTTONS) and not any(bits >> key & 1 for key in _LETTERS)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
