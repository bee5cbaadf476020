"""Scenarios: worlds and walks as YAML, strictly checked.

A file names the obstacles, who moves, where the ground ends and which way is walked; see
``docs/simulator.md``. Plan coordinates are meters: x to the right, y ahead, at the start's heading.
"""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from sonar.config.plain_yaml import Document, parse
from sonar.errors import ConfigError
from sonar.lab.simulate.scene.builder import MATERIALS

FOLDER = Path(__file__).parent / "scenarios"
MAX_BYTES = 200_000

Coordinate = Annotated[float, Field(ge=-200.0, le=200.0, allow_inf_nan=False)]
Length = Annotated[float, Field(gt=0.0, le=100.0, allow_inf_nan=False)]
Above = Annotated[float, Field(ge=0.0, le=10.0, allow_inf_nan=False)]
Speed = Annotated[float, Field(gt=0.0, le=10.0, allow_inf_nan=False)]
Angle = Annotated[float, Field(ge=-360.0, le=360.0, allow_inf_nan=False)]
Scale = Annotated[float, Field(ge=0.5, le=2.0)]
Point = tuple[Coordinate, Coordinate]
Area = tuple[Coordinate, Coordinate, Coordinate, Coordinate]
Light = Literal["day", "indoor", "dim", "night", "glare"]


def _known_material(name: str) -> str:
    if name not in MATERIALS:
        raise ValueError(f"no such material {name!r}{nearest(name, MATERIALS)}")
    return name


Material = Annotated[str, AfterValidator(_known_material)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Moves(_Strict):
    """Goes along ``to`` from where it is; ``loop``: back and forth for ever.

    Starts when the walker is as near as ``trigger_m``; None is at once.
    """

    to: Annotated[tuple[Point, ...], Field(min_length=1)]
    speed_mps: Speed = 1.2
    trigger_m: Length | None = None
    loop: bool = False


class Wall(_Strict):
    """An upright wall between two points."""

    kind: Literal["wall"]
    start: Point
    end: Point
    height_m: Length = 2.6
    thick_m: Length = 0.15
    material: Material = "wallpaper"


class Block(_Strict):
    """A box: ``size`` is width (x), depth (y), height; ``bottom_m`` above the ground."""

    kind: Literal["box"]
    at: Point
    size: tuple[Length, Length, Length]
    bottom_m: Above = 0.0
    turn_deg: Angle = 0.0
    material: Material = "carton"


class Pole(_Strict):
    """A round post; thick ones are pillars, low ones bollards or bins."""

    kind: Literal["pole"]
    at: Point
    radius_m: Length = 0.06
    height_m: Length = 2.4
    bottom_m: Above = 0.0
    material: Material = "steel"


class _Placed(_Strict):
    at: Point
    turn_deg: Angle = 0.0
    scale: Scale = 1.0
    moves: Moves | None = None


class Furniture(_Placed):
    """Something of a usual size, turned and scaled as a whole; people and furniture may move.

    A bicycle that moves is ridden. ``hanging_plant`` and the branch of a ``tree`` are at head
    height.
    """

    kind: (
        Literal["person", "bicycle", "car", "tree"]
        | Literal["table", "chair", "bench", "plant", "hanging_plant"]
    )


class Shape(NamedTuple):
    """A part about the origin of its thing: ``size`` is MuJoCo's for the shape, see
    :class:`sonar.lab.simulate.scene.builder.Part`."""

    shape: Literal["box", "sphere", "cylinder", "capsule", "ellipsoid"]
    at: tuple[Coordinate, Coordinate, Coordinate]
    size: Annotated[tuple[Length, ...], Field(min_length=1, max_length=3)]
    material: Material
    turn_deg: Angle = 0.0


class Parts(_Placed):
    """One thing made of several shapes."""

    kind: Literal["parts"]
    parts: Annotated[tuple[Shape, ...], Field(min_length=1)]


class Stairs(_Strict):
    """``steps`` up along +y from ``at``, the middle of the lowest one's front edge."""

    kind: Literal["stairs"]
    at: Point
    width_m: Length = 1.2
    steps: Annotated[int, Field(ge=1, le=40)]
    rise_m: Length = 0.17
    run_m: Length = 0.29
    material: Material = "concrete"


Thing = Annotated[Wall | Block | Pole | Stairs | Furniture | Parts, Field(discriminator="kind")]


class Drop(_Strict):
    """Ground that lies lower: a road behind a curb, a hatch, or ``steps`` down along +y."""

    area: Area
    depth_m: Annotated[float, Field(gt=0.0, le=5.0)]
    steps: Annotated[int, Field(ge=0, le=40)] = 0
    rise_m: Length = 0.17
    run_m: Length = 0.29
    material: Material = "concrete"


class Ground(_Strict):
    """What is walked on, and what is overhead; without ``ceiling_m`` there is sky."""

    area: Area
    material: Material = "oak floor"
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
    return tuple(sorted(file.stem for file in FOLDER.glob("*.yaml")))


def load(which: str | Path) -> Scenario:
    """A shipped scenario by name, or one's own by its file.

    Raises:
        ConfigError: no such scenario, or a mistake in it, with its line and the nearest key.
    """
    path = FOLDER / f"{which}.yaml" if str(which) in names() else Path(which)
    if path.suffix not in (".yaml", ".yml"):
        hint = nearest(str(which), names())
        raise ConfigError(f"There is no scenario {str(which)!r}{hint}; see `sonar simulate`.")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path} is too large for a scenario.")
        return read(path.read_text(encoding="utf-8"), path.name, path.stem)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.") from error


def read(text: str, label: str, name: str) -> Scenario:
    """Check a scenario's text. Raises ConfigError, one sentence a mistake."""
    document = parse(text, label)
    if not isinstance(document.value, dict):
        raise ConfigError(f"{label}: a scenario is a mapping that begins with schema:.")
    try:
        return Scenario.model_validate({"name": name, **document.value})
    except ValidationError as error:
        sentences = sorted({_sentence(each, document, label) for each in error.errors()})
        raise ConfigError("\n".join(sentences)) from error


def nearest(word: str, known: Iterable[str]) -> str:
    """``; the nearest is ...``, for messages."""
    match = difflib.get_close_matches(word, list(known), n=1, cutoff=0.0)
    return f"; the nearest is {match[0]}" if match else ""


def _sentence(problem: Any, document: Document, label: str) -> str:
    models = get_args(get_args(Thing)[0])
    loc = [str(part) for part in problem["loc"]]
    if loc[0] == "things":
        del loc[2:3]  # the kind is part of the location, though no key of the file
    path = tuple(loc)
    inside = [
        line
        for n in range(len(path), 0, -1)
        for key, line in document.lines.items()
        if key[:n] == path[:n]
    ]
    prefix = f"{label}:{inside[0]}: " if inside else f"{label}: "
    key = ".".join(path)
    if problem["type"] == "extra_forbidden":
        every = (*models, Moves, Drop, Ground, CameraSpec, Walk, Scenario)
        fields = {f.alias or name for model in every for name, f in model.model_fields.items()}
        return f"{prefix}no such key {key}{nearest(path[-1], sorted(fields))}."
    if problem["type"] == "union_tag_invalid":
        kinds = problem["ctx"]["expected_tags"].replace("'", "").split(", ")
        given = str(problem["ctx"]["tag"])
        return f"{prefix}there is no kind {given!r}{nearest(given, kinds)}."
    message = problem["msg"].removeprefix("Value error, ")
    return f"{prefix}{key}: {message[:1].lower()}{message[1:]}."
