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
    """How far the guide has come.

    Attributes:
        state: loading, ready, guiding, degraded or stopped.
        reason: why degraded, or empty.
        frames: processed since the guide started.
        waits: in vain for a frame, each announced as "unknown".
        samples: audio samples the sound device has taken, or None without a sound device.
        reopening: the sound device is lost and looked for.
        health: figures for the health endpoint, or None (nothing new).
    """

    state: str
    reason: str = ""
    frames: int = 0
    waits: int = 0
    samples: int | None = None
    reopening: bool = False
    health: dict[str, Any] | None = None

    def packet(self) -> bytes:
        """As sent."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def parse(cls, packet: bytes) -> "Heartbeat | None":
        """None for what is no heartbeat: whatever is sent, the supervisor goes on."""
        try:
            heartbeat = cls(**json.loads(packet))
            return heartbeat if all(map(isinstance, astuple(heartbeat), _TYPES)) else None
        except (ValueError, TypeError, RecursionError):
            return None


class HeartbeatSender:
    """The guide's end. Never blocks and never raises: a full or closed socket loses a heartbeat."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection

    @classmethod
    def from_environment(cls) -> "HeartbeatSender | None":
        """None where nobody supervises."""
        try:
            return cls(socket.socket(fileno=int(os.environ[FD_VARIABLE])))
        except (KeyError, ValueError, OSError):
            return None

    def send(self, heartbeat: Heartbeat) -> None:
        """Send it."""
        with contextlib.suppress(OSError):  # full, or the supervisor is gone
            self._connection.send(heartbeat.packet())

    def close(self) -> None:
        """Safe to call twice."""
        self._connection.close()
