"""What each step of a run is, and the record of a frame and of an event, written down once.

``frames.jsonl``, ``--json``, reports, evaluation and tests all read these; ``sonar config
schema --records`` exports them as JSON Schema. A field is added within a version; renaming or
removing one raises it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sonar.types import Band, Cue, CueKind, DepthMap, Frame, Height, Reason, Scene, State

FRAME_SCHEMA: Literal["sonar.frame/1"] = "sonar.frame/1"
EVENT_SCHEMA: Literal["sonar.event/1"] = "sonar.event/1"

NonNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Unit = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)


class ZoneRecord(_Record):
    """One side at one frame."""

    proximity: Unit
    band: Band
    distance_m: NonNegative | None = None
    distance_sigma_m: NonNegative | None = None
    ttc_s: NonNegative | None = None
    height: Height | None = None


class ZonesRecord(_Record):
    """The three sides."""

    left: ZoneRecord
    center: ZoneRecord
    right: ZoneRecord

    @classmethod
    def of(cls, scene: Scene) -> "ZonesRecord":
        """The zones of a scene, rounded."""
        left, center, right = (
            ZoneRecord(
                **_rounded(zone, distance_m=3, distance_sigma_m=3, ttc_s=3, proximity=4),
                band=zone.band,
                height=zone.height,
            )
            for zone in scene.zones
        )
        return cls(left=left, center=center, right=right)


class CueRecord(_Record):
    """What is heard from this frame on."""

    kind: CueKind
    pan: Annotated[float, Field(ge=-1.0, le=1.0)]
    rate_hz: NonNegative
    pitch_hz: NonNegative
    level_db: Annotated[float, Field(le=0.0)]
    priority: int
    earcon: str | None = None
    phrase: str | None = None


class FrameRecord(_Record):
    """One processed frame: ``sonar.frame/1``.

    ``t`` is media time in seconds; ``cue`` is null for silence; ``latency_ms`` maps a stage
    (capture, depth, zones, audio, total) to milliseconds.
    """

    schema_: Literal["sonar.frame/1"] = Field(default=FRAME_SCHEMA, alias="schema")
    frame: int
    t: float
    zones: ZonesRecord
    drop_off: bool | None
    drop_off_distance_m: NonNegative | None = None
    state: State
    reason: Reason | None
    cue: CueRecord | None
    latency_ms: dict[str, float]

    @classmethod
    def of(cls, scene: Scene, cue: Cue, latency_ms: Mapping[str, float]) -> "FrameRecord":
        """The record of a frame, rounded."""
        heard = None
        if cue.kind is not CueKind.SILENCE or cue.earcon:
            numbers = _rounded(cue, pan=4, rate_hz=4, pitch_hz=2, level_db=2)
            rest = {"priority": int(cue.priority), "earcon": cue.earcon, "phrase": cue.phrase}
            heard = CueRecord(kind=cue.kind, **numbers, **rest)
        return cls(
            frame=scene.frame_id,
            **_rounded(scene, t=6, drop_off_distance_m=3),
            zones=ZonesRecord.of(scene),
            drop_off=scene.drop_off,
            state=scene.state,
            reason=scene.reason,
            cue=heard,
            latency_ms={stage: round(ms, 3) for stage, ms in latency_ms.items()},
        )


def _rounded(source: object, **digits: int) -> dict[str, Any]:
    """Attributes of ``source`` by name, rounded to so many digits; None stays None."""
    values = {name: getattr(source, name) for name in digits}
    return {name: v if v is None else round(v, digits[name]) for name, v in values.items()}


class Event(_Record):
    """Something that was heard, or a change of state: ``sonar.event/1``.

    ``kind`` is ``cue`` (the sound changed), ``speech`` (a phrase began) or ``state``.
    ``side`` is left, center or right where the sound has one; ``text`` is what was said or
    would be said; ``why`` is the cause in words.

    Attributes:
        t: media time in seconds since the first frame.
        frame: id of the frame that caused it; -1 before the first.
        name: of the sound, the phrase or the state.

    Examples:
        >>> import sonar
        >>> with sonar.open("synthetic:box") as run:
        ...     step = next(iter(run))
        >>> [event.name for event in step.events if event.kind == "state"]
        ['guiding']
    """

    schema_: Literal["sonar.event/1"] = Field(default=EVENT_SCHEMA, alias="schema")
    t: float
    frame: int
    kind: Literal["cue", "speech", "state"]
    name: str
    side: Literal["left", "center", "right"] | None = None
    text: str | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Update:
    """What is known and heard from now on.

    A plain update has no frame of its own: a state is announced, or no frame came in time.

    Attributes:
        scene: what is known; every band is unknown where there is no frame.
        cue: what was handed to the sound output.
        events: what changed or began to sound since the last update, in order.
    """

    scene: Scene
    cue: Cue
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Step(Update):
    """One frame on its way through all stages.

    Attributes:
        frame: as the source gave it.
        depth: its depth map, or None where the network failed.
        timings_ms: milliseconds by stage (capture, depth, zones, audio, total).

    Examples:
        >>> import sonar
        >>> with sonar.open("synthetic:box") as run:
        ...     step = next(iter(run))
        >>> step.scene.frame_id == step.frame.id == 0
        True
        >>> step.record().model_dump(by_alias=True)["schema"]
        'sonar.frame/1'
    """

    frame: Frame
    depth: DepthMap | None
    timings_ms: Mapping[str, float]

    def record(self) -> FrameRecord:
        """As it is written to ``frames.jsonl``."""
        return FrameRecord.of(self.scene, self.cue, self.timings_ms)


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema of a model; its descriptions are the docstrings up to their examples."""
    schema: dict[str, Any] = model.model_json_schema()
    for part in (schema, *schema.get("$defs", {}).values()):
        if "description" in part:
            part["description"] = part["description"].partition("\n\nExamples:")[0]
    return schema
