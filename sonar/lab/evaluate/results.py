"""What an evaluation shows of its report: tables as text, and a page that explains itself."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonar.files import json_text
from sonar.lab.evaluate.figures import BETTER, NEAR_M, WORSE, Figures
from sonar.lab.evaluate.walks import WALK_FIGURES
from sonar.replay.folder import EVALUATION_FILES, output_folder, write_whole
from sonar.replay.report import render

FOUND_AT_M = 1.0  # a drop that is first reported nearer than this is missed
SEEN = {
    "held out": "the model has never seen the place, and nothing was tuned on it: believe these",
    "used for validation": "not trained on, but looked at while the model was made",
    "not trained on": "the model states what it learned from, and the place is not in it",
    "training not known": "the model does not state what it learned from",
    "trained on": "the model has learned this place: its figures flatter it",
}
# Figure: its name in tables, and what it means.
DEPTH_FIGURES = {
    "distance_median_rel_error": (
        "median distance error",
        "half of the announced distances are off by less than this share of the true distance",
    ),
    "distance_p95_rel_error": ("p95 distance error", "95 of 100 are off by less than this share"),
    "distance_bias": (
        "distance bias",
        "0.10 means that obstacles are typically announced 10 % too far, -0.10 too near",
    ),
    "near_auc": (
        "nearness AUC",
        "how often the nearer of two obstacles is reported as nearer: 1 is always, 0.5 is guessing",
    ),
    "near_recall": ("near recall", f"share of what is nearer than {NEAR_M:g} m that is found"),
    "near_false_alarm": (
        "near false alarms",
        f"share of the zones with nothing nearer than {NEAR_M:g} m that are called near",
    ),
    "zone_within_sigma": (
        "distances within sigma",
        "share of the distances that err by at most their stated uncertainty: 0.68 is honest",
    ),
    "pixel_within_sigma": ("pixels within sigma", "the same for each pixel of the network's map"),
    "false_drops_per_1000": (
        "false drops per 1000 frames",
        "how often a drop is announced where the ground does not drop",
    ),
    "flicker": (
        "flicker",
        "how much the map changes while a still scene is seen by a slightly shaking camera",
    ),
    "bands_equal": ("same band as the first", "share of the zones in which both agree"),
    "depth_deviation": ("map differs from the first", "mean difference as a share of the range"),
}

NAMES = {name: label for name, (label, _) in DEPTH_FIGURES.items()}
BARE = {
    name: f"{NAMES[name]}, no mount"
    for name in ("near_auc", "near_recall", "near_false_alarm", "distance_median_rel_error")
}


@dataclass(frozen=True, slots=True)
class _Table:
    caption: str
    heads: list[str]
    rows: list[list[str]]


def lines(report: Mapping[str, Any]) -> list[str]:
    """The tables of a report as plain text."""
    text: list[str] = []
    for table in _tables(report):
        widths = [max(map(len, column)) for column in zip(table.heads, *table.rows, strict=True)]
        text += ["", table.caption]
        for cells in (table.heads, *table.rows):
            padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
            text.append(f"  {'  '.join(padded)}".rstrip())
    return text[1:]


def write_results(out: Path, report: Mapping[str, Any], inputs: Sequence[Path] = ()) -> list[Path]:
    """``evaluation.json`` and ``.html`` in ``out``.

    Raises OutputError when they cannot be written, or would go over an input or a file that is
    not ours.
    """
    page = render(
        "evaluation.html",
        "sonar.lab.evaluate",
        title="sonar: evaluation",
        seen=SEEN,
        meanings=[list(both) for both in DEPTH_FIGURES.values()],
        near_m=NEAR_M,
        held_out=any("held out" in p["seen"].values() for p in report["places"].values()),
        tables=list(_tables(report)),
    )
    contents = {"json": json_text(report), "html": page}
    with output_folder(out, inputs) as folder:
        folder.claim(EVALUATION_FILES)
        for suffix, content in contents.items():
            write_whole(out / f"evaluation.{suffix}", content)
    return [out / f"evaluation.{suffix}" for suffix in contents]


def _tables(report: Mapping[str, Any]) -> Iterator[_Table]:
    """What was evaluated, what came out, then the recordings and each place."""
    models: dict[str, str] = report["models"]
    yield _Table("What was evaluated", ["Variant", "Model"], [list(m) for m in models.items()])
    order = list(SEEN)
    places = sorted(
        report["places"].items(),
        key=lambda one: (min(order.index(s) for s in one[1]["seen"].values()), one[0]),
    )
    first, *others = models
    for words in dict.fromkeys(_words(place) for _, place in places):
        yield _in_short(words, [place for _, place in places if _words(place) == words], models)
    if places and others:
        rows = [[_titled(n, p), *(_decision(p["compared"][o]) for o in others)] for n, p in places]
        yield _Table(f"Compared with {first}, place by place", ["Place", *others], rows)
    yield from _recordings(report["recordings"])
    for name, place in places:
        columns = place["figures"]
        heads = [f"{n}, {place['seen'][n]}" if n in models else n for n in columns]
        rows = [
            [label, *(_cell(figures, key) for figures in columns.values())]
            for key, label in NAMES.items()
        ]
        rows += [
            [label, *(_cell(figures, key) for figures in place["without_mount"].values()), "-"]
            for key, label in BARE.items()
        ]
        if found := place.get("drop_found_m"):
            rows.append(["drop reported", *(_drop(m) for m in found.values()), "-"])
        caption = (
            f"{_titled(name, place)}: {columns[first]['n']} zones in {place['frames']} frames,"
            f" {place['near']} near; mount {place['mount']}"
        )
        yield _Table(caption, ["Figure", *heads], [row for row in rows if set(row[1:]) != {"-"}])


def _recordings(found: Mapping[str, Figures]) -> Iterator[_Table]:
    """All together, then one by one."""
    if found:
        counts = [f"{w['clips']} with {w['events']}" for w in found.values()]
        rows = [["recordings with events", *counts]]
        rows += [
            [label, *(_cell(w, key) for w in found.values())] for key, label in WALK_FIGURES.items()
        ]
        for kind in sorted({kind for w in found.values() for kind in w["by_kind"]}):
            each = [w["by_kind"].get(kind, {"warned": 0, "events": 0}) for w in found.values()]
            rows.append([f"warned: {kind}", *(f"{c['warned']} of {c['events']}" for c in each)])
        yield _Table("All recordings", ["Figure", *found], rows)
    heads = ["Recording", "Length", "Warned", "Missed", "False alarms"]
    for name, walks in found.items():
        yield _Table(f"Recordings: {name}", heads, [_clip(clip) for clip in walks["recordings"]])


def _in_short(words: str, places: Sequence[Any], models: Iterable[str]) -> _Table:
    """The lowest and the highest figure of each model over places of which it has seen as much."""

    def ends(model: str, name: str, where: str) -> str:
        values = [v for p in places if (v := p[where][model][name]) is not None]
        return f"{min(values):.3f} to {max(values):.3f}" if values else "-"

    rows = [[label, *(ends(m, n, "figures") for m in models)] for n, label in NAMES.items()]
    rows += [[label, *(ends(m, n, "without_mount") for m in models)] for n, label in BARE.items()]
    drops = [p["drop_found_m"] for p in places if "drop_found_m" in p]
    if drops:
        found = [sum((d[m] or 0.0) >= FOUND_AT_M for d in drops) for m in models]
        rows.append([f"drops found at {FOUND_AT_M:g} m", *(f"{n} of {len(drops)}" for n in found)])
    frames = sum(p["frames_without_drop"] for p in places)
    each = [(p["frames_without_drop"] / 1000.0, p["figures"]) for p in places]
    false = [sum(n * (f[m]["false_drops_per_1000"] or 0.0) for n, f in each) for m in models]
    said = (f"{number:.0f}" if frames else "-" for number in false)
    rows.append([f"false drops in {frames} frames", *said])
    caption = f"In short: {words}, lowest to highest figure of each place; places: {len(places)}"
    return _Table(caption, ["Figure", *models], [row for row in rows if set(row[1:]) != {"-"}])


def _words(place: Mapping[str, Any]) -> str:
    """``held out``, or what it is for each variant where that differs."""
    return " / ".join(dict.fromkeys(place["seen"].values()))


def _titled(name: str, place: Mapping[str, Any]) -> str:
    """``p_corr3 (held out)``."""
    return f"{name} ({_words(place)})"


def _decision(compared: Mapping[str, Any]) -> str:
    """``worse: near recall; better: nearness AUC``."""
    parts = []
    for verdict in (WORSE, BETTER):
        figures = compared["figures"].items()
        which = [NAMES[n] for n, one in figures if one["verdict"] == verdict]
        parts += [f"{verdict}: {', '.join(which)}"] if which else []
    return "; ".join(parts) or str(compared["verdict"])


def _drop(found_m: float | None) -> str:
    return "never" if found_m is None else f"at {found_m:.1f} m"


def _cell(figures: Figures, name: str) -> str:
    """``0.900 (0.812 to 0.960)``: the figure and its interval."""
    value, interval = figures[name], figures["ci"][name]
    if value is None:
        return "-"
    ends = "" if interval is None else f" ({interval[0]:.3f} to {interval[1]:.3f})"
    return f"{value:.3f}{ends}"


def _clip(clip: Mapping[str, Any]) -> list[str]:
    missed = [event for event in clip["events"] if event["warned_at_s"] is None]
    return [
        clip["name"],
        f"{clip['duration_s']:.1f} s",
        f"{len(clip['events']) - len(missed)} of {len(clip['events'])}",
        ", ".join(
            f"{event['kind']} {event['side']} at {event['from_s']:.1f} s" for event in missed
        ),
        ", ".join(f"{w['start_s']:.1f} s {w['side'] or w['what']}" for w in clip["false_alarms"]),
    ]
