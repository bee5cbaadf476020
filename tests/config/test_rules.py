"""Rules between keys: what contradicts itself is an error with the line."""

from pathlib import Path

import pytest

from sonar.config import SonarConfig, load
from sonar.config.load import load_config
from sonar.config.reference import keys
from sonar.config.removed import REMOVED
from sonar.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("zones:\n  bands:\n    stop_m: 3\n", 3, "zones.bands: band edges must ascend"),
        ("mount:\n  cx_px: 320\n", 2, "mount: fy_px, cx_px, cy_px and the calibrated size go with"),
        (
            "mount:\n  fx_px: 500\n  calibrated_width_px: 640\n",
            3,
            "mount: calibrated_width_px and calibrated_height_px go together",
        ),
        ("capture:\n  open_timeout_s: 0\n", 2, "capture.open_timeout_s (seconds) must be a number"),
        ("capture:\n  max_frame_age_s: 0\n", 2, "capture.max_frame_age_s (seconds) must be"),
    ],
)
def test_a_contradiction_is_an_error_with_its_line(
    tmp_path: Path, text: str, line: int, says: str
) -> None:
    path = tmp_path / "sonar.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(str(path), env={})
    assert str(caught.value).startswith(f"{path}:{line}: {says}")
    assert "\n" not in str(caught.value)


@pytest.fixture
def warned(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    load._warn.cache_clear()
    return caplog


@pytest.mark.parametrize("key", REMOVED)
def test_a_removed_setting_is_ignored_with_a_warning(
    tmp_path: Path, warned: pytest.LogCaptureFixture, key: str
) -> None:
    """For one release; the warning says where it is written and what holds instead."""
    section, _, name = key.rpartition(".")
    path = tmp_path / "sonar.yaml"
    path.write_text("".join(f"{'  ' * i}{part}:\n" for i, part in enumerate(section.split("."))))
    with path.open("a") as file:
        file.write(f"{'  ' * key.count('.')}{name}: 3\n")
    variable = f"SONAR_{key.replace('.', '__').upper()}"
    assert load_config(str(path), [f"{key}=x"], {variable: "no"}) == SonarConfig()
    line = key.count(".") + 1
    origins = [f"{path}:{line}", variable, f"--set {key}=x"]
    assert len(warned.messages) == 3
    for origin, message in zip(origins, warned.messages, strict=True):
        assert message.startswith(f"{origin}: {key} is no setting any more: {REMOVED[key]}.")
    load_config(str(path), env={})
    assert len(warned.messages) == 3  # each once


def test_no_setting_is_both_there_and_removed() -> None:
    assert not REMOVED.keys() & {key.name for key in keys()}
    settings = [key for key in keys() if not key.is_section and "*" not in key.path]
    assert len(settings) <= 60
