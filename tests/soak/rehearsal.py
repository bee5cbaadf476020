"""The guide with a recording for a camera.

    python tests/soak/rehearsal.py CLIP [--notes FILE] [KEY=VALUE ...]

The recording plays over and over at its own pace and is seen through the same
:class:`~sonar.capture.LiveSource` as a camera, so that soaks and torture need no hardware. With
``--notes`` each cue that reports what is seen, or that nothing is, is noted with its time, so that
silence can be separated from guidance, and so is each frame-to-sound age.
"""

import argparse
import os
import sys
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from sonar.app import SinkFactory, device_sink
from sonar.audio.output import LiveSink
from sonar.capture import LiveSource
from sonar.capture.live import Waits
from sonar.clock import SystemClock
from sonar.config import SonarConfig
from sonar.config.load import load_config
from sonar.errors import SourceLost
from sonar.files import media_path
from sonar.ports import AudioSink, Clock, FrameSource, SinkStatus, Spoken
from sonar.types import Cue, CueKind

NO_GUIDANCE = ("loading", "ready", "stopped")  # states that say nothing of what is ahead


def loop_frames(path: Path, clock: Clock) -> Generator[Any, None, None]:
    """A recording as :data:`sonar.capture.live.Connect`. Gone when its file is gone.

    It winds back rather than opening the file anew: a container that was closed leaves its frames
    to the garbage collector, which no camera does.
    """
    import av

    from sonar.capture.media import Pixels, stream_rate_hz

    try:
        container = av.open(media_path(path))
    except (OSError, av.FFmpegError) as error:
        raise SourceLost(f"{path} cannot be opened") from error
    with container:
        video = container.streams.video[0]
        pixels = Pixels(video)
        yield stream_rate_hz(video)
        while path.exists():
            start = clock.now()
            container.seek(0)
            for frame in container.decode(video=0):
                image = pixels.rgb(frame)
                clock.sleep(start + float(frame.time or 0.0) - clock.now())
                yield image, clock.now()
    raise SourceLost("the recording is gone")


def loop_source(path: Path, config: SonarConfig, clock: Clock) -> FrameSource:
    """``path`` as a live source."""
    return LiveSource(f"loop of {path.name}", lambda: loop_frames(path, clock), Waits(), clock)


def noting(path: Path) -> Callable[[SonarConfig, Clock], SinkFactory]:
    """The configured sound device; noted in ``path`` are each cue of guiding, as ``post``, seconds
    of the monotonic clock, number of the frame, what is heard; and each age, as ``age``, seconds
    of the clock, milliseconds."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def make(config: SonarConfig, clock: Clock) -> SinkFactory:
        sink = device_sink(config, clock)
        return lambda mixer: NotedSink(sink(mixer), fd, clock)

    return make


class NotedSink:
    """A sink that notes what is posted, and how old frames were when they were heard."""

    def __init__(self, inner: AudioSink, fd: int, clock: Clock) -> None:
        self.inner, self.label = inner, inner.label
        self._fd, self._clock = fd, clock
        self._count = 0

    @property
    def status(self) -> SinkStatus:
        return self.inner.status

    def spoken(self) -> Sequence[Spoken]:
        return self.inner.spoken()

    def start(self) -> None:
        self.inner.start()
        self.label = self.inner.label

    def post(self, cue: Cue) -> None:
        self.inner.post(cue)
        now, lines = self._clock.now(), ""
        if not (cue.kind is CueKind.EARCON and cue.earcon in NO_GUIDANCE):
            lines = f"post {now:.4f} {cue.frame_id} {cue.kind}\n"
        if isinstance(self.inner, LiveSink):
            self._count, new_s = self.inner.ages_since(self._count)
            lines += "".join(f"age {now:.4f} {1000 * age_s:.2f}\n" for age_s in new_s)
        os.write(self._fd, lines.encode())

    def advance(self, t: float) -> None:
        self.inner.advance(t)

    def drain(self, limit_s: float) -> None:
        self.inner.drain(limit_s)

    def close(self) -> None:
        self.inner.close()


def main(arguments: Sequence[str]) -> NoReturn:
    """Guide over the clip until asked to stop."""
    from sonar.service.guide.guide import main as guide

    parser = argparse.ArgumentParser(prog="rehearsal")
    parser.add_argument("clip", type=Path)
    parser.add_argument("--profile", default="headless")
    parser.add_argument("--notes", type=Path)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    given = parser.parse_intermixed_args(arguments)
    guide(
        lambda: load_config(given.profile, given.overrides),
        lambda config, clock: loop_source(given.clip, config, clock),
        SystemClock(),
        make_sink=device_sink if given.notes is None else noting(given.notes),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
