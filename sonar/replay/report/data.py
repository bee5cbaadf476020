"""What a report shows, read from the files of a run and thinned to what a screen can show."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonar.records import CueRecord, Event, FrameRecord, ZoneRecord, side_of
from sonar.replay.regression import read_events
from sonar.types import SIDES, Band, CueKind, Side, State

COLUMNS = 1200  # moments at most, whatever the length of the recording
NAMES = {"left": "Left", "center": "Ahead", "right": "Right"}
# What a column shows of several bands: unknown must not hide behind clear or far.
_URGENCY = (Band.CLEAR, Band.FAR, Band.UNKNOWN, Band.NEAR, Band.CLOSE, Band.STOP)


@dataclass(slots=True)
class Moment:
    """Frames in a row, from ``start_s`` on (seconds since the first frame).

    ``record`` is the worst of them: on each side the most urgent band, the nearest distance and
    the shortest time to contact; the most urgent sound; a degraded state.
    """

    start_s: float
    record: FrameRecord

    def add(self, other: FrameRecord) -> None:
        """Take in one more frame."""
        kept = self.record
        zones: dict[str, ZoneRecord] = {
            side: _worse(getattr(kept.zones, side), getattr(other.zones, side)) for side in SIDES
        }
        changes: dict[str, Any] = {
            "zones": kept.zones.model_copy(update=zones),
            "drop_off": kept.drop_off or other.drop_off,
        }
        if other.cue and (kept.cue is None or other.cue.priority >= kept.cue.priority):
            changes["cue"] = other.cue
        if other.state is State.DEGRADED:
            changes |= {"state": other.state, "reason": other.reason}
        self.record = kept.model_copy(update=changes)

    def zone(self, side: Side) -> ZoneRecord:
        """The reading of one side."""
        found: ZoneRecord = getattr(self.record.zones, side)
        return found


def _worse(kept: ZoneRecord, other: ZoneRecord) -> ZoneRecord:
    first, second = kept, other
    if _URGENCY.index(other.band) > _URGENCY.index(kept.band):
        first, second = other, kept
    return first.model_copy(
        update={
            "distance_m": _least(first.distance_m, second.distance_m),
            "ttc_s": _least(first.ttc_s, second.ttc_s),
        }
    )


def _least(first: float | None, second: float | None) -> float | None:
    return min((value for value in (first, second) if value is not None), default=None)


@dataclass(frozen=True, slots=True)
class ReportRun:
    """One replay's results.

    Attributes:
        summary: as in ``summary.json``.
        moments: in order of time.
        events: as in ``events.jsonl``, in order of time.
        duration_s: of the frames.
    """

    folder: Path
    summary: dict[str, Any]
    moments: list[Moment]
    events: list[Event]
    duration_s: float

    def end_s(self, index: int) -> float:
        """Where a moment ends: at the next one, the last with the frames."""
        if index + 1 < len(self.moments):
            return self.moments[index + 1].start_s
        return self.duration_s


def read_run(folder: Path, summary: dict[str, Any]) -> ReportRun:
    """Read what a replay has just written into ``folder``."""
    duration_s = max(float(summary["duration_s"] or 0.0), 0.001)
    events = sorted(read_events(folder), key=lambda event: event.t)
    moments: list[Moment] = []
    origin_t, column = 0.0, -1
    with (folder / "frames.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            record = FrameRecord.model_validate_json(line)
            if not moments:
                origin_t = record.t
            now = int((record.t - origin_t) / duration_s * COLUMNS)
            if now > column:
                column = now
                moments.append(Moment(round(record.t - origin_t, 3), record))
            else:
                moments[-1].add(record)
    return ReportRun(folder, summary, moments, events, duration_s)


def words(moment: Moment) -> str:
    """A moment in one line: "left close 0.9 m, ahead clear, right unknown; pulse left 4.2/s"."""
    record = moment.record
    zones = []
    for side in SIDES:
        zone = moment.zone(side)
        text = f"{NAMES[side].lower()} {zone.band}"
        if zone.distance_m is not None:
            text += f" {zone.distance_m:.1f} m"
        if zone.height in ("head", "floor"):
            text += f" ({zone.height})"
        if zone.ttc_s is not None:
            text += f", contact in {zone.ttc_s:.1f} s"
        zones.append(text)
    parts = [", ".join(zones), *(["possible drop"] if record.drop_off else ())]
    parts.append(sound_words(record.cue))
    if record.state is not State.GUIDING:
        parts.append(state_words(record))
    return "; ".join(parts)


def state_words(record: FrameRecord) -> str:
    """ "degraded dark", or the state alone."""
    return f"{record.state} {(record.reason or '').replace('_', ' ')}".strip()


def sound_words(cue: CueRecord | None) -> str:
    """A cue of a record in words; None is silence."""
    if cue is None:
        return "silence"
    if cue.kind is CueKind.PULSE:
        return f"sound: {cue.rate_hz:.1f} pulses a second, {side_of(cue.pan)}"
    if cue.kind is CueKind.CONTINUOUS:
        return f"sound: steady tone, {side_of(cue.pan)}"
    return f"sound: {cue.earcon or cue.kind}"
