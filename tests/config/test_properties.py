"""Whatever is written, it loads or is refused in words; and what is shown loads back."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sonar.config import SonarConfig
from sonar.config.load import dump_config, load_config
from sonar.config.reference import Key, keys
from sonar.errors import ConfigError

KEYS = [key for key in keys() if not key.is_section and "*" not in key.path]
DEFAULTS: dict[str, Any] = SonarConfig().model_dump(mode="json")
QUIET = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

texts = st.text(max_size=20)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def try_file(folder: Path, text: str) -> SonarConfig | None:
    """Load; None where it was refused, in sentences that each name the file."""
    path = folder / "c.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        return load_config(str(path), env={})
    except ConfigError as error:
        assert str(path) in str(error)
        assert str(error).endswith(".")
        return None


@st.composite
def mutations(draw: st.DrawFn) -> tuple[Key, str]:
    """A key of the configuration and a misspelling of it that no sibling bears."""
    key = draw(st.sampled_from(KEYS))
    name = key.path[-1]
    at = draw(st.integers(0, len(name)))
    kind = draw(st.sampled_from(["insert", "delete", "replace"]))
    letter = draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz_"))
    wrong = {
        "insert": name[:at] + letter + name[at:],
        "delete": name[: max(at - 1, 0)] + name[max(at, 1) :],
        "replace": name[: max(at - 1, 0)] + letter + name[max(at, 1) :],
    }[kind]
    siblings = {one.path[-1] for one in KEYS if one.path[:-1] == key.path[:-1]}
    assume(wrong and wrong not in siblings)
    return key, wrong


@QUIET
@given(mutations())
def test_any_misspelt_key_is_refused_with_line_and_the_right_key(
    tmp_path: Path, mutation: tuple[Key, str]
) -> None:
    key, wrong = mutation
    lines = ["# a comment"]
    for depth, name in enumerate(key.path[:-1]):
        lines.append("  " * depth + f"{name}:")
    lines.append("  " * (len(key.path) - 1) + f"{wrong}: 1")
    path = tmp_path / "c.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(ConfigError) as caught:
        load_config(str(path), env={})
    message = str(caught.value)
    assert message.startswith(f"{path}:{len(lines)}: no such key ")
    section = ".".join(key.path[:-1])
    # One letter off a four-letter name can be nearer to another key; the section never is.
    assert f"; the nearest is {section}." in message
    if len(key.path[-1]) >= 8:
        assert f"; the nearest is {key.name}." in message


@QUIET
@given(st.sampled_from(KEYS), anything)
def test_any_value_loads_or_is_refused(tmp_path: Path, key: Key, value: Any) -> None:
    tree = json.loads(json.dumps(DEFAULTS))
    target = tree
    for name in key.path[:-1]:
        target = target[name]
    target[key.path[-1]] = value
    try_file(tmp_path, json.dumps(tree))


@QUIET
@given(st.sampled_from([key.name for key in KEYS]) | texts, texts)
def test_any_override_loads_or_is_refused(key: str, value: str) -> None:
    try:
        load_config(None, [f"{key}={value}"], {})
    except ConfigError as error:
        assert str(error).startswith("--set ")


def numeric(key: Key) -> bool:
    return key.schema.get("type") in ("number", "integer")


@QUIET
@given(
    st.lists(
        st.tuples(st.sampled_from([one for one in KEYS if numeric(one)]), st.floats(0, 1)),
        max_size=6,
    ),
    texts,
    st.none() | texts,
)
def test_what_is_shown_loads_back(
    tmp_path: Path, picks: list[tuple[Key, float]], language: str, device: str | None
) -> None:
    tree = json.loads(json.dumps(DEFAULTS))
    for key, share in picks:
        low = key.schema.get("minimum", key.schema.get("exclusiveMinimum", 0))
        high = key.schema.get("maximum", key.schema.get("exclusiveMaximum", 1000))
        value: float = low + share * (high - low)
        target = tree
        for name in key.path[:-1]:
            target = target[name]
        target[key.path[-1]] = int(value) if key.schema["type"] == "integer" else value
    tree["speech"]["language"] = language
    tree["audio"]["device"] = device
    try:
        config = SonarConfig.model_validate(tree)
    except ValueError:
        assume(False)  # an open bound, or a rule between keys
    path = tmp_path / "shown.yaml"
    path.write_bytes(dump_config(config).encode("utf-8", "surrogatepass"))
    assert load_config(str(path), env={}) == config
