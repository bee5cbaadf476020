"""The supervisor as a process over real processes: killed, stopped, hung, ended.

The guide is a stand-in of a few lines that tells progress as the real one does; the player is a
shell script that notes when it is called. scripts/torture does the same with all of it real.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sonar.service.supervisor.process import GuideProcess
from sonar.service.supervisor.runner import SupervisorSettings
from sonar.service.supervisor.sounds import in_memory, without_words
from sonar.service.supervisor.supervisor import WatchLimits

pytestmark = pytest.mark.realtime

GUIDE = """
import os, signal, sys, time
from sonar.service.heartbeat import Heartbeat, HeartbeatSender

sender = HeartbeatSender.from_environment()
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
    sender.send(Heartbeat("guiding", frames=frames, samples=0 if what == "deaf" else frames * 480))
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
        sounds = in_memory(without_words(), -6.0)
        settings = SupervisorSettings(
            command=(sys.executable, str(folder / "guide.py"), str(folder)),
            sounds=sounds,
            limits=WatchLimits(**{"alarm_after_s": 0.5, "restart_after_s": 1.2, **limits}),
        )
        self.log_path = folder / "log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sonar.service.supervisor.runner", settings.text()],
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
    """Both stand still for longer than any limit; nobody is blamed, and then it is watched on."""
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

    def wait(name: str) -> None:
        deadline = time.monotonic() + 15
        while not (tmp_path / name).exists():
            assert time.monotonic() < deadline, name
            time.sleep(0.02)

    wait("up")
    supervisor.kill()
    supervisor.wait(5)
    wait("bye")


def test_random_kills(folder: Any) -> None:
    """A dozen at random moments; scripts/torture does 200 with the real product."""
    rng = random.Random(4)
    running = folder(restarts=100, restart_window_s=1.0)
    for _ in range(12):
        time.sleep(rng.uniform(0.0, 0.5))
        before = len(running.events("started"))
        try:
            os.kill(running.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it was between two lives
        running.wait("started", before + 1)
    running.wait("guiding", len(running.events("guiding")))
    deadline = time.monotonic() + 10
    while running.events("guiding")[-1]["t"] < running.events("started")[-1]["t"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_gives_up_and_says_so(folder: Any) -> None:
    running = folder(restarts=2)
    running.trouble("1")
    assert running.process.wait(30) == 1
    assert len(running.events("started")) == 3
    assert running.events("gave_up") and len(running.alarms()) >= 5


def test_sigterm_ends_within_two_seconds(folder: Any) -> None:
    running = folder()
    asked = time.monotonic()
    running.process.terminate()
    assert running.process.wait(5) == 0
    assert time.monotonic() - asked < 2.0
    assert (running.folder / "goodbye").exists() and running.alarms() == []
    assert running.events("supervisor_ended")


def test_sigterm_ends_a_guide_that_hangs(folder: Any) -> None:
    running = folder()
    os.kill(running.pid, signal.SIGSTOP)
    asked = time.monotonic()
    running.process.terminate()
    assert running.process.wait(5) == 0
    assert time.monotonic() - asked < 2.6  # it is stopped: killed after stop_s


def test_sighup_is_passed_on(folder: Any) -> None:
    running = folder()
    running.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 5
    while not (running.folder / "reloaded").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert running.process.poll() is None


def test_the_guide_sends_no_usage_data(tmp_path: Path) -> None:
    script = f"import os; open({str(tmp_path / 'env')!r}, 'w').write(repr(dict(os.environ)))"
    guide = GuideProcess([sys.executable, "-S", "-c", script], {"ORT_DISABLE_TELEMETRY": "0"})
    deadline = time.monotonic() + 15
    while guide.exit_code() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    guide.close()
    assert "'ORT_DISABLE_TELEMETRY': '1'" in (tmp_path / "env").read_text()
