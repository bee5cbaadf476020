"""Buttons: headset media keys, GPIO keys and the like, read from Linux input devices.

The format is that of ``struct input_event`` in ``linux/input.h``, the key numbers those of
``linux/input-event-codes.h``; nothing but the standard library is needed. GPIO buttons become
such a device through the kernel's ``gpio-keys`` (see docs/sound.md).
"""

import contextlib
import glob
import os
import struct
from pathlib import Path

from sonar.controls.listen.commands import Do
from sonar.controls.listen.waiting import WaitingThread
from sonar.threads import Announce

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


class Buttons(WaitingThread):
    """Reads every device that ``pattern`` names, now and later.

    Args:
        do: takes the command of each press.
        pattern: ``auto`` (devices with one of KEYS and no letters), a path pattern, or part of
            a device's name.

    Devices come and go; one that may not be read (usually: the user is not in the group
    ``input``) is left alone. Devices are shared, not grabbed: the desktop hears the keys too.
    """

    def __init__(
        self,
        do: Do,
        pattern: str,
        sysfs: Path = _SYSFS,
        devices: str = _DEVICES,
        announce: Announce | None = None,
    ) -> None:
        super().__init__("sonar-buttons", announce)
        self._do, self._pattern = do, pattern
        self._sysfs, self._devices = sysfs, devices
        self._files: dict[int, tuple[str, bytes]] = {}  # path, and the start of an event

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._look()
                for file in self._ready(tuple(self._files), _LOOK_AGAIN_S):
                    self._read(file)
        finally:
            for file in tuple(self._files):
                self._drop(file)

    def _look(self) -> None:
        known = {path for path, _ in self._files.values()}
        for path in wanted(self._pattern, self._sysfs, self._devices):
            if path in known:
                continue
            with contextlib.suppress(OSError):
                file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                self._files[file] = (path, b"")

    def _read(self, file: int) -> None:
        path, begun = self._files[file]
        try:
            read = os.read(file, 64 * EVENT.size)
        except BlockingIOError:
            return
        except OSError:  # unplugged
            read = b""
        if not read:
            self._drop(file)
            # A device that ends at once must not make this spin.
            self._ready((), 0.05)
            return
        data = begun + read
        whole = len(data) - len(data) % EVENT.size
        self._files[file] = (path, data[whole:])
        for _, _, kind, code, value in EVENT.iter_unpack(data[:whole]):
            if kind == EV_KEY and code in KEYS:
                self._press(KEYS[code], value)

    def _press(self, command: str, value: int) -> None:
        held = value == REPEATED and command.startswith("volume")
        if value == PRESSED or held:
            self._do(command)

    def _drop(self, file: int) -> None:
        del self._files[file]
        with contextlib.suppress(OSError):
            os.close(file)


def wanted(pattern: str, sysfs: Path = _SYSFS, devices: str = _DEVICES) -> list[str]:
    """Paths of the input devices that ``pattern`` names; see :class:`Buttons`."""
    if "/" in pattern:
        return _matching(pattern)
    paths = _matching(devices)
    if pattern == "auto":
        return [path for path in paths if _has_only_buttons(sysfs / Path(path).name)]
    return [
        path for path in paths if pattern.lower() in _text(sysfs / Path(path).name, "name").lower()
    ]


def _matching(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern))  # noqa: PTH207 - Path.glob takes no absolute pattern


def _has_only_buttons(folder: Path) -> bool:
    """From the device's key bits: words of one ``long`` each, highest first, hexadecimal."""
    bits, word = 0, 8 * struct.calcsize("@l")
    try:
        for text in _text(folder, "capabilities/key").split():
            bits = bits << word | int(text, 16)
    except ValueError:
        return False
    return any(bits >> key & 1 for key in KEYS) and not any(bits >> key & 1 for key in _LETTERS)


def _text(folder: Path, name: str) -> str:
    try:
        return (folder / "device" / name).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
