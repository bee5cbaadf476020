"""A configuration from defaults, a YAML file, the environment and ``--set``, checked.

The later outranks the earlier. Every value keeps where it was written, so that an error names it.
"""

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from sonar.config import SonarConfig
from sonar.config.plain_yaml import NULLS, Path, dump, parse, read
from sonar.config.reference import key_at, keys, nearest
from sonar.config.removed import REMOVED
from sonar.errors import ConfigError

__all__ = ["PROFILES", "dump_config", "load_config", "profile_path"]

PROFILES = ("default", "wearable", "headless", "replay")
_MAX_PROBLEMS = 20

_Origins = dict[Path, str]  # where each value was written, the later outranking the earlier


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
    values: dict[str, Any] = {}
    origins: _Origins = {}
    if path_or_profile is not None:
        values, origins = _from_file(path_or_profile)
    variables = _variables(os.environ if env is None else env)
    for origin, path, text in (*variables, *_overrides(overrides)):
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise ConfigError(f"{origin}: a setting is text in UTF-8; this name is not.")
        if not _is_removed(path, origin):
            _set(values, path, _value(path, text, origin))
            origins.pop(path, None)
            origins[path] = origin
    engine = values.get("engine")
    if isinstance(engine, dict) and engine.get("backend") == "native":
        where = origins["engine", "backend"]
        _warn(f"{where}: the backend native was removed: auto takes the fastest of the others.")
        engine["backend"] = "auto"
    try:
        return SonarConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_sentences(error.errors(), origins)) from None


def dump_config(config: SonarConfig) -> str:
    """``config`` as YAML that loads back to the same configuration."""
    return dump(config.model_dump(mode="json"))


def profile_path(name: str) -> FilePath:
    """The file of a profile: packaged with the wheel, or ``config/`` of a checkout."""
    here = FilePath(__file__).resolve().parent
    for folder in (here / "profiles", here.parents[1] / "config"):
        if (candidate := folder / f"{name}.yaml").is_file():
            return candidate
    raise ConfigError(f"The profile {name} is not in this installation; reinstall sonar-assist.")


def _from_file(label: str) -> tuple[dict[str, Any], _Origins]:
    try:
        path = profile_path(label) if label in PROFILES else FilePath(label).expanduser()
        known, regular = path.exists(), path.is_file()
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: no home folder for ~
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{label!r} cannot be read: {reason}.") from error
    if not known:
        raise ConfigError(
            f"There is no configuration file {label!r}; "
            f"give a path or one of the profiles {', '.join(PROFILES)}."
        )
    if not regular:
        raise ConfigError(f"{label}: not a file.")
    document = read(path, label)
    values = {} if document.value is None else document.value
    if not isinstance(values, dict):
        raise ConfigError(f"{path}:1: a configuration is made of sections such as 'audio:'.")
    origins = {key: f"{path}:{line}" for key, line in document.lines.items()}
    for key in [key for key, origin in origins.items() if _is_removed(key, origin)]:
        _section(values, key).pop(key[-1])
        del origins[key]
    return values, origins


def _variables(env: Mapping[str, str]) -> Iterator[tuple[str, Path, str]]:
    """Of each variable that is a setting: its name, path and text."""
    known = {_variable(key.path): key.path for key in keys() if not key.is_section}
    for name in sorted(name for name in env if name.startswith("SONAR_")):
        path = tuple(name.removeprefix("SONAR_").lower().split("__"))
        if name in known or (name.isupper() and ".".join(path) in REMOVED):
            yield name, path, env[name]
        elif len(path) > 1:
            raise ConfigError(f"{name}: no such key; the nearest is {_variable(nearest(path))}.")
        slips = [v for v, at in known.items() if path[0] in (at[-1], "_".join(at))]
        if slips and name not in known:
            raise ConfigError(f"{name}: write {' or '.join(slips)}, with two underscores.")


def _variable(path: Path) -> str:
    return "SONAR_" + "__".join(path).upper()


def _overrides(overrides: Sequence[str]) -> Iterator[tuple[str, Path, str]]:
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


def _value(path: Path, text: str, origin: str) -> Any:
    key = key_at(path)
    if key is not None and key.schema.get("type") == "array":
        return parse(text, origin).value
    return None if text in NULLS else text


def _section(values: dict[str, Any], path: Path) -> Any:
    """What holds the value at ``path``; what is no section stays there, to be refused."""
    target: Any = values
    for name in path[:-1]:
        if isinstance(target, dict):
            target[name] = {} if target.get(name) is None else target[name]
            target = target[name]
    return target


def _set(values: dict[str, Any], path: Path, value: Any) -> None:
    section = _section(values, path)
    if isinstance(section, dict):
        section[path[-1]] = value


def _is_removed(path: Path, origin: str) -> bool:
    name = ".".join(path)
    if name in REMOVED:
        _warn(f"{origin}: {name} is no setting any more: {REMOVED[name]}.")
    return name in REMOVED


@cache
def _warn(sentence: str) -> None:
    """Log ``sentence`` once."""
    logging.getLogger(__name__).warning("%s It is ignored; the next release refuses it.", sentence)


def _sentences(problems: Sequence[Any], origins: _Origins) -> str:
    """One sentence a problem (pydantic's), one a line, in the order they were written."""
    found = []
    for problem in problems:
        path = tuple(str(part) for part in problem["loc"] if part != "[key]")
        where = _origin(path, origins, of_section=problem["type"] == "value_error")
        found.append((list(origins.values()).index(where), f"{where}: {_sentence(path, problem)}."))
    sentences = [sentence for _, sentence in sorted(found)]
    more = len(sentences) - _MAX_PROBLEMS
    return "\n".join(sentences[:_MAX_PROBLEMS] + [f"... and {more} more."] * (more > 0))


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


def _origin(path: Path, origins: _Origins, of_section: bool) -> str:
    """Where the value at ``path`` was written; of a list's item, where the list was; of a section
    whose keys contradict each other, where it was touched last."""
    for n in range(len(path), -1, -1):
        if path[:n] in origins and not of_section:
            return origins[path[:n]]
        if inside := [where for key, where in origins.items() if key[:n] == path[:n]]:
            return inside[-1]
    raise AssertionError("the defaults are valid, so a wrong value was written somewhere")


def _suggest(path: Path) -> str:
    return f"; the nearest is {'.'.join(nearest(path))}"
