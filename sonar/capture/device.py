"""One connection to a camera or a stream: a thread that may hang, and when frames were taken."""

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from sonar.errors import SonarError, SourceError
from sonar.ports import Clock
from sonar.threads import GuardedThread
from sonar.types import RgbImage

_log = logging.getLogger(__name__)

_DRIFT = 0.02  # s/s by which a late frame is tolerated, see StreamTime


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


class StreamTime:
    """When a streamed frame was taken, on our clock.

    After a stall a network hands over old frames in a burst. Their arrival is new, they are
    not: counted from the fastest delivery so far, each is as old as the sender's clock says. That
    reference is let go by 2 % of the time passed, so that clocks may drift and be reset.
    """

    def __init__(self) -> None:
        self._offset_s: float | None = None
        self._pts_s = 0.0
        self._arrival_s = 0.0

    def captured_at(self, pts_s: float, arrival_s: float) -> float:
        """Capture time, at most ``arrival_s``."""
        offset = arrival_s - pts_s
        if self._offset_s is not None and pts_s > self._pts_s:
            tolerated = _DRIFT * (arrival_s - self._arrival_s)
            offset = min(offset, self._offset_s + tolerated)
        self._offset_s, self._pts_s, self._arrival_s = offset, pts_s, arrival_s
        return pts_s + offset


class Connection:
    """A device in a thread of its own, which starts at once and may hang in the driver for ever.

    Args:
        device: fresh and unopened; opened, read and closed in the thread.
        clock: stamps the frames.
        news: its lock guards ``opened``, ``ended``, ``delivered`` and ``last_sign_s``; it is
            notified of each change.
        publish: called in the thread with each frame and its capture time in seconds.

    Attributes:
        error: why it ended; None where it was cancelled or has not ended.
        last_sign_s: when it last gave a sign of life, on ``clock``.
    """

    def __init__(
        self,
        device: Device,
        clock: Clock,
        news: threading.Condition,
        publish: Callable[["Connection", RgbImage, float], None],
    ) -> None:
        self.device = device
        self.opened = False
        self.delivered = False
        self.ended = False
        self.error: SonarError | None = None
        self.last_sign_s = clock.now()
        self._clock = clock
        self._news = news
        self._publish = publish
        self._cancelled = threading.Event()
        self.thread = GuardedThread("sonar-capture", self._run, restarts=0)
        self.thread.start()

    def cancel(self) -> None:
        """Publish nothing more and end as soon as the driver returns."""
        self._cancelled.set()

    def _run(self) -> None:
        try:
            self.device.open()
            with self._news:
                self.opened = True
                self.last_sign_s = self._clock.now()
                self._news.notify_all()
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
            with self._news:
                self.ended = True
                self._news.notify_all()

    def _pump(self) -> None:
        time = StreamTime()
        last = float("-inf")
        before = self._clock.now()
        while not self._cancelled.is_set():
            pts_s = self.device.wait()
            arrived = self._clock.now()
            now, before = (before if self.device.one_behind else arrived), arrived
            image = self.device.image()
            if image is None or self._cancelled.is_set():
                continue
            captured = now if pts_s is None else time.captured_at(pts_s, now)
            last = max(last, captured)
            self._publish(self, image, last)
