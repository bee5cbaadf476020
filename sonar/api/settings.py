"""From the arguments of the public functions to a configuration."""

import json
from collections.abc import Mapping
from os import PathLike
from typing import Any

from sonar.config import MountConfig, SonarConfig

Settings = Mapping[str, Any]


def configured(
    model: str | PathLike[str] | None,
    mount: MountConfig | None,
    settings: Settings | None,
) -> SonarConfig:
    """The defaults with what was asked for; files and environment variables are not read.

    Args:
        model: a model's name, or the path of a model file.
        settings: by dotted name (``{"audio.scheme": "scan"}``), as ``--set`` takes them.

    Raises:
        ConfigError: a setting that does not exist, or a value that is not allowed.
    """
    from sonar.config.load import load_config

    overrides = [f"{key}={json.dumps(value)}" for key, value in (settings or {}).items()]
    if model is not None:
        overrides.append(f"engine.model={json.dumps(str(model))}")
    config = load_config(None, overrides, {})
    return config if mount is None else config.model_copy(update={"mount": mount})
