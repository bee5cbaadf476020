"""The supervisor as a process over real processes: killed, stopped, hung, ended.

The guide is a stand-in of a few lines that reports progress as the real one does; the player is a
shell script that notes when it is called. scripts/torture does the same with all of it real.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sonar.service.supervisor.runner import GuideProcess
from sonar.service.supervisor.sounds import in_memory, without_words

pytestmark = pytest.mark.realtime

GUIDE = """
import os, signal, sys, time
from sonar.service.heartbeat import Heartbeat, supervisor_socket

supervisor = supervisor_socket()
over = []
signal.signal(signal.SIGTERM, lambda *a: over.append(1))
signal.signal(signal.SIGHUP, lambda *a: open(sys.argv[1] + "/reloaded", "w").close())
frames = 0
trouble = os.path.join(sys.argv[1], "trouble")
while not over:
    what = open(trouble).read() if os.path.exists(trouble) else ""
    if what.isdecimal():
        sys.exit(int(what))
    if what == "hang":
        time.sleep(60)
    frames += 1
    samples = 0 if what == "deaf" else frames * 480
    Heartbeat("guiding", frames=frames, samples=samples).send(supervisor)
    time.sleep(0.02)
open(sys.argv[1] + "/goodbye", "w").close()
"""


class Running:
    """The supervisor as a child of the test."""

    def __init__(self, folder: Path, **limits: float) -> None:
        self.folder = folder
        (folder / "guide.py").write_text(GUIDE)
        players = folder / "bin"
        players.mkdir()
        for name in ("paplay", "pw-play", "aplay"):
            player = players / name
            player.write_text(f"#!/bin/sh\ndate +%s.%N >> {folder}/alarms\nsleep 0.3\n")
            player.chmod(0o755)
        sounds = in_memory(without_words())
        settings = {
            "command": (sys.executable, str(folder / "guide.py"), str(folder)),
            "sounds": sounds,
            "limits": {"alarm_after_s": 0.5, "restart_after_s": 1.2, **limits},
        }
        self.log_path = folder / "log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sonar.service.supervisor.runner", json.dumps(settings)],
                env={**os.environ, "PATH": f"{players}:{os.environ['PATH']}"},
                stderr=log,
                pass_fds=[fd for fd, _ in sounds.values()],
            )
        for fd, _ in sounds.values():
            os.close(fd)

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = self.log_path.read_bytes().split(b"\n")[:-1]
        return [e for e in map(json.loads, lines) if e["event"] == name]

    def wait(self, name: str, count: int = 1, limit_s: float = 15.0) -> dict[str, Any]:
        deadline = time.monotonic() + limit_s
        while len(found := self.events(name)) < count:
            assert time.monotonic() < deadline, f"no {name}: {self.log_path.read_text()[-2000:]}"
            time.sleep(0.02)
        return found[count - 1]

    @property
    def pid(self) -> int:
        return int(self.events("started")[-1]["pid"])

    def alarms(self) -> list[float]:
        path = self.folder / "alarms"
        return [float(line) for line in path.read_text().split()] if path.exists() else []

    def trouble(self, what: str) -> None:
        beside = self.folder / "trouble.part"
        beside.write_text(what)
        beside.replace(self.folder / "trouble")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(5)
        for event in self.events("started"):
            try:
                os.killpg(event["pid"], signal.SIGKILL)
            except ProcessLookupError:
                continue


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 15
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.02)


@pytest.fixture
def folder(tmp_path: Path) -> Any:
    made: list[Running] = []

    def build(**limits: float) -> Running:
        running = Running(tmp_path, **limits)
        made.append(running)
        running.wait("guiding")
        return running

    yield build
    for running in made:
        running.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_killed_guide_is_heard_within_a_second_and_back_within_three(
    folder: Any, number: int
) -> None:
    running = folder()
    killed = time.time()
    os.kill(running.pid, number)
    running.wait("guiding", 2)
    assert 0 <= running.alarms()[0] - killed < 1.0
    assert running.events("started")[1]["t"] - killed < 3.0
    assert running.events("failed")[0]["problem"] == f"was ended by signal {int(number)}"


@pytest.mark.parametrize("how", ["stop", "hang", "deaf"])
def test_a_guide_that_hangs(folder: Any, how: str) -> None:
    running = folder()
    hung = time.time()
    if how == "stop":
        os.kill(running.pid, signal.SIGSTOP)
    else:
        running.trouble(how)
    running.wait("failed")
    running.trouble("")
    running.wait("guiding", 2)
    assert 0.3 < running.alarms()[0] - hung < 1.0
    assert running.events("started")[1]["t"] - hung < 3.0


def test_a_machine_that_is_suspended_and_resumed(folder: Any) -> None:
    """Both stand still for longer than any limit; that is no failure, and the watch goes on."""
    running = folder()
    os.kill(running.process.pid, signal.SIGSTOP)
    os.kill(running.pid, signal.SIGSTOP)
    time.sleep(3.0)
    os.kill(running.pid, signal.SIGCONT)
    os.kill(running.process.pid, signal.SIGCONT)
    time.sleep(1.5)
    assert len(running.events("started")) == 1 and running.events("failed") == []
    assert running.alarms() == []
    running.trouble("hang")
    running.wait("failed")


def test_a_guide_without_its_supervisor_is_announced_to_end(tmp_path: Path) -> None:
    """It says goodbye, since nobody would sound its failure any more; systemd starts both anew."""
    guide = (
        "import os, signal, time\n"
        "from sonar.threads import end_with_parent\n"
        "def bye(*_):\n"
        f"    open({str(tmp_path / 'bye')!r}, 'w').close()\n"
        "    raise SystemExit\n"
        "signal.signal(signal.SIGTERM, bye)\n"
        "end_with_parent(os.getppid(), signal.SIGTERM)\n"
        f"open({str(tmp_path / 'up')!r}, 'w').close()\n"
        "time.sleep(30)\n"
    )
    parent = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {guide!r}], start_new_session=True)\n"
        "time.sleep(30)\n"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", parent])

    wait_for(tmp_path / "up")
    supervisor.kill()
    supervisor.wait(5)
    wait_for(tmp_path / "bye")


@pytest.mark.parametrize("hangs", [False, True])
def test_sighup_is_passed_on_and_sigterm_ends_in_time(folder: Any, hangs: bool) -> None:
    running = folder()
    running.process.send_signal(signal.SIGHUP)
    wait_for(running.folder / "reloaded")
    if hangs:
        os.kill(running.pid, signal.SIGSTOP)
    asked = time.monotonic()
    running.process.terminate()
    assert running.process.wait(5) == 0
    assert time.monotonic() - asked < (2.6 if hangs else 2.0)  # killed after stop_s
    assert (running.folder / "goodbye").exists() is not hangs and running.alarms() == []
    assert running.events("supervisor_ended")


def test_the_guide_sends_no_usage_data(tmp_path: Path) -> None:
    script = f"import os; open({str(tmp_path / 'env')!r}, 'w').write(repr(dict(os.environ)))"
    guide = GuideProcess([sys.executable, "-S", "-c", script], {"ORT_DISABLE_TELEMETRY": "0"})
    deadline = time.monotonic() + 15
    while guide.exit_code() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    guide.close()
    assert "'ORT_DISABLE_TELEMETRY': '1'" in (tmp_path / "env").read_text()
