"""The guide as a process of its own, with a pipe for its heartbeats."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from sonar.service import priority
from sonar.service.heartbeat import FD_VARIABLE, Heartbeat, HeartbeatReader

_STACKS_S = 0.15  # for the stack of a guide that hangs
_REAP_S = 0.5
_NOT_FOR_THE_GUIDE = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class GuideProcess:
    """Implements :class:`sonar.service.supervisor.watch.Guide`.

    Raises OSError when it cannot start.

    The guide leads a session of its own, so that it ends with all that it started.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        env = {k: v for k, v in environment.items() if k not in _NOT_FOR_THE_GUIDE}
        env[FD_VARIABLE] = str(writing)
        env["ORT_DISABLE_TELEMETRY"] = "1"  # nothing leaves the machine
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                pass_fds=(writing,),
                env=env,
                start_new_session=True,
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self.pid = self._process.pid
        priority.give_child(self.pid, priority.GUIDE - priority.SUPERVISOR)
        self._reading: int | None = reading
        self._reader = HeartbeatReader()

    def heartbeats(self) -> list[Heartbeat]:
        found: list[Heartbeat] = []
        while self._reading is not None:
            try:
                data = os.read(self._reading, 65_536)
            except BlockingIOError:
                break
            if not data:  # it ended, or closed its end
                break
            found += self._reader.feed(data)
        return found

    def exit_code(self) -> int | None:
        return self._process.poll()

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def reload(self) -> None:
        self._signal(signal.SIGHUP)

    def keep(self) -> None:
        self._signal(signal.SIGUSR1)

    def kill(self, with_stacks: bool) -> None:
        if with_stacks and self._process.poll() is None:
            self._signal(signal.SIGCONT)
            self._signal(signal.SIGABRT)  # faulthandler writes every thread's stack to the log
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STACKS_S)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_REAP_S)
        reading, self._reading = self._reading, None
        if reading is not None:
            os.close(reading)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
