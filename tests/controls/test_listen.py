"""Commands by words and by the socket, from a real file descriptor."""

import os
import socket
import stat
import threading

import pytest
from listen_kit import Heard, serving
from typer.testing import CliRunner

from sonar.audio.cues import PulseMapper
from sonar.audio.synthesis import Mixer
from sonar.cli.root import app
from sonar.config import ControlsConfig
from sonar.controls import control_socket as sockets
from sonar.controls.control_socket import ControlSocket, send
from sonar.controls.controls import Controls
from sonar.controls.listen import attending, listening
from sonar.errors import ConfigError, DeviceError
from sonar.testing.audio import ToneSpeaker
from sonar.types import Band
from tests.audio.hearing import AUDIO, RATE, SPEECH, scene


@pytest.fixture
def commands():
    mixer = Mixer(AUDIO, SPEECH, ToneSpeaker(RATE))
    mapper = PulseMapper(AUDIO, SPEECH)
    stopped = threading.Event()
    do = Controls(mixer, mapper, -6.0, stopped.set)
    do.stopped = stopped
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
    asked = []
    commands.mixer.announce = lambda *what: asked.append(what)
    before = commands.mixer.muted, commands.mapper.scheme
    assert commands(line).startswith("refused")
    assert asked == [("refused",)]
    assert (commands.mixer.muted, commands.mapper.scheme) == before


def test_describe_answers_with_the_sentence_and_quit_stops(commands):
    assert commands("describe").startswith("refused")
    commands.mapper.update(scene((Band.NEAR, 0.4, {"distance_m": 1.9})))
    assert commands("describe").startswith("ok near on the left at 1.9 meters")
    assert not commands.stopped.is_set()
    assert not commands.quitting
    commands("quit")
    assert commands.quitting
    assert commands.stopped.is_set()


# -- socket --------------------------------------------------------------------------------------


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    tmp_path.chmod(0o700)
    return tmp_path / "sonar"


def test_a_line_in_a_line_out_for_this_user_only(runtime):
    heard = Heard()
    with serving(ControlSocket(heard)) as server:
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
    with serving(ControlSocket(heard)) as server:
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


def test_a_line_that_comes_byte_by_byte_has_one_deadline(monkeypatch):
    now, timeouts_s = [0.0], []

    class Slow:
        settimeout = timeouts_s.append

        def recv(self, _bytes):
            if timeouts_s[-1] < 0.4:
                raise TimeoutError
            now[0] += 0.4
            return b"x"

    monkeypatch.setattr(sockets, "monotonic", lambda: now[0])
    with pytest.raises(TimeoutError):
        sockets._receive_line(Slow(), 201, 0.5)
    assert now == [0.4]


def test_a_listener_that_hangs_or_fails_does_not_stop_another():
    class Other:
        def __init__(self, read):
            self.ours, self.theirs = socket.socketpair()
            self.theirs.send(b"x")
            self.read = read

        def files(self):
            return [self.ours.fileno()]

        def close(self):
            self.ours.close()
            self.theirs.close()

    def fail(_file):
        raise IndexError("a mistake of ours")

    gave_up, let_go = threading.Event(), threading.Event()
    heard = Heard()
    hanging = Other(lambda _file: let_go.wait(10))
    working = Other(lambda file: heard(os.read(file, 1).decode()))
    listeners = [Other(fail), hanging, working]
    with attending(listeners, lambda _problem, last: last and gave_up.set()):
        assert gave_up.wait(5)
        working.theirs.send(b"y")
        assert heard.wait(2) == ["x", "y"]
        assert not let_go.is_set()
        let_go.set()


def test_instances_are_kept_apart_and_dead_ones_cleared(runtime):
    with pytest.raises(ConfigError, match="no sonar that takes commands"):
        sockets.choose_instance(None)
    heard = Heard()
    dead = sockets.runtime_folder() / "control-1.sock"
    corpse = socket.socket(socket.AF_UNIX)
    corpse.bind(str(dead))
    corpse.close()
    with serving(ControlSocket(heard)) as server:
        assert sockets.choose_instance(None) == server.path
        assert not dead.exists()
        with serving(ControlSocket(heard, sockets.runtime_folder() / "control-77.sock")) as other:
            with pytest.raises(ConfigError, match=r"--instance: \d+, 77"):
                sockets.choose_instance(None)
            assert sockets.choose_instance("77") == other.path
            with pytest.raises(ConfigError, match="number 5 "):
                sockets.choose_instance("5")


def test_a_folder_that_others_may_enter_is_not_used(runtime):
    runtime.mkdir()
    runtime.chmod(0o755)
    with pytest.raises(DeviceError, match="open to other users"):
        ControlSocket(Heard())


def test_the_command_line_reaches_a_running_sonar(runtime, commands):
    with listening(commands, ControlsConfig(buttons=None)) as notes:
        assert notes == []
        runner = CliRunner()
        assert runner.invoke(app, ["control", "volume", "-3"]).output == "volume -9 dB\n"
        assert runner.invoke(app, ["--json", "control", "mute"]).output.count("muted") == 1
        assert commands.mixer.muted
        refused = runner.invoke(app, ["control", "moo"])
        assert isinstance(refused.exception, ConfigError)


def test_without_a_place_for_the_socket_guiding_goes_on_and_says_so(runtime, commands):
    runtime.write_text("a file is in the way")
    with listening(commands, ControlsConfig(buttons=None)) as notes:
        assert len(notes) == 1
        assert "sonar control" in notes[0]
