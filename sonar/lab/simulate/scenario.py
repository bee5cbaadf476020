"""Scenarios: worlds and walks as YAML, strictly checked.

A file says what stands where, who moves, where the ground ends and which way is walked; see
``docs/simulator.md``. Plan coordinates are metres: x to the right, y ahead, at the start's heading.
"""

import difflib
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sonar.lab.simulate.scene.builder import MATERIALS

SCHEMA: Literal["sonar.scenario/1"] = "sonar.scenario/1"

Coordinate = Annotated[float, Field(ge=-200.0, le=200.0, allow_inf_nan=False)]
Length = Annotated[float, Field(gt=0.0, le=100.0, allow_inf_nan=False)]
Above = Annotated[float, Field(ge=0.0, le=10.0, allow_inf_nan=False)]
Speed = Annotated[float, Field(gt=0.0, le=10.0, allow_inf_nan=False)]
Angle = Annotated[float, Field(ge=-360.0, le=360.0, allow_inf_nan=False)]
Point = tuple[Coordinate, Coordinate]
Area = tuple[Coordinate, Coordinate, Coordinate, Coordinate]
Light = Literal["day", "indoor", "dim", "night", "glare"]


def _material(name: str) -> str:
    if name not in MATERIALS:
        raise ValueError(f"no such material {name!r}{nearest(name, MATERIALS)}")
    return name


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("material", check_fields=False)
    @classmethod
    def _known_material(cls, name: str) -> str:
        return _material(name)


class Moves(_Strict):
    """Goes along ``to`` from where it stands; ``loop``: back and forth for ever."""

    to: Annotated[tuple[Point, ...], Field(min_length=1)]
    speed_mps: Speed = 1.2
    trigger_m: Length | None = Field(
        None, description="starts when the walker is this near; none = at once"
    )
    loop: bool = False


class Wall(_Strict):
    """An upright wall between two points."""

    kind: Literal["wall"]
    start: Point
    end: Point
    height_m: Length = 2.6
    thick_m: Length = 0.15
    material: str = "wallpaper"


class Block(_Strict):
    """A box: ``size`` is width (x), depth (y), height; ``bottom_m`` above the ground."""

    kind: Literal["box"]
    at: Point
    size: tuple[Length, Length, Length]
    bottom_m: Above = 0.0
    turn_deg: Angle = 0.0
    material: str = "carton"


class Pole(_Strict):
    """A round post; thick ones are pillars, low ones bollards or bins."""

    kind: Literal["pole"]
    at: Point
    radius_m: Length = 0.06
    height_m: Length = 2.4
    bottom_m: Above = 0.0
    material: str = "steel"


class Furniture(_Strict):
    """Something of a usual size: a table, a chair, a bench, a plant, a hanging plant, a car."""

    kind: Literal["table", "chair", "bench", "plant", "hanging_plant", "car"]
    at: Point
    turn_deg: Angle = 0.0


class Tree(_Strict):
    """A trunk with a branch that hangs ``low_m`` above the ground along ``branch`` from it."""

    kind: Literal["tree"]
    at: Point
    branch: Point
    low_m: Annotated[float, Field(ge=1.2, le=3.0)] = 1.4


class Doorway(_Strict):
    """A wall with an opening of ``width_m`` whose middle is ``at``, and a lintel above it."""

    kind: Literal["doorway"]
    at: Point
    start: Point
    end: Point
    width_m: Length = 0.95
    height_m: Length = 2.05
    material: str = "wallpaper"

    @model_validator(mode="after")
    def _across(self) -> "Doorway":
        if not (self.start[1] == self.end[1] == self.at[1] and self.start[0] < self.end[0]):
            raise ValueError("start, at and end must share y, start left of end")
        return self


class Clutter(_Strict):
    """``count`` boxes and stools strewn over ``area`` (x0, y0, x1, y1); the same for a seed."""

    kind: Literal["clutter"]
    area: Area
    count: Annotated[int, Field(ge=1, le=60)]
    seed: int = 0


class Person(_Strict):
    """Somebody standing, or walking."""

    kind: Literal["person"]
    at: Point
    moves: Moves | None = None


class Bicycle(_Strict):
    """Parked, or ridden by somebody when it ``moves``."""

    kind: Literal["bicycle"]
    at: Point
    turn_deg: Angle = 0.0
    moves: Moves | None = None


Thing = Annotated[
    Wall | Block | Pole | Furniture | Tree | Doorway | Clutter | Person | Bicycle,
    Field(discriminator="kind"),
]


class Drop(_Strict):
    """Ground that lies lower: a road behind a kerb, a hatch, or ``steps`` down along +y."""

    area: Area
    depth_m: Annotated[float, Field(gt=0.0, le=5.0)]
    steps: Annotated[int, Field(ge=0, le=40)] = 0
    material: str = "concrete"


class Ground(_Strict):
    """What is walked on, and what is overhead; without ``ceiling_m`` there is sky."""

    area: Area
    material: str = "oak floor"
    ceiling_m: Length | None = None


class CameraSpec(_Strict):
    """The camera on the walker's chest."""

    height_m: Annotated[float, Field(ge=0.3, le=2.2)] = 1.35
    pitch_deg: Annotated[float, Field(ge=-20.0, le=60.0)] = 10.0
    hfov_deg: Annotated[float, Field(ge=30.0, le=120.0)] = 62.0


class Walk(_Strict):
    """Where the walker starts and wants to go.

    ``route`` are the turning points that the walker knows the direction of, the last one is the
    goal. ``path`` is what the recorded walk follows; none = the route.
    """

    start: Point = (0.0, 0.0)
    route: Annotated[tuple[Point, ...], Field(min_length=1)]
    path: tuple[Point, ...] = ()
    speed_mps: Speed = 1.0


class Scenario(_Strict):
    """One scenario; ``name`` is the file's."""

    schema_: Literal["sonar.scenario/1"] = Field(alias="schema")
    about: Annotated[str, Field(min_length=1)]
    name: str = ""
    light: Light = "indoor"
    camera: CameraSpec = CameraSpec()
    ground: Ground
    things: tuple[Thing, ...] = ()
    drops: tuple[Drop, ...] = ()
    walk: Walk


def nearest(word: str, known: Iterable[str]) -> str:
    """``; the nearest is ...``, for messages."""
    match = difflib.get_close_matches(word, list(known), n=1, cutoff=0.0)
    return f"; the nearest is {match[0]}" if match else ""
