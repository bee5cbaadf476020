"""A recording at its own pace."""

from sonar.errors import SourceError
from sonar.ports import Clock, FrameSource
from sonar.types import Frame


class PacedSource:
    """A recording played as if it happened now.

    A frame is returned when its media time has come; ``read`` sleeps on the clock until then,
    however long that is. A frame whose successor is due already is stale: it is skipped and
    counted in ``dropped``, as a camera would. ``Frame.t`` stays media time. The first frame comes
    at once and time runs from the second ``read`` on: what the reader prepares with the first
    frame (loading, warming up) costs nothing of the recording.

    Args:
        source: a recording (``live`` False).
        clock: what to sleep on.
    """

    live = False

    def __init__(self, source: FrameSource, clock: Clock) -> None:
        self.label = source.label
        self._source = source
        self._clock = clock
        self._late = 0
        self._ahead: Frame | SourceError | None = None  # read but not yet due
        self._first_t: float | None = None
        self._start_s: float | None = None  # when media time 0 was, on the clock

    @property
    def frame_count(self) -> int | None:
        """The recording's."""
        return self._source.frame_count

    @property
    def rate_hz(self) -> float | None:
        """The recording's."""
        return self._source.rate_hz

    @property
    def dropped(self) -> int:
        """Frames skipped because the reader was late."""
        return self._late + self._source.dropped

    def open(self) -> None:
        """Open the recording."""
        self._source.open()
        self._ahead = self._first_t = self._start_s = None
        self._late = 0

    def read(self, timeout_s: float) -> Frame | None:
        """The newest frame that is due, or the next one once it is."""
        ahead, self._ahead = self._ahead, None
        if isinstance(ahead, SourceError):
            raise ahead
        frame = ahead or self._source.read(timeout_s)
        if frame is None:
            return None
        # A fixed "now": where decoding is slower than the recording, skipping still ends.
        now = self._clock.now()
        if self._first_t is None:
            self._first_t = frame.t
            return frame
        if self._start_s is None:
            self._start_s = now - self._first_t
        while True:
            try:
                self._ahead = self._source.read(timeout_s)
            except SourceError as error:  # waits until the frame before it has been returned
                self._ahead = error
            if not isinstance(self._ahead, Frame) or self._ahead.t + self._start_s > now:
                break
            frame = self._ahead
            self._late += 1
        self._clock.sleep(frame.t + self._start_s - self._clock.now())
        return frame

    def close(self) -> None:
        """Close the recording."""
        self._source.close()
