"""``report.html``: what was seen and heard, in step with the player, in one file.

The page needs no network (its content policy forbids it) and no other file than the video
beside it. Everything that comes from outside (file names, words, settings) is escaped.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from sonar.config import SonarConfig
from sonar.config.load import dump_config
from sonar.records import Event
from sonar.replay.folder import write_whole
from sonar.replay.heard import judge
from sonar.replay.report import plots
from sonar.replay.report.data import SIDES, Run, read_run, words
from sonar.replay.report.sound import TOP_HZ, analyse
from sonar.replay.report.strip import CELLS, DepthStrip

NAME = "report.html"
MAX_EVENTS = 5000
SAFETY = (
    "sonar is an aid beside a cane, a dog or a sighted guide, never instead of one. It cannot see "
    "glass, thin wires or in darkness, and it can be wrong."
)
_BANDS = ("stop", "close", "near", "far", "clear", "unknown")
# Scripts and styles of the page itself, pictures in the page, media beside it; nothing else.
_POLICY = (
    "default-src 'none'; img-src data:; media-src 'self' file: data:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)


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
    rows = [plots.timeline(run)]
    picture = strip.jpeg(run.duration_s) if strip else None
    if picture is not None:
        alt = f"Depth at {CELLS} moments evenly along the recording; bright = near."
        image = f'<img alt="" src="{_data("image/jpeg", picture)}">'
        rows.insert(0, plots.figure("Depth", "bright = near", image, alt))
    # The sound may end before the pictures: its picture is as wide as its share of the time.
    wide = 100 * min(1.0, sound.duration_s / run.duration_s)
    image = f'<img alt="" style="width:{wide:.2f}%" src="{_data("image/png", sound.png)}">'
    alt = f"Spectrogram of the sound, left ear above right. {sound.words}"
    scale = f"left ear above right; 0 to {TOP_HZ // 1000} kHz each"
    rows.append(plots.figure("Spectrogram", scale, image, alt, sound.words))
    rows.append(plots.axis(run.duration_s))
    source = str(run.summary["source"])
    body = _template("report.html").substitute(
        heading=escape(f"What sonar saw and said: {source}"),
        lead=escape(_lead(run)),
        problem=_problem(run),
        player=_player(folder, embed_mb),
        duration=f"{run.duration_s:.2f}",
        first_moment=escape(words(run.moments[0]) if run.moments else "No picture was processed."),
        tracks=plots.HATCH + "\n".join(rows),
        labels=_labels(run),
        events=_events(run),
        figures=_zones(run) + _latency(run),
        facts=_facts(run),
        config=escape(dump_config(SonarConfig.model_validate(run.summary["config"]))),
    )
    data = _script_json({"duration": round(run.duration_s, 3), "moments": _moments(run)})
    scripts = (
        f'<script type="application/json" id="data">{data}</script>\n'
        f"<script>\n{_text('report.js')}</script>"
    )
    target = folder / NAME
    write_whole(target, page(f"sonar: {source}", body, scripts))
    return target


def table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: bool = False
) -> str:
    """A table with a caption; each row's first cell is its heading. Cells are markup."""
    style = ' class="number"' if numbers else ""
    top = "".join(
        f'<th scope="col"{style if i else ""}>{escape(head)}</th>' for i, head in enumerate(heads)
    )
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>'
        + "".join(f"<td{style}>{cell}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f"<table><caption>{escape(caption)}</caption>"
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    )


def page(title: str, body: str, scripts: str = "") -> str:
    """A page in the style of the reports; ``title`` is escaped, the others are markup."""
    return _template("page.html").substitute(
        policy=_POLICY,
        css=_text("report.css"),
        title=escape(title),
        body=body,
        scripts=scripts,
        safety=escape(SAFETY),
    )


def _lead(run: Run) -> str:
    spoken = sum(event["kind"] == "speech" for event in run.events)
    return (
        f"{run.summary['frames']} pictures, {run.duration_s:.1f} seconds, {spoken} phrases "
        f"spoken; model {run.summary.get('model', run.summary['config']['engine']['model'])}."
    )


def _problem(run: Run) -> str:
    if run.summary.get("error"):
        text = f"The run ended early: {run.summary['error']}"
    elif run.summary.get("interrupted"):
        text = "The run was interrupted; this is what was done until then."
    else:
        return ""
    return f'<p class="problem"><strong>{escape(text)}</strong></p>'


def _player(folder: Path, embed_mb: float) -> str:
    video = folder / "annotated.mp4"
    if not video.exists():
        return (
            '<audio id="media" controls preload="auto" src="audio.wav" '
            'aria-label="What is heard"></audio>'
        )
    source = video.name
    if video.stat().st_size <= embed_mb * 1e6:
        source = _data("video/mp4", video.read_bytes())
    return (
        f'<video id="media" controls playsinline preload="auto" src="{source}" '
        'aria-label="Annotated video with what is heard"></video>'
    )


def _events(run: Run) -> str:
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("Time", "What", "Name", "Side", "Why")
    )
    body = []
    for event in run.events[:MAX_EVENTS]:
        said = event["text"] if event["kind"] == "speech" else event["name"]
        cells = (
            {"cue": "sound"}.get(event["kind"], event["kind"]),
            str(said).replace("_", " "),
            event["side"] or "",
            str(event["why"]).replace("_", " "),
        )
        body.append(
            f'<tr data-t="{event["t"]:.3f}"><td><button type="button">'
            f"{event['t']:.2f} s</button></td>"
            + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
            + "</tr>"
        )
    caption = "What was heard, and changes of state, in order"
    if len(run.events) > MAX_EVENTS:
        caption += f" (the first {MAX_EVENTS} of {len(run.events)}; all are in events.jsonl)"
    return (
        '<div class="scroll" role="region" aria-label="Table of events" tabindex="0">'
        f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _labels(run: Run) -> str:
    """What was there by the labels beside the recording, and what was heard of it."""
    if run.truth is None:
        return ""
    heard = [Event.model_validate(event) for event in run.events]
    judged = judge("", run.truth, heard, run.duration_s, 0, 0)
    rows = []
    for event in judged.events:
        at_s, lead_s = event.warned_at_s, event.lead_s
        rows.append(
            [
                f"{event.from_s:.1f} to {event.to_s:.1f} s",
                event.kind,
                event.side,
                "not warned of" if at_s is None else f"warned of at {at_s:.1f} s",
                "" if lead_s is None else f"{lead_s:.1f} s before contact",
                event.side_heard or "",
            ]
        )
    heads = ["When", "What", "Side", "Heard", "Lead", "Side heard"]
    told = ", ".join(f"{w.start_s:.1f} s {w.side or w.what}" for w in judged.false_alarms)
    return (
        '<section aria-labelledby="h-labels"><h2 id="h-labels">Labels</h2>'
        f'<div class="wide">{table("What was there, and what was heard of it", heads, rows)}</div>'
        f"<p>Warnings of what is not labelled: {escape(told) or 'none'}.</p></section>"
    )


def _zones(run: Run) -> str:
    rows = []
    for side in SIDES:
        counts = run.summary["zones"].get(side, {})
        total = max(1, sum(counts.values()))
        known = [m.sides[side].distance_m for m in run.moments]
        least = min((d for d in known if d is not None), default=None)
        shares = [f"{100 * counts.get(band, 0) / total:.0f} %" for band in _BANDS]
        rows.append(
            [plots.NAMES[side], *shares, "not known" if least is None else f"{least:.1f} m"]
        )
    heads = ["Side", *_BANDS, "Nearest"]
    return table("Share of the pictures in each band, by side", heads, rows, numbers=True)


def _latency(run: Run) -> str:
    rows = [
        [escape(stage), f"{of.get('median_ms', 0):.1f} ms", f"{of.get('p95_ms', 0):.1f} ms"]
        for stage, of in run.summary["latency_ms"].items()
    ]
    heads = ["Stage", "Median", "95th percentile"]
    return table("Processing time of a picture on this machine", heads, rows, numbers=True)


def _facts(run: Run) -> str:
    summary, config = run.summary, run.summary["config"]
    default = SonarConfig().model_dump(mode="json")
    changed = [f"{key} = {value}" for key, value in _changes(default, config)]
    facts = {
        "Recording": summary["source"],
        "Depth model": summary.get("model", config["engine"]["model"]),
        "sonar": summary["sonar"],
        "Pictures": f"{summary['frames']} of {summary['expected_frames'] or 'an unknown number'}",
        "Left out": summary["dropped"],
        "Without sight": summary["degraded"],
        "Speech": summary["speech"].get("lost") or "complete",
        "Settings that differ from the defaults": "; ".join(changed) or "none",
    }
    rows = [(escape(name), escape(str(value))) for name, value in facts.items()]
    return table("The run", ["Fact", "Value"], rows)


def _changes(default: Any, now: Any, prefix: str = "") -> Iterable[tuple[str, str]]:
    """Dotted keys of ``now`` that differ from ``default``."""
    for key, value in now.items():
        before = default.get(key) if isinstance(default, dict) else None
        if isinstance(value, dict) and isinstance(before, dict) and before:
            yield from _changes(before, value, f"{prefix}{key}.")
        elif value != before:
            yield prefix + key, json.dumps(value, ensure_ascii=False)


def _moments(run: Run) -> list[tuple[float, str]]:
    """(start, words) wherever the words change."""
    found: list[tuple[float, str]] = []
    for moment in run.moments:
        text = f"{moment.start_s:.1f} s: {words(moment)}"
        if not found or text.partition(": ")[2] != found[-1][1].partition(": ")[2]:
            found.append((moment.start_s, text))
    return found


def _script_json(value: Any) -> str:
    """JSON that may stand inside a script element: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


@cache
def _text(name: str) -> str:
    return (resources.files("sonar.replay.report") / "templates" / name).read_text("utf-8")


def _template(name: str) -> Template:
    return Template(_text(name))
