"""``python -m sonar.service.supervisor.runner SETTINGS``: the supervisor as a process, with what it
talks to: the guide, a process that sends heartbeats, and systemd.

``sonar service run`` checks the configuration and then becomes this process, so that what
stays resident is small. SETTINGS is the JSON of what :func:`main` takes.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from sonar.clock import SystemClock
from sonar.service.health import HealthServer, Snapshot
from sonar.service.heartbeat import FD_VARIABLE, LONGEST_BYTES, Heartbeat
from sonar.service.logs import JsonLog
from sonar.service.supervisor.alarm import REALTIME, Alarm, players
from sonar.service.supervisor.supervisor import STEP_S, Supervisor, WatchLimits
from sonar.threads import realtime

_STACKS_S = 0.15  # for the stack of a guide that hangs
_REAP_S = 0.5
_NOT_FOR_THE_GUIDE = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class GuideProcess:
    """One guide, in a session of its own, so that it ends with all that it started.

    Raises OSError when it cannot start. ``exit_code()`` is None while it runs and -N when signal N
    ended it; ``signal()`` takes SIGTERM, SIGHUP (its configuration) and SIGUSR1 (its recording).
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._receiver, sender = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._receiver.setblocking(False)
        env = {k: v for k, v in environment.items() if k not in _NOT_FOR_THE_GUIDE}
        env[FD_VARIABLE] = str(sender.fileno())
        env["ORT_DISABLE_TELEMETRY"] = "1"  # nothing leaves the machine
        with sender:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                pass_fds=(sender.fileno(),),
                env=env,
                start_new_session=True,
            )
        self.pid = self._process.pid
        self.exit_code, self.signal = self._process.poll, self._process.send_signal

    def heartbeats(self) -> list[Heartbeat]:
        """Those that came since the last call."""
        found = []
        with contextlib.suppress(OSError):  # no more for now
            while data := self._receiver.recv(LONGEST_BYTES):
                if heartbeat := Heartbeat.parse(data):
                    found.append(heartbeat)
        return found

    def close(self, with_stacks: bool = False) -> None:
        """End it and all it started; ``with_stacks``, it first logs the stack of each thread."""
        if with_stacks:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGABRT)  # faulthandler writes every thread's stack to the log
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STACKS_S)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_REAP_S)
        self._receiver.close()


def notify(message: str) -> None:
    """Send it to systemd, sd_notify(3), where that asked for it. Never raises and never blocks."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)  # systemd is being re-executed, or is gone
            abstract = address.startswith("@")
            out.sendto(message.encode(), "\0" + address[1:] if abstract else address)


def snapshot(supervisor: Supervisor) -> Snapshot:
    """What the health endpoint shows."""
    last = supervisor.last_heartbeat
    state, reason = supervisor.state, supervisor.reason
    figures = {**supervisor.health, "restarts": supervisor.restarts}
    if last is not None:
        figures |= {"frames": last.frames, "waits": last.waits, "samples": last.samples}
        if state == "guiding":
            state, reason = last.state, last.reason
    return Snapshot(state, reason, figures)


def main(
    command: Sequence[str],
    sounds: Mapping[str, tuple[int, float]],
    limits: Mapping[str, Any],
    alarm_device: str | None = None,
    health_port: int = 0,
) -> int:
    """Supervise until asked to stop; returns the exit code.

    ``command`` starts the guide, ``sounds`` are open files as
    :func:`sonar.service.supervisor.sounds.in_memory` gives them, ``limits`` values for WatchLimits.
    No secret may be among them, since a command line is public.
    """
    clock = SystemClock()
    log = JsonLog("supervisor", clock)
    log("supervising", realtime=realtime(REALTIME))
    supervisor = Supervisor(
        lambda: GuideProcess(command, os.environ),
        Alarm(clock, sounds, players(alarm_device), log),
        clock,
        notify,
        log,
        WatchLimits(**limits),
    )
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, lambda number, _frame: asked.append(number))
    HealthServer.start(health_port, lambda: snapshot(supervisor), log)
    while supervisor.result is None:
        while asked:
            wish = asked.pop(0)
            if wish in (signal.SIGHUP, signal.SIGUSR1):
                supervisor.pass_on(wish)
            else:
                supervisor.stop()
        supervisor.step()
        clock.sleep(STEP_S)
    log("supervisor_ended", code=supervisor.result)
    return supervisor.result


if __name__ == "__main__":
    sys.exit(main(**json.loads(sys.argv[1])))
