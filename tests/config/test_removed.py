"""Settings of the release before: what the warning says holds now."""

import math
import re
from pathlib import Path

import pytest

from sonar import pipeline
from sonar.audio.cues import phrases, urgency
from sonar.audio.output import sinks
from sonar.audio.speech import bank
from sonar.audio.synthesis import mixer
from sonar.capture import images, live
from sonar.cli.service import START_TIMEOUT_S
from sonar.config import SonarConfig, load
from sonar.config.load import load_config
from sonar.config.reference import keys
from sonar.config.removed import REMOVED
from sonar.depth import select
from sonar.replay import video
from sonar.service.guide import governor, recorder
from sonar.service.supervisor import sounds
from sonar.service.supervisor.supervisor import WatchLimits
from sonar.web import video as web_video
from sonar.zones import bands


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


FIXED = {
    "capture.image_rate_hz": images.FOLDER_RATE_HZ,
    "capture.read_timeout_s": pipeline.READ_TIMEOUT_S,
    "capture.silence_s": live.Waits().silence_s,
    "capture.reconnect_first_s": live.Waits().pause_s,
    "engine.tolerance": select.TOLERANCE,
    "zones.hysteresis": bands.HYSTERESIS,
    "zones.dwell_s": bands.DWELL_S,
    "audio.block_size": sinks.BLOCK_SIZE,
    "audio.max_duty": mixer.MAX_DUTY,
    "audio.early_silence_s": urgency.EARLY_SILENCE_S,
    "audio.stale_s": mixer.STALE_S,
    "speech.duck_db": mixer.DUCK_DB,
    "speech.repeat_after_s": phrases.REPEAT_AFTER_S,
    "speech.timeout_s": bank.TIMEOUT_S,
    "replay.crf": video.QP,
    "replay.overlay": video.OVERLAY,
    "service.alarm_after_s": WatchLimits().alarm_after_s,
    "service.alarm_volume_db": 20 * math.log10(sounds.GAIN),
    "service.restart_after_s": WatchLimits().restart_after_s,
    "service.start_timeout_s": START_TIMEOUT_S,
    "service.restarts": WatchLimits().restarts,
    "service.restart_window_s": WatchLimits().restart_window_s,
    "service.missing_limit_s": WatchLimits().missing_limit_s,
    "service.governor.min_rate_hz": governor.LOWEST_HZ,
    "service.governor.max_rate_hz": governor.HIGHEST_HZ,
    "service.governor.hot_c": governor.HOT_C,
    "service.governor.too_hot_c": governor.TOO_HOT_C,
    "service.governor.battery_low_percent": governor.BATTERY_LOW_PERCENT,
    "service.governor.battery_save_percent": governor.BATTERY_SAVE_PERCENT,
    "service.recording.ring_s": recorder.RING_S,
    "service.recording.after_s": recorder.AFTER_S,
    "service.recording.keep_again_s": recorder.KEEP_AGAIN_S,
    "service.recording.width_px": recorder.WIDTH_PX,
    "service.recording.rate_hz": recorder.RATE_HZ,
    "web.max_video_s": web_video.MAX_VIDEO_S,
    "web.time_limit_s": web_video.TIME_LIMIT_S,
}


@pytest.mark.parametrize("key", REMOVED)
def test_a_removed_setting_names_the_value_that_holds_and_keys_that_are_there(key: str) -> None:
    text = REMOVED[key]
    sections = "|".join({one.path[0] for one in keys()})
    named = re.findall(rf"\b(?:{sections})\.[a-z_.]+", text)
    assert set(named) <= {one.name for one in keys()}
    if key in FIXED:
        assert f"{FIXED[key]:g}" in text.replace(";", " ").replace(",", " ").split()


def test_no_setting_is_both_there_and_removed() -> None:
    assert not REMOVED.keys() & {key.name for key in keys()}
    settings = [key for key in keys() if not key.is_section and "*" not in key.path]
    assert len(settings) <= 60


def test_the_backend_native_is_auto_with_a_warning(warned: pytest.LogCaptureFixture) -> None:
    config = load_config(None, ["engine.backend=native"], {})
    assert config.engine.backend == "auto"
    assert "--set engine.backend=native: the backend native was removed" in warned.text
