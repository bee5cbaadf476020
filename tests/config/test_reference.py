"""The written reference says what the code does."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from sonar.config import SonarConfig
from sonar.config.load import (
    PROFILES,
    load_config,
    profile_path,
)
from sonar.config.reference import Key, keys
from sonar.errors import ConfigError
from sonar.lab.docs.reference import default_yaml

REPO = Path(__file__).parents[2]
KEYS = [key for key in keys() if not key.is_section]


def test_the_reference_is_the_defaults_and_names_every_key() -> None:
    assert load_config("default", env={}) == SonarConfig()
    assert yaml.safe_load(default_yaml()).keys() == SonarConfig.model_fields.keys()


@pytest.mark.parametrize("name", [name for name in PROFILES if name != "default"])
def test_a_profile_is_short_commented_and_changes_something(name: str) -> None:
    text = profile_path(name).read_text()
    assert text.startswith("# ")
    assert len(text.splitlines()) < 45
    assert load_config(name, env={}) != SonarConfig()


def test_no_stray_profile() -> None:
    assert {path.stem for path in (REPO / "config").iterdir()} == set(PROFILES)


def numbers(key: Key) -> dict[str, Any]:
    parts = key.schema.get("anyOf", [key.schema])
    return next((part for part in parts if part.get("type") in ("number", "integer")), {})


@pytest.mark.parametrize(
    "key", [one for one in KEYS if numbers(one) and "*" not in one.path], ids=lambda one: one.name
)
def test_the_stated_ranges_are_the_ranges_checked(key: Key) -> None:
    """Just outside a bound is refused with the bound named; JSON Schema could disagree."""
    schema = numbers(key)
    step = 1 if schema["type"] == "integer" else 1e-6
    outside = [
        schema[name] + sign * size
        for name, sign, size in (
            ("minimum", -1, step),
            ("maximum", 1, step),
            ("exclusiveMinimum", 0, step),
            ("exclusiveMaximum", 0, step),
        )
        if name in schema
    ]
    for value in outside:
        with pytest.raises(ConfigError, match=key.path[-1]):
            load_config(None, [f"{key.name}={value!r}"], {})
    for name, value in ((n, schema[n]) for n in ("minimum", "maximum") if n in schema):
        try:
            load_config(None, [f"{key.name}={value!r}"], {})
        except ConfigError as error:  # a rule between keys may forbid it, its own range may not
            assert f"{key.name} " not in str(error), f"{key.name} refuses its own {name}"
