"""YAML 1.2's plain values, with the line each key stands on.

PyYAML reads YAML 1.1, where ``no`` is false, ``1:30`` is 90 and ``1e3`` is text; a
configuration file is read by people who expect none of that. Anchors and tags are refused: no
configuration needs them, and an alias can unfold into gigabytes.
"""

import math
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from sonar.errors import ConfigError

MAX_CHARACTERS = 1_000_000
_MAP, _SEQ, _STR = "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:str"
_NULL, _BOOL = "tag:yaml.org,2002:null", "tag:yaml.org,2002:bool"
_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"

Path = tuple[str, ...]

_RESOLVERS = (
    (_NULL, re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    (_BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    (_INT, re.compile(r"^(?:[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+)$"), list("-+0123456789")),
    (
        _FLOAT,
        re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"),
        list("-+.0123456789"),
    ),
)


class _Loader(yaml.SafeLoader):
    """Composes nodes only; values are built by :func:`_build`."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 - PyYAML's own way

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # so in the stubs
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yaml.MarkedYAMLError(
                problem="anchors and aliases (& and *) are not used here",
                problem_mark=event.start_mark,
            )
        return super().compose_node(parent, index)


class _Dumper(yaml.SafeDumper):
    """Quotes whatever YAML 1.1 or 1.2 would take for something other than text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _tag, _pattern, _first in _RESOLVERS:
    _Loader.add_implicit_resolver(_tag, _pattern, _first)
    _Dumper.add_implicit_resolver(_tag, _pattern, _first)


@dataclass(slots=True)
class Document:
    """One YAML document.

    Attributes:
        value: plain data; None for an empty document.
        lines: the line (1 first) of every key.
        raw: the text of every unquoted scalar that was read as a number, true, false or null.
    """

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    raw: dict[Path, str] = field(default_factory=dict)


def parse(text: str, label: str) -> Document:
    """Read one YAML document.

    Args:
        text: the document.
        label: the file's name, for messages.

    Raises:
        ConfigError: one sentence with ``label:line`` for broken YAML, a duplicate key, a key
            that is not text, an anchor, a tag, or a document that is too large.
    """
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"{label}: too large for a configuration ({len(text)} characters).")
    document = Document()
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is not None:
            document.value = _build(node, (), label, document)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{label}:{mark.line + 1}" if mark else label
        hint = " (indent with spaces, not tabs)" if "'\\t'" in str(error.problem) else ""
        raise ConfigError(
            f"{where}: not valid YAML: {error.problem or error.context}{hint}."
        ) from error
    except yaml.reader.ReaderError as error:
        raise ConfigError(
            f"{label}: not a text file: {error.reason} at character {error.position}."
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{label}: not valid YAML: {_one_line(error)}.") from error
    except RecursionError as error:
        raise ConfigError(f"{label}: not a configuration: nested far too deeply.") from error
    return document


def scalar(text: str) -> Any:
    """The plain value of an override's text (``-3``, ``null``, ``[0.1, 0.2]``), else the text.

    Text that is no YAML (``@``, ``[``) is taken literally: device names may hold anything.
    """
    try:
        return parse(text, "override").value
    except ConfigError:
        return text


def dump(value: Any) -> str:
    """Plain data as YAML that :func:`parse` reads back to the same value."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def dump_scalar(value: Any) -> str:
    """One value on one line."""
    text = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, allow_unicode=True, width=10_000
    )
    return text.removesuffix("...\n").strip()


def _build(node: yaml.Node, path: Path, label: str, document: Document) -> Any:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode) and node.tag == _MAP:
        return _build_mapping(node, path, label, document)
    if isinstance(node, yaml.SequenceNode) and node.tag == _SEQ:
        return [_build(item, (*path, str(i)), label, document) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode):
        if node.tag == _STR:
            return node.value
        document.raw[path] = node.value
        if node.tag == _NULL:
            return None
        if node.tag == _BOOL:
            return node.value.lower() == "true"
        if node.tag in (_INT, _FLOAT):
            return _number(node, label, line)
    raise ConfigError(f"{label}:{line}: the tag {node.tag} is not used here.")


def _build_mapping(
    node: yaml.MappingNode, path: Path, label: str, document: Document
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _STR:
            raise ConfigError(f"{label}:{line}: a key must be a word.")
        key = key_node.value
        here = (*path, key)
        if key in result:
            raise ConfigError(
                f"{label}:{line}: {'.'.join(here)} is already set on line {document.lines[here]}."
            )
        document.lines[here] = line
        result[key] = _build(value_node, here, label, document)
    return result


def _number(node: yaml.ScalarNode, label: str, line: int) -> int | float:
    text = node.value
    try:
        value: int | float
        if node.tag == _INT:
            # Decimal unless marked: 010 is ten, as everybody but YAML 1.1 reads it.
            value = int(text, 0) if text[:2] in ("0x", "0o") else int(text)
            float(value)
        else:
            value = float(text)
        if not math.isfinite(value):
            raise OverflowError
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{label}:{line}: the number {text[:20]}... is too large.") from error
    return value


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
