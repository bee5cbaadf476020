"""Live sources: only the newest frame counts, and what is lost is connected again."""

import logging
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from sonar.errors import DeviceError, SonarError, SourceError, SourceTimeout
from sonar.ports import Clock
from sonar.threads import GuardedThread
from sonar.types import Frame, RgbImage

_log = logging.getLogger(__name__)

_CLOSE_WAIT_S = 0.8
_SHORTEST_PAUSE_S = 0.05
_MOST_STUCK = 3  # threads hanging in a driver; more would only pile up

Connect = Callable[[], Generator[Any, None, None]]
"""Makes one connection to a camera or a stream.

It yields its nominal rate in Hz, or None, once it is open; then each frame as ``(image, t)``: uint8
RGB (H, W, 3) and its capture time in seconds on our clock. It runs in one thread, may block for
ever, raises SourceError or DeviceError when the device is not there or gone, and releases it at
its end.
"""


@dataclass(frozen=True, slots=True)
class Waits:
    """Time limits of a live source, in seconds: to open, without a frame before it is opened again
    (a driver that blocks for so long is taken for an unplugged camera), and between tries (a plug
    pushed back in guides again within two seconds)."""

    open_timeout_s: float = 10.0
    silence_s: float = 0.6
    pause_s: float = 0.5


class _Connection:
    """A connection in a thread of its own, which starts at once and may hang for ever.

    The source's lock guards its attributes.
    """

    def __init__(self, source: "LiveSource", frames: Generator[Any, None, None]) -> None:
        self.opened = self.delivered = self.ended = self.cancelled = False
        self.error: SonarError | None = None  # why it ended
        self.last_sign_s = source.clock.now()
        self._source, self._frames = source, frames
        self.thread = GuardedThread("sonar-capture", self._run, restarts=0)
        self.thread.start()

    def _run(self) -> None:
        source = self._source
        try:
            try:
                source.opened(self, next(self._frames))
                for image, t in self._frames:
                    if not source.publish(self, image, t):
                        break
            finally:
                self._frames.close()
        except SonarError as error:
            self.error = error
        except Exception as error:  # drivers raise anything
            # Its text is kept out: they put addresses, with passwords, into it.
            _log.debug("capture thread failed with %s", type(error).__name__)
            self.error = SourceError(f"The driver failed ({type(error).__name__}).")
        finally:
            with source.news:
                self.ended = True
                source.news.notify_all()


class LiveSource:
    """A camera or stream as a :class:`sonar.ports.FrameSource`: the newest frame wins.

    Each connection runs in a daemon thread that keeps the newest frame only. ``read`` decides: a
    connection that fails or is silent for too long is let go (its thread is not waited for), and
    another is tried after ``pause_s``, for ever.

    Args:
        label: for people; free of credentials.
        connect: makes a connection.
        limits: how long to wait, and for what.
        clock: times silence and pauses; the frames' times are on it.
    """

    live = True
    frame_count = None

    def __init__(self, label: str, connect: Connect, limits: Waits, clock: Clock) -> None:
        self.label = label
        self.clock = clock
        self.news = threading.Condition()  # the lock of all state; notified of each change
        self.dropped = 0  # frames that a newer one replaced before they were read
        self.rate_hz: float | None = None
        self._connect, self._limits = connect, limits
        self._connection: _Connection | None = None
        self._stuck: list[threading.Thread] = []
        self._newest: Frame | None = None
        self._captured = 0
        self._tries = 0  # since the last frame
        self._last_t = float("-inf")
        self._retry_at_s = 0.0
        self._is_open = False

    def open(self) -> None:
        """Connect once. Raises SourceError or DeviceError, SourceTimeout after open_timeout_s."""
        self.close()
        limit_s = self._limits.open_timeout_s
        with self.news:
            self._newest, self._tries = None, 1
            if self._too_many_stuck():
                raise DeviceError(f"{self.label} hangs: unplug it or restart it, then try again.")
            connection = self._connection = _Connection(self, self._connect())
            self.news.wait_for(lambda: connection.opened or connection.ended, limit_s)
            self._is_open = connection.opened
            if self._is_open:
                return
            self._let_go(connection)
        raise connection.error or SourceTimeout(f"{self.label} did not open within {limit_s:g} s.")

    def read(self, timeout_s: float) -> Frame | None:
        """The newest frame not read yet; see :meth:`sonar.ports.FrameSource.read`."""
        remaining_s = timeout_s
        with self.news:
            while True:
                if not self._is_open:
                    raise SourceError(f"{self.label} is not open.")
                frame, self._newest = self._newest, None
                if frame is not None:
                    return frame
                wait_s = min(remaining_s, self._supervise())
                if remaining_s <= 0.0:
                    raise SourceTimeout(f"{self.label} gave no frame within {timeout_s:g} s.")
                before_s = self.clock.now()
                notified = self.news.wait(wait_s)
                # A manual clock may stand still while we really waited.
                waited_s = self.clock.now() - before_s
                remaining_s -= waited_s if notified else max(waited_s, wait_s)

    def close(self) -> None:
        """Stop; a thread that hangs in the driver is left behind after 0.8 s."""
        with self.news:
            self._is_open = False
            connection = self._connection
            if connection is not None:
                self._let_go(connection)
            self.news.notify_all()
        if connection is not None:
            connection.thread.join(_CLOSE_WAIT_S)
            if connection.thread.is_alive():
                _log.warning("%s hangs and was left behind.", self.label)

    def opened(self, connection: _Connection, rate_hz: float | None) -> None:
        """Called in the connection's thread once it is open."""
        with self.news:
            connection.opened, connection.last_sign_s = True, self.clock.now()
            self.rate_hz = rate_hz
            self.news.notify_all()

    def publish(self, connection: _Connection, image: RgbImage, t: float) -> bool:
        """Called in the connection's thread with each frame; returns whether it shall go on."""
        with self.news:
            if connection.cancelled:
                return False
            connection.last_sign_s = self.clock.now()
            connection.delivered, self._tries = True, 0
            self.dropped += self._newest is not None
            self._last_t = max(self._last_t, t)
            self._newest = Frame(image, self._captured, self._last_t)
            self._captured += 1
            self.news.notify_all()
            return True

    def _supervise(self) -> float:
        """Let go what failed, start what is due; returns how long to wait at most, in seconds."""
        limits, now, connection = self._limits, self.clock.now(), self._connection
        if connection is not None:
            limit_s = limits.open_timeout_s
            if connection.delivered:
                limit_s = limits.silence_s
            elif connection.opened:
                # A first frame takes longer than the next: cameras start up, streams send a whole
                # frame every second or two only. So each try waits longer.
                limit_s = min(limits.silence_s * 2.0**self._tries, limit_s)
            left_s = connection.last_sign_s + limit_s - now
            if not connection.ended and left_s > 0.0:
                return left_s
            self._let_go(connection)
            self._retry_at_s = now + limits.pause_s
            reason = str(connection.error or f"silent for {limit_s:g} s").rstrip(".")
            _log.warning("%s: no connection (%s); it is tried again.", self.label, reason)
        if now >= self._retry_at_s and not self._too_many_stuck():
            self._tries = min(self._tries + 1, 9)
            self._connection = _Connection(self, self._connect())
            return limits.open_timeout_s
        return max(_SHORTEST_PAUSE_S, self._retry_at_s - now)

    def _let_go(self, connection: _Connection) -> None:
        connection.cancelled = True
        self._connection = None
        self._stuck.append(connection.thread)

    def _too_many_stuck(self) -> bool:
        self._stuck = [thread for thread in self._stuck if thread.is_alive()]
        return len(self._stuck) >= _MOST_STUCK
