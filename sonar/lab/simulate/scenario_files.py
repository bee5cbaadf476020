"""Reads scenario files, and tells what is wrong in them."""

from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from sonar.config.plain_yaml import Document, parse
from sonar.errors import ConfigError
from sonar.lab.simulate.scenario import (
    SCHEMA,
    CameraSpec,
    Drop,
    Ground,
    Moves,
    Scenario,
    Thing,
    Walk,
    nearest,
)

MAX_BYTES = 200_000


def names() -> tuple[str, ...]:
    """The scenarios that come with sonar, in order."""
    folder = resources.files("sonar.lab.simulate") / "scenarios"
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".yaml")))


def load(which: str | Path) -> Scenario:
    """A shipped scenario by name, or one's own by its file.

    Raises:
        ConfigError: no such scenario, or a mistake in it, with its line and the nearest key.
    """
    path = Path(which)
    if str(which) in names():
        text = (resources.files("sonar.lab.simulate") / "scenarios" / f"{which}.yaml").read_text(
            "utf-8"
        )
        return read(text, f"{which}.yaml", str(which))
    if path.suffix not in (".yaml", ".yml"):
        hint = nearest(str(which), names())
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
        return f"{prefix}no such key {key}{nearest(path[-1], fields)}."
    if problem["type"] == "union_tag_invalid":
        given = str(problem["ctx"]["tag"])
        return f"{prefix}there is no kind {given!r}{nearest(given, kinds)}."
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
