"""What the guide tells its supervisor: how far it has come, one JSON line a beat.

Beats count work done, frames processed, waits that were told, samples heard. There is no timer
behind them: a guide that hangs falls silent here too.
"""

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the supervisor imports the standard library only
    from sonar.ports import Clock

FD_VARIABLE = "SONAR_BEAT_FD"  # number of the pipe's writing end, in the guide's environment
SHORTEST_S = 0.05  # between beats that tell nothing new but progress
_LONGEST_LINE = 16_384


@dataclass(frozen=True, slots=True)
class Beat:
    """How far the guide has come.

    Attributes:
        state: loading, ready, guiding, degraded or stopped.
        reason: why degraded, or empty.
        frames: pictures processed since the guide started.
        told: waits in vain for a picture, each of which was heard as "unknown".
        samples: audio samples the sound device has taken, or None without a sound device.
        regaining: the sound device is lost and looked for.
        health: figures for the health endpoint, or None (nothing new).
    """

    state: str
    reason: str = ""
    frames: int = 0
    told: int = 0
    samples: int | None = None
    regaining: bool = False
    health: dict[str, Any] | None = None

    def line(self) -> bytes:
        """As sent."""
        return json.dumps(asdict(self), separators=(",", ":")).encode() + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> "Beat | None":
        """None for a line that is no beat: a supervisor does not trip over what it is sent."""
        try:
            values = json.loads(line)
            samples, health = values.get("samples"), values.get("health")
            return cls(
                state=str(values["state"]),
                reason=str(values.get("reason") or ""),
                frames=int(values["frames"]),
                told=int(values["told"]),
                samples=None if samples is None else int(samples),
                regaining=values.get("regaining") is True,
                health=health if isinstance(health, dict) else None,
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


class BeatSender:
    """The guide's end. Never blocks and never raises: a full or broken pipe loses the beat."""

    def __init__(self, fd: int, clock: "Clock") -> None:
        os.set_blocking(fd, False)
        self._fd: int | None = fd
        self._clock = clock
        self._last_s = float("-inf")
        self._last: tuple[str, str] | None = None
        self._rest = b""  # of a line that the pipe took only in part

    @classmethod
    def from_environment(cls, clock: "Clock") -> "BeatSender | None":
        """None where nobody supervises."""
        text = os.environ.get(FD_VARIABLE, "")
        if not text.isdecimal():
            return None
        try:
            return cls(int(text), clock)
        except OSError:
            return None

    def send(self, beat: Beat) -> None:
        """Send unless nothing but progress changed within SHORTEST_S."""
        now = self._clock.now()
        changed = (beat.state, beat.reason) != self._last
        if not changed and now - self._last_s < SHORTEST_S:
            return
        self._last, self._last_s = (beat.state, beat.reason), now
        self._write(beat.line())

    def close(self) -> None:
        """Safe to call twice."""
        fd, self._fd = self._fd, None
        if fd is not None:
            with contextlib.suppress(OSError):
                os.close(fd)

    def _write(self, line: bytes) -> None:
        if self._fd is None:
            return
        data = self._rest + line if self._rest else line
        try:
            sent = os.write(self._fd, data)
        except BlockingIOError:
            return
        except OSError:  # the supervisor is gone
            self.close()
            return
        # Whole lines only: a line cut by a full pipe is finished before the next begins.
        self._rest = b"" if data[:sent].endswith(b"\n") else data[sent:].split(b"\n", 1)[0] + b"\n"


class BeatReader:
    """The supervisor's end: bytes in, beats out."""

    def __init__(self) -> None:
        self._buffer = b""
        self.garbage = 0

    def feed(self, data: bytes) -> list[Beat]:
        """The beats that ``data`` completes."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        if len(self._buffer) > _LONGEST_LINE:
            self._buffer = b""
            self.garbage += 1
        beats = []
        for line in lines:
            beat = Beat.parse(line)
            if beat is None:
                self.garbage += 1
            else:
                beats.append(beat)
        return beats
