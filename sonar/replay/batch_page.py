"""What a batch leaves beside its recordings: ``batch.json`` and ``index.html``."""

import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sonar.replay.batch import SCHEMA, Done, worst
from sonar.replay.folder import write_json, write_whole
from sonar.replay.report.page import page, table

PAGE = "index.html"
FACTS = "batch.json"


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
    good = sum(result.code == 0 for result in results)
    rows = []
    for result in results:
        facts = _facts(result, different)
        spoken = sum(facts["spoken"].values())
        minutes = (facts["duration_s"] or 0.0) / 60
        rows.append(
            [
                _link(out, result),
                "done" if result.code == 0 else escape(result.problem),
                f"{facts['duration_s'] or 0.0:.1f} s",
                str(facts["frames"]),
                str(facts["degraded"]),
                str(facts["events"].get("cue", 0)),
                str(spoken),
                f"{spoken / minutes:.1f}" if minutes else "",
                *([] if different is None else [_difference_cell(different, result.job.name)]),
            ]
        )
    heads = [
        "Recording",
        "How it went",
        "Length",
        "Pictures",
        "Without sight",
        "Sounds",
        "Phrases",
        "Phrases a minute",
        *([] if different is None else ["Differences"]),
    ]
    said = f"{good} of {len(results)} recordings are complete."
    if different is not None:
        count = sum(len(problems) for problems in different.values())
        said += f" {count} difference{'' if count == 1 else 's'} in what is heard."
    body = table("Each recording; its name leads to its report or video", heads, rows)
    return page(
        "sonar: recordings",
        f'<h1>Recordings</h1><p>{said}</p><div class="wide">{body}</div>'
        + _difference_lists(different or {}),
    )


def _difference_cell(different: Differences, name: str) -> str:
    if name not in different:
        return "not checked"
    return str(len(different[name]))


def _difference_lists(different: Differences) -> str:
    parts = []
    for name, problems in different.items():
        if problems:
            items = "".join(f"<li>{escape(problem)}</li>" for problem in problems)
            parts.append(f"<h2>Different in {escape(name)}</h2><ul>{items}</ul>")
    return "".join(parts)


def _link(out: Path, result: Done) -> str:
    name = escape(result.job.name)
    for file in ("report.html", "annotated.mp4", "audio.wav"):
        if (result.job.out / file).is_file():
            target = quote(os.fsencode(f"{result.job.out.relative_to(out).as_posix()}/{file}"))
            return f'<a href="{target}">{name}</a>'
    return name
