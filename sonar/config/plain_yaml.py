"""YAML of which every value is a text, null, a list or a mapping, with the line of each key.

What a text means is up to the schema that reads it: YAML 1.1, where ``no`` is false and ``1:30``
is 90, has no say. Anchors and tags are refused: no configuration needs them, and an alias can
unfold into gigabytes.
"""

from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any

import yaml

from sonar.errors import ConfigError

MAX_CHARACTERS = 1_000_000
NULLS = ("", "~", "null", "Null", "NULL")
Path = tuple[str, ...]


class _Loader(yaml.BaseLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # so in the stubs
        for name, what in (("anchor", "anchors and aliases (& and *) are"), ("tag", "the tag is")):
            if getattr(event, name, None) is not None:
                raise yaml.MarkedYAMLError(
                    problem=f"{what} not used here", problem_mark=event.start_mark
                )
        return super().compose_node(parent, index)


@dataclass(slots=True)
class Document:
    """One YAML document: its value, None where it is empty, and the line (1 first) of every key."""

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)


def read(path: File, label: str) -> Document:
    """Read a file, see :func:`parse`. Also raises ConfigError where it cannot be read."""
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_CHARACTERS + 1).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{label}: not a text file in UTF-8.") from error
    except OSError as error:
        raise ConfigError(f"{label!r} cannot be read: {error.strerror or error}.") from error
    return parse(text, str(path))


def parse(text: str, label: str) -> Document:
    """Read one YAML document; ``label`` is the file's name, for messages.

    Raises ConfigError: one sentence with ``label:line`` for broken YAML, a duplicate key, a key
    that is not text, an anchor, a tag, or a document that is too large.
    """
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"{label}: too large for a configuration ({len(text)} characters).")
    document = Document()
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is not None:
            document.value = _build(node, (), label, document.lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{label}:{mark.line + 1}" if mark else label
        hint = " (indent with spaces, not tabs)" if "'\\t'" in str(error.problem) else ""
        raise ConfigError(
            f"{where}: not valid YAML: {error.problem or error.context}{hint}."
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{label}: not a text file: {' '.join(str(error).split())}.") from error
    except RecursionError as error:
        raise ConfigError(f"{label}: not a configuration: nested far too deeply.") from error
    return document


def dump(value: Any) -> str:
    """Plain data as YAML that :func:`parse` and a schema read back to the same value."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)


def dump_scalar(value: Any) -> str:
    """One value on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
    return text.removesuffix("...\n").strip()


def _build(node: yaml.Node, path: Path, label: str, lines: dict[Path, int]) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return None if node.style is None and node.value in NULLS else node.value
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, (*path, str(i)), label, lines) for i, item in enumerate(node.value)]
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        here, line = (*path, key_node.value), key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise ConfigError(f"{label}:{line}: a key must be a word.")
        if key_node.value in result:
            raise ConfigError(
                f"{label}:{line}: {'.'.join(here)} is already set on line {lines[here]}."
            )
        lines[here] = line
        result[key_node.value] = _build(value_node, here, label, lines)
    return result
