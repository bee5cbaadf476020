"""A recording at its own pace."""

from collections.abc import Generator
from contextlib import closing

from sonar.capture.media import Recording
from sonar.errors import SourceError
from sonar.ports import Clock, FrameSource
from sonar.types import Frame


class PacedSource(Recording):
    """A recording played as if it happened now.

    A frame is returned when its media time has come; ``read`` sleeps on the clock until then,
    however long that is. A frame whose successor is due already is stale: it is skipped and
    counted in ``dropped``, as a camera would. ``Frame.t`` stays media time. The first frame comes
    at once and time runs from the second ``read`` on: what the reader prepares with the first
    frame (loading, warming up) costs nothing of the recording.
    """

    def __init__(self, source: FrameSource, clock: Clock) -> None:
        super().__init__(source.label, source.rate_hz, source.frame_count)
        self._source, self._clock = source, clock

    def _play(self) -> Generator[Frame | None, None, None]:
        source, clock = self._source, self._clock
        with closing(source):
            source.open()
            self.rate_hz, self.frame_count = source.rate_hz, source.frame_count
            self.dropped = 0
            yield None
            first = source.read(0.0)
            if first is None:
                return
            yield first
            start_s = clock.now() - first.t
            ahead = source.read(0.0)
            error: SourceError | None = None
            while ahead is not None:
                # A fixed "now": where decoding is slower than the recording, skipping still ends.
                now, frame = clock.now(), ahead
                while ahead is frame or (ahead is not None and ahead.t + start_s <= now):
                    self.dropped += ahead is not frame
                    frame = ahead
                    try:
                        ahead = source.read(0.0)
                    except SourceError as damage:  # waits until the frame before it was returned
                        ahead, error = None, damage
                clock.sleep(frame.t + start_s - clock.now())
                yield frame
            if error is not None:
                raise error
