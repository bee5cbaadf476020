"""Rules between keys: what contradicts itself is an error with the line."""

from pathlib import Path

import pytest

from sonar.config.load import load_config
from sonar.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (
            "service:\n  governor:\n    hot_c: 90\n",
            3,
            "service.governor: hot_c must be below too_hot_c",
        ),
        (
            "service:\n  governor:\n    min_rate_hz: 40\n",
            3,
            "service.governor: min_rate_hz must be at most max_rate_hz",
        ),
        (
            "service:\n  governor:\n    battery_save_percent: 30\n",
            3,
            "service.governor: battery_save_percent must be at most battery_low_percent",
        ),
        (
            "service:\n  alarm_after_s: 3\n",
            2,
            "service: alarm_after_s must be at most restart_after_s",
        ),
        (
            "capture:\n  reconnect_first_s: 20\n",
            2,
            "capture: reconnect_first_s must be at most reconnect_max_s",
        ),
        ("mount:\n  cx_px: 320\n", 2, "mount: fy_px, cx_px, cy_px and the calibrated size go with"),
        (
            "mount:\n  fx_px: 500\n  calibrated_width_px: 640\n",
            3,
            "mount: calibrated_width_px and calibrated_height_px go together",
        ),
        ("capture:\n  read_timeout_s: 0\n", 2, "capture.read_timeout_s (seconds) must be a number"),
        ("capture:\n  max_frame_age_s: 0\n", 2, "capture.max_frame_age_s (seconds) must be"),
        ("audio:\n  stale_s: 0\n", 2, "audio.stale_s (seconds) must be a number from 0.05"),
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
