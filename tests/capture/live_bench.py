"""A live source on a manual clock over devices that the test drives by hand."""

import queue
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from sonar.capture.live import LiveSource, Waits
from sonar.clock import ManualClock
from sonar.errors import SourceLost, SourceTimeout

LIMITS = Waits(open_timeout_s=5.0, silence_s=3.0, pause_s=1.0)
WAIT_S = 5.0  # for what must come
BRIEF_S = 0.02  # for what must not come


def image(value: int = 0) -> np.ndarray:
    return np.full((4, 6, 3), value, np.uint8)


class Wire:
    """A connection that the test drives by hand."""

    def __init__(self, open_error: Exception | None = None, hang_on_open: bool = False) -> None:
        self.closed = threading.Event()
        self.release = threading.Event()
        self.clock = ManualClock()
        self._open_error = open_error
        self._hang_on_open = hang_on_open
        self._items: queue.Queue = queue.Queue()

    def frames(self) -> Iterator[object]:
        try:
            if self._hang_on_open:
                self.release.wait(30.0)
            if self._open_error:
                raise self._open_error
            yield 30.0
            while not self.release.is_set():
                try:
                    item = self._items.get(timeout=0.05)
                except queue.Empty:
                    continue
                if isinstance(item, Exception):
                    raise item
                yield item
            raise SourceLost("released")
        finally:
            self.closed.set()

    def send(self, image: object) -> None:
        self._items.put((image, self.clock.now()))

    def fail(self, error: Exception) -> None:
        self._items.put(error)


class Bench:
    """A LiveSource on a manual clock whose successive devices the test gave."""

    def __init__(self, *devices: Wire, limits: Waits = LIMITS) -> None:
        self.clock = ManualClock(100.0)
        self.devices = list(devices)
        for device in devices:
            device.clock = self.clock
        self.used = 0
        self.source = LiveSource("bench", self._connect, limits, self.clock)

    def _connect(self) -> Iterator[object]:
        self.used += 1
        wire = self.devices[self.used - 1] if self.used <= len(self.devices) else Wire()
        return wire.frames()

    def silent_read(self) -> None:
        with pytest.raises(SourceTimeout):
            self.source.read(BRIEF_S)

    def wait_for(self, captured: int) -> None:
        """Until the thread has published so many frames in all."""
        source = self.source
        with source.news:
            assert source.news.wait_for(lambda: source._captured >= captured, WAIT_S)

    def wait_ended(self) -> None:
        """Until the current connection's thread, if there is one still, is through."""
        connection = self.source._connection
        if connection is not None:
            connection.thread.join(WAIT_S)
            assert connection.ended
