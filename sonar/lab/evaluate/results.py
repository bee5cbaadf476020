"""What an evaluation leaves: one document, as JSON, as a table for a spreadsheet, as a page.

Variants (configurations or models) stand side by side.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonar.files import json_text
from sonar.lab.evaluate.report import EvaluationReport
from sonar.lab.evaluate.walks import FIGURES as WALK_FIGURES
from sonar.lab.evaluate.walks import WalkFigures
from sonar.replay.folder import EVALUATION_FILES, output_folder, write_whole
from sonar.replay.heard import ClipResult
from sonar.replay.report.render import render

NAME = "evaluation"
DEPTH_FIGURES = (
    ("distance_median_rel_error", "median distance error"),
    ("distance_p95_rel_error", "p95 distance error"),
    ("near_auc", "nearness AUC"),
    ("near_recall", "near recall"),
    ("near_false_alarm", "near false alarms"),
    ("nearest_zone_agreement", "nearest zone agrees"),
)
WALK_NAMES = {
    "warning_recall": "warned events",
    "false_alarms_per_minute": "false alarms per minute",
    "lead_median_s": "lead before contact, median s",
    "warned_1s_ahead": "warned a second before contact",
    "side_accuracy": "right side",
    "cues_per_minute": "sounds and phrases per minute",
}


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One variant: its figures on images, on recordings, or on both."""

    name: str
    model: str
    depth: EvaluationReport | None
    walks: WalkFigures | None
    clips: tuple[ClipResult, ...] = ()

    def document(self) -> dict[str, Any]:
        """As ``--json`` prints it: what images give, and under ``walks`` what recordings give."""
        found: dict[str, Any] = {"model": self.model, "sources": {}}
        if self.depth is not None:
            found = self.depth.model_dump(mode="json")
        if self.walks is not None:
            clips = [clip.model_dump(mode="json") for clip in self.clips]
            found["walks"] = {**self.walks.model_dump(mode="json"), "recordings": clips}
        return found


def document(variants: Sequence[Evaluated]) -> dict[str, Any]:
    """One variant's document, or several under ``variants``."""
    if len(variants) == 1:
        return variants[0].document()
    return {"variants": {variant.name: variant.document() for variant in variants}}


def lines(variants: Sequence[Evaluated]) -> list[str]:
    """The same for people, as plain text."""
    text: list[str] = []
    for variant in variants:
        text += ["", f"== {variant.name}: {variant.model}"] if len(variants) > 1 else []
        if variant.depth is not None:
            text += _depth_lines(variant.depth)
        if variant.walks is not None:
            text += _walk_lines(variant.walks)
    return text[1:] if text and not text[0] else text


def write_results(
    out: Path, variants: Sequence[Evaluated], inputs: Sequence[Path] = ()
) -> list[Path]:
    """``evaluation.json``, ``.csv`` and ``.html`` in ``out``.

    Raises OutputError when they cannot be written, or would go over an input or a file that is
    not ours.
    """
    contents = {
        "json": json_text(document(variants)),
        "csv": _csv(variants),
        "html": _page(variants),
    }
    with output_folder(out, inputs) as folder:
        folder.claim(EVALUATION_FILES)
        for suffix, content in contents.items():
            write_whole(out / f"{NAME}.{suffix}", content)
    return [out / f"{NAME}.{suffix}" for suffix in contents]


def _depth_lines(report: EvaluationReport) -> list[str]:
    """A paragraph for each folder: what, sonar, the common approach."""
    text = [f"{report.model}; near is closer than {report.near_m:g} m"]
    for name, source in report.sources.items():
        text += ["", f"{name}: {source.n} zones in {source.frames} frames, mount {source.mount}"]
        text.append(f"  {'':<24}{'sonar':>8}{'min-max':>10}")
        for key, label in DEPTH_FIGURES:
            ours, theirs = getattr(source, key), getattr(source.naive, key)
            text.append(f"  {label:<24}{_number(ours):>8}{_number(theirs):>10}")
    return text


def _walk_lines(walks: WalkFigures) -> list[str]:
    text = [
        "",
        f"{walks.clips} labeled recordings, {walks.minutes:.1f} minutes, {walks.events} events",
    ]
    for name in WALK_FIGURES:
        text.append(f"  {WALK_NAMES[name]:<34}{_with_interval(walks, name)}")
    for kind, count in walks.by_kind.items():
        text.append(f"  {'of kind ' + kind:<34}{count.warned} of {count.events} warned")
    return text


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _with_interval(figures: Any, name: str) -> str:
    """``0.900 (0.812 to 0.960)``."""
    value, interval = getattr(figures, name), figures.ci.get(name)
    if value is None or interval is None:
        return _number(value)
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def _rows(variants: Sequence[Evaluated]) -> Iterator[tuple[Any, ...]]:
    """variant, data, source, approach, figure, value, low, high."""
    for variant in variants:
        if variant.depth is not None:
            for source, report in variant.depth.sources.items():
                for approach, figures in (("sonar", report), ("min-max", report.naive)):
                    for name, interval in figures.ci.items():
                        ends = interval or ("", "")
                        value = getattr(figures, name)
                        yield variant.name, "depth", source, approach, name, value, *ends
        if variant.walks is not None:
            for name in WALK_FIGURES:
                ends = variant.walks.ci[name] or ("", "")
                value = getattr(variant.walks, name)
                yield variant.name, "walks", "all", "sonar", name, value, *ends


def _csv(variants: Sequence[Evaluated]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("variant", "data", "source", "approach", "figure", "value", "low", "high"))
    for row in _rows(variants):
        writer.writerow(["" if cell is None else cell for cell in row])
    return text.getvalue()


def _page(variants: Sequence[Evaluated]) -> str:
    return render(
        "evaluation.html",
        "sonar.lab.evaluate",
        title="sonar: evaluation",
        variants=[(variant.name, variant.model) for variant in variants],
        walks=_walks(variants),
        sources=_sources(variants),
    )


def _sources(variants: Sequence[Evaluated]) -> list[tuple[str, list[str], list[list[str]]]]:
    """For each folder of images: its name, the table's heads, and its rows."""
    columns: dict[str, list[tuple[str, Any]]] = {}
    for variant in variants:
        for name, report in variant.depth.sources.items() if variant.depth else ():
            columns.setdefault(name, []).extend(
                [(variant.name, report), (f"{variant.name}, min-max", report.naive)]
            )
    return [
        (
            name,
            ["Figure", *(head for head, _ in found)],
            [
                [label, *(_with_interval(of, key) for _, of in found)]
                for key, label in DEPTH_FIGURES
            ],
        )
        for name, found in sorted(columns.items())
    ]


def _walks(variants: Sequence[Evaluated]) -> dict[str, Any] | None:
    some = [variant for variant in variants if variant.walks is not None]
    if not some:
        return None
    return {
        "heads": ["Figure", *(variant.name for variant in some)],
        "rows": [
            [WALK_NAMES[name], *(_with_interval(variant.walks, name) for variant in some)]
            for name in WALK_FIGURES
        ],
        "clips": [(variant.name, [_clip(clip) for clip in variant.clips]) for variant in some],
    }


def _clip(clip: ClipResult) -> list[str]:
    missed = [event for event in clip.events if event.warned_at_s is None]
    return [
        clip.name,
        f"{clip.duration_s:.1f} s",
        f"{len(clip.events) - len(missed)} of {len(clip.events)}",
        ", ".join(f"{event.kind} {event.side} at {event.from_s:.1f} s" for event in missed),
        ", ".join(f"{w.start_s:.1f} s {w.side or w.what}" for w in clip.false_alarms),
    ]
