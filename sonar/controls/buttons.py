"""Buttons: headset media keys, GPIO keys and the like, read from Linux input devices.

The format is that of ``struct input_event`` in ``linux/input.h``, the key numbers those of
``linux/input-event-codes.h``. GPIO buttons become such a device through the kernel's ``gpio-keys``
(see docs/sound.md).
"""

import contextlib
import glob
import os
import struct
from pathlib import Path

from sonar.clock import SystemClock
from sonar.controls.listen import Do

EVENT = struct.Struct("@llHHi")  # seconds, microseconds, type, code, value
EV_KEY = 1
PRESSED, REPEATED = 1, 2
KEYS = {
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
_DEVICES = "/dev/input/event*"
_SYSFS = Path("/sys/class/input")


class Buttons:
    """Reads every device that ``pattern`` names, now and later.

    Devices come and go; one that may not be read (usually: the user is not in the group
    ``input``) is left alone. Devices are shared, not grabbed: the desktop hears the keys too.

    Args:
        do: takes the command of each press.
        pattern: see :func:`wanted`.
    """

    def __init__(self, do: Do, pattern: str) -> None:
        self._do, self._pattern = do, pattern
        self._clock, self._looked_s = SystemClock(), float("-inf")
        self._devices: dict[int, tuple[str, bytes]] = {}  # path, and the start of an event

    def files(self) -> list[int]:
        """The devices that are there; looks for new ones now and then."""
        now = self._clock.now()
        if now - self._looked_s >= _LOOK_AGAIN_S:
            self._looked_s = now
            known = {path for path, _ in self._devices.values()}
            for path in wanted(self._pattern):
                if path not in known:
                    with contextlib.suppress(OSError):
                        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                        self._devices[file] = (path, b"")
        return list(self._devices)

    def read(self, file: int) -> None:
        """Take key presses; a device that is gone is closed."""
        path, begun = self._devices[file]
        try:
            data = os.read(file, 64 * EVENT.size)
        except BlockingIOError:
            return
        except OSError:  # unplugged
            data = b""
        if not data:
            del self._devices[file]
            os.close(file)
            return
        data = begun + data
        whole = len(data) - len(data) % EVENT.size
        self._devices[file] = (path, data[whole:])
        for _, _, kind, code, value in EVENT.iter_unpack(data[:whole]):
            if kind == EV_KEY and code in KEYS:
                held = value == REPEATED and KEYS[code].startswith("volume")
                if value == PRESSED or held:
                    self._do(KEYS[code])

    def close(self) -> None:
        while self._devices:
            os.close(self._devices.popitem()[0])


def wanted(pattern: str, sysfs: Path = _SYSFS, devices: str = _DEVICES) -> list[str]:
    """Paths of the input devices that ``pattern`` names: ``auto`` (devices with one of KEYS and no
    letters), a path pattern, or part of a device's name."""
    if "/" in pattern:
        return sorted(glob.glob(pattern))  # noqa: PTH207 - Path.glob takes no absolute pattern
    found = []
    for path in sorted(glob.glob(devices)):  # noqa: PTH207
        folder = sysfs / Path(path).name / "device"
        if pattern == "auto":
            fits = _has_only_buttons(folder)
        else:
            fits = pattern.lower() in _text(folder / "name").lower()
        if fits:
            found.append(path)
    return found


def _has_only_buttons(folder: Path) -> bool:
    """From the device's key bits: words of one ``long`` each, highest first, hexadecimal."""
    bits, word = 0, 8 * struct.calcsize("@l")
    for text in _text(folder / "capabilities/key").split():
        bits = bits << word | int(text, 16)
    return any(bits >> key & 1 for key in KEYS) and not any(bits >> key & 1 for key in _LETTERS)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
