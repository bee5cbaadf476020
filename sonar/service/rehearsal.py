"""``python -m sonar.service.rehearsal CLIP [KEY=VALUE ...]``: the guide with a recording for a
camera.

The recording plays over and over at its own pace and is seen through the same
:class:`~sonar.capture.LiveSource` as a camera, so that soaks and torture need no hardware.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from sonar.capture import LiveSource, VideoFileSource
from sonar.clock import SystemClock
from sonar.config import SonarConfig
from sonar.config.load import load_config
from sonar.errors import SourceLost
from sonar.ports import Clock, FrameSource
from sonar.types import RgbImage


class LoopDevice:
    """A recording as :class:`sonar.capture.latest.Device`. Gone when its file is gone."""

    def __init__(self, path: Path, clock: Clock, rate_hz: float | None = None) -> None:
        self.rate_hz = rate_hz
        self._path = path
        self._clock = clock
        self._source = VideoFileSource(path)
        self._image: RgbImage | None = None
        self._start_s = 0.0
        self._last_t = 0.0

    def open(self) -> None:
        self._source.open()
        self.rate_hz = self.rate_hz or self._source.rate_hz
        self._start_s = self._clock.now()

    def wait(self) -> float | None:
        frame = self._source.read(1.0)
        if frame is None:
            if not self._path.exists():
                raise SourceLost("the recording is gone")
            self._source.close()
            self._source.open()
            self._start_s = self._clock.now()
            frame = self._source.read(1.0)
            if frame is None:
                raise SourceLost("the recording is empty")
        self._image, self._last_t = frame.image, frame.t
        self._clock.sleep(self._start_s + frame.t - self._clock.now())
        return None

    def picture(self) -> RgbImage | None:
        return self._image

    def close(self) -> None:
        self._source.close()


def loop_source(path: Path, config: SonarConfig, clock: Clock) -> FrameSource:
    """``path`` as a live source."""
    return LiveSource(
        f"loop of {path.name}", lambda: LoopDevice(path, clock), config.capture, clock
    )


def main(arguments: Sequence[str]) -> NoReturn:
    """Guide over the clip until told to stop."""
    from sonar.service.guide import main as guide

    clip, *overrides = arguments
    guide(
        lambda: load_config("headless", overrides),
        lambda config, clock: loop_source(Path(clip), config, clock),
        SystemClock(),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
