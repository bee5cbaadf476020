"""What can be set: every key with its unit, range and meaning, read off the schema."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from typing import Any

from sonar.config import SonarConfig
from sonar.config.plain_yaml import Path, dump_scalar
from sonar.records import schema_of

UNITS = {"s": "seconds", "m": "meters", "hz": "Hz", "db": "dB", "deg": "degrees", "px": "pixels"}
UNITS |= {"wpm": "words a minute"}


@dataclass(frozen=True, slots=True)
class Key:
    """A key that holds a value, or a section: its ``path`` (``*`` is a name that the user
    chooses) and the JSON Schema of its value."""

    path: Path
    schema: dict[str, Any]

    @property
    def is_section(self) -> bool:
        return self.schema.get("type") == "object"

    @property
    def name(self) -> str:
        """Dotted, as ``--set`` takes it."""
        return ".".join(self.path)

    @property
    def meaning(self) -> str:
        """Of a section: the first paragraph of its description."""
        text = self.schema["description"].partition("\n\n")[0]
        return " ".join(text.replace("``", "").split())

    @property
    def unit(self) -> str | None:
        """From the name's ending, or None."""
        return UNITS.get(self.path[-1].rpartition("_")[2]) if "_" in self.path[-1] else None

    @property
    def allowed(self) -> str:
        """What the value may be, in words: "a number from -90 to 12", "one of pulse, quiet"."""
        return _allowed(self.schema)


@cache
def keys() -> tuple[Key, ...]:
    """Every section and every key, in their order."""
    schema = schema_of(SonarConfig)
    definitions = schema["$defs"]

    def walk(part: dict[str, Any], path: Path) -> Iterator[Key]:
        part = definitions.get(part.get("$ref", "").rpartition("/")[2], {}) | part
        if path:
            yield Key(path, part)
        for name, inner in part.get("properties", {}).items():
            yield from walk(inner, (*path, name))
        for inner in part.get("patternProperties", {}).values():
            yield from walk(inner, (*path, "*"))

    return tuple(walk(schema, ()))


def key_at(path: Path) -> Key | None:
    """The key or section at a path as written, None where there is none."""
    general = (*path[:1], "*", *path[2:]) if path[:1] == ("models",) and path[1:] else path
    return next((key for key in keys() if key.path == general), None)


def nearest(path: Path) -> Path:
    """What a wrong ``path`` means most likely: the same name elsewhere, or a like one beside it."""
    user = path[1] if len(path) > 2 else "*"
    known = [tuple(user if name == "*" else name for name in key.path) for key in keys()]

    def likeness(other: Path) -> tuple[bool, bool, float]:
        ratio = SequenceMatcher(None, ".".join(path), ".".join(other)).ratio()
        return other[-1] == path[-1], other[:-1] == path[:-1], ratio

    return max((other for other in known if "*" not in other), key=likeness)


def _allowed(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return ", or ".join(map(_allowed, schema["anyOf"]))
    if "enum" in schema:
        return "one of " + ", ".join(map(dump_scalar, schema["enum"]))
    match schema.get("type"):
        case "integer":
            return "a whole number" + _range(schema)
        case "number":
            return "a number" + _range(schema)
        case "string":
            return f"text matching {schema['pattern']}" if "pattern" in schema else "text"
        case "array":
            items = schema.get("items") or schema["prefixItems"][0]
            number = f" of {schema['minItems']}" if "prefixItems" in schema else ""
            return f"a list{number} in [ ], each {_allowed(items)}"
        case "boolean":
            return "true or false"
    return "null"


def _range(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" from {low:.12g} to {high:.12g}"
    words = {"exclusiveMinimum": "above", "maximum": "up to", "exclusiveMaximum": "below"}
    parts = [f"{word} {schema[name]:g}" for name, word in words.items() if name in schema]
    return " " + " and ".join(parts) if parts else ""
