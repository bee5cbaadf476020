"""Commands by keys and buttons, each from a real terminal or a file like a device's."""

import errno
import os
import pty
import struct
import subprocess
import sys
import termios
import threading

import pytest
from listen_kit import Heard, serving

from sonar.controls.keys import EVENT, Buttons, Keyboard, wanted

# -- buttons -------------------------------------------------------------------------------------


def event(code, value, kind=1):
    return EVENT.pack(12, 345, kind, code, value)


def test_buttons_are_read_from_an_input_device(tmp_path):
    device = tmp_path / "event0"
    os.mkfifo(device)
    heard = Heard()
    with serving(Buttons(heard, str(tmp_path / "event*"))):
        writer = os.open(device, os.O_WRONLY)
        os.write(writer, event(113, 1) + event(0, 0, kind=0) + event(113, 0))  # press, release
        os.write(writer, event(115, 1) + event(115, 2))
        heard.wait(3)
        os.write(writer, event(115, 2) + event(113, 2) + event(30, 1) + event(226, 1))
        assert heard.wait(5) == ["mute", *["volume up"] * 3, "describe"]
        os.close(writer)


def test_a_device_that_goes_and_comes_back_is_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr("sonar.controls.keys._LOOK_AGAIN_S", 0.05)
    device = tmp_path / "event0"
    heard = Heard()
    with serving(Buttons(heard, str(device))):
        for count in (1, 2):
            os.mkfifo(device)
            writer = os.open(device, os.O_WRONLY)  # waits until it is found
            os.write(writer, event(164, 1))
            assert heard.wait(count) == ["describe"] * count
            device.unlink()
            os.close(writer)


def test_auto_takes_headsets_and_gpio_but_nothing_one_types_on(tmp_path):
    def device(number, name, *keys):
        folder = tmp_path / f"event{number}" / "device" / "capabilities"
        folder.mkdir(parents=True)
        bits, word = sum(1 << key for key in keys), 8 * struct.calcsize("@l")
        words = []
        while bits:
            words.insert(0, f"{bits & (1 << word) - 1:x}")
            bits >>= word
        (folder / "key").write_text(" ".join(words or ["0"]) + "\n")
        (folder.parent / "name").write_text(name + "\n")

    device(0, "Typing Keyboard", *range(1, 60), 113, 114, 115)
    device(1, "WH-1000 (AVRCP)", 200, 201, 163, 165)
    device(2, "gpio-keys", 113)
    device(3, "Power Button", 116)
    device(4, "Mouse")
    devices = str(tmp_path / "event*")
    at = {number: str(tmp_path / f"event{number}") for number in range(5)}
    assert wanted("auto", tmp_path, devices) == [at[1], at[2]]
    assert wanted("avrcp", tmp_path, devices) == [at[1]]
    assert wanted(devices, tmp_path, "none") == list(at.values())


# -- keyboard ------------------------------------------------------------------------------------

CHILD = """
import sys, threading
from sonar.controls.keys import Keyboard
from sonar.controls.listen import attending
done = threading.Event()
def do(line):
    print(line, flush=True)
    done.set() if line == "quit" else None
    return "ok"
try:
    keys = Keyboard(do)
    with attending([keys]):
        print("terminal", keys.on_terminal, flush=True)
        assert done.wait(20)
        if "fail" in sys.argv: raise RuntimeError("on purpose")
except RuntimeError:
    print("failed", flush=True)
"""


def run_on_terminal(keys, *arguments):
    """The child on a terminal of its own: what it printed, and its modes before and after."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", CHILD, *arguments])
    before = termios.tcgetattr(terminal)
    printed = b""
    try:
        while True:
            printed += os.read(terminal, 1000)
            if b"terminal True" in printed and keys:
                while termios.tcgetattr(terminal)[3] & termios.ICANON:  # until it takes keys
                    threading.Event().wait(0.02)
                os.write(terminal, keys)
                keys = b""
            if b"quit" in printed:
                while not termios.tcgetattr(terminal)[3] & termios.ICANON:
                    threading.Event().wait(0.02)
                break
        after = termios.tcgetattr(terminal)
        while True:
            printed += os.read(terminal, 1000)
    except OSError as error:
        if error.errno != errno.EIO:  # the end of a terminal
            raise
    os.waitpid(pid, 0)
    os.close(terminal)
    return printed.decode().split("\r\n"), before, after


@pytest.mark.timeout(60)
def test_keys_on_a_terminal_are_commands_and_the_terminal_is_put_back():
    printed, before, after = run_on_terminal(b"mxM+-=vs dr\x1b[D\x1bOSq")
    lines = [line for line in printed if line and not line.startswith("terminal")]
    assert lines == [  # the letters of an arrow or function key are none
        *("mute", "mute", "volume up", "volume down", "volume up"),
        *("verbosity next", "scheme next", "describe", "describe", "repeat", "quit"),
    ]
    assert after == before


@pytest.mark.timeout(60)
def test_the_terminal_is_put_back_after_a_failure():
    printed, before, after = run_on_terminal(b"q", "fail")
    assert "failed" in printed
    assert after == before


def test_where_there_is_no_terminal_nothing_is_read():
    reader, writer = os.pipe()
    heard = Heard()
    with serving(Keyboard(heard, reader)) as keys:
        os.write(writer, b"m")
        assert not keys.on_terminal
    assert heard.lines == []
    assert os.read(reader, 1) == b"m"
    os.close(reader)
    os.close(writer)


def test_a_closed_standard_input_is_no_terminal():
    code = "from sonar.controls.keys import Keyboard\nassert not Keyboard(print).on_terminal"
    subprocess.run(["sh", "-c", f"exec {sys.executable} -c '{code}' <&-"], check=True, timeout=30)
