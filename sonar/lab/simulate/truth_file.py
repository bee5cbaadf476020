"""What was really there in a recorded walk: ``events_truth.yaml``, schema ``sonar.truth/1``."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sonar.config import BandEdges
from sonar.config.plain_yaml import dump
from sonar.errors import OutputError
from sonar.lab.evaluate.labels import FOLDER_LABELS, Kind, Truth, TruthEvent
from sonar.types import Side

BRIDGE_S = 0.5  # a thing out of sight for less is the same event
SHORTEST_S = 0.4
UNSEEN_S = 3.0  # what is touched left the picture at most this long before
CLOSE_M = BandEdges().close_m
CHAIN_S = 8.0  # and came into the way at most this long before


def write_truth(truth: Truth, folder: Path) -> Path:
    """Write ``events_truth.yaml`` into ``folder``. Raises OutputError."""
    path = folder / FOLDER_LABELS
    try:
        path.write_text(dump(truth.model_dump(mode="json")), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}.") from error
    return path


@dataclass(slots=True)
class _Span:
    thing: str
    kind: Kind
    side: Side
    from_s: float
    to_s: float
    nearest_m: float
    contact_s: float | None = None


@dataclass(slots=True)
class EventLog:
    """Collects what is nearest, moment by moment, into events."""

    _spans: list[_Span] = field(default_factory=list)

    def seen(self, t: float, thing: str, kind: Kind, side: Side, distance_m: float) -> None:
        """``thing`` is in the way at ``t``."""
        for span in reversed(self._spans):
            if (span.thing, span.side) == (thing, side) and t - span.to_s <= BRIDGE_S:
                span.to_s, span.nearest_m = t, min(span.nearest_m, distance_m)
                return
        self._spans.append(_Span(thing, kind, side, t, t, distance_m))

    def touched(self, t: float, thing: str, kind: Kind, side: Side) -> None:
        """``thing`` was touched at ``t``, perhaps already out of the camera's view.

        The contact belongs to the event in which the thing came into the way: sides change in
        the last steps.
        """
        own = [s for s in self._spans if s.thing == thing and t - s.from_s <= CHAIN_S]
        if not own or t - max(s.to_s for s in own) > UNSEEN_S:
            self._spans.append(_Span(thing, kind, side, t, t, 0.0, t))
            return
        first = min(own, key=lambda s: s.from_s)
        first.nearest_m = 0.0
        if first.contact_s is None:
            first.contact_s = t

    def events(self) -> Sequence[TruthEvent]:
        """Those to be warned of, in the order of their beginning: what was touched, drops, and
        what came within the close band for more than a glimpse."""
        return [
            TruthEvent(
                from_s=round(s.from_s, 3),
                to_s=round(s.to_s, 3),
                kind=s.kind,
                side=s.side.value,
                nearest_m=round(s.nearest_m, 3),
                contact_s=None if s.contact_s is None else round(s.contact_s, 3),
            )
            for s in sorted(self._spans, key=lambda s: (s.from_s, s.thing))
            if s.contact_s is not None
            or (s.to_s - s.from_s >= SHORTEST_S and (s.kind == "drop" or s.nearest_m <= CLOSE_M))
        ]
