"""What can be set: every key with its unit, range and meaning, read off the schema.

``python -m sonar.config.reference`` prints the commented YAML that is ``config/default.yaml``.
"""

import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path as FilePath
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from sonar.config.plain_yaml import Path, dump_scalar, scalar
from sonar.config.schema import Section, SonarConfig
from sonar.records import schema_of

UNITS = {
    "s": "seconds",
    "m": "meters",
    "hz": "Hz",
    "db": "dB",
    "deg": "degrees",
    "px": "pixels",
    "wpm": "words a minute",
}

_HEADER = """\
# sonar's configuration: every key with its default.
#
# Copy what you want to change into a file of your own and give it with --config FILE; keys that
# are not there keep these values. An environment variable outranks the file
# (SONAR_AUDIO__VOLUME_DB=-3), and --set audio.volume_db=-3 outranks both. An unknown key is an
# error. null means "not set".
#
# Written by `python -m sonar.config.reference`; a test holds it equal to the code.
"""


@dataclass(frozen=True, slots=True)
class Key:
    """One key that holds a value.

    Attributes:
        path: section names and the key; ``*`` stands for a name that the user chooses.
        section: where it stands.
    """

    path: Path
    section: type[Section]

    @property
    def name(self) -> str:
        """Dotted, as ``--set`` takes it."""
        return ".".join(self.path)

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return "SONAR_" + "__".join(self.path).upper()

    @property
    def field(self) -> FieldInfo:
        return self.section.model_fields[self.path[-1]]

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the value, references resolved."""
        found: dict[str, Any] = _schema(self.section)["properties"][self.path[-1]]
        return found

    @property
    def unit(self) -> str | None:
        """From the name's ending, or None."""
        return UNITS.get(self.path[-1].rpartition("_")[2]) if "_" in self.path[-1] else None

    @property
    def allowed(self) -> str:
        """What the value may be, in words: "a number from -90 to 12", "one of pulse, quiet"."""
        return allowed(self.schema)

    def value_of(self, text: str) -> Any:
        """The value that an unquoted ``text`` means here: a device may be called 5 or true."""
        kind = self.field.annotation
        kinds = [one for one in get_args(kind) or (kind,) if one is not NoneType]
        if get_origin(kind) is Literal and text in kinds:
            return text
        value = scalar(text)
        wants_text = kinds[0] in (str, FilePath) and value is not None
        return text if wants_text and not isinstance(value, str) else value


def keys(section: type[Section] = SonarConfig, prefix: Path = ()) -> Iterator[Key]:
    """Every key of ``section`` and the sections in it, in their order."""
    for name, field in section.model_fields.items():
        inner, rest = _section_of(field)
        if inner is not None:
            yield from keys(inner, (*prefix, name, *rest))
        else:
            yield Key((*prefix, name), section)


def sections(section: type[Section] = SonarConfig, prefix: Path = ()) -> dict[Path, type[Section]]:
    """Every section by its path (``*`` as in :class:`Key`), the whole configuration as ``()``."""
    found = {prefix: section}
    for name, field in section.model_fields.items():
        inner, rest = _section_of(field)
        if inner is not None:
            found |= sections(inner, (*prefix, name, *rest))
    return found


def section_at(path: Path) -> type[Section] | type[dict[str, Any]] | None:
    """The section at a path as written; ``dict`` where sections have names of the user's."""
    section: type[Section] = SonarConfig
    names = iter(path)
    for name in names:
        field = section.model_fields.get(name)
        inner, rest = _section_of(field) if field is not None else (None, ())
        if inner is None:
            return None
        if rest and next(names, None) is None:
            return dict
        section = inner
    return section


def key_at(path: Path) -> Key | None:
    """The key at a path as written, None where there is no such key."""
    section = section_at(path[:-1])
    if section is None or not issubclass(section, Section):
        return None
    field = section.model_fields.get(path[-1])
    if field is None or _section_of(field)[0] is not None:
        return None
    general = next(p for p, s in sections().items() if s is section)
    return Key((*general, path[-1]), section)


def allowed(schema: dict[str, Any]) -> str:
    """What a value may be, in words."""
    if "anyOf" in schema:
        parts = [allowed(part) for part in schema["anyOf"] if part.get("type") != "null"]
        null = any(part.get("type") == "null" for part in schema["anyOf"])
        return " or ".join(parts) + (", or null" if null else "")
    if "const" in schema:
        return dump_scalar(schema["const"])
    if "enum" in schema:
        return "one of " + ", ".join(dump_scalar(value) for value in schema["enum"])
    kind = schema.get("type")
    if kind == "boolean":
        return "true or false"
    if kind in ("integer", "number"):
        return ("a whole number" if kind == "integer" else "a number") + _range(schema)
    if kind == "string":
        return f"text matching {schema['pattern']}" if "pattern" in schema else "text"
    if kind == "array":
        items = schema.get("items") or schema["prefixItems"][0]
        number = f" of {schema['minItems']}" if "prefixItems" in schema else ""
        return f"a list{number} in [ ], each {allowed(items)}"
    return "keys and values"


def reference_yaml() -> str:
    """The commented YAML of every key: meaning, unit, range, default."""
    return _HEADER + "".join(_section_yaml(SonarConfig, 0))


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a configuration file, for editors."""
    schema = schema_of(SonarConfig)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "sonar configuration",
    }


def _section_of(field: FieldInfo) -> tuple[type[Section] | None, Path]:
    """The section that a field holds, None for a value, and ``("*",)`` where the user names it."""
    kind: Any = field.annotation
    rest: Path = ()
    if get_origin(kind) is dict:
        kind, rest = get_args(kind)[1], ("*",)
    return (kind, rest) if isinstance(kind, type) and issubclass(kind, Section) else (None, ())


def _section_yaml(section: type[Section], depth: int) -> Iterator[str]:
    indent = "  " * depth
    for name, field in section.model_fields.items():
        inner, rest = _section_of(field)
        if inner is None:
            key = Key((name,), section)
            unit = f"{key.unit}; " if key.unit else ""
            yield _comment(f"{field.description or name} ({unit}{key.allowed})", indent)
            yield f"{indent}{name}: {dump_scalar(key.schema['default'])}\n"
            continue
        yield "\n" if depth == 0 else ""
        yield _comment(field.description or about(inner), indent)
        yield f"{indent}{name}:\n"
        text = "".join(_section_yaml(inner, depth + 1 + len(rest)))
        if rest:  # a pattern to copy, not a setting
            text = f"{indent}  NAME:\n" + text
            text = re.sub(f"^{indent}  ", f"{indent}  # ", text, flags=re.MULTILINE)
        yield text


def about(section: type[Section]) -> str:
    """The first paragraph of what a section says of itself."""
    return " ".join((section.__doc__ or "").strip().split("\n\n")[0].split())


def _comment(text: str, indent: str) -> str:
    lines = textwrap.wrap(
        " ".join(text.replace("``", "").split()), width=98 - len(indent), break_long_words=False
    )
    return "".join(f"{indent}# {line}\n" for line in lines)


def _range(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" from {low:.12g} to {high:.12g}"
    words = {
        "minimum": "of at least",
        "exclusiveMinimum": "above",
        "maximum": "up to",
        "exclusiveMaximum": "below",
    }
    parts = [f"{word} {schema[name]:g}" for name, word in words.items() if name in schema]
    return " " + " and ".join(parts) if parts else ""


@cache
def _schema(section: type[Section]) -> dict[str, Any]:
    schema = section.model_json_schema()
    resolved: dict[str, Any] = _resolve(schema, schema.get("$defs", {}))
    return resolved


def _resolve(schema: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_resolve(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return {key: _resolve(value, definitions) for key, value in schema.items()}


if __name__ == "__main__":
    sys.stdout.write(reference_yaml())
