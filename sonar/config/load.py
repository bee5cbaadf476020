"""A configuration from defaults, a YAML file, the environment and ``--set``, checked.

The later outranks the earlier. Every value keeps where it was written, so that an error names it.
"""

import difflib
import json
import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from sonar.config.plain_yaml import MAX_CHARACTERS, Path, dump, parse
from sonar.config.reference import key_at, keys, section_at
from sonar.config.removed import REMOVED
from sonar.config.schema import Section, SonarConfig
from sonar.errors import ConfigError

__all__ = ["PROFILES", "dump_config", "load_config", "profile_path"]

PROFILES = ("default", "wearable", "headless", "replay")
_MAX_PROBLEMS = 20


@dataclass(slots=True)
class _Layer:
    """Values from one place, each with where exactly it was written."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, str] = field(default_factory=dict)

    def put(self, path: Path, value: Any, origin: str) -> None:
        target = self.values
        for name in path[:-1]:
            target = target.setdefault(name, {})
        target[path[-1]] = value
        self.origins[path] = origin


def load_config(
    path_or_profile: str | None = None,
    overrides: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> SonarConfig:
    """Load and check a configuration.

    Args:
        path_or_profile: a YAML file, or one of :data:`PROFILES`; None takes the defaults.
        overrides: ``section.key=value`` texts, the value as in YAML.
        env: environment variables; None takes the process's own.

    Raises:
        ConfigError: one sentence a problem, one a line: where (file:line, variable or --set),
            which key, and what is allowed.
    """
    layers = [
        _from_file(path_or_profile) if path_or_profile is not None else _Layer(),
        _from_env(os.environ if env is None else env),
        _from_overrides(overrides),
    ]
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _merge(merged, layer.values)
    try:
        # Strict (no "5" for 5, no true for 1.0), by way of JSON so that a list may be a tuple.
        return SonarConfig.model_validate_json(json.dumps(merged), strict=True)
    except ValidationError as error:
        raise ConfigError(_sentences(error.errors(), layers)) from None


def dump_config(config: SonarConfig) -> str:
    """``config`` as YAML that loads back to the same configuration."""
    return dump(config.model_dump(mode="json"))


def profile_path(name: str) -> FilePath:
    """The file of a profile: packaged with the wheel, or ``config/`` of a checkout."""
    here = FilePath(__file__).resolve().parent
    for folder in (here / "profiles", here.parents[1] / "config"):
        candidate = folder / f"{name}.yaml"
        if candidate.is_file():
            return candidate
    raise ConfigError(f"The profile {name} is not in this installation; reinstall sonar-assist.")


def _from_file(label: str) -> _Layer:
    try:
        path = profile_path(label) if label in PROFILES else FilePath(label).expanduser()
        if path.exists() and not path.is_file():
            raise ConfigError(f"{label}: not a file.")
        with path.open("rb") as stream:
            text = stream.read(MAX_CHARACTERS + 1).decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigError(
            f"There is no configuration file {label!r}; "
            f"give a path or one of the profiles {', '.join(PROFILES)}."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{label}: not a text file in UTF-8.") from error
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: no home folder for ~
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConfigError(f"{label!r} cannot be read: {reason}.") from error
    document = parse(text, str(path))
    if document.value is None:
        return _Layer()
    if not isinstance(document.value, dict):
        raise ConfigError(f"{path}:1: a configuration is made of sections such as 'audio:'.")
    layer = _Layer(document.value, {k: f"{path}:{n}" for k, n in document.lines.items()})
    _check_sections(layer.values, layer.origins)
    for key, raw in document.raw.items():
        if (found := key_at(key)) is not None:
            layer.put(key, found.value_of(raw), layer.origins[key])
    _leave_out_removed(layer)
    return layer


def _from_env(env: Mapping[str, str]) -> _Layer:
    layer = _Layer()
    for name in sorted(name for name in env if name.startswith("SONAR_")):
        path = tuple(name.removeprefix("SONAR_").lower().split("__"))
        key, known = key_at(path), name == name.upper()
        if key is not None and known and len(path) > 1 and path[0] != "models":
            layer.put(path, _text(key.value_of, env[name], name), name)
        elif ".".join(path) in REMOVED and known:
            layer.put(path, None, name)
        elif "__" in name:
            raise ConfigError(f"{name}: no such key{_nearest(name.upper(), _variables())}.")
        else:
            slips = [
                variable
                for variable, at in _variables().items()
                if name.removeprefix("SONAR_").lower() in (at[-1], "_".join(at))
            ]
            if slips:
                raise ConfigError(f"{name}: write {' or '.join(slips)}, with two underscores.")
    _leave_out_removed(layer)
    return layer


def _from_overrides(overrides: Iterable[str]) -> _Layer:
    layer = _Layer()
    for override in overrides:
        name, equals, text = override.partition("=")
        name, origin = name.strip(), f"--set {override}"
        path = tuple(name.split("."))
        key = key_at(path)
        if not equals or not name:
            raise ConfigError(f"{origin}: write section.key=value.")
        if section_at(path) is not None:
            raise ConfigError(f"{origin}: {name} is a section; set a key in it.")
        if key is not None:
            layer.put(path, _text(key.value_of, text.strip(), origin), origin)
        elif name in REMOVED:
            layer.put(path, None, origin)
        else:
            raise ConfigError(f"{origin}: no such key {name}{_suggest(path)}.")
    _leave_out_removed(layer)
    return layer


def _text(value_of: Any, text: str, origin: str) -> Any:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ConfigError(f"{origin}: a setting is text in UTF-8; this name is not.")
    return value_of(text)


def _leave_out_removed(layer: _Layer) -> None:
    for path, origin in list(layer.origins.items()):
        name = ".".join(path)
        if name in REMOVED:
            target = layer.values
            for part in path[:-1]:
                target = target[part]
            del target[path[-1]], layer.origins[path]
            _warn(f"{origin}: {name} is no setting any more: {REMOVED[name]}.")


@cache
def _warn(sentence: str) -> None:
    """Log ``sentence`` once."""
    logging.getLogger(__name__).warning("%s It is ignored; the next release refuses it.", sentence)


def _check_sections(values: dict[str, Any], origins: Mapping[Path, str], path: Path = ()) -> None:
    """Make empty sections empty, and refuse anything else that is no section.

    A section whose keys are all commented out reads as null: it is empty, not wrong.
    """
    for name in values:
        here = (*path, name)
        if section_at(here) is None:
            continue
        if values[name] is None:
            values[name] = {}
        if not isinstance(values[name], dict):
            raise ConfigError(
                f"{origins[here]}: {'.'.join(here)} is a section: indented keys belong under it."
            )
        _check_sections(values[name], origins, here)


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key, {}), Mapping)
        merged[key] = _merge(merged.get(key, {}), value) if both else value
    return merged


def _sentences(problems: Sequence[Any], layers: Sequence[_Layer]) -> str:
    """One sentence a problem (pydantic's), one a line, in the order they were written."""
    order = [origin for layer in layers for origin in layer.origins.values()]
    found = sorted(problems, key=lambda one: order.index(_origin(_path_of(one), layers)))
    sentences = [_sentence(problem, layers) for problem in found[:_MAX_PROBLEMS]]
    if len(found) > _MAX_PROBLEMS:
        sentences.append(f"... and {len(found) - _MAX_PROBLEMS} more.")
    return "\n".join(sentences)


def _path_of(problem: Any) -> Path:
    return tuple(str(part) for part in problem["loc"] if part != "[key]")


def _sentence(problem: Any, layers: Sequence[_Layer]) -> str:
    path = _path_of(problem)
    where, name = _origin(path, layers), ".".join(path)
    if problem["type"] == "extra_forbidden":
        return f"{where}: no such key {name}{_suggest(path)}."
    if problem["type"] == "value_error":
        where = _named(problem["msg"], path, layers) or where
        return f"{where}: {name}: {problem['msg'].removeprefix('Value error, ')}."
    lengths = range(len(path), 0, -1)  # an item of a list belongs to the list's key
    key = next((key for n in lengths if (key := key_at(path[:n]))), None)
    if key is None:  # a rule of the models' own that this module does not know
        return f"{where}: {name}: {problem['msg']}."
    name, unit = ".".join(path[: len(key.path)]), f" ({key.unit})" if key.unit else ""
    shown = json.dumps(problem["input"], ensure_ascii=False)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return f"{where}: {name}{unit} must be {key.allowed}, not {shown}."


def _named(rule: str, path: Path, layers: Sequence[_Layer]) -> str | None:
    """Where the last written key is that a rule between keys names; None where none is written."""
    named = [(*path, word) for word in re.findall(r"\w+", rule)]
    for layer in reversed(layers):
        if written := [where for key, where in layer.origins.items() if key in named]:
            return written[-1]
    return None


def _origin(path: Path, layers: Sequence[_Layer]) -> str:
    """Where the value at ``path`` was written.

    Of a section: the last line of the highest layer that touched it. Of a list's item: the
    list's key.
    """
    for n in range(len(path), -1, -1):
        for layer in reversed(layers):
            if path[:n] in layer.origins:
                return layer.origins[path[:n]]
            if inside := [where for key, where in layer.origins.items() if key[:n] == path[:n]]:
                return inside[-1]
    raise AssertionError("the defaults are valid, so a wrong value was written somewhere")


def _suggest(path: Path) -> str:
    """The nearest key: beside the wrong one, in the nearest section, or anywhere by its name."""
    section = section_at(path[:-1])
    if section is not None and issubclass(section, Section):
        siblings = [".".join((*path[:-1], name)) for name in section.model_fields]
        match = difflib.get_close_matches(".".join(path), siblings, n=1, cutoff=0.0)[0]
        if difflib.SequenceMatcher(None, path[-1], match.rpartition(".")[2]).ratio() >= 0.6:
            return f"; the nearest is {match}"
    known = [key for key in keys() if "*" not in key.path]
    for key in known:
        if key.path[-1] == path[-1]:
            return f"; the nearest is {key.name}"
    candidates = [key.name for key in known] if len(path) > 1 else list(SonarConfig.model_fields)
    return _nearest(".".join(path), candidates)


def _nearest(word: str, candidates: Iterable[str]) -> str:
    """The end of a sentence that names the candidate most like ``word``; empty without any."""
    match = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.0)
    return f"; the nearest is {match[0]}" if match else ""


def _variables() -> dict[str, Path]:
    """Environment variables by name, each with the path of its key."""
    return {key.variable: key.path for key in keys() if "*" not in key.path}
