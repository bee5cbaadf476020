"""systemd's readiness protocol (sd_notify(3)): datagrams to ``$NOTIFY_SOCKET``."""

import contextlib
import os
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the supervisor imports the standard library only
    from sonar.ports import Clock

PROGRESS_EVERY_S = 1.0  # far more often than any watchdog asks for


class Notifier:
    """Reports to systemd; does nothing where nobody asked. Never raises and never blocks."""

    def __init__(self, clock: "Clock", environment: Mapping[str, str] | None = None) -> None:
        env = os.environ if environment is None else environment
        address = env.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._clock = clock
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._fed_s = float("-inf")
        self._ready = False
        self._status = ""

    def ready(self) -> None:
        """It does what it is there for."""
        if not self._ready:
            self._ready = True
            self._send("READY=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`; sent when it changes."""
        if text != self._status:
            self._status = text
            self._send("STATUS=" + text.replace("\n", " "))

    def progress(self) -> None:
        """Work was done: feed the watchdog."""
        now = self._clock.now()
        if now - self._fed_s >= PROGRESS_EVERY_S:
            self._fed_s = now
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """It ends."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if self._address:
            with contextlib.suppress(OSError):  # systemd is being re-executed, or is gone
                self._socket.sendto(message.encode(errors="replace"), self._address)
