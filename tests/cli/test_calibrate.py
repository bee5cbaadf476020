"""`sonar calibrate`: angles, lens, a check by one distance, and what it refuses."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sonar.audio.speech.bank import SpeechBank
from sonar.capture.synthetic import SyntheticSource
from sonar.cli.calibration import calibrate
from sonar.config import MountConfig, SonarConfig
from sonar.demo import CLIP
from sonar.testing.exact import ExactDepth
from sonar.testing.truth import truth_at
from sonar.types import Frame
from tests.cli.conftest import Run


def test_angles_of_the_built_in_clip(sonar: Run, tmp_path: Path) -> None:
    """Filmed at 10 degrees down, without roll; a small network finds that within some degrees."""
    code, out, err = sonar(
        "calibrate", "--from", CLIP, "--height", "1.35", "--hfov", "62", "--seconds", "4",
        "--out", "mount.yaml", "--json",
    )  # fmt: skip
    assert code == 0, err
    facts = json.loads(out)
    assert facts["mount"]["pitch_deg"] == pytest.approx(10, abs=5)
    assert facts["mount"]["roll_deg"] == pytest.approx(0, abs=4)
    assert sonar("config", "validate", "mount.yaml")[0] == 0
    shown = json.loads(sonar("config", "show", "--config", "mount.yaml", "--json")[1])
    assert shown["mount"]["pitch_deg"] == facts["mount"]["pitch_deg"]
    code, _, err = sonar("calibrate", "--from", CLIP, "--out", "mount.yaml")
    assert code == 2 and "exists" in err


@pytest.mark.parametrize("scene", ["empty_hall", "corridor"])
def test_exact_depth_gives_exact_angles_and_a_distance_checks_the_height(scene: str) -> None:
    source = SyntheticSource(scene, frames=20)
    engine = ExactDepth(source, scale=0.6, shift=0.1, noise=0.01)
    truth = truth_at(source, 0).mount
    known = MountConfig(height_m=truth.height_m, hfov_deg=truth.hfov_deg)
    config = SonarConfig.model_validate({"engine": {"model": "unknown.onnx"}})
    found = calibrate([source.frame_at(i) for i in range(20)], engine, config, known)
    assert found is not None and truth.pitch_deg is not None
    assert found.mount.pitch_deg == pytest.approx(truth.pitch_deg, abs=2.5)
    assert found.mount.roll_deg == pytest.approx(truth.roll_deg, abs=1.5)


@pytest.mark.parametrize(("level", "reason"), [(0, "dark"), (170, "blank"), (60, "covered")])
def test_pictures_that_show_nothing_are_told(
    sonar: Run, tmp_path: Path, level: int, reason: str
) -> None:
    cv2.imwrite(str(tmp_path / "plain.png"), np.full((120, 160, 3), level, np.uint8))
    code, _, err = sonar("calibrate", "--from", "plain.png", "--out", "m.yaml")
    assert code == 3 and reason in err
    assert not (tmp_path / "m.yaml").exists()


@pytest.mark.parametrize("words", [("--board", "9by6"), ("--board", "2x2"), ("--height", "-1")])
def test_words_that_make_no_sense(sonar: Run, words: tuple[str, str]) -> None:
    code, _, err = sonar("calibrate", "--from", CLIP, *words)
    assert code == 2 and words[0] in err


def boards(fx: float, size: tuple[int, int], count: int) -> list[NDArray[np.uint8]]:
    """Pictures of a 9x6 chessboard from different sides through a lens of focal length fx."""
    height, width = size
    camera = np.array([[fx, 0, width / 2], [0, fx, height / 2], [0, 0, 1]])
    cell = 40
    squares = (np.indices((7, 10)).sum(axis=0) % 2 * 255).astype(np.uint8)
    flat = np.pad(np.kron(squares, np.ones((cell, cell), np.uint8)), cell, constant_values=255)
    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(count):
        turn, _ = cv2.Rodrigues(rng.uniform(-0.5, 0.5, 3))
        place = np.array([rng.uniform(-0.1, 0.1), rng.uniform(-0.1, 0.1), rng.uniform(1.1, 1.6)])
        # The board's plane, a square of 0.1 m, its middle at the origin.
        metre = 0.1 / cell
        to_plane = np.array(
            [
                [metre, 0, -flat.shape[1] / 2 * metre],
                [0, metre, -flat.shape[0] / 2 * metre],
                [0, 0, 1],
            ]
        )
        view = camera @ np.column_stack([turn[:, 0], turn[:, 1], place]) @ to_plane
        grey = cv2.warpPerspective(flat, view, (width, height), borderValue=128)
        pictures.append(np.repeat(grey[:, :, None], 3, axis=2))
    return pictures


def test_a_chessboard_measures_the_lens() -> None:
    pictures = boards(700.0, (480, 640), 12)
    source = SyntheticSource("empty_hall", frames=12)
    engine = ExactDepth(source, scale=0.6, shift=0.1)
    config = SonarConfig.model_validate({"engine": {"model": "unknown.onnx"}})
    frames = [Frame(picture, i, float(i)) for i, picture in enumerate(pictures)]
    found = calibrate(frames, engine, config, MountConfig(height_m=1.4), board=(9, 6))
    assert found is not None and found.boards >= 5
    assert found.mount.fx_px == pytest.approx(700, rel=0.03)
    assert found.mount.cx_px == pytest.approx(320, abs=15)
    assert found.board_error_px is not None and found.board_error_px < 0.5


def test_a_board_that_is_not_there_is_told(sonar: Run) -> None:
    code, _, err = sonar("calibrate", "--from", CLIP, "--board", "9x6", "--seconds", "3")
    assert code == 3 and "chessboard" in err


def test_a_failing_sound_device_leaves_no_synthesizer_behind(
    sonar: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []
    monkeypatch.setattr(SpeechBank, "close", lambda self: closed.append(self))
    monkeypatch.setattr(SpeechBank, "prepare", lambda self: True)
    code, _, err = sonar(
        "calibrate", "synthetic:corridor", "--set", "audio.output=device",
        "--set", "audio.device=no such thing", "--set", "speech.enabled=false",
    )  # fmt: skip
    assert code == 4 and "no such thing" in err
    assert len(closed) == 1
