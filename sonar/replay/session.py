"""One recording through the whole chain, into a folder."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sonar import __version__, app
from sonar.audio.output.sinks import WavSink
from sonar.config import SonarConfig
from sonar.files import Progress, writing
from sonar.pipeline import Outcome, Pipeline
from sonar.records import Step, Update
from sonar.replay.folder import REPLAY_FILES, output_folder
from sonar.replay.report import NAME as REPORT
from sonar.replay.report import write_report
from sonar.replay.video import NAME as VIDEO
from sonar.replay.writer import ReplayWriter

Guard = Callable[[Pipeline], AbstractContextManager[None]]
FALLBACK_RATE_HZ = 25.0  # for recordings that do not state theirs


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What came of a replay; ``outcome.error`` says why it ended early."""

    outcome: Outcome
    summary: dict[str, Any]  # as in summary.json


def replay(
    spec: str,
    out: Path,
    config: SonarConfig,
    *,
    realtime: bool = False,
    video: bool = True,
    report: bool = False,
    embed_mb: float = 0.0,
    progress: Progress | None = None,
    guard: Guard | None = None,
    inputs: Sequence[Path | str] = (),
) -> ReplayResult:
    """Process the recording ``spec`` and write its files into ``out``.

    The files of an earlier replay in ``out`` are removed first; other files stay.

    Args:
        realtime: keep the recording's pace.
        video: write ``annotated.mp4``.
        report: write ``report.html`` too; a video up to ``embed_mb`` megabytes goes into it.
        progress: called after each frame.
        guard: makes a context around the run, e.g. to stop it by signal.
        inputs: further files and folders that are read; like ``spec`` they are never overwritten.

    Raises:
        OutputError: a result would go over an input or over a file that is not ours, or another
        run writes to ``out``.
        SonarError: nothing could be started. Once frames flow, an error is in
        ``ReplayResult.outcome.error`` and the files are complete up to it.
    """
    source = app.open_source(spec, config, realtime=realtime)
    unused = [name for name, wanted in ((VIDEO, video), (REPORT, report)) if not wanted]
    with output_folder(out, [spec, *inputs]) as folder, ExitStack() as opened:
        folder.claim([name for name in REPLAY_FILES if name not in unused], unused)
        opened.callback(source.close)
        source.open()  # before the files exist: its frame rate shapes them
        rate_hz = source.rate_hz or FALLBACK_RATE_HZ
        writer = ReplayWriter(out, config, rate_hz, video=video)
        opened.callback(writer.close)
        sink = partial(WavSink, path=out / "audio.wav", on_block=writer.on_sound)
        running = app.assemble(config, source, sink, wait_for_speech=True)

        def consume(update: Update) -> None:
            writer.consume(update)
            if progress is not None and isinstance(update, Step):
                progress(writer.frames, source.frame_count)

        with guard(running.pipeline) if guard else nullcontext():
            outcome = running.run(consume)
        with outcome.keep_error():
            writer.close()
        end_s = None
        if outcome.end_t is not None:
            end_s = round(outcome.end_t + (outcome.shown_s or 1 / rate_hz), 3)
        summary = writer.summary(
            sonar=__version__,
            source=source.label,
            complete=outcome.error is None and not outcome.interrupted,
            error=None if outcome.error is None else str(outcome.error),
            interrupted=outcome.interrupted,
            duration_s=end_s,
            expected_frames=source.frame_count,
            dropped=source.dropped,
            degraded=outcome.degraded,
            model=running.engine.label,
            speech=asdict(running.speech.status),
            latency_ms=running.pipeline.timings,
        )
        if report:
            with outcome.keep_error(), writing(out):
                write_report(out, summary, embed_mb)
        return ReplayResult(outcome, summary)
