"""What was heard in a recording, against the labels of what was there.

Definitions:

- A *warning* is a tone whose cause is in band ``close`` or ``stop`` or on its way to a collision,
  the sound of a drop, or a phrase that announces one of these. Warnings of the same kind and side
  less than ``MERGE_S`` apart are one. What sounds farther away informs; it is no warning here.
- Events that stay beyond ``NEAR_M`` (1.5 m) need no warning; one there is no false alarm either.
- An event is *warned* of when a warning sounds between ``EARLY_S`` before ``from_s`` and ``to_s``
  (or ``contact_s``: a warning that begins after contact is none). Drops only by the drop warning,
  everything else only by the others.
- A *false alarm* is a warning that sounds during no event of its kind, with ``EARLY_S`` before and
  ``LATE_S`` after it.
- ``lead_s``: from the beginning of the warning (at most ``EARLY_S`` before ``from_s``) to
  ``contact_s``.
- ``side_heard``: the side that warns longest during the event. The drop has no side.
- ``cues``: changes of sound and phrases, without those about sonar's own state.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel

from sonar.lab.evaluate.labels import Kind, Truth, TruthEvent
from sonar.records import Event

EARLY_S = 1.0
LATE_S = 1.0
MERGE_S = 1.0
SPOKEN_S = 1.0  # how long a phrase is taken to last

_WARNING_BANDS = {"close", "stop"}
_WARNING_WORDS = ("stop", "head", "approaching", "step", "close")
_STATES = {"loading", "ready", "stopped", "guiding", "silence"}
What = Literal["obstacle", "drop"]
SideName = Literal["left", "center", "right"]


class Warned(BaseModel, extra="forbid", frozen=True):
    """A warning that was heard: seconds of the recording."""

    start_s: float
    end_s: float
    what: What
    side: SideName | None


class EventResult(BaseModel, extra="forbid", frozen=True):
    """A labeled event, and what was heard of it; null where nothing was."""

    kind: Kind
    side: SideName
    from_s: float
    to_s: float
    contact_s: float | None
    warned_at_s: float | None
    lead_s: float | None
    side_heard: SideName | None


class ClipResult(BaseModel, extra="forbid", frozen=True):
    """One recording."""

    name: str
    duration_s: float
    frames: int
    unseen_frames: int
    events: tuple[EventResult, ...]
    false_alarms: tuple[Warned, ...]
    cues: int


def warnings_of(events: Sequence[Event], end_s: float) -> list[Warned]:
    """The warnings among what was heard, in order of time."""
    found: list[Warned] = []
    cues = [event for event in events if event.kind == "cue"]
    ends = [*(event.t for event in cues[1:]), end_s]
    for event, until in zip(cues, ends, strict=False):  # no cue at all has one end
        if (what := _tone(event)) is not None and until > event.t:
            side = None if what == "drop" else event.side
            found.append(Warned(start_s=event.t, end_s=until, what=what, side=side))
    for event in events:
        if event.kind == "speech" and (what := _phrase(event.name)) is not None:
            side = None if what == "drop" else event.side
            until = min(end_s, event.t + SPOKEN_S)
            found.append(Warned(start_s=event.t, end_s=max(until, event.t), what=what, side=side))
    return _merged(sorted(found, key=lambda warned: warned.start_s))


def judge(
    name: str, truth: Truth, events: Sequence[Event], duration_s: float, unseen: int, frames: int
) -> ClipResult:
    """One recording's labels against what was heard in it."""
    warned = warnings_of(events, duration_s)
    return ClipResult(
        name=name,
        duration_s=duration_s,
        frames=frames,
        unseen_frames=unseen,
        events=tuple(_event(event, warned) for event in truth.events if event.needs_warning),
        false_alarms=tuple(w for w in warned if not any(_excused(w, e) for e in truth.events)),
        cues=sum(_counts(event) for event in events),
    )


def _tone(event: Event) -> What | None:
    if event.name == "drop_off":
        return "drop"
    if event.name not in ("pulse", "continuous"):
        return None
    band = event.why.split(",")[0].strip()
    return "obstacle" if band in _WARNING_BANDS or "collision in" in event.why else None


def _phrase(key: str) -> What | None:
    if key == "drop":
        return "drop"
    return "obstacle" if key.split("_")[0] in _WARNING_WORDS else None


def _merged(found: Sequence[Warned]) -> list[Warned]:
    merged: list[Warned] = []
    last: dict[tuple[What, SideName | None], int] = {}  # place of the last of a kind and side
    for warned in found:
        key = (warned.what, warned.side)
        before = merged[last[key]] if key in last else None
        if before is not None and warned.start_s - before.end_s < MERGE_S:
            end_s = max(before.end_s, warned.end_s)
            merged[last[key]] = before.model_copy(update={"end_s": end_s})
        else:
            last[key] = len(merged)
            merged.append(warned)
    return merged


def _fits(warned: Warned, event: TruthEvent) -> bool:
    return (warned.what == "drop") == (event.kind == "drop")


def _excused(warned: Warned, event: TruthEvent) -> bool:
    inside = warned.end_s >= event.from_s - EARLY_S and warned.start_s <= event.to_s + LATE_S
    return _fits(warned, event) and inside


def _event(event: TruthEvent, warned: Sequence[Warned]) -> EventResult:
    begin_s = event.from_s - EARLY_S
    heard = [
        w for w in warned if _fits(w, event) and w.end_s >= begin_s and w.start_s <= event.until_s
    ]
    at_s = max(begin_s, min(w.start_s for w in heard)) if heard else None
    lead_s = None if at_s is None or event.contact_s is None else event.contact_s - at_s
    return EventResult(
        kind=event.kind,
        side=event.side,
        from_s=event.from_s,
        to_s=event.to_s,
        contact_s=event.contact_s,
        warned_at_s=None if at_s is None else round(at_s, 3),
        lead_s=None if lead_s is None else round(lead_s, 3),
        side_heard=_longest_side(heard, begin_s, event.to_s),
    )


def _longest_side(heard: Sequence[Warned], begin_s: float, end_s: float) -> SideName | None:
    spent_s: dict[SideName, float] = {}
    for warned in heard:
        if warned.side is not None:
            inside = min(warned.end_s, end_s) - max(warned.start_s, begin_s)
            spent_s[warned.side] = spent_s.get(warned.side, 0.0) + max(0.0, inside)
    return max(spent_s, key=lambda side: spent_s[side], default=None)


def _counts(event: Event) -> bool:
    if event.kind == "speech":
        return not event.name.startswith("state_")
    return event.kind == "cue" and event.name not in _STATES
