"""Recordings with labeled events, replayed, and their figures; for what is counted see
:mod:`sonar.lab.evaluate.heard`.

- ``warning_recall``: share of the events that are warned of.
- ``false_alarms_per_minute``; ``cues_per_minute``: how often something sounds.
- ``lead_median_s``: over the warned events that have a contact. ``warned_1s_ahead``: share of all
  events with a contact that are warned of at least a second before it.
- ``side_accuracy``: over the warned events that are no drops, share in which the side that warns
  longest is theirs.
- ``ci``: 95 % intervals by resampling recordings (seeded); null for fewer than two.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sonar.config import SonarConfig
from sonar.errors import SourceError
from sonar.lab.evaluate.figures import Figures, Indices, Values, drawn, quantiles, rounded
from sonar.lab.evaluate.heard import ClipResult, judge
from sonar.lab.evaluate.labels import Clip
from sonar.replay.regression import read_events

RESAMPLES = 1000
WALK_FIGURES = {
    "warning_recall": "warned events",
    "false_alarms_per_minute": "false alarms per minute",
    "lead_median_s": "lead before contact, median s",
    "warned_1s_ahead": "warned a second before contact",
    "side_accuracy": "right side",
    "cues_per_minute": "sounds and phrases per minute",
}


def read_clip(clip: Clip, config: SonarConfig) -> ClipResult:
    """Replay a labeled recording and judge what was heard. Raises SonarError."""
    from sonar.replay.session import replay

    with tempfile.TemporaryDirectory(prefix="sonar-evaluate-") as folder:
        out = Path(folder)
        result = replay(str(clip.video), out, clip.config(config), video=False)
        if result.outcome.error is not None:
            raise result.outcome.error
        if not result.outcome.frames:
            raise SourceError(f"{clip.video} holds no frame.")
        return judge(
            clip.name,
            clip.truth,
            read_events(out),
            float(result.summary["duration_s"]),
            result.outcome.degraded,
            result.outcome.frames,
        )


def walk_figures(clips: Sequence[ClipResult], seed: int = 0) -> Figures:
    """``clips``, ``minutes``, ``events``, each of :data:`WALK_FIGURES` (None where there is nothing
    to count), ``by_kind`` (kind -> events, warned), ``recordings`` and ``ci``."""

    def over(picked: Indices) -> Values:
        return _figures([clips[index] for index in picked])

    events = [event for clip in clips for event in clip.events]
    by_kind: dict[str, dict[str, int]] = {}
    for kind in ("obstacle", "drop", "person", "head"):
        warned = [event.warned_at_s is not None for event in events if event.kind == kind]
        if warned:
            by_kind[kind] = {"events": len(warned), "warned": sum(warned)}
    whole = _figures(clips)
    return {
        "clips": len(clips),
        "minutes": round(_minutes(clips), 3),
        "events": len(events),
        **rounded(whole),
        "by_kind": by_kind,
        "recordings": [clip.model_dump(mode="json") for clip in clips],
        "ci": quantiles(whole, drawn(len(clips), over, times=RESAMPLES, seed=seed)),
    }


def _figures(clips: Sequence[ClipResult]) -> Values:
    events = [event for clip in clips for event in clip.events]
    warned = [event for event in events if event.warned_at_s is not None]
    leads = [event.lead_s for event in events if event.lead_s is not None]
    touched = [event.lead_s for event in events if event.contact_s is not None]
    minutes = _minutes(clips)
    alarms, cues = sum(len(clip.false_alarms) for clip in clips), sum(clip.cues for clip in clips)
    return {
        "warning_recall": _share([event.warned_at_s is not None for event in events]),
        "false_alarms_per_minute": alarms / minutes if minutes else None,
        "lead_median_s": float(np.median(leads)) if leads else None,
        "warned_1s_ahead": _share([lead is not None and lead >= 1.0 for lead in touched]),
        "side_accuracy": _share([e.side_heard == e.side for e in warned if e.kind != "drop"]),
        "cues_per_minute": cues / minutes if minutes else None,
    }


def _minutes(clips: Sequence[ClipResult]) -> float:
    return sum(clip.duration_s for clip in clips) / 60.0


def _share(hits: Sequence[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None
