"""What a report shows, read from the files of a run and thinned to what a screen can show.

A recording of any length becomes at most :data:`COLUMNS` moments; each keeps the worst of its
frames (the nearest band and distance, the longest wait), so that nothing short is lost.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sonar.errors import SourceError
from sonar.replay.labels import Truth

COLUMNS = 1200
SIDES = ("left", "center", "right")
NAMES = {"left": "Left", "center": "Ahead", "right": "Right"}
# What a column shows of several bands: unknown must not hide behind clear or far.
_URGENCY = {"clear": 0, "far": 1, "unknown": 2, "near": 3, "close": 4, "stop": 5}
_Json = dict[str, Any]


@dataclass(slots=True)
class SideMoment:
    """One side in one moment: meters and seconds, None where not known."""

    band: str = "unknown"
    distance_m: float | None = None
    sigma_m: float | None = None
    ttc_s: float | None = None
    height: str | None = None

    def worsen(self, zone: _Json, first: bool) -> None:
        """Take in one more frame's reading."""
        if first or _URGENCY[zone["band"]] > _URGENCY[self.band]:
            self.band, self.height = zone["band"], zone["height"]
        distance_m, ttc_s = zone["distance_m"], zone["ttc_s"]
        if distance_m is not None and (self.distance_m is None or distance_m < self.distance_m):
            self.distance_m, self.sigma_m = distance_m, zone["distance_sigma_m"]
        if ttc_s is not None and (self.ttc_s is None or ttc_s < self.ttc_s):
            self.ttc_s = ttc_s


@dataclass(slots=True)
class Moment:
    """Some frames in a row, from ``start_s`` on (seconds since the first frame)."""

    start_s: float
    sides: dict[str, SideMoment] = field(
        default_factory=lambda: {side: SideMoment() for side in SIDES}
    )
    cue: _Json | None = None
    state: str = "guiding"
    reason: str | None = None
    drop_off: bool = False
    latency_ms: dict[str, float] = field(default_factory=dict)
    frames: int = 0

    def add(self, record: _Json) -> None:
        """Take in one more frame."""
        for side in SIDES:
            self.sides[side].worsen(record["zones"][side], not self.frames)
        cue = record["cue"]
        if cue is not None and (self.cue is None or cue["priority"] >= self.cue["priority"]):
            self.cue = cue
        if not self.frames or record["state"] == "degraded":
            self.state, self.reason = record["state"], record["reason"]
        self.drop_off = self.drop_off or bool(record["drop_off"])
        for stage, ms in record["latency_ms"].items():
            self.latency_ms[stage] = max(ms, self.latency_ms.get(stage, 0.0))
        self.frames += 1


@dataclass(frozen=True, slots=True)
class ReportRun:
    """One replay's results.

    Attributes:
        duration_s: of the frames, or of the sound where that is longer.
        moments: in order of time.
        events: as in ``events.jsonl``, times not below 0.
        truth: the labels beside the recording, where there are some.
    """

    folder: Path
    summary: _Json
    moments: list[Moment]
    events: list[_Json]
    duration_s: float
    truth: Truth | None = None

    def end_s(self, index: int) -> float:
        """Where a moment ends: at the next one, the last with the frames."""
        if index + 1 < len(self.moments):
            return self.moments[index + 1].start_s
        last = self.moments[index].start_s
        return min(self.duration_s, max(last, float(self.summary.get("duration_s") or 0.0)))


def read_run(folder: Path, sound_s: float = 0.0) -> ReportRun:
    """Read a replay's folder; ``sound_s`` is the length of its sound.

    Raises:
        SourceError: a file is missing or is not what a replay writes.
    """
    try:
        summary = json.loads((folder / "summary.json").read_text("utf-8"))
        events = [json.loads(line) for line in _lines(folder / "events.jsonl")]
        times = [float(json.loads(line)["t"]) for line in _lines(folder / "frames.jsonl")]
        origin_s = times[0] if times else 0.0
        shown_s = max(times[-1] - origin_s, float(summary["duration_s"] or 0.0)) if times else 0.0
        moments = _moments(folder / "frames.jsonl", origin_s, shown_s)
        labels = summary.get("labels")
        truth = None if labels is None else Truth.model_validate(labels)
        for event in events:
            event["t"] = max(0.0, float(event["t"]))
    except OSError as error:
        raise SourceError(f"{error.filename} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(f"{folder} does not hold a replay that this version wrote") from error
    events.sort(key=lambda event: event["t"])
    return ReportRun(folder, summary, moments, events, max(shown_s, sound_s, 0.001), truth)


def words(moment: Moment) -> str:
    """A moment in one line: "left close 0.9 m, ahead clear, right unknown; pulse left 4.2/s"."""
    parts = []
    for name, side in zip(("left", "ahead", "right"), moment.sides.values(), strict=True):
        text = f"{name} {side.band}"
        if side.distance_m is not None:
            text += f" {side.distance_m:.1f} m"
        if side.height in ("head", "floor"):
            text += f" ({side.height})"
        if side.ttc_s is not None:
            text += f", contact in {side.ttc_s:.1f} s"
        parts.append(text)
    lines = [", ".join(parts)]
    if moment.drop_off:
        lines.append("possible drop")
    lines.append(sound_words(moment.cue))
    if moment.state != "guiding":
        lines.append(f"{moment.state} {(moment.reason or '').replace('_', ' ')}".strip())
    return "; ".join(lines)


def sound_words(cue: _Json | None) -> str:
    """A cue of a record in words; None is silence."""
    if cue is None:
        return "silence"
    side = side_of(cue)
    if cue["kind"] == "pulse":
        return f"sound: {cue['rate_hz']:.1f} pulses a second, {side}"
    if cue["kind"] == "continuous":
        return f"sound: steady tone, {side}"
    return f"sound: {cue['earcon'] or cue['kind']}"


def side_of(cue: _Json) -> str:
    """left, center or right, as a listener would say."""
    return "left" if cue["pan"] < -0.25 else "right" if cue["pan"] > 0.25 else "center"


def _moments(file: Path, origin_s: float, shown_s: float) -> list[Moment]:
    width_s = max(shown_s, 0.001) / COLUMNS
    moments: list[Moment] = []
    column = -1
    for line in _lines(file):
        record = json.loads(line)
        t = record["t"] - origin_s
        if int(t / width_s) > column:
            column = int(t / width_s)
            moments.append(Moment(round(t, 3)))
        moments[-1].add(record)
    return moments


def _lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8") as stream:
        for line in stream:
            if line.endswith("\n"):  # the last line of a killed run may be cut
                yield line
