"""One video, within limits of length and time."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sonar import app
from sonar.config import SonarConfig
from sonar.errors import SourceError
from sonar.pipeline import Pipeline
from sonar.replay import replay

MAX_VIDEO_S = 120.0  # longest video that is taken
TIME_LIMIT_S = 300.0  # a video that takes longer to process ends there, with what is done
_EMBED_MB = 40.0  # the report is downloaded alone, so the video goes into it


def watch(path: Path, config: SonarConfig, out: Path) -> str:
    """Process a video into ``out``, with its report; returns a sentence about it.

    Raises SourceError for what is no video or is too long, and other SonarErrors where nothing
    could be started.
    """
    _check_length(path, config)
    result = replay(str(path), out, config, report=True, embed_mb=_EMBED_MB, guard=_time_limit)
    outcome, summary = result.outcome, result.summary
    over = f"the limit of {TIME_LIMIT_S:g} seconds was reached"
    if not outcome.frames:
        if outcome.interrupted:
            raise SourceError(f"{over} before one frame was done".capitalize() + ".")
        raise outcome.error or SourceError("There is no frame in this video.")
    spoken = sum(summary["spoken"].values())
    sentence = f"{outcome.frames} frames, {summary['duration_s']:.1f} seconds, {spoken} phrases."
    if outcome.error is not None:
        sentence += f" It ended early: {outcome.error}"
    elif outcome.interrupted:
        sentence += f" It ended early: {over}."
    return sentence


def _check_length(path: Path, config: SonarConfig) -> None:
    with closing(app.open_source(str(path), config)) as source:
        source.open()
        count, rate_hz = source.frame_count, source.rate_hz
    if count and rate_hz and count / rate_hz > MAX_VIDEO_S:
        raise SourceError(
            f"The video is {count / rate_hz:.0f} seconds long; at most "
            f"{MAX_VIDEO_S:g} are taken here."
        )


@contextmanager
def _time_limit(pipeline: Pipeline) -> Iterator[None]:
    timer = threading.Timer(TIME_LIMIT_S, pipeline.stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
