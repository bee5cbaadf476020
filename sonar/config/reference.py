"""What can be set: every key with its unit, range and meaning, read off the models.

``python -m sonar.config.reference`` prints the commented YAML that is ``config/default.yaml``.
"""

import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from sonar.config import SonarConfig
from sonar.config._base import Section
from sonar.config.plain_yaml import Path, dump, dump_scalar
from sonar.records import schema_of

UNITS = {
    "s": "seconds",
    "m": "metres",
    "hz": "Hz",
    "db": "dB",
    "deg": "degrees",
    "px": "pixels",
    "wpm": "words a minute",
    "ms": "milliseconds",
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
class Leaf:
    """One key that holds a value.

    Attributes:
        path: section names and the key; ``*`` stands for a name that the user chooses.
        schema: JSON Schema of the value, references resolved.
        field: pydantic's description of it.
    """

    path: Path
    schema: dict[str, Any]
    field: FieldInfo

    @property
    def key(self) -> str:
        """Dotted, as ``--set`` takes it."""
        return ".".join(self.path)

    @property
    def env(self) -> str:
        """Name of its environment variable."""
        return "SONAR_" + "__".join(self.path).upper()

    @property
    def unit(self) -> str | None:
        """From the name's ending, or None."""
        return UNITS.get(self.path[-1].rpartition("_")[2]) if "_" in self.path[-1] else None


def leaves(model: type[Section] = SonarConfig, prefix: Path = ()) -> Iterator[Leaf]:
    """Every key of ``model`` and its sections, in their order."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    for name, field in model.model_fields.items():
        section, rest = section_of(field)
        if section is not None:
            yield from leaves(section, (*prefix, name, *rest))
        else:
            resolved = _resolve(schema["properties"][name], definitions)
            yield Leaf((*prefix, name), resolved, field)


def sections(model: type[Section] = SonarConfig, prefix: Path = ()) -> dict[Path, type[Section]]:
    """Every section by its path (``*`` as in :class:`Leaf`), the whole configuration as ``()``."""
    found = {prefix: model}
    for name, field in model.model_fields.items():
        section, rest = section_of(field)
        if section is not None:
            found |= sections(section, (*prefix, name, *rest))
    return found


def section_of(field: FieldInfo) -> tuple[type[Section] | None, Path]:
    """The section that a field holds, or None for a value.

    The path is ``()`` for a section and ``("*",)`` for sections by names of the user's.
    """
    kind: Any = field.annotation
    rest: Path = ()
    if get_origin(kind) is dict:
        kind, rest = get_args(kind)[1], ("*",)
    return (kind, rest) if isinstance(kind, type) and issubclass(kind, Section) else (None, ())


def allowed(schema: dict[str, Any]) -> str:
    """What a value may be, in words: "a number from -90 to 12", "one of pulse, quiet"."""
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
    if kind == "integer":
        return "a whole number" + _range(schema)
    if kind == "number":
        return "a number" + _range(schema)
    if kind == "string":
        return f"text matching {schema['pattern']}" if "pattern" in schema else "text"
    if kind == "array":
        items = schema.get("items") or schema["prefixItems"][0]
        number = f"{schema['minItems']} in" if "prefixItems" in schema else "in"
        return f"a list of {number} [ ], each {allowed(items)}"
    return "keys and values"


def reference_yaml() -> str:
    """The commented YAML of every key: meaning, unit, range, default."""
    return _HEADER + "".join(_section_yaml(SonarConfig, 0))


def dump_config(config: SonarConfig) -> str:
    """``config`` as YAML that loads back to the same configuration."""
    return dump(config.model_dump(mode="json"))


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a configuration file, for editors."""
    schema = schema_of(SonarConfig)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "sonar configuration",
    }


def _section_yaml(model: type[Section], depth: int) -> Iterator[str]:
    indent = "  " * depth
    by_name = {leaf.path[-1]: leaf for leaf in leaves(model) if len(leaf.path) == 1}
    for name, field in model.model_fields.items():
        section, rest = section_of(field)
        if section is not None:
            yield "\n" if depth == 0 else ""
            yield _comment(field.description or _first_paragraph(section), indent)
            yield f"{indent}{name}:\n"
            inner = "".join(_section_yaml(section, depth + 1 + len(rest)))
            if rest:  # a pattern to copy, not a setting
                inner = f"{indent}  NAME:\n" + inner
                inner = re.sub(f"^{indent}  ", f"{indent}  # ", inner, flags=re.MULTILINE)
            yield inner
            continue
        leaf = by_name[name]
        limits = allowed(leaf.schema)
        unit = f"{leaf.unit}; " if leaf.unit else ""
        yield _comment(f"{field.description or name} ({unit}{limits})", indent)
        yield f"{indent}{name}: {dump_scalar(leaf.schema['default'])}\n"


def _comment(text: str, indent: str) -> str:
    lines = textwrap.wrap(
        " ".join(text.replace("``", "").split()), width=98 - len(indent), break_long_words=False
    )
    return "".join(f"{indent}# {line}\n" for line in lines)


def _first_paragraph(model: type[Section]) -> str:
    return (model.__doc__ or "").strip().split("\n\n")[0]


def _range(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    parts = []
    if low is not None:
        parts.append(f"of at least {low:g}")
    if above is not None:
        parts.append(f"above {above:g}")
    if high is not None:
        parts.append(f"up to {high:g}")
    if below is not None:
        parts.append(f"below {below:g}")
    return " " + " and ".join(parts) if parts else ""


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
