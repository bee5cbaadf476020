"""Live sources: only the newest frame counts, and what is lost is connected again."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from sonar.capture.device import Connection, Device
from sonar.config import CaptureConfig
from sonar.errors import DeviceError, SourceError, SourceLost, SourceTimeout
from sonar.ports import Clock
from sonar.types import Frame, RgbImage

_log = logging.getLogger(__name__)

CAMERA_SILENCE_S = 0.6  # a driver that blocks for so long is taken for an unplugged camera
_CLOSE_WAIT_S = 0.8
_SHORTEST_PAUSE_S = 0.05
_MOST_STUCK = 3  # threads hanging in a driver; more would only pile up


@dataclass(frozen=True, slots=True)
class Waits:
    """Time limits of a live source, in seconds.

    Attributes:
        open_timeout_s: longest wait for it to open.
        silence_s: without a frame for this long it is given up and reopened.
        reconnect_first_s, reconnect_max_s: pauses between tries; each doubles the one before.
        attempts: tries without a frame before it is given up for good; 0 = never.
    """

    open_timeout_s: float = 10.0
    silence_s: float = CAMERA_SILENCE_S
    reconnect_first_s: float = 0.5
    reconnect_max_s: float = 1.0  # a plug pushed back in guides again within two seconds
    attempts: int = 0


def waits(config: CaptureConfig, silence_s: float) -> Waits:
    """The limits that ``config`` asks for."""
    return Waits(config.open_timeout_s, silence_s)


class LiveSource:
    """A camera or stream as a :class:`sonar.ports.FrameSource`: the newest frame wins.

    Each connection runs in a daemon thread that keeps the newest frame only and stamps it with
    its capture time. All decisions are taken in ``read``: a connection that fails, or is silent
    for ``silence_s``, is let go (its thread is not waited for) and another is tried after a pause
    that doubles from ``reconnect_first_s`` to ``reconnect_max_s``; after ``attempts``
    tries without a frame, ``read`` raises SourceLost from then on.

    Args:
        label: for people; free of credentials.
        connect: makes a fresh, unopened device.
        limits: how long to wait, and for what.
        clock: stamps the frames and times the pauses.

    Attributes:
        rate_hz: what the device says; None before ``open`` or where unknown.
        dropped: frames that a newer one replaced before they were read.
        reconnects: how often a lost connection was tried anew.
    """

    live = True
    frame_count = None

    def __init__(
        self, label: str, connect: Callable[[], Device], limits: Waits, clock: Clock
    ) -> None:
        self.label = label
        self.reconnects = 0
        self.dropped = 0
        self.rate_hz: float | None = None
        self._connect = connect
        self._limits = limits
        self._clock = clock
        self._news = threading.Condition()
        self._connection: Connection | None = None
        self._stuck: list[Connection] = []
        self._newest: Frame | None = None
        self._captured = 0
        self._tries = 0  # since the last frame
        self._retry_at_s = 0.0
        self._lost: str | None = None
        self._is_open = False

    def open(self) -> None:
        """Connect once. Raises SourceError or DeviceError, SourceTimeout after open_timeout_s."""
        self.close()
        with self._news:
            self._newest, self._lost, self._tries = None, None, 0
            if self._too_many_stuck():
                raise DeviceError(f"{self.label} hangs: unplug it or restart it, then try again.")
            connection = self._start()
            self._wait(lambda: connection.opened or connection.ended, self._limits.open_timeout_s)
            if connection.opened:
                self.rate_hz = connection.device.rate_hz
                self._is_open = True
                return
            self._let_go(connection)
        if connection.error is not None:
            raise connection.error
        raise SourceTimeout(f"{self.label} did not open within {self._limits.open_timeout_s:g} s.")

    def read(self, timeout_s: float) -> Frame | None:
        """The newest frame not read yet; see :meth:`sonar.ports.FrameSource.read`."""
        with self._news:
            remaining_s = timeout_s
            while True:
                if not self._is_open:
                    raise SourceError(f"{self.label} is not open.")
                if self._newest is not None:
                    frame, self._newest = self._newest, None
                    return frame
                pause_s = self._supervise()
                if remaining_s <= 0.0:
                    raise SourceTimeout(f"{self.label} gave no frame within {timeout_s:g} s.")
                wait_s = min(remaining_s, pause_s)
                before_s = self._clock.now()
                in_full = not self._news.wait(wait_s)
                # A manual clock may stand still while we really waited.
                waited_s = self._clock.now() - before_s
                remaining_s -= max(waited_s, wait_s) if in_full else max(waited_s, 0.0)

    def close(self) -> None:
        """Stop; a thread that hangs in the driver is left behind after 0.8 s."""
        with self._news:
            self._is_open = False
            connection = self._connection
            if connection is not None:
                self._let_go(connection)
            self._news.notify_all()
        if connection is not None and connection.thread is not threading.current_thread():
            connection.thread.join(_CLOSE_WAIT_S)
            if connection.thread.is_alive():
                _log.warning("%s hangs and was left behind.", self.label)

    def _publish(self, connection: Connection, image: RgbImage, t: float) -> None:
        with self._news:
            if connection is not self._connection:
                return
            connection.last_sign_s = self._clock.now()
            connection.delivered = True
            self._tries = 0
            self.dropped += self._newest is not None
            self._newest = Frame(image, self._captured, t)
            self._captured += 1
            self._news.notify_all()

    def _supervise(self) -> float:
        """Let go what failed, start what is due; returns how long to wait at most, in seconds."""
        if self._lost is not None:
            raise SourceLost(self._lost)
        now = self._clock.now()
        connection = self._connection
        if connection is not None:
            limit_s = self._patience_s(connection)
            left_s = connection.last_sign_s + limit_s - now
            if not connection.ended and left_s > 0.0:
                return left_s
            reason = str(connection.error or f"silent for {limit_s:g} s").rstrip(".")
            self._let_go(connection)
            self._plan_retry(now, reason)
        if now < self._retry_at_s:
            return self._retry_at_s - now
        self._tries += 1
        self.reconnects += 1
        if self._too_many_stuck():
            self._plan_retry(now, "its driver hangs")
            return max(_SHORTEST_PAUSE_S, self._retry_at_s - now)
        self._start()
        return self._limits.open_timeout_s

    def _patience_s(self, connection: Connection) -> float:
        """How long this connection may be silent.

        A first frame takes longer than the next: cameras start up, streams send a whole frame
        every second or two only. So that a short ``silence_s`` does not give up again and again
        just before it, patience doubles with each try, up to ``open_timeout_s``.
        """
        limits = self._limits
        if not connection.opened:
            return limits.open_timeout_s
        if connection.delivered:
            return limits.silence_s
        patient_s = limits.silence_s * 2.0 ** min(max(self._tries, 1), 30)
        return max(limits.silence_s, min(patient_s, limits.open_timeout_s))

    def _plan_retry(self, now: float, reason: str) -> None:
        limit = self._limits.attempts
        if limit and self._tries >= limit:
            self._lost = f"{self.label} is gone: {limit} attempts to reconnect failed ({reason})."
            raise SourceLost(self._lost)
        doubled_s = self._limits.reconnect_first_s * 2.0 ** min(self._tries, 30)
        pause_s = max(_SHORTEST_PAUSE_S, min(doubled_s, self._limits.reconnect_max_s))
        self._retry_at_s = now + pause_s
        _log.warning("%s: no connection (%s); next try in %.1f s.", self.label, reason, pause_s)

    def _start(self) -> Connection:
        self._connection = Connection(self._connect(), self._clock, self._news, self._publish)
        return self._connection

    def _let_go(self, connection: Connection) -> None:
        connection.cancel()
        self._connection = None
        self._stuck.append(connection)

    def _too_many_stuck(self) -> bool:
        self._stuck = [connection for connection in self._stuck if connection.thread.is_alive()]
        return len(self._stuck) >= _MOST_STUCK

    def _wait(self, condition: Callable[[], bool], timeout_s: float) -> None:
        self._news.wait_for(condition, timeout_s)
