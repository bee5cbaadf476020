"""Scenarios: worlds and walks as YAML, strictly checked.

A file says what stands where, who moves, where the ground ends and which way is walked; see
``docs/simulator.md``. Plan coordinates are metres: x to the right, y ahead, at the start's heading.
"""

import difflib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from sonar.config.plain_yaml import Document, parse
from sonar.errors import ConfigError
from sonar.simulate.builder import MATERIALS

SCHEMA: Literal["sonar.scenario/1"] = "sonar.scenario/1"
MAX_BYTES = 200_000

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
        raise ValueError(f"no such material {name!r}{_nearest(name, MATERIALS)}")
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


def names() -> tuple[str, ...]:
    """The scenarios that come with sonar, in order."""
    folder = resources.files("sonar.simulate") / "scenarios"
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".yaml")))


def load(which: str | Path) -> Scenario:
    """A shipped scenario by name, or one's own by its file.

    Raises:
        ConfigError: no such scenario, or a mistake in it, with its line and the nearest key.
    """
    path = Path(which)
    if str(which) in names():
        text = (resources.files("sonar.simulate") / "scenarios" / f"{which}.yaml").read_text(
            "utf-8"
        )
        return read(text, f"{which}.yaml", str(which))
    if path.suffix not in (".yaml", ".yml"):
        hint = _nearest(str(which), names())
        raise ConfigError(f"There is no scenario {str(which)!r}{hint}; `sonar simulate --list`.")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path} is too large for a scenario.")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.") from error
    return read(text, path.name, path.stem)


def read(text: str, label: str, name: str) -> Scenario:
    """Check a scenario's text. Raises ConfigError, one sentence a mistake."""
    document = parse(text, label)
    if not isinstance(document.value, dict):
        raise ConfigError(f"{label}: a scenario is a mapping that begins with schema: {SCHEMA}.")
    try:
        return Scenario.model_validate({"name": name, **document.value})
    except ValidationError as error:
        lines = sorted({_told(problem, document, label) for problem in error.errors()})
        raise ConfigError("\n".join(lines)) from error


def _told(problem: Any, document: Document, label: str) -> str:
    kinds = _models()
    written = [str(part) for part in problem["loc"]]
    # A thing's own kind stands in the location, though it is not written in the file as a key.
    path = [p for i, p in enumerate(written) if not (i == 2 and written[0] == "things")]
    where = _line(tuple(path), document)
    prefix = f"{label}:{where}: " if where else f"{label}: "
    key = ".".join(path)
    if problem["type"] == "extra_forbidden":
        model = kinds.get(written[2]) if written[0] == "things" and len(path) == 3 else None
        fields = list(_fields(path, model))
        return f"{prefix}no such key {key}{_nearest(path[-1], fields)}."
    if problem["type"] == "union_tag_invalid":
        given = str(problem["ctx"]["tag"])
        return f"{prefix}there is no kind {given!r}{_nearest(given, kinds)}."
    message = problem["msg"].removeprefix("Value error, ")
    return f"{prefix}{key}: {message[:1].lower()}{message[1:]}."


def _line(path: tuple[str, ...], document: Document) -> int | None:
    for n in range(len(path), 0, -1):
        if path[:n] in document.lines:
            return document.lines[path[:n]]
        inside = [line for key, line in document.lines.items() if key[:n] == path[:n]]
        if inside:
            return min(inside)
    return None


def _models() -> dict[str, type[BaseModel]]:
    union = get_args(Thing)[0]
    return {
        kind: model
        for model in get_args(union)
        for kind in get_args(model.model_fields["kind"].annotation)
    }


def _fields(path: list[str], thing: type[BaseModel] | None) -> Iterator[str]:
    """The keys allowed beside the last one of ``path``."""
    if thing is not None:
        yield from thing.model_fields
        return
    sections: Mapping[str, type[BaseModel]] = {
        "ground": Ground,
        "camera": CameraSpec,
        "walk": Walk,
        "drops": Drop,
        "things": Moves,
    }
    model = sections.get(path[0], Scenario) if len(path) > 1 else Scenario
    for name, field in model.model_fields.items():
        yield field.alias or name


def _nearest(
    word: str, known: Iterator[str] | Mapping[str, Any] | list[str] | tuple[str, ...]
) -> str:
    match = difflib.get_close_matches(word, list(known), n=1, cutoff=0.0)
    return f"; the nearest is {match[0]}" if match else ""
