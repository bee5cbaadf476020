"""What a batch leaves beside its recordings: ``batch.json`` and ``index.html``."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from sonar.replay.batch.run import SCHEMA, Done, worst
from sonar.replay.folder import write_json, write_whole
from sonar.replay.report.render import render

PAGE = "index.html"
FACTS = "batch.json"
HEADS = (
    "Recording",
    "Result",
    "Length",
    "Frames",
    "Degraded",
    "Sounds",
    "Phrases",
    "Phrases per minute",
)

Differences = Mapping[str, Sequence[str]]  # by recording; none for those that were not checked


def write_batch(
    out: Path, results: Sequence[Done], different: Differences | None = None
) -> dict[str, Any]:
    """Write both files into ``out`` and return what ``batch.json`` holds. Raises OutputError.

    Args:
        different: what is not as it must be, where that was checked.
    """
    document = {
        "schema": SCHEMA,
        "code": worst(results),
        "recordings": [_facts(result, different) for result in results],
    }
    write_json(out / FACTS, document)
    write_whole(out / PAGE, _page(out, results, different))
    return document


def _facts(result: Done, different: Differences | None) -> dict[str, Any]:
    summary = result.summary
    checked = {} if different is None else {"differences": different.get(result.job.name)}
    return {
        "name": result.job.name,
        "recording": result.job.spec,
        "code": result.code,
        "problem": result.problem or None,
        "resumed": result.resumed,
        "frames": summary.get("frames", 0),
        "duration_s": summary.get("duration_s"),
        "degraded": summary.get("degraded", 0),
        "events": summary.get("events", {}),
        "spoken": summary.get("spoken", {}),
        **checked,
    }


def _page(out: Path, results: Sequence[Done], different: Differences | None) -> str:
    return render(
        "batch.html",
        title="sonar: recordings",
        complete=sum(result.code == 0 for result in results),
        heads=[*HEADS, *([] if different is None else ["Differences"])],
        rows=[_row(out, result, different) for result in results],
        differences=different,
    )


def _row(out: Path, result: Done, different: Differences | None) -> list[object]:
    facts = _facts(result, different)
    phrases = sum(facts["spoken"].values())
    duration_s = facts["duration_s"] or 0.0
    row = [
        _link(out, result),
        "done" if result.code == 0 else result.problem,
        f"{duration_s:.1f} s",
        facts["frames"],
        facts["degraded"],
        facts["events"].get("cue", 0),
        phrases,
        f"{60 * phrases / duration_s:.1f}" if duration_s else "",
    ]
    if different is not None:
        problems = different.get(result.job.name)
        row.append("not checked" if problems is None else len(problems))
    return row


def _link(out: Path, result: Done) -> str:
    for file in ("report.html", "annotated.mp4", "audio.wav"):
        if (result.job.out / file).is_file():
            target = quote(os.fsencode(f"{result.job.out.relative_to(out).as_posix()}/{file}"))
            return Markup('<a href="{}">{}</a>').format(target, result.job.name)
    return result.job.name
