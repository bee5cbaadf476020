"""The heartbeat of a guide: how far it has come, one packet each, to its supervisor.

It counts work done: frames processed, waits announced, samples heard. No timer is behind it: a
guide that hangs sends none.
"""

import json
import os
import socket
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the supervisor imports the standard library only
    from sonar.ports import Clock

FD_VARIABLE = "SONAR_HEARTBEAT_FD"  # number of the guide's end of the socket, in its environment
SHORTEST_S = 0.05  # between heartbeats that report nothing new but progress
LONGEST_BYTES = 65_536


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
            return cls(**json.loads(packet))
        except (ValueError, TypeError):
            return None


class HeartbeatSender:
    """The guide's end. Never blocks and never raises: a full or closed socket loses a heartbeat."""

    def __init__(self, connection: socket.socket, clock: "Clock") -> None:
        connection.setblocking(False)
        self._connection, self._clock = connection, clock
        self._last_s = float("-inf")
        self._last: tuple[str, str] | None = None

    @classmethod
    def from_environment(cls, clock: "Clock") -> "HeartbeatSender | None":
        """None where nobody supervises."""
        try:
            return cls(socket.socket(fileno=int(os.environ[FD_VARIABLE])), clock)
        except (KeyError, ValueError, OSError):
            return None

    def send(self, heartbeat: Heartbeat) -> None:
        """Send unless nothing but progress changed within SHORTEST_S."""
        now = self._clock.now()
        news = (heartbeat.state, heartbeat.reason)
        if news == self._last and now - self._last_s < SHORTEST_S:
            return
        self._last, self._last_s = news, now
        try:
            self._connection.send(heartbeat.packet())
        except OSError:  # full, or the supervisor is gone
            return

    def close(self) -> None:
        """Safe to call twice."""
        self._connection.close()
