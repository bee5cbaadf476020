"""`sonar calibrate`: what it writes, and what it refuses."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from sonar.audio.speech.bank import SpeechBank
from sonar.demo import CLIP
from tests.cli.conftest import Run


def test_angles_of_the_built_in_clip(sonar: Run, tmp_path: Path) -> None:
    """Filmed at 10 degrees down, without roll; a small network finds that within some degrees."""
    code, out, err = sonar(
        "calibrate", "--from", CLIP, "--height", "1.35", "--hfov", "62", "--seconds", "2",
        "--out", "mount.yaml", "--json",
    )  # fmt: skip
    assert code == 0, err
    facts = json.loads(out)
    assert facts["mount"]["pitch_deg"] == pytest.approx(10, abs=5)
    assert facts["mount"]["roll_deg"] == pytest.approx(0, abs=4)
    shown = json.loads(sonar("config", "show", "--config", "mount.yaml", "--json")[1])
    assert shown["mount"]["pitch_deg"] == facts["mount"]["pitch_deg"]
    code, _, err = sonar("calibrate", "--from", CLIP, "--out", "mount.yaml")
    assert code == 2 and "exists" in err


@pytest.mark.parametrize(("gray", "reason"), [(0, "dark"), (170, "blank"), (60, "covered")])
def test_frames_that_show_nothing_are_refused(
    sonar: Run, tmp_path: Path, gray: int, reason: str
) -> None:
    cv2.imwrite(str(tmp_path / "plain.png"), np.full((120, 160, 3), gray, np.uint8))
    code, _, err = sonar("calibrate", "--from", "plain.png", "--out", "m.yaml")
    assert code == 3 and reason in err
    assert not (tmp_path / "m.yaml").exists()


@pytest.mark.parametrize("words", [("--height", "-1", "height_m"), ("--hfov", "200", "hfov_deg")])
def test_values_out_of_range(sonar: Run, words: tuple[str, str, str]) -> None:
    code, _, err = sonar("calibrate", "--from", CLIP, *words[:2])
    assert code == 2 and words[2] in err


def test_a_failing_sound_device_leaves_no_synthesizer_behind(
    sonar: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared, closed = [], []
    monkeypatch.setattr(SpeechBank, "prepare", lambda self: prepared.append(self))
    monkeypatch.setattr(SpeechBank, "close", lambda self: closed.append(self))
    code, _, err = sonar(
        "calibrate", "synthetic:corridor", "--set", "audio.output=device",
        "--set", "audio.device=no such thing", "--set", "speech.enabled=false",
    )  # fmt: skip
    assert code == 4 and "no such thing" in err
    assert len(prepared) == 1 and prepared[0] in closed
