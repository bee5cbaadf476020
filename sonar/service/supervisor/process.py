"""The guide as a process of its own, with a socket for its heartbeats."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence

from sonar.service.heartbeat import FD_VARIABLE, LONGEST_BYTES, Heartbeat

_STACKS_S = 0.15  # for the stack of a guide that hangs
_REAP_S = 0.5
_NOT_FOR_THE_GUIDE = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class GuideProcess:
    """One guide. It leads a session of its own, so that it ends with all that it started.

    Raises OSError when it cannot start.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._receiver, sender = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._receiver.setblocking(False)
        env = {k: v for k, v in environment.items() if k not in _NOT_FOR_THE_GUIDE}
        env[FD_VARIABLE] = str(sender.fileno())
        env["ORT_DISABLE_TELEMETRY"] = "1"  # nothing leaves the machine
        with sender:
            try:
                self._process = subprocess.Popen(
                    list(command),
                    stdin=subprocess.DEVNULL,
                    pass_fds=(sender.fileno(),),
                    env=env,
                    start_new_session=True,
                )
            except BaseException:
                self._receiver.close()
                raise
        self.pid = self._process.pid

    def heartbeats(self) -> list[Heartbeat]:
        """Those that came since the last call."""
        found = []
        with contextlib.suppress(OSError):  # no more for now
            while data := self._receiver.recv(LONGEST_BYTES):
                found.append(Heartbeat.parse(data))
        return [heartbeat for heartbeat in found if heartbeat is not None]

    def exit_code(self) -> int | None:
        """None while it runs; -N when signal N ended it."""
        return self._process.poll()

    def signal(self, number: int) -> None:
        """Send it a signal: SIGTERM to end, SIGHUP to read its configuration, SIGUSR1 to keep its
        recording."""
        self._process.send_signal(number)

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
