"""Commands by words, keys, buttons and socket, each from a real file descriptor."""

import errno
import os
import pty
import socket
import stat
import struct
import subprocess
import sys
import termios
import threading

import pytest
from hearing import AUDIO, RATE, SPEECH, scene
from typer.testing import CliRunner

from sonar.audio.controls import Controls
from sonar.audio.fakes import ToneSpeaker
from sonar.audio.listen import Commands, listening
from sonar.audio.listen import socket_server as sockets
from sonar.audio.listen.buttons import EVENT, Buttons, wanted
from sonar.audio.listen.keyboard import Keyboard
from sonar.audio.listen.socket_server import SocketServer, send
from sonar.audio.mapping import PulseMapper
from sonar.audio.mixer import Mixer
from sonar.cli.root import app
from sonar.config import ControlsConfig
from sonar.errors import ConfigError, DeviceError
from sonar.types import Band


class Heard:
    """Takes commands; ``wait`` until as many came."""

    def __init__(self):
        self.lines, self._came = [], threading.Condition()

    def __call__(self, line):
        with self._came:
            self.lines.append(line)
            self._came.notify_all()
        return "ok " + line

    def wait(self, count):
        with self._came:
            assert self._came.wait_for(lambda: len(self.lines) >= count, 10), self.lines
        return self.lines


@pytest.fixture
def commands():
    mixer = Mixer(AUDIO, SPEECH, ToneSpeaker(RATE))
    mapper = PulseMapper(AUDIO, SPEECH)
    stopped = threading.Event()
    do = Commands(Controls(mixer, mapper, -6.0, stopped.set))
    do.mixer, do.mapper, do.stopped = mixer, mapper, stopped
    return do


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("mute", "ok muted"),
        ("MUTE ", "ok muted"),
        ("volume up", "ok volume -3 dB"),
        ("volume down", "ok volume -9 dB"),
        ("volume -20", "ok volume -26 dB"),
        ("volume 99", "ok volume 12 dB"),
        ("scheme quiet", "ok scheme quiet"),
        ("scheme next", "ok scheme continuous"),
        ("verbosity danger", "ok verbosity danger"),
        ("verbosity next", "ok verbosity chatty"),
        ("repeat", "ok nothing to repeat"),
        ("quit", "ok stopping"),
    ],
)
def test_words_are_done_and_answered(commands, line, answer):
    assert commands(line) == answer


@pytest.mark.parametrize(
    "line",
    ["", "moo", "volume", "volume nan", "volume inf", "volume 1e9", "mute now", "scheme x", "\0"],
)
def test_what_is_not_known_is_refused_by_sound_too(commands, line):
    told = []
    commands.mixer.tell = lambda *what: told.append(what)
    before = commands.mixer.muted, commands.mapper.scheme
    assert commands(line).startswith("refused")
    assert told == [("refused",)]
    assert (commands.mixer.muted, commands.mapper.scheme) == before


def test_describe_answers_with_the_sentence_and_quit_stops(commands):
    assert commands("describe").startswith("refused")
    commands.mapper.update(scene((Band.NEAR, 0.4, {"distance_m": 1.9})))
    assert commands("describe").startswith("ok near on the left at 1.9 metres")
    assert not commands.stopped.is_set()
    assert not commands._controls.quitting
    commands("quit")
    assert commands._controls.quitting
    assert commands.stopped.is_set()


# -- socket --------------------------------------------------------------------------------------


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    tmp_path.chmod(0o700)
    return tmp_path / "sonar"


def test_a_line_in_a_line_out_for_this_user_only(runtime):
    heard = Heard()
    with SocketServer(heard) as server:
        assert stat.S_IMODE(server.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(runtime.stat().st_mode) == 0o700
        assert send(server.path, "volume up") == "ok volume up"
        assert send(server.path, "mute") == "ok mute"
    assert heard.lines == ["volume up", "mute"]
    assert not server.path.exists()
    with pytest.raises(DeviceError, match="did not answer"):
        send(server.path, "mute")


def test_a_client_that_says_nothing_or_too_much_does_not_block_the_next(runtime, monkeypatch):
    monkeypatch.setattr(sockets, "_LINE_S", 0.1)
    heard = Heard()
    with SocketServer(heard) as server:
        silent = socket.socket(socket.AF_UNIX)
        silent.connect(str(server.path))
        gone = socket.socket(socket.AF_UNIX)
        gone.connect(str(server.path))
        gone.sendall(b"mut")
        gone.close()
        assert send(server.path, "x" * 5000).startswith("refused")
        assert send(server.path, "mute") == "ok mute"
        silent.close()
    assert heard.lines == ["mute"]


def test_instances_are_told_apart_and_dead_ones_cleared(runtime):
    with pytest.raises(ConfigError, match="no sonar that takes commands"):
        sockets.choose_instance(None)
    heard = Heard()
    dead = sockets.runtime_folder() / "control-1.sock"
    corpse = socket.socket(socket.AF_UNIX)
    corpse.bind(str(dead))
    corpse.close()
    with SocketServer(heard) as server:
        assert sockets.choose_instance(None) == server.path
        assert not dead.exists()
        with SocketServer(heard, sockets.runtime_folder() / "control-77.sock") as other:
            with pytest.raises(ConfigError, match=r"--instance: \d+, 77"):
                sockets.choose_instance(None)
            assert sockets.choose_instance("77") == other.path
            with pytest.raises(ConfigError, match="number 5 "):
                sockets.choose_instance("5")


def test_a_folder_that_others_may_enter_is_not_used(runtime):
    runtime.mkdir()
    runtime.chmod(0o755)
    with pytest.raises(DeviceError, match="open to other users"):
        SocketServer(Heard())


def test_the_command_line_reaches_a_running_sonar(runtime, commands):
    with listening(commands._controls, ControlsConfig(buttons=None)) as notes:
        assert notes == []
        runner = CliRunner()
        assert runner.invoke(app, ["control", "volume", "-3"]).output == "volume -9 dB\n"
        assert runner.invoke(app, ["--json", "control", "mute"]).output.count("muted") == 1
        assert commands.mixer.muted
        refused = runner.invoke(app, ["control", "moo"])
        assert isinstance(refused.exception, ConfigError)


def test_without_a_place_for_the_socket_guiding_goes_on_and_says_so(runtime, commands):
    runtime.write_text("a file is in the way")
    with listening(commands._controls, ControlsConfig(buttons=None)) as notes:
        assert len(notes) == 1
        assert "sonar control" in notes[0]


# -- buttons -------------------------------------------------------------------------------------


def event(code, value, kind=1):
    return EVENT.pack(12, 345, kind, code, value)


def test_buttons_are_read_from_an_input_device(tmp_path):
    device = tmp_path / "event0"
    os.mkfifo(device)
    heard = Heard()
    with Buttons(heard, str(tmp_path / "event*")):
        writer = os.open(device, os.O_WRONLY)
        os.write(writer, event(113, 1) + event(0, 0, kind=0) + event(113, 0))  # press, release
        os.write(writer, event(115, 1) + event(115, 2) + event(115, 2)[:10])
        heard.wait(3)
        os.write(writer, event(115, 2)[10:] + event(113, 2) + event(30, 1) + event(226, 1))
        assert heard.wait(5) == ["mute", *["volume up"] * 3, "describe"]
        os.close(writer)


def test_a_device_that_goes_and_comes_back_is_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr("sonar.audio.listen.buttons._LOOK_AGAIN_S", 0.05)
    device = tmp_path / "event0"
    heard = Heard()
    with Buttons(heard, str(device)):
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
from sonar.audio.listen.keyboard import Keyboard
done = threading.Event()
def do(line):
    print(line, flush=True)
    done.set() if line == "quit" else None
    return "ok"
try:
    with Keyboard(do) as keys:
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
    told = b""
    try:
        while True:
            told += os.read(terminal, 1000)
            if b"terminal True" in told and keys:
                while termios.tcgetattr(terminal)[3] & termios.ICANON:  # until it takes keys
                    threading.Event().wait(0.02)
                os.write(terminal, keys)
                keys = b""
            if b"quit" in told:
                while not termios.tcgetattr(terminal)[3] & termios.ICANON:
                    threading.Event().wait(0.02)
                break
        after = termios.tcgetattr(terminal)
        while True:
            told += os.read(terminal, 1000)
    except OSError as error:
        if error.errno != errno.EIO:  # the end of a terminal
            raise
    os.waitpid(pid, 0)
    os.close(terminal)
    return told.decode().split("\r\n"), before, after


@pytest.mark.timeout(60)
def test_keys_on_a_terminal_are_commands_and_the_terminal_is_put_back():
    told, before, after = run_on_terminal(b"mxM+-=vs dr\x1b[D\x1bOSq")
    lines = [line for line in told if line and not line.startswith("terminal")]
    assert lines == [  # the letters of an arrow or function key are none
        *("mute", "mute", "volume up", "volume down", "volume up"),
        *("verbosity next", "scheme next", "describe", "describe", "repeat", "quit"),
    ]
    assert after == before


@pytest.mark.timeout(60)
def test_the_terminal_is_put_back_after_a_failure():
    told, before, after = run_on_terminal(b"q", "fail")
    assert "failed" in told
    assert after == before


def test_where_there_is_no_terminal_nothing_is_read():
    reader, writer = os.pipe()
    heard = Heard()
    with Keyboard(heard, reader) as keys:
        os.write(writer, b"m")
        assert not keys.on_terminal
    assert heard.lines == []
    assert os.read(reader, 1) == b"m"
    os.close(reader)
    os.close(writer)


def test_a_closed_standard_input_is_no_terminal():
    code = (
        "from sonar.audio.listen.keyboard import Keyboard\n"
        "with Keyboard(print) as keys: assert not keys.on_terminal"
    )
    subprocess.run(["sh", "-c", f"exec {sys.executable} -c '{code}' <&-"], check=True, timeout=30)
