"""systemd's readiness protocol (sd_notify(3)): datagrams to ``$NOTIFY_SOCKET``."""

import os
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the supervisor imports the standard library only
    from sonar.ports import Clock


class Notifier:
    """Tells systemd; does nothing where nobody asked. Never raises and never blocks.

    Attributes:
        watchdog_s: seconds within which systemd expects progress, or None.
    """

    def __init__(self, clock: "Clock", environment: Mapping[str, str] | None = None) -> None:
        env = os.environ if environment is None else environment
        address = env.get("NOTIFY_SOCKET", "")
        self._clock = clock
        self._socket: socket.socket | None = None
        self._address = "\0" + address[1:] if address.startswith("@") else address
        if address.startswith(("/", "@")):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
        self.watchdog_s = _watchdog_s(env)
        self._fed_s = float("-inf")
        self._ready = False
        self._status = ""

    def ready(self) -> None:
        """READY=1, once."""
        if not self._ready:
            self._ready = True
            self._send("READY=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`; sent when it changes."""
        if text != self._status:
            self._status = text
            self._send("STATUS=" + text.replace("\n", " "))

    def progress(self) -> None:
        """Work was done: feed the watchdog, at most four times in its interval."""
        now = self._clock.now()
        if self.watchdog_s is not None and now - self._fed_s >= self.watchdog_s / 4:
            self._fed_s = now
            self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """RELOADING=1; follow with :meth:`reloaded`."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={int(self._clock.now() * 1e6)}")

    def reloaded(self) -> None:
        """The configuration is in force, or was refused."""
        self._send("READY=1")

    def stopping(self) -> None:
        """STOPPING=1."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Safe to call twice."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, message: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError:  # systemd is being re-executed, or the socket is gone: nothing to be done
            return


def _watchdog_s(env: Mapping[str, str]) -> float | None:
    text, pid = env.get("WATCHDOG_USEC", ""), env.get("WATCHDOG_PID", "")
    if not text.isdecimal() or int(text) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(text) / 1e6
