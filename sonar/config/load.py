"""A configuration from defaults, a YAML file, the environment and ``--set``, checked.

The later outranks the earlier. Every value keeps where it was written, so that an error names it.
"""

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from sonar.config.plain_yaml import MAX_CHARACTERS, NULLS, Path, dump, parse
from sonar.config.reference import key_at, keys, nearest
from sonar.config.removed import REMOVED
from sonar.config.schema import SonarConfig
from sonar.errors import ConfigError

__all__ = ["PROFILES", "dump_config", "load_config", "profile_path"]

PROFILES = ("default", "wearable", "headless", "replay")
_MAX_PROBLEMS = 20


@dataclass(slots=True)
class _Layer:
    """Values from one place, and where exactly each was written."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, str] = field(default_factory=dict)


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
        _from_texts(_variables(os.environ if env is None else env)),
        _from_texts(_overrides(overrides)),
    ]
    merged: dict[str, Any] = {}
    for layer in layers:
        _leave_out_removed(layer)
        merged = _merge(merged, layer.values)
    try:
        return SonarConfig.model_validate(merged)
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
    if not isinstance(document.value, dict | None):
        raise ConfigError(f"{path}:1: a configuration is made of sections such as 'audio:'.")
    return _Layer(document.value or {}, {k: f"{path}:{n}" for k, n in document.lines.items()})


def _variables(env: Mapping[str, str]) -> Iterator[tuple[str, Path, str]]:
    """Of each variable that is a setting: its name, path and text."""
    known = {key.variable: key.path for key in keys() if not key.is_section}
    for name in sorted(name for name in env if name.startswith("SONAR_")):
        path = tuple(name.removeprefix("SONAR_").lower().split("__"))
        if name in known or (name.isupper() and ".".join(path) in REMOVED):
            yield name, path, env[name]
        elif len(path) > 1:
            raise ConfigError(
                f"{name}: no such key; the nearest is SONAR_{'__'.join(nearest(path)).upper()}."
            )
        slips = [v for v, at in known.items() if path[0] in (at[-1], "_".join(at))]
        if slips and name not in known:
            raise ConfigError(f"{name}: write {' or '.join(slips)}, with two underscores.")


def _overrides(overrides: Iterable[str]) -> Iterator[tuple[str, Path, str]]:
    for override in overrides:
        name, equals, text = override.partition("=")
        name, origin = name.strip(), f"--set {override}"
        if not equals or not name:
            raise ConfigError(f"{origin}: write section.key=value.")
        path = tuple(name.split("."))
        key = key_at(path)
        if key is not None and key.is_section:
            raise ConfigError(f"{origin}: {name} is a section; set a key in it.")
        if key is None and name not in REMOVED:
            raise ConfigError(f"{origin}: no such key {name}{_suggest(path)}.")
        yield origin, path, text.strip()


def _from_texts(given: Iterable[tuple[str, Path, str]]) -> _Layer:
    layer = _Layer()
    for origin, path, text in given:
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise ConfigError(f"{origin}: a setting is text in UTF-8; this name is not.")
        target = layer.values
        for name in path[:-1]:
            target = target.setdefault(name, {})
        key = key_at(path)
        is_list = key is not None and key.schema.get("type") == "array"
        target[path[-1]] = (
            parse(text, origin).value if is_list else (None if text in NULLS else text)
        )
        layer.origins[path] = origin
    return layer


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


def _merge(below: Any, above: Any) -> Any:
    """What is no section stays where one belongs, to be refused."""
    if not isinstance(above, dict) or not isinstance(below, dict | None):
        return below if isinstance(above, dict) else above
    below = below or {}
    return below | {k: _merge(below.get(k), v) for k, v in above.items()}


def _sentences(problems: Sequence[Any], layers: Sequence[_Layer]) -> str:
    """One sentence a problem (pydantic's), one a line, in the order they were written."""
    order = [origin for layer in layers for origin in layer.origins.values()]
    paths = [tuple(str(part) for part in one["loc"] if part != "[key]") for one in problems]
    found = [
        (_origin(path, layers, one["type"] == "value_error"), path, one)
        for path, one in zip(paths, problems, strict=True)
    ]
    found.sort(key=lambda one: order.index(one[0]))
    sentences = [f"{where}: {_sentence(path, one)}." for where, path, one in found[:_MAX_PROBLEMS]]
    if len(found) > _MAX_PROBLEMS:
        sentences.append(f"... and {len(found) - _MAX_PROBLEMS} more.")
    return "\n".join(sentences)


def _sentence(path: Path, problem: Any) -> str:
    name = ".".join(path)
    if problem["type"] == "extra_forbidden":
        return f"no such key {name}{_suggest(path)}"
    if problem["type"] == "value_error":
        return f"{name}: {problem['msg'].removeprefix('Value error, ')}"
    if problem["type"] in ("model_type", "dict_type"):
        return f"{name} is a section: indented keys belong under it"
    lengths = range(len(path), 0, -1)  # an item of a list belongs to the list's key
    key = next((key for n in lengths if (key := key_at(path[:n])) and not key.is_section), None)
    if key is None:  # a rule of the schema's own that this module does not know
        return f"{name}: {problem['msg']}"
    name, unit = ".".join(path[: len(key.path)]), f" ({key.unit})" if key.unit else ""
    shown = problem["input"]
    shown = shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return f"{name}{unit} must be {key.allowed}, not {shown}"


def _origin(path: Path, layers: Sequence[_Layer], of_section: bool) -> str:
    """Where the value at ``path`` was written; of a list's item, where the list was.

    Of a section whose keys contradict each other: the last line of the highest layer that
    touched it.
    """
    for n in range(len(path), -1, -1):
        for layer in reversed(layers):
            if path[:n] in layer.origins and not of_section:
                return layer.origins[path[:n]]
            if inside := [where for key, where in layer.origins.items() if key[:n] == path[:n]]:
                return inside[-1]
    raise AssertionError("the defaults are valid, so a wrong value was written somewhere")


def _suggest(path: Path) -> str:
    return f"; the nearest is {'.'.join(nearest(path))}"
