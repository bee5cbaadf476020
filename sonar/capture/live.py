"""Live sources: only the newest frame counts, and what is lost is connected again."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sonar.errors import DeviceError, SonarError, SourceError, SourceTimeout
from sonar.ports import Clock
from sonar.threads import GuardedThread
from sonar.types import Frame, RgbImage

_log = logging.getLogger(__name__)

CAMERA_SILENCE_S = 0.6  # a driver that blocks for so long is taken for an unplugged camera
_DRIFT = 0.02  # s/s by which a late frame is tolerated, see StreamTime
_CLOSE_WAIT_S = 0.8
_SHORTEST_PAUSE_S = 0.05
_MOST_STUCK = 3  # threads hanging in a driver; more would only pile up


class Device(Protocol):
    """One connection to a camera or a stream. All its methods run in one thread and may block.

    Attributes:
        rate_hz: nominal frame rate, or None.
        one_behind: a frame is handed over when the next one begins to arrive.
    """

    rate_hz: float | None
    one_behind: bool

    def open(self) -> None:
        """Raises SourceError or DeviceError."""

    def wait(self) -> float | None:
        """Block until the next frame is there. Raises SourceError when the device is gone.

        Returns its presentation time in seconds on the sender's clock, or None where there is
        no such clock to trust.
        """

    def image(self) -> RgbImage | None:
        """That frame as RGB; None where it is damaged."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Waits:
    """Time limits of a live source, in seconds: to open, without a frame before it is reopened,
    and between tries (a plug pushed back in guides again within two seconds)."""

    open_timeout_s: float = 10.0
    silence_s: float = CAMERA_SILENCE_S
    pause_s: float = 0.5


class StreamTime:
    """When a streamed frame was captured, on our clock.

    After a stall a network delivers old frames in a burst. Counted from the fastest delivery so
    far, each is as old as the sender's clock says. That reference is let go by 2 % of the time
    passed, so that clocks may drift and be reset.
    """

    _offset_s: float | None = None
    _pts_s = _arrival_s = 0.0

    def captured_at(self, pts_s: float, arrival_s: float) -> float:
        """Capture time, at most ``arrival_s``."""
        offset = arrival_s - pts_s
        if self._offset_s is not None and pts_s > self._pts_s:
            tolerated = _DRIFT * (arrival_s - self._arrival_s)
            offset = min(offset, self._offset_s + tolerated)
        self._offset_s, self._pts_s, self._arrival_s = offset, pts_s, arrival_s
        return pts_s + offset


class _Connection:
    """A device in a thread of its own, which starts at once and may hang in the driver for ever.

    The source's lock guards its attributes.
    """

    def __init__(self, device: Device, source: "LiveSource") -> None:
        self.device = device
        self.opened = self.delivered = self.ended = self.cancelled = False
        self.error: SonarError | None = None  # why it ended
        self.last_sign_s = source.clock.now()
        self._source = source
        self.thread = GuardedThread("sonar-capture", self._run, restarts=0)
        self.thread.start()

    def _run(self) -> None:
        news = self._source.news
        try:
            self.device.open()
            with news:
                self.opened, self.last_sign_s = True, self._source.clock.now()
                news.notify_all()
            self._pump()
        except SonarError as error:
            self.error = error
        except Exception as error:  # drivers raise anything
            # Its text is kept out: they put addresses, with passwords, into it.
            _log.debug("capture thread failed with %s", type(error).__name__)
            self.error = SourceError(f"The driver failed ({type(error).__name__}).")
        finally:
            try:
                self.device.close()
            except Exception as error:  # it is being thrown away
                _log.debug("closing failed with %s", type(error).__name__)
            with news:
                self.ended = True
                news.notify_all()

    def _pump(self) -> None:
        clock, time, last = self._source.clock, StreamTime(), float("-inf")
        before = clock.now()
        while not self.cancelled:
            pts_s = self.device.wait()
            arrived = clock.now()
            now, before = (before if self.device.one_behind else arrived), arrived
            image = self.device.image()
            if image is not None:
                last = max(last, now if pts_s is None else time.captured_at(pts_s, now))
                self._source.publish(self, image, last)


class LiveSource:
    """A camera or stream as a :class:`sonar.ports.FrameSource`: the newest frame wins.

    Each connection runs in a daemon thread that keeps the newest frame only and stamps it with
    its capture time. ``read`` decides: a connection that fails, or is silent for ``silence_s``, is
    let go (its thread is not waited for) and another is tried after ``pause_s``, for ever.

    Args:
        label: for people; free of credentials.
        connect: makes a fresh, unopened device.
        limits: how long to wait, and for what.
        clock: stamps the frames and times the pauses.
    """

    live = True
    frame_count = None

    def __init__(
        self, label: str, connect: Callable[[], Device], limits: Waits, clock: Clock
    ) -> None:
        self.label = label
        self.clock = clock
        self.news = threading.Condition()  # the lock of all state; notified of each change
        self.dropped = 0  # frames that a newer one replaced before they were read
        self.rate_hz: float | None = None
        self._connect = connect
        self._limits = limits
        self._connection: _Connection | None = None
        self._stuck: list[_Connection] = []
        self._newest: Frame | None = None
        self._captured = 0
        self._tries = 0  # since the last frame
        self._retry_at_s = 0.0
        self._is_open = False

    def open(self) -> None:
        """Connect once. Raises SourceError or DeviceError, SourceTimeout after open_timeout_s."""
        self.close()
        limit_s = self._limits.open_timeout_s
        with self.news:
            self._newest, self._tries = None, 0
            if self._too_many_stuck():
                raise DeviceError(f"{self.label} hangs: unplug it or restart it, then try again.")
            connection = self._connection = _Connection(self._connect(), self)
            self.news.wait_for(lambda: connection.opened or connection.ended, limit_s)
            if connection.opened:
                self.rate_hz = connection.device.rate_hz
                self._is_open = True
                return
            self._let_go(connection)
        raise connection.error or SourceTimeout(f"{self.label} did not open within {limit_s:g} s.")

    def read(self, timeout_s: float) -> Frame | None:
        """The newest frame not read yet; see :meth:`sonar.ports.FrameSource.read`."""
        with self.news:
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
                before_s = self.clock.now()
                in_full = not self.news.wait(wait_s)
                # A manual clock may stand still while we really waited.
                waited_s = self.clock.now() - before_s
                remaining_s -= max(waited_s, wait_s) if in_full else max(waited_s, 0.0)

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

    def publish(self, connection: _Connection, image: RgbImage, t: float) -> None:
        """Called in the connection's thread with each frame and its capture time in seconds."""
        with self.news:
            if connection.cancelled:
                return
            connection.last_sign_s = self.clock.now()
            connection.delivered = True
            self._tries = 0
            self.dropped += self._newest is not None
            self._newest = Frame(image, self._captured, t)
            self._captured += 1
            self.news.notify_all()

    def _supervise(self) -> float:
        """Let go what failed, start what is due; returns how long to wait at most, in seconds."""
        limits, now = self._limits, self.clock.now()
        connection = self._connection
        if connection is not None:
            limit_s = self._patience_s(connection)
            left_s = connection.last_sign_s + limit_s - now
            if not connection.ended and left_s > 0.0:
                return left_s
            self._let_go(connection)
            self._retry_at_s = now + limits.pause_s
            reason = str(connection.error or f"silent for {limit_s:g} s").rstrip(".")
            _log.warning("%s: no connection (%s); it is tried again.", self.label, reason)
        if now >= self._retry_at_s and not self._too_many_stuck():
            self._tries = min(self._tries + 1, 9)
            self._connection = _Connection(self._connect(), self)
            return limits.open_timeout_s
        return max(_SHORTEST_PAUSE_S, self._retry_at_s - now)

    def _patience_s(self, connection: _Connection) -> float:
        """How long this connection may be silent.

        A first frame takes longer than the next: cameras start up, streams send a whole frame
        every second or two only. So patience doubles with each try, up to ``open_timeout_s``.
        """
        if connection.delivered:
            return self._limits.silence_s
        limit_s = self._limits.open_timeout_s
        doubled_s = self._limits.silence_s * 2.0 ** max(self._tries, 1)
        return min(doubled_s, limit_s) if connection.opened else limit_s

    def _let_go(self, connection: _Connection) -> None:
        connection.cancelled = True
        self._connection = None
        self._stuck.append(connection)

    def _too_many_stuck(self) -> bool:
        self._stuck = [connection for connection in self._stuck if connection.thread.is_alive()]
        return len(self._stuck) >= _MOST_STUCK
