"""What a report shows: the records of a run, thinned to what a screen can show, in words."""

import math
from dataclasses import dataclass
from pathlib import Path

from sonar.records import CueRecord, Event, FrameRecord, ZoneRecord, side_of
from sonar.replay.regression import read_events
from sonar.types import SIDES, Band, CueKind, Side, State

COLUMNS = 1200  # moments at most, whatever the length of the recording
NAMES = {"left": "Left", "center": "Ahead", "right": "Right"}
# What a moment shows of several bands: unknown must not hide behind clear or far.
_URGENCY = (Band.CLEAR, Band.FAR, Band.UNKNOWN, Band.NEAR, Band.CLOSE, Band.STOP)


@dataclass(frozen=True, slots=True)
class ReportRun:
    """One replay's results.

    Attributes:
        moments: the worst of a few frames each, in order of time. ``t`` is seconds since the
            first frame; a moment lasts until the next one.
        events: as in ``events.jsonl``, in order of time.
        duration_s: of the frames.
    """

    moments: list[FrameRecord]
    events: list[Event]
    duration_s: float


def read_run(folder: Path, duration_s: float) -> ReportRun:
    """Read what a replay has just written into ``folder``."""
    moments: list[FrameRecord] = []
    origin_t, column = 0.0, -1
    with (folder / "frames.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            record = FrameRecord.model_validate_json(line)
            if not moments:
                origin_t = record.t
            t = round(record.t - origin_t, 3)
            now = int(t / duration_s * COLUMNS)
            if now > column:
                column = now
                moments.append(record.model_copy(update={"t": t}))
            else:
                moments[-1] = worse(moments[-1], record)
    return ReportRun(moments, sorted(read_events(folder), key=lambda event: event.t), duration_s)


def worse(kept: FrameRecord, other: FrameRecord) -> FrameRecord:
    """``kept`` with what is more urgent in ``other``: the whole reading of a side (band and
    distance are of one frame), the sound, a degraded state."""
    zones = {s.value: max(zone_of(kept, s), zone_of(other, s), key=_urgency) for s in SIDES}
    louder = other.cue and (kept.cue is None or other.cue.priority >= kept.cue.priority)
    state = other if other.state is State.DEGRADED else kept
    return kept.model_copy(
        update={
            "zones": kept.zones.model_copy(update=zones),
            "drop_off": kept.drop_off or other.drop_off,
            "cue": other.cue if louder else kept.cue,
            "state": state.state,
            "reason": state.reason,
        }
    )


def _urgency(zone: ZoneRecord) -> tuple[int, float]:
    return _URGENCY.index(zone.band), -(math.inf if zone.distance_m is None else zone.distance_m)


def zone_of(record: FrameRecord, side: Side) -> ZoneRecord:
    """The reading of one side."""
    found: ZoneRecord = getattr(record.zones, side)
    return found


def words(record: FrameRecord) -> str:
    """A frame in one line: "left close 0.9 m, ahead clear, right unknown; sound: pulse left"."""
    zones = []
    for side in SIDES:
        zone = zone_of(record, side)
        text = f"{NAMES[side].lower()} {zone.band}"
        if zone.distance_m is not None:
            text += f" {zone.distance_m:.1f} m"
        if zone.height in ("head", "floor"):
            text += f" ({zone.height})"
        if zone.ttc_s is not None:
            text += f", contact in {zone.ttc_s:.1f} s"
        zones.append(text)
    parts = [", ".join(zones), *(["possible drop"] if record.drop_off else ())]
    parts.append(f"sound: {sound_words(record.cue)}")
    if record.cue is not None and record.cue.kind is CueKind.PULSE:
        parts[-1] += f", {record.cue.rate_hz:.1f} a second"
    if record.state is not State.GUIDING:
        parts.append(state_words(record))
    return "; ".join(parts)


def state_words(record: FrameRecord) -> str:
    """ "degraded dark", or the state alone."""
    return f"{record.state} {(record.reason or '').replace('_', ' ')}".strip()


def sound_words(cue: CueRecord | None) -> str:
    """ "pulse left"; None is silence."""
    return "silence" if cue is None else f"{cue.earcon or cue.kind} {side_of(cue.pan)}"
