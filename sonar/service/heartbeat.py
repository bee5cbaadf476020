"""The heartbeat of a guide: how far it has come, one packet each, to its supervisor.

It counts work done: frames processed, waits announced, samples heard. No timer is behind it: a
guide that hangs sends none.
"""

import contextlib
import json
import os
import socket
from dataclasses import asdict, astuple, dataclass
from typing import Any

FD_VARIABLE = "SONAR_HEARTBEAT_FD"  # number of the guide's end of the socket, in its environment
LONGEST_BYTES = 65_536
_TYPES: tuple[Any, ...] = (str, str, int, int, int | None, bool, dict | None)  # of its fields


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How far the guide has come."""

    state: str  # loading, ready, guiding, degraded or stopped
    reason: str = ""  # why degraded
    frames: int = 0  # processed since the guide started
    waits: int = 0  # in vain for a frame, each announced as "unknown"
    samples: int | None = None  # that the sound device has taken; None without one
    reopening: bool = False  # the sound device is lost and looked for
    health: dict[str, Any] | None = None  # figures for the health endpoint; None: nothing new

    def send(self, supervisor: socket.socket) -> None:
        """Never waits and never raises: a full or closed socket loses it."""
        with contextlib.suppress(OSError):
            supervisor.send(json.dumps(asdict(self)).encode(), socket.MSG_DONTWAIT)

    @classmethod
    def parse(cls, packet: bytes) -> "Heartbeat | None":
        """None for what is no heartbeat: whatever is sent, the supervisor goes on."""
        try:
            heartbeat = cls(**json.loads(packet))
            return heartbeat if all(map(isinstance, astuple(heartbeat), _TYPES)) else None
        except (ValueError, TypeError, RecursionError):
            return None


def supervisor_socket() -> socket.socket | None:
    """The guide's end; None where nobody supervises."""
    try:
        return socket.socket(fileno=int(os.environ[FD_VARIABLE]))
    except (KeyError, ValueError, OSError):
        return None
