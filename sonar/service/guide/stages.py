"""The pipeline's source and sink, watched: what they do is counted, and they let go when asked."""

import threading
from collections.abc import Callable, Sequence

from sonar.errors import SourceTimeout
from sonar.ports import AudioSink, Clock, FrameSource, SinkStatus, Spoken
from sonar.types import Cue, Frame

SLICE_S = 0.1  # a wait for a picture is cut into these, so that a request to stop is seen


class WatchedSource:
    """A source that can be told to stop waiting, and that hands out no more than ``rate_hz``.

    Attributes:
        rate_limit_hz: pictures a second at most; infinity for all. Only for live sources and
            recordings at their own pace, which skip what is not asked for.
    """

    def __init__(self, inner: FrameSource, clock: Clock, stopping: threading.Event) -> None:
        self.inner = inner
        self.label, self.live = inner.label, inner.live
        self.rate_limit_hz = float("inf")
        self._clock = clock
        self._stopping = stopping
        self._given_s = float("-inf")

    @property
    def frame_count(self) -> int | None:
        return self.inner.frame_count

    @property
    def rate_hz(self) -> float | None:
        return self.inner.rate_hz

    @property
    def dropped(self) -> int:
        return self.inner.dropped

    def open(self) -> None:
        self.inner.open()

    def read(self, timeout_s: float) -> Frame | None:
        """As the inner source's; SourceTimeout within SLICE_S once stopping."""
        start = self._clock.now()
        due = self._given_s + 1.0 / self.rate_limit_hz
        self._clock.sleep(min(due - start, timeout_s))
        while True:
            left_s = start + timeout_s - self._clock.now()
            try:
                frame = self.inner.read(max(0.0, min(SLICE_S, left_s)))
            except SourceTimeout:
                if self._stopping.is_set() or self._clock.now() - start >= timeout_s:
                    raise
                continue
            # From when it was due, so that the mean rate is kept though pictures come in steps.
            now = self._clock.now()
            self._given_s = max(due, now - 0.5 / self.rate_limit_hz) if due > 0.0 else now
            return frame

    def close(self) -> None:
        self.inner.close()


class WatchedSink:
    """A sink that is made when it is started, counts its cues, and can fall silent for good.

    Made late, since a device that takes one stream only must be free of the run before.

    Attributes:
        posted: cues handed over, one for each picture and each wait in vain.
        inner: the sink, None before ``start``.
    """

    def __init__(self, make: Callable[[], AudioSink]) -> None:
        self.label = "not started"
        self.posted = 0
        self.inner: AudioSink | None = None
        self._make = make
        self._retired = False

    @property
    def lost(self) -> bool:
        """The device is gone and looked for."""
        return self.status.lost

    @property
    def status(self) -> SinkStatus:
        return SinkStatus() if self.inner is None else self.inner.status

    def spoken(self) -> Sequence[Spoken]:
        return () if self.inner is None else self.inner.spoken()

    def start(self) -> None:
        self.inner = self._make()
        self.inner.start()
        self.label = self.inner.label

    def post(self, cue: Cue) -> None:
        if self.inner is None or self._retired:
            return
        self.inner.post(cue)
        self.posted += 1

    def advance(self, t: float) -> None:
        if self.inner is not None:
            self.inner.advance(t)

    def drain(self, limit_s: float) -> None:
        if self.inner is not None and not self._retired:
            self.inner.drain(limit_s)

    def close(self) -> None:
        if self.inner is not None:
            self.inner.close()

    def retire(self) -> None:
        """Take no more cues: another run goes on at once, so no goodbye is due."""
        self._retired = True
