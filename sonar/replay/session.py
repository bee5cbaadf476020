"""One recording through the whole chain, into a folder."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from sonar import __version__, app
from sonar.config import SonarConfig
from sonar.controls.view import zone_borders
from sonar.errors import SonarError
from sonar.pipeline import Consumer, Outcome, Pipeline
from sonar.ports import FrameSource
from sonar.records import Step, Update
from sonar.replay.ahead import Ahead, open_engines, opencv_alone, unhurried
from sonar.replay.folder import REPLAY_FILES, output_folder
from sonar.replay.labels import truth_beside
from sonar.replay.report.page import write_report
from sonar.replay.report.strip import DepthStrip
from sonar.replay.writer import ReplayWriter

Progress = Callable[[int, int | None], None]  # frames done, frames expected where known
FALLBACK_RATE_HZ = 25.0  # for recordings that do not state theirs


class ReplayResult:
    """What came of a replay.

    Attributes:
        outcome: of the run; ``outcome.error`` where it ended early.
        summary: as written to ``summary.json``.
    """

    def __init__(self, outcome: Outcome, summary: dict[str, Any]) -> None:
        self.outcome = outcome
        self.summary = summary


def replay(
    spec: str,
    out: Path,
    config: SonarConfig,
    *,
    realtime: bool = False,
    video: bool = True,
    report: bool = False,
    embed_mb: float = 0.0,
    look_ahead: bool = True,
    progress: Progress | None = None,
    guard: Callable[[Pipeline], AbstractContextManager[None]] | None = None,
    inputs: Sequence[Path | str] = (),
    job: Mapping[str, Any] | None = None,
) -> ReplayResult:
    """Process the recording ``spec`` and write its files into ``out``.

    The files of an earlier replay in ``out`` are removed first; other files stay.

    Args:
        realtime: keep the recording's pace.
        video: write ``annotated.mp4``.
        report: write ``report.html`` too, with the labels beside the recording; a video up to
            ``embed_mb`` megabytes goes into it.
        look_ahead: process the next frames before their turn: the same result in half the time.
            Not done in ``realtime``, where a frame is only there when its time has come.
        progress: called after each frame.
        guard: makes a context around the run, e.g. to stop it by signal.
        inputs: further files and folders that are read; like ``spec`` they are never overwritten.
        job: written into the summary as ``job``.

    Raises:
        OutputError: a result would go over an input or over a file that is not ours, or another
        run writes to ``out``.
        SonarError: nothing could be started. Once frames flow, an error is in
        ``ReplayResult.outcome.error`` and the files are complete up to it.
    """
    truth = truth_beside(Path(spec)) if report else None
    source = app.open_source(spec, config, realtime=realtime)
    unused = [
        name
        for name, wanted in (("annotated.mp4", video), ("report.html", report), ("job.json", False))
        if not wanted
    ]
    with output_folder(out, [spec, *inputs]) as folder:
        folder.claim([name for name in REPLAY_FILES if name not in unused], unused)
        source.open()  # before the files exist: its frame rate shapes them
        rate_hz = source.rate_hz or FALLBACK_RATE_HZ
        writer: ReplayWriter | None = None
        ahead: Ahead | None = None
        with nullcontext() if realtime else unhurried():
            try:
                writer = ReplayWriter(
                    out, config, rate_hz, partial(zone_borders, config), video=video
                )
                consumers: list[Consumer] = [writer.consume]
                strip = DepthStrip() if report else None
                if strip is not None:
                    consumers.append(strip.consume)
                if progress is not None:
                    consumers.append(_Counter(progress, source.frame_count).consume)
                if look_ahead and not realtime:
                    ahead = Ahead(source, open_engines(config))
                running = app.assemble(
                    config,
                    ahead or source,
                    app.wav_sink(out / "audio.wav", on_block=writer.on_sound),
                    wait_for_speech=True,
                    engine=ahead.engine if ahead else None,
                )
                with opencv_alone(), guard(running.pipeline) if guard else nullcontext():
                    outcome = running.run(partial(_each, consumers, ahead))
            except BaseException:
                (ahead or source).close()
                if writer is not None:
                    writer.close()
                raise
        try:
            writer.close()
        except SonarError as error:
            outcome.error = outcome.error or error
        summary = writer.summary(
            **_facts(outcome, source, rate_hz),
            model=running.engine.label,
            speech=asdict(running.speech.status),
            **({} if truth is None else {"labels": truth.model_dump(mode="json")}),
            **({} if job is None else {"job": dict(job)}),
            latency_ms=ahead.timings if ahead else running.pipeline.timings,
        )
        if report:
            try:
                write_report(out, strip, embed_mb)
            except SonarError as error:
                outcome.error = outcome.error or error
        return ReplayResult(outcome, summary)


def _facts(outcome: Outcome, source: FrameSource, rate_hz: float) -> dict[str, Any]:
    """Facts of the run for the summary: how far it came, and why no farther."""
    end_s = None
    if outcome.end_t is not None:
        end_s = round(outcome.end_t + (outcome.shown_s or 1 / rate_hz), 3)
    return {
        "sonar": __version__,
        "source": source.label,
        "complete": outcome.error is None and not outcome.interrupted,
        "error": None if outcome.error is None else str(outcome.error),
        "interrupted": outcome.interrupted,
        "duration_s": end_s,
        "expected_frames": source.frame_count,
        "dropped": source.dropped,
        "degraded": outcome.degraded,
    }


def _each(consumers: Sequence[Consumer], ahead: Ahead | None, update: Update) -> None:
    """Hand a step to every consumer, with the times that its stages really took."""
    update = update if ahead is None else ahead.timed(update)
    for consume in consumers:
        consume(update)


class _Counter:
    """Reports how many frames are done."""

    def __init__(self, progress: Progress, expected: int | None) -> None:
        self._progress, self._expected = progress, expected
        self._done = 0

    def consume(self, update: Update) -> None:
        if isinstance(update, Step):
            self._done += 1
            self._progress(self._done, self._expected)
