"""The figures of recordings with labeled events; for what is counted see
:mod:`sonar.replay.heard`.

- ``warning_recall``: share of the events that are warned of.
- ``false_alarms_per_minute``; ``cues_per_minute``: how much it talks.
- ``lead_median_s``: over the warned events that have a contact. ``warned_1s_ahead``: share of all
  events with a contact that are warned of at least a second before it.
- ``side_accuracy``: over the warned events that are no drops, share in which the side that warns
  longest is theirs.
- ``ci``: 95 % intervals by resampling recordings (seeded); null for fewer than two.
"""

from collections.abc import Callable, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from sonar.lab.evaluate.figures import Values, intervals
from sonar.replay.heard import ClipResult

RESAMPLES = 1000
Figure = Annotated[float, Field(allow_inf_nan=False)] | None
FIGURES = (
    "warning_recall",
    "false_alarms_per_minute",
    "lead_median_s",
    "warned_1s_ahead",
    "side_accuracy",
    "cues_per_minute",
)


class KindCount(BaseModel, extra="forbid", frozen=True):
    """Events of one kind."""

    events: int
    warned: int


class WalkFigures(BaseModel, extra="forbid", frozen=True):
    """The figures over all recordings; null where there is nothing to count."""

    clips: int
    minutes: float
    events: int
    warning_recall: Figure
    false_alarms_per_minute: Figure
    lead_median_s: Figure
    warned_1s_ahead: Figure
    side_accuracy: Figure
    cues_per_minute: Figure
    by_kind: dict[str, KindCount]
    ci: dict[str, tuple[float, float] | None]


def walk_figures(clips: Sequence[ClipResult], seed: int = 0) -> WalkFigures:
    """All figures of some recordings."""

    def over(picked: NDArray[np.intp]) -> Values:
        some = [clips[index] for index in picked]
        return {name: _FIGURES[name](some) for name in FIGURES}

    values = over(np.arange(len(clips)))
    counts: dict[str, KindCount] = {}
    for kind in ("obstacle", "drop", "person", "head"):
        some = [event for clip in clips for event in clip.events if event.kind == kind]
        if some:
            warned = sum(event.warned_at_s is not None for event in some)
            counts[kind] = KindCount(events=len(some), warned=warned)
    return WalkFigures(
        clips=len(clips),
        minutes=round(_minutes(clips), 3),
        events=sum(len(clip.events) for clip in clips),
        by_kind=counts,
        ci=intervals(values, len(clips), over, times=RESAMPLES, seed=seed),
        **{name: None if v is None else round(v, 4) for name, v in values.items()},
    )


def _minutes(clips: Sequence[ClipResult]) -> float:
    return sum(clip.duration_s for clip in clips) / 60.0


def _share(hits: Sequence[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


def _recall(clips: Sequence[ClipResult]) -> float | None:
    return _share([event.warned_at_s is not None for clip in clips for event in clip.events])


def _false_alarms(clips: Sequence[ClipResult]) -> float | None:
    minutes = _minutes(clips)
    return sum(len(clip.false_alarms) for clip in clips) / minutes if minutes else None


def _lead(clips: Sequence[ClipResult]) -> float | None:
    leads = [e.lead_s for clip in clips for e in clip.events if e.lead_s is not None]
    return float(np.median(leads)) if leads else None


def _ahead(clips: Sequence[ClipResult]) -> float | None:
    return _share(
        [
            event.lead_s is not None and event.lead_s >= 1.0
            for clip in clips
            for event in clip.events
            if event.contact_s is not None
        ]
    )


def _side(clips: Sequence[ClipResult]) -> float | None:
    return _share(
        [
            event.side_heard == event.side
            for clip in clips
            for event in clip.events
            if event.warned_at_s is not None and event.kind != "drop"
        ]
    )


def _chatter(clips: Sequence[ClipResult]) -> float | None:
    minutes = _minutes(clips)
    return sum(clip.cues for clip in clips) / minutes if minutes else None


_FIGURES: dict[str, Callable[[Sequence[ClipResult]], float | None]] = {
    "warning_recall": _recall,
    "false_alarms_per_minute": _false_alarms,
    "lead_median_s": _lead,
    "warned_1s_ahead": _ahead,
    "side_accuracy": _side,
    "cues_per_minute": _chatter,
}
