"""What an evaluation leaves: one document, as JSON, as text, and as a page.

Variants (configurations or models) stand side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonar.files import json_text
from sonar.lab.evaluate.figures import NEAR_M, Figures
from sonar.lab.evaluate.heard import ClipResult
from sonar.lab.evaluate.walks import WALK_FIGURES
from sonar.replay.folder import EVALUATION_FILES, output_folder, write_whole
from sonar.replay.report.render import render

DEPTH_FIGURES = {
    "distance_median_rel_error": "median distance error",
    "distance_p95_rel_error": "p95 distance error",
    "near_auc": "nearness AUC",
    "near_recall": "near recall",
    "near_false_alarm": "near false alarms",
    "nearest_zone_agreement": "nearest zone agrees",
}


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One variant: its figures on images, on recordings, or on both."""

    name: str
    model: str
    depth: dict[str, Any] | None
    walks: Figures | None
    clips: tuple[ClipResult, ...] = ()


@dataclass(frozen=True, slots=True)
class _Table:
    caption: str
    heads: list[str]
    rows: list[list[str]]


def document(variants: Sequence[Evaluated]) -> dict[str, Any]:
    """What images give, and under ``walks`` what recordings give; several under ``variants``."""
    found = {}
    for variant in variants:
        found[variant.name] = dict(variant.depth or {"model": variant.model, "sources": {}})
        if variant.walks is not None:
            clips = [clip.model_dump(mode="json") for clip in variant.clips]
            found[variant.name]["walks"] = {**variant.walks, "recordings": clips}
    return {"variants": found} if len(found) > 1 else found[variants[0].name]


def lines(variants: Sequence[Evaluated]) -> list[str]:
    """The tables as plain text."""
    text: list[str] = []
    for table in _tables(variants):
        widths = [max(map(len, column)) for column in zip(table.heads, *table.rows, strict=True)]
        text += ["", table.caption]
        for cells in (table.heads, *table.rows):
            padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
            text.append(f"  {'  '.join(padded)}".rstrip())
    return text[1:]


def write_results(
    out: Path, variants: Sequence[Evaluated], inputs: Sequence[Path] = ()
) -> list[Path]:
    """``evaluation.json`` and ``.html`` in ``out``.

    Raises OutputError when they cannot be written, or would go over an input or a file that is
    not ours.
    """
    page = render(
        "evaluation.html",
        "sonar.lab.evaluate",
        title="sonar: evaluation",
        tables=_tables(variants),
    )
    contents = {"json": json_text(document(variants)), "html": page}
    with output_folder(out, inputs) as folder:
        folder.claim(EVALUATION_FILES)
        for suffix, content in contents.items():
            write_whole(out / f"evaluation.{suffix}", content)
    return [out / f"evaluation.{suffix}" for suffix in contents]


def _tables(variants: Sequence[Evaluated]) -> list[_Table]:
    """What was evaluated, the recordings together and one by one, then each folder of images."""
    found = [
        _Table("What was evaluated", ["Variant", "Model"], [[v.name, v.model] for v in variants])
    ]
    walks = {v.name: v.walks for v in variants if v.walks is not None}
    if walks:
        counts = [f"{w['clips']} with {w['events']}" for w in walks.values()]
        rows = [["recordings with events", *counts], *_rows(WALK_FIGURES, list(walks.values()))]
        for kind in sorted({kind for w in walks.values() for kind in w["by_kind"]}):
            each = [w["by_kind"].get(kind, {"warned": 0, "events": 0}) for w in walks.values()]
            rows.append([f"warned: {kind}", *(f"{c['warned']} of {c['events']}" for c in each)])
        found.append(_Table("All recordings", ["Figure", *walks], rows))
    heads = ["Recording", "Length", "Warned", "Missed", "False alarms"]
    for variant in variants:
        if variant.clips:
            rows = [_clip(clip) for clip in variant.clips]
            found.append(_Table(f"Recordings: {variant.name}", heads, rows))
    folders: dict[str, dict[str, Figures]] = {}
    for variant in variants:
        for name, source in (variant.depth or {"sources": {}})["sources"].items():
            caption = (
                f"{name}: {source['n']} zones in {source['frames']} frames, mount"
                f" {source['mount']}; near is closer than {NEAR_M:g} m"
            )
            column = {variant.name: source, f"{variant.name}, min-max": source["naive"]}
            folders.setdefault(caption, {}).update(column)
    for caption, columns in sorted(folders.items()):
        rows = _rows(DEPTH_FIGURES, list(columns.values()))
        found.append(_Table(caption, ["Figure", *columns], rows))
    return found


def _rows(labels: dict[str, str], columns: Sequence[Figures]) -> list[list[str]]:
    return [[label, *(_cell(column, key) for column in columns)] for key, label in labels.items()]


def _cell(figures: Figures, name: str) -> str:
    """``0.900 (0.812 to 0.960)``: the figure and its interval."""
    value, interval = figures[name], figures["ci"][name]
    if value is None:
        return "-"
    ends = "" if interval is None else f" ({interval[0]:.3f} to {interval[1]:.3f})"
    return f"{value:.3f}{ends}"


def _clip(clip: ClipResult) -> list[str]:
    missed = [event for event in clip.events if event.warned_at_s is None]
    return [
        clip.name,
        f"{clip.duration_s:.1f} s",
        f"{len(clip.events) - len(missed)} of {len(clip.events)}",
        ", ".join(f"{event.kind} {event.side} at {event.from_s:.1f} s" for event in missed),
        ", ".join(f"{w.start_s:.1f} s {w.side or w.what}" for w in clip.false_alarms),
    ]
