"""The heartbeat of a guide: how far it has come, one JSON line each, over a pipe to its supervisor.

It counts work done: frames processed, waits announced, samples heard. No timer is behind it: a
guide that hangs sends none.
"""

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the supervisor imports the standard library only
    from sonar.ports import Clock

FD_VARIABLE = "SONAR_HEARTBEAT_FD"  # number of the pipe's writing end, in the guide's environment
SHORTEST_S = 0.05  # between heartbeats that report nothing new but progress
LONGEST_BYTES = 4096  # PIPE_BUF: a write of at most so much is whole or fails, see pipe(7)


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

    def line(self) -> bytes:
        """As sent; without figures where these would make it too long."""
        values = asdict(self)
        line = json.dumps(values, separators=(",", ":")).encode() + b"\n"
        if len(line) > LONGEST_BYTES:
            line = json.dumps({**values, "health": None}, separators=(",", ":")).encode() + b"\n"
        return line

    @classmethod
    def parse(cls, line: bytes) -> "Heartbeat | None":
        """None for a line that is no heartbeat: whatever is sent, the supervisor goes on."""
        try:
            values = json.loads(line)
            samples, health = values.get("samples"), values.get("health")
            return cls(
                state=str(values["state"]),
                reason=str(values.get("reason") or ""),
                frames=int(values["frames"]),
                waits=int(values["waits"]),
                samples=None if samples is None else int(samples),
                reopening=values.get("reopening") is True,
                health=health if isinstance(health, dict) else None,
            )
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            return None


class HeartbeatSender:
    """The guide's end. Never blocks and never raises: a full or broken pipe loses a heartbeat."""

    def __init__(self, fd: int, clock: "Clock") -> None:
        os.set_blocking(fd, False)
        self._fd: int | None = fd
        self._clock = clock
        self._last_s = float("-inf")
        self._last: tuple[str, str] | None = None

    @classmethod
    def from_environment(cls, clock: "Clock") -> "HeartbeatSender | None":
        """None where nobody supervises."""
        text = os.environ.get(FD_VARIABLE, "")
        try:
            return cls(int(text), clock) if text.isdecimal() else None
        except OSError:
            return None

    def send(self, heartbeat: Heartbeat) -> None:
        """Send unless nothing but progress changed within SHORTEST_S."""
        now = self._clock.now()
        news = (heartbeat.state, heartbeat.reason)
        if self._fd is None or (news == self._last and now - self._last_s < SHORTEST_S):
            return
        self._last, self._last_s = news, now
        try:
            os.write(self._fd, heartbeat.line())
        except BlockingIOError:
            return
        except OSError:  # the supervisor is gone
            self.close()

    def close(self) -> None:
        """Safe to call twice."""
        fd, self._fd = self._fd, None
        if fd is not None:
            with contextlib.suppress(OSError):
                os.close(fd)


class HeartbeatReader:
    """The supervisor's end: bytes in, heartbeats out.

    Attributes:
        garbage: lines that were no heartbeat.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self.garbage = 0

    def feed(self, data: bytes) -> list[Heartbeat]:
        """The heartbeats that ``data`` completes."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        if len(self._buffer) > LONGEST_BYTES:
            self._buffer = b""
            self.garbage += 1
        parsed = [Heartbeat.parse(line) for line in lines]
        self.garbage += parsed.count(None)
        return [heartbeat for heartbeat in parsed if heartbeat is not None]
