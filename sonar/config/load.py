"""From files, environment and command line to a :class:`~sonar.config.SonarConfig`.

Precedence: defaults < file < environment < ``--set``. Nothing is ignored silently:

- a key in a file, in ``--set``, or in a variable ``SONAR_SECTION__KEY`` (two underscores) must
  exist;
- a ``SONAR_`` variable without two underscores is none of ours (``SONAR_TOKEN`` belongs to
  another program) unless it spells one of our keys with single underscores
  (``SONAR_AUDIO_VOLUME_DB``, ``SONAR_VOLUME_DB``): that is a slip, and an error.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from sonar.config import SonarConfig
from sonar.config._base import Section
from sonar.config._problems import (
    Layer,
    all_leaves,
    all_sections,
    general,
    leaf_at,
    nearest,
    path_of,
    suggest,
    told,
)
from sonar.config.plain_yaml import MAX_CHARACTERS, Path, parse, scalar
from sonar.config.reference import dump_config, json_schema, reference_yaml, section_of
from sonar.errors import ConfigError

__all__ = [
    "PROFILES",
    "dump_config",
    "json_schema",
    "load_config",
    "profile_path",
    "reference_yaml",
]

PROFILES = ("default", "wearable", "headless", "replay")


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
        _from_file(path_or_profile) if path_or_profile is not None else Layer(),
        _from_env(os.environ if env is None else env),
        _from_overrides(overrides),
    ]
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _merge(merged, layer.values)
    try:
        return _validate(merged)
    except ValidationError as error:
        problems = error.errors()
    # An unquoted 5 or true is a fine device name, and null names an output.
    if _take_literally(problems, layers, merged):
        try:
            return _validate(merged)
        except ValidationError as error:
            problems = error.errors()
    raise ConfigError(told(problems, layers))


def profile_path(name: str) -> FilePath:
    """The file of a profile: packaged with the wheel, or ``config/`` of a checkout."""
    here = FilePath(__file__).resolve().parent
    for folder in (here / "profiles", here.parents[1] / "config"):
        candidate = folder / f"{name}.yaml"
        if candidate.is_file():
            return candidate
    raise ConfigError(f"The profile {name} is not in this installation; reinstall sonar-assist.")


def _validate(values: dict[str, Any]) -> SonarConfig:
    # Strict (no "5" for 5, no true for 1.0), by way of JSON so that a list may be a tuple.
    return SonarConfig.model_validate_json(json.dumps(values), strict=True)


def _from_file(path_or_profile: str) -> Layer:
    if path_or_profile in PROFILES:
        path = profile_path(path_or_profile)
    else:
        try:
            path = FilePath(path_or_profile).expanduser()
        except RuntimeError as error:
            raise ConfigError(f"{path_or_profile}: this user has no home folder.") from error
    return _read(path, path_or_profile)


def _read(path: FilePath, label: str) -> Layer:
    try:
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
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConfigError(f"{label!r} cannot be read: {reason}.") from error
    document = parse(text, str(path))
    values = document.value
    if values is None:
        return Layer()
    if not isinstance(values, dict):
        raise ConfigError(f"{path}:1: a configuration is made of sections such as 'audio:'.")
    origins = {key: f"{path}:{line}" for key, line in document.lines.items()}
    _checkall_sections(values, origins, SonarConfig)
    return Layer(values, origins, document.raw)


def _from_env(env: Mapping[str, str]) -> Layer:
    layer = Layer()
    ours = sorted(name for name in env if name.startswith("SONAR_"))
    if not ours:  # the usual case; the table of keys costs 40 ms
        return layer
    named = [leaf for leaf in all_leaves().values() if "*" not in leaf.path]
    by_name = {leaf.env: leaf for leaf in named}
    slips: dict[str, list[str]] = {}
    for leaf in named:
        for slip in {leaf.path[-1], "_".join(leaf.path)}:
            slips.setdefault(f"SONAR_{slip}".upper(), []).append(leaf.env)
    for name in ours:
        if name in by_name:
            _put(layer, by_name[name].path, env[name], name)
        elif "__" in name:
            raise ConfigError(f"{name}: no such key{nearest(name.upper(), by_name)}.")
        elif name in slips:
            right = " or ".join(slips[name])
            raise ConfigError(f"{name}: write {right}, with two underscores.")
    return layer


def _from_overrides(overrides: Iterable[str]) -> Layer:
    layer = Layer()
    for override in overrides:
        key, equals, text = override.partition("=")
        key = key.strip()
        if not equals or not key:
            raise ConfigError(f"--set {override}: write section.key=value.")
        path = tuple(key.split("."))
        if general(path) in all_sections() or (*path, "*") in all_sections():
            raise ConfigError(f"--set {override}: {key} is a section; set a key in it.")
        if leaf_at(path) is None:
            raise ConfigError(f"--set {override}: no such key {key}{suggest(path)}.")
        _put(layer, path, text.strip(), f"--set {override}")
    return layer


def _put(layer: Layer, path: Path, text: str, origin: str) -> None:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ConfigError(f"{origin}: a setting is text in UTF-8; this name is not.")
    target = layer.values
    for name in path[:-1]:
        target = target.setdefault(name, {})
    target[path[-1]] = scalar(text)
    layer.raw[path] = text
    layer.origins[path] = origin


def _checkall_sections(
    values: dict[str, Any], origins: Mapping[Path, str], model: type[Section], path: Path = ()
) -> None:
    """Make empty sections empty, and refuse anything else that is no section.

    A section whose keys are all commented out reads as null: it is empty, not wrong.
    """
    for name, field_ in model.model_fields.items():
        section, rest = section_of(field_)
        if section is None or name not in values:
            continue
        inner = _as_section(values, name, (*path, name), origins)
        if not rest:
            _checkall_sections(inner, origins, section, (*path, name))
            continue
        for key in inner:
            entry = _as_section(inner, key, (*path, name, key), origins)
            _checkall_sections(entry, origins, section, (*path, name, key))


def _as_section(
    values: dict[str, Any], name: str, path: Path, origins: Mapping[Path, str]
) -> dict[str, Any]:
    if values[name] is None:
        values[name] = {}
    found = values[name]
    if not isinstance(found, dict):
        raise ConfigError(
            f"{origins[path]}: {'.'.join(path)} is a section: indented keys belong under it."
        )
    return found


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key, {}), Mapping):
            merged[key] = _merge(merged.get(key, {}), value)
        else:
            merged[key] = value
    return merged


def _take_literally(problems: Sequence[Any], layers: list[Layer], merged: dict[str, Any]) -> bool:
    changed = False
    for problem in problems:
        path = path_of(problem)
        layer = next((one for one in reversed(layers) if path in one.origins), None)
        if layer is None or path not in layer.raw:
            continue
        text_wanted = problem["type"] == "string_type" and problem["input"] is not None
        leaf = leaf_at(path)
        choices = leaf.schema.get("enum", ()) if leaf else ()
        if not text_wanted and layer.raw[path] not in choices:
            continue
        target = merged
        for name in path[:-1]:
            target = target[name]
        target[path[-1]] = layer.raw[path]
        changed = True
    return changed
