"""What a wrong configuration is answered with: where, which key, what is allowed."""

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sonar.config import SonarConfig
from sonar.config._base import Section
from sonar.config.plain_yaml import Path
from sonar.config.reference import Leaf, allowed, leaves, sections

_MAX_PROBLEMS = 20


@dataclass(slots=True)
class Layer:
    """Values from one place, each with where exactly it was written."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, str] = field(default_factory=dict)
    raw: dict[Path, str] = field(default_factory=dict)  # as written, before YAML made it a value


@cache
def all_leaves() -> dict[Path, Leaf]:
    """Every key, by its path; ``*`` stands for a name that the user chooses."""
    return {leaf.path: leaf for leaf in leaves()}


@cache
def all_sections() -> dict[Path, type[Section]]:
    """Every section, likewise."""
    return sections()


def general(path: Path) -> Path:
    """``path`` with ``*`` for the names that the user chooses."""
    found: Path = ()
    for name in path:
        found = (*found, "*" if (*found, "*") in all_sections() else name)
    return found


def leaf_at(path: Path) -> Leaf | None:
    """The key at a path as written, None where there is no such key."""
    return all_leaves().get(general(path))


def told(problems: Sequence[Any], layers: Sequence[Layer]) -> str:
    """One sentence a problem (pydantic's), one a line, in the order they were written."""
    order = [origin for layer in layers for origin in layer.origins.values()]
    found = sorted(problems, key=lambda one: order.index(_origin(path_of(one), layers)))
    sentences = [_sentence(problem, layers) for problem in found[:_MAX_PROBLEMS]]
    if len(found) > _MAX_PROBLEMS:
        sentences.append(f"... and {len(found) - _MAX_PROBLEMS} more.")
    return "\n".join(sentences)


def path_of(problem: Any) -> Path:
    """Where pydantic found the problem."""
    return tuple(str(part) for part in problem["loc"] if part != "[key]")


def _sentence(problem: Any, layers: Sequence[Layer]) -> str:
    path = path_of(problem)
    where = _named(problem, path, layers) if problem["type"] == "value_error" else None
    prefix = f"{where or _origin(path, layers)}: "
    if problem["type"] == "extra_forbidden":
        return f"{prefix}no such key {'.'.join(path)}{suggest(path)}."
    if problem["type"] == "value_error":
        return f"{prefix}{'.'.join(path)}: {problem['msg'].removeprefix('Value error, ')}."
    lengths = range(len(path), 0, -1)  # an item of a list belongs to the list's key
    leaf = next((leaf for n in lengths if (leaf := leaf_at(path[:n]))), None)
    if leaf is None:  # a rule of the models' own that this module does not know
        return f"{prefix}{'.'.join(path)}: {problem['msg']}."
    key = ".".join(path[: len(leaf.path)])
    unit = f" ({leaf.unit})" if leaf.unit else ""
    return f"{prefix}{key}{unit} must be {allowed(leaf.schema)}, not {_shown(problem['input'])}."


def _named(problem: Any, path: Path, layers: Sequence[Layer]) -> str | None:
    """Where the last written key is that a rule between keys names; None where none is written."""
    keys = [(*path, word) for word in re.findall(r"\w+", problem["msg"])]
    for layer in reversed(layers):
        written = [where for key, where in layer.origins.items() if key in keys]
        if written:
            return written[-1]
    return None


def _origin(path: Path, layers: Sequence[Layer]) -> str:
    """Where the value at ``path`` was written.

    Of a section: the last line of the highest layer that touched it. Of a list's item: the
    list's key.
    """
    for n in range(len(path), -1, -1):
        for layer in reversed(layers):
            if path[:n] in layer.origins:
                return layer.origins[path[:n]]
            inside = [where for key, where in layer.origins.items() if key[:n] == path[:n]]
            if inside:
                return inside[-1]
    raise AssertionError("the defaults are valid, so a wrong value was written somewhere")


def suggest(path: Path) -> str:
    """The nearest key: beside the wrong one, in the nearest section, or anywhere by its name."""
    section = all_sections().get(general(path[:-1]))
    if section is not None:
        siblings = {".".join((*path[:-1], name)) for name in section.model_fields}
        match = difflib.get_close_matches(".".join(path), siblings, n=1, cutoff=0.0)
        near = difflib.SequenceMatcher(None, path[-1], match[0].rpartition(".")[2]).ratio()
        if near >= 0.6:
            return f"; the nearest is {match[0]}"
    known = {leaf.key: leaf for leaf in all_leaves().values() if "*" not in leaf.path}
    same_name = [key for key, leaf in known.items() if leaf.path[-1] == path[-1]]
    if same_name:
        return f"; the nearest is {same_name[0]}"
    candidates = list(known) if len(path) > 1 else list(SonarConfig.model_fields)
    return nearest(".".join(path), candidates)


def nearest(word: str, candidates: Iterable[str]) -> str:
    """The end of a sentence that names the candidate most like ``word``; empty without any."""
    match = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.0)
    return f"; the nearest is {match[0]}" if match else ""


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
