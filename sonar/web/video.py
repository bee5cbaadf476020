"""One video, within limits of length and time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sonar import app
from sonar.config import SonarConfig
from sonar.errors import SourceError
from sonar.pipeline import Pipeline
from sonar.replay import replay
from sonar.replay.report import NAME as REPORT

MAX_VIDEO_S = 120.0  # longest video that is taken
TIME_LIMIT_S = 300.0  # a video that takes longer to process ends there, with what is done
_EMBED_MB = 40.0  # the report is downloaded alone, so the video goes into it


@dataclass(frozen=True, slots=True)
class VideoResult:
    """What came of a video: files, and one sentence."""

    video: Path
    report: Path
    sentence: str


def watch(
    path: Path,
    config: SonarConfig,
    out: Path,
    progress: Callable[[int, int | None], None] | None = None,
) -> VideoResult:
    """Process a video into ``out``, with its report.

    Raises SourceError for what is no video or is too long, and other SonarErrors where nothing
    could be started.
    """
    _check_length(path, config)
    result = replay(
        str(path),
        out,
        config,
        report=True,
        embed_mb=_EMBED_MB,
        progress=progress,
        guard=_time_limit(TIME_LIMIT_S),
    )
    outcome, summary = result.outcome, result.summary
    over = f"the limit of {TIME_LIMIT_S:g} seconds was reached"
    if not outcome.frames:
        if outcome.interrupted:
            raise SourceError(f"{over} before one frame was done".capitalize() + ".")
        raise outcome.error or SourceError("There is no frame in this video.")
    said = sum(summary["spoken"].values())
    sentence = f"{outcome.frames} frames, {summary['duration_s']:.1f} seconds, {said} phrases."
    if outcome.error is not None:
        sentence += f" It ended early: {outcome.error}"
    elif outcome.interrupted:
        sentence += f" It ended early: {over}."
    return VideoResult(out / "annotated.mp4", out / REPORT, sentence)


def _check_length(path: Path, config: SonarConfig) -> None:
    source = app.open_source(str(path), config)
    if source.live:
        raise SourceError("Only a file can be processed here.")
    try:
        source.open()
        count, rate_hz = source.frame_count, source.rate_hz
    finally:
        source.close()
    if count and rate_hz and count / rate_hz > MAX_VIDEO_S:
        raise SourceError(
            f"The video is {count / rate_hz:.0f} seconds long; at most "
            f"{MAX_VIDEO_S:g} are taken here."
        )


def _time_limit(limit_s: float) -> Callable[[Pipeline], AbstractContextManager[None]]:
    @contextmanager
    def guard(pipeline: Pipeline) -> Iterator[None]:
        timer = threading.Timer(limit_s, pipeline.stop)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    return guard
