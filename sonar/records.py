"""What each step of a run is, and the record of a frame and of an event, written down once.

``frames.jsonl``, ``--json``, reports and evaluation read these; docs/records.md has their JSON
Schema. A field is added within a version; renaming or removing one raises it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from sonar.types import Band, Cue, CueKind, DepthMap, Frame, Height, Reason, Scene, Side, State


def _digits(count: int) -> AfterValidator:
    return AfterValidator(partial(round, ndigits=count))


NonNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Rounded = Annotated[NonNegative, _digits(3)]


class _Record(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, serialize_by_alias=True, from_attributes=True
    )


class ZoneRecord(_Record):
    """One side at one frame."""

    proximity: Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False), _digits(4)]
    band: Band
    distance_m: Rounded | None = None
    distance_sigma_m: Rounded | None = None
    ttc_s: Rounded | None = None
    height: Height | None = None


class ZonesRecord(_Record):
    """The three sides."""

    left: ZoneRecord
    center: ZoneRecord
    right: ZoneRecord


class CueRecord(_Record):
    """What is heard from this frame on."""

    kind: CueKind
    pan: Annotated[float, Field(ge=-1.0, le=1.0), _digits(4)]
    rate_hz: Annotated[NonNegative, _digits(4)]
    pitch_hz: Annotated[NonNegative, _digits(2)]
    level_db: Annotated[float, Field(le=0.0), _digits(2)]
    priority: int
    earcon: str | None = None
    phrase: str | None = None


class FrameRecord(_Record):
    """One processed frame: ``sonar.frame/1``.

    ``t`` is media time in seconds; ``cue`` is null for silence; ``latency_ms`` maps a stage
    (capture, depth, zones, audio, total) to milliseconds.
    """

    schema_: Literal["sonar.frame/1"] = Field(default="sonar.frame/1", alias="schema")
    frame: int
    t: float
    zones: ZonesRecord
    drop_off: bool | None
    drop_off_distance_m: Rounded | None = None
    state: State
    reason: Reason | None
    cue: CueRecord | None
    latency_ms: dict[str, float]


class Event(_Record):
    """Something that was heard, or a change of state: ``sonar.event/1``.

    ``kind`` is ``cue`` (the sound changed), ``speech`` (a phrase began) or ``state``; ``name`` is
    that of the sound, the phrase or the state. ``t`` is media time in seconds since the first
    frame; ``frame`` the id of the frame that caused it, -1 before the first. ``side`` is left,
    center or right where the sound has one; ``text`` is what was said or would be said; ``why`` is
    the cause in words.

    Examples:
        >>> with sonar.open("synthetic:box") as run:
        ...     step = next(iter(run))
        >>> [event.name for event in step.events if event.kind == "state"]
        ['guiding']
    """

    schema_: Literal["sonar.event/1"] = Field(default="sonar.event/1", alias="schema")
    t: float
    frame: int
    kind: Literal["cue", "speech", "state"]
    name: str
    side: Literal["left", "center", "right"] | None = None
    text: str | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Update:
    """What is known and heard from now on, and the events since the last update, in order.

    A plain update has no frame of its own: a state is announced, or no frame came in time.
    """

    scene: Scene
    cue: Cue
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Step(Update):
    """One frame on its way through all stages.

    ``depth`` is None where the network failed; ``timings_ms`` are milliseconds by stage (capture,
    depth, zones, audio, total).

    Examples:
        >>> with sonar.open("synthetic:box") as run:
        ...     step = next(iter(run))
        >>> step.record().model_dump(by_alias=True)["schema"]
        'sonar.frame/1'
    """

    frame: Frame
    depth: DepthMap | None
    timings_ms: Mapping[str, float]

    def record(self) -> FrameRecord:
        """As it is written to ``frames.jsonl``."""
        scene, cue = self.scene, self.cue
        silent = cue.kind is CueKind.SILENCE and not cue.earcon
        return FrameRecord(
            frame=scene.frame_id,
            t=round(scene.t, 6),
            zones=ZonesRecord.model_validate(scene),
            drop_off=scene.drop_off,
            drop_off_distance_m=scene.drop_off_distance_m,
            state=scene.state,
            reason=scene.reason,
            cue=None if silent else CueRecord.model_validate(cue),
            latency_ms={stage: round(ms, 3) for stage, ms in self.timings_ms.items()},
        )


def side_of(pan: float) -> Side:
    """The side a listener would name for a pan in [-1, 1]."""
    return Side.LEFT if pan < -0.25 else Side.RIGHT if pan > 0.25 else Side.CENTER


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema of a model; its descriptions are the docstrings up to their examples."""
    schema: dict[str, Any] = model.model_json_schema()
    for part in (schema, *schema.get("$defs", {}).values()):
        if "description" in part:
            part["description"] = part["description"].partition("\n\nExamples:")[0]
    return schema
