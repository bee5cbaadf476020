"""``report.html``: what was seen and heard, in step with the player, in one file."""

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sonar.config import SonarConfig
from sonar.config.load import dump_config
from sonar.records import Event
from sonar.replay.folder import write_whole
from sonar.replay.heard import judge
from sonar.replay.report.data import NAMES, SIDES, ReportRun, read_run, words
from sonar.replay.report.plots import Plot, ticks, timeline
from sonar.replay.report.render import render
from sonar.replay.report.sound import TOP_HZ, Sound, analyse
from sonar.replay.report.strip import CELLS, DepthStrip

NAME = "report.html"
MAX_EVENTS = 5000
_BANDS = ("stop", "close", "near", "far", "clear", "unknown")


def write_report(folder: Path, strip: DepthStrip | None = None, embed_mb: float = 0.0) -> Path:
    """Write ``report.html`` into the folder of a replay and return its path.

    Args:
        strip: what watched the run; without it the report has no depth strip.
        embed_mb: a video up to this size goes into the page, so that the page alone is enough.

    Raises:
        SourceError: the folder does not hold a replay.
        OutputError: the page cannot be written.
    """
    sound = analyse(folder / "audio.wav")
    run = read_run(folder, sound.duration_s)
    summary = run.summary
    model = summary.get("model", summary["config"]["engine"]["model"])
    text = render(
        "report.html",
        title=f"sonar: {summary['source']}",
        summary=summary,
        model=model,
        duration_s=run.duration_s,
        spoken=sum(event["kind"] == "speech" for event in run.events),
        video=_video(folder, embed_mb),
        first_moment=words(run.moments[0]) if run.moments else "No frame was processed.",
        plots=[*_depth(run, strip), *timeline(run), _spectrogram(run, sound)],
        ticks=ticks(run.duration_s),
        labels=_labels(run),
        events=[_event(event) for event in run.events[:MAX_EVENTS]],
        event_count=len(run.events),
        zones={"heads": ["Side", *_BANDS, "Nearest"], "rows": [_zone(run, s) for s in SIDES]},
        latency=[
            (stage, f"{of.get('median_ms', 0):.1f} ms", f"{of.get('p95_ms', 0):.1f} ms")
            for stage, of in summary["latency_ms"].items()
        ],
        facts=_facts(summary, model),
        config=dump_config(SonarConfig.model_validate(summary["config"])),
        data={"duration": round(run.duration_s, 3), "moments": _moments(run)},
    )
    target = folder / NAME
    write_whole(target, text)
    return target


def _depth(run: ReportRun, strip: DepthStrip | None) -> list[Plot]:
    jpeg = strip.jpeg(run.duration_s) if strip else None
    if jpeg is None:
        return []
    alt = f"Depth at {CELLS} moments evenly along the recording; bright = near."
    return [Plot("Depth", "bright = near", alt, image=_data("image/jpeg", jpeg))]


def _spectrogram(run: ReportRun, sound: Sound) -> Plot:
    return Plot(
        "Spectrogram",
        f"left ear above right; 0 to {TOP_HZ // 1000} kHz each",
        f"Spectrogram of the sound, left ear above right. {sound.words}",
        sound.words,
        image=_data("image/png", sound.png),
        # The sound may end before the frames: the image is as wide as its share of the time.
        image_width_percent=100 * min(1.0, sound.duration_s / run.duration_s),
    )


def _video(folder: Path, embed_mb: float) -> str:
    video = folder / "annotated.mp4"
    if not video.exists():
        return ""
    if video.stat().st_size <= embed_mb * 1e6:
        return _data("video/mp4", video.read_bytes())
    return video.name


def _event(event: dict[str, Any]) -> tuple[float, tuple[str, ...]]:
    what = event["text"] if event["kind"] == "speech" else event["name"]
    return event["t"], (
        {"cue": "sound"}.get(event["kind"], event["kind"]),
        str(what).replace("_", " "),
        event["side"] or "",
        str(event["why"]).replace("_", " "),
    )


def _labels(run: ReportRun) -> dict[str, Any] | None:
    """What was there by the labels beside the recording, and what was heard of it."""
    if run.truth is None:
        return None
    heard = [Event.model_validate(event) for event in run.events]
    judged = judge("", run.truth, heard, run.duration_s, 0, 0)
    rows = [
        (
            f"{event.from_s:.1f} to {event.to_s:.1f} s",
            event.kind,
            event.side,
            "no warning" if event.warned_at_s is None else f"warning at {event.warned_at_s:.1f} s",
            "" if event.lead_s is None else f"{event.lead_s:.1f} s before contact",
            event.side_heard or "",
        )
        for event in judged.events
    ]
    false_alarms = ", ".join(f"{w.start_s:.1f} s {w.side or w.what}" for w in judged.false_alarms)
    return {"rows": rows, "false_alarms": false_alarms}


def _zone(run: ReportRun, side: str) -> list[str]:
    counts = run.summary["zones"].get(side, {})
    total = max(1, sum(counts.values()))
    known = [moment.sides[side].distance_m for moment in run.moments]
    least = min((d for d in known if d is not None), default=None)
    shares = [f"{100 * counts.get(band, 0) / total:.0f} %" for band in _BANDS]
    return [NAMES[side], *shares, "not known" if least is None else f"{least:.1f} m"]


def _facts(summary: dict[str, Any], model: str) -> list[tuple[str, Any]]:
    default = SonarConfig().model_dump(mode="json")
    changed = [f"{key} = {value}" for key, value in _changes(default, summary["config"])]
    return [
        ("Recording", summary["source"]),
        ("Depth model", model),
        ("sonar", summary["sonar"]),
        ("Frames", f"{summary['frames']} of {summary['expected_frames'] or 'an unknown number'}"),
        ("Left out", summary["dropped"]),
        ("Degraded", summary["degraded"]),
        ("Speech", summary["speech"].get("lost") or "complete"),
        ("Settings that differ from the defaults", "; ".join(changed) or "none"),
    ]


def _changes(default: Any, now: Any, prefix: str = "") -> Iterable[tuple[str, str]]:
    """Dotted keys of ``now`` that differ from ``default``."""
    for key, value in now.items():
        before = default.get(key) if isinstance(default, dict) else None
        if isinstance(value, dict) and isinstance(before, dict) and before:
            yield from _changes(before, value, f"{prefix}{key}.")
        elif value != before:
            yield prefix + key, json.dumps(value, ensure_ascii=False)


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


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
