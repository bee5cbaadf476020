"""``report.html``: what was seen and heard, in step with the player, in one file."""

import base64
from pathlib import Path
from typing import Any

from sonar.config import SonarConfig
from sonar.config.load import dump_config
from sonar.records import Event
from sonar.replay.folder import write_whole
from sonar.replay.report.data import ReportRun, read_run, words
from sonar.replay.report.plots import ticks, timeline
from sonar.replay.report.render import render

NAME = "report.html"
MAX_EVENTS = 5000


def write_report(folder: Path, summary: dict[str, Any], embed_mb: float = 0.0) -> None:
    """Write ``report.html`` into the folder of a replay that has just ended.

    Args:
        summary: as in ``summary.json``.
        embed_mb: a video up to this size goes into the page, so that the page alone is enough.

    Raises OutputError when the page cannot be written.
    """
    run = read_run(folder, summary)
    text = render(
        "report.html",
        title=f"sonar: {summary['source']}",
        summary=summary,
        duration_s=run.duration_s,
        spoken=sum(event.kind == "speech" for event in run.events),
        video=_video(folder, embed_mb),
        first_moment=words(run.moments[0]) if run.moments else "No frame was processed.",
        plots=timeline(run),
        ticks=ticks(run.duration_s),
        events=[_event(event) for event in run.events[:MAX_EVENTS]],
        event_count=len(run.events),
        latency=[
            (stage, f"{of.get('median_ms', 0):.1f} ms", f"{of.get('p95_ms', 0):.1f} ms")
            for stage, of in summary["latency_ms"].items()
        ],
        facts=[
            ("Recording", summary["source"]),
            ("Depth model", summary["model"]),
            ("sonar", summary["sonar"]),
            ("Frames", f"{summary['frames']} of {summary['expected_frames'] or 'unknown'}"),
            ("Dropped", summary["dropped"]),
            ("Degraded", summary["degraded"]),
            ("Speech", summary["speech"].get("lost") or "complete"),
        ],
        config=dump_config(SonarConfig.model_validate(summary["config"])),
        data={"duration": round(run.duration_s, 3), "moments": _moments(run)},
    )
    write_whole(folder / NAME, text)


def _video(folder: Path, embed_mb: float) -> str:
    """The address of the annotated video, or "" where there is none."""
    video = folder / "annotated.mp4"
    if not video.exists():
        return ""
    if video.stat().st_size > embed_mb * 1e6:
        return video.name
    return f"data:video/mp4;base64,{base64.b64encode(video.read_bytes()).decode('ascii')}"


def _event(event: Event) -> tuple[float, tuple[str, ...]]:
    what = event.text if event.kind == "speech" else event.name
    return max(0.0, event.t), (
        {"cue": "sound"}.get(event.kind, event.kind),
        str(what).replace("_", " "),
        event.side or "",
        event.why.replace("_", " "),
    )


def _moments(run: ReportRun) -> list[tuple[float, str]]:
    """(start, words) wherever the words change."""
    found: list[tuple[float, str]] = []
    last = ""
    for moment in run.moments:
        text = words(moment)
        if text != last:
            found.append((moment.start_s, f"{moment.start_s:.1f} s: {text}"))
            last = text
    return found
