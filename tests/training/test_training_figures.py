"""Figures: right where the answer is known, and the script that prints them."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from sonar.depth.models.registry import BUILTIN_PATH
from sonar.lab.evaluate.data import find_datasets
from sonar.lab.training import evaluate
from sonar.lab.training.data import LEVEL_GAIN, LEVEL_SHIFT, USUAL_HEIGHT_M, Sample
from sonar.lab.training.failures import sheet

ROOT = Path(__file__).parents[2]


def inverse_picture(rows=48, columns=64):
    """1/m, from 0.25 (4 m) to 1 (1 m)."""
    return np.tile(np.linspace(0.25, 1.0, rows, dtype=np.float32)[:, None], (1, columns))


def sample(kind="rendered", source="room", ground=0):
    inverse = inverse_picture()
    level = (LEVEL_GAIN * USUAL_HEIGHT_M * inverse + LEVEL_SHIFT).astype(np.float32)
    image = (inverse[:, :, None] * np.full(3, 200.0)).astype(np.uint8)
    return Sample("x", source, kind, image, level, np.full(level.shape, ground, np.uint8))


class Knows:
    """Says what it is told; not the network."""

    def __init__(self, depth, walkable):
        self.depth, self.walkable = depth, walkable

    def __call__(self, image):
        return self.depth.astype(np.float32), self.walkable.astype(np.float32)


def test_the_truth_on_any_scale_has_no_error():
    told = Knows(3.0 * inverse_picture() - 0.2, np.ones((48, 64)))
    found = evaluate.rendered(told, [sample(ground=1)])
    assert found.abs_rel < 1e-4 and found.delta_off == 0.0
    assert found.correlation == pytest.approx(1.0) and found.walkable_iou == 1.0
    assert "AbsRel 0.000" in found.line()
    near = sample().level > evaluate.NEAR_LEVEL
    wanted = np.median(told.depth[near] / sample().level[near])
    assert found.near_level == pytest.approx(wanted) and f"near level {wanted:.2f}" in found.line()


def test_a_flat_answer_has_the_error_of_a_constant():
    rng = np.random.default_rng(0)
    told = Knows(1e-6 * rng.random((48, 64)), np.zeros((48, 64)))
    found = evaluate.rendered(told, [sample(ground=1)])
    inverse = inverse_picture()
    constant = 1.0 / inverse.mean()
    wanted = float(np.mean(np.abs(constant - 1 / inverse) * inverse))
    assert found.abs_rel == pytest.approx(wanted, rel=0.02)
    assert found.walkable_iou == 0.0


def test_photos_are_judged_on_their_level():
    photo = sample("photo", "pack")
    right = evaluate.photos(Knows(photo.level, np.zeros((48, 64))), [photo])
    assert right.label_error < 1e-6 and right.shape_error < 1e-5 and right.walkable_iou is None
    high = evaluate.photos(Knows(photo.level + 0.1, np.zeros((48, 64))), [photo])
    assert high.label_error == pytest.approx(0.1, rel=1e-3) and high.shape_error < 1e-5


def test_flicker_is_nought_for_a_constant_answer_and_not_for_a_nervous_one():
    depth = inverse_picture()

    class Nervous:
        calls = 0

        def __call__(self, image):
            self.calls += 1
            wave = 1.0 + 0.2 * np.sin(np.arange(64) / 5 + self.calls)
            return (depth * wave).astype(np.float32), depth

    still = [sample().image]
    assert evaluate.flicker(Knows(depth, depth), still) < 1e-5
    assert evaluate.flicker(Nervous(), still) > 0.03


def test_a_folder_and_the_packaged_model(tmp_path):
    folder = tmp_path / "room"
    folder.mkdir()
    millimetres = (1000 / cv2.resize(inverse_picture(), (96, 72))).astype(np.uint16)
    rng = np.random.default_rng(0)
    for number in range(3):
        picture = rng.integers(0, 255, (72, 96, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number}_rgb.png"), picture)
        cv2.imwrite(str(folder / f"{number}_depth.png"), millimetres)
    (dataset,) = find_datasets([folder])
    model = evaluate.Model(BUILTIN_PATH)
    depth, walkable = model(rng.integers(0, 255, (72, 96, 3), np.uint8))
    assert depth.shape == walkable.shape == (72, 96)
    found = evaluate.measured(model, dataset, pictures=2)
    assert found.pictures == 2 and 0.0 < found.abs_rel < 1.0 and found.walkable_iou is None


def test_the_failures_sheet_has_a_row_for_each_kind():
    samples = [sample(source=kind) for kind in ("room", "street") for _ in range(3)]
    depth = inverse_picture()[::-1] + np.random.default_rng(0).random((48, 64))
    picture = sheet(Knows(depth, np.zeros((48, 64))), samples)
    assert picture.shape == (2 * 184, 3 * 244, 3) and picture.std() > 10


def test_the_script_prints_figures_and_one_sentence_for_mistakes(tmp_path):
    def run(*words):
        return subprocess.run(
            [sys.executable, ROOT / "scripts" / "train_builtin", *words],
            capture_output=True, text=True, timeout=100, cwd=ROOT,
        )  # fmt: skip

    bad = run("evaluate", BUILTIN_PATH, "--photos", tmp_path / "nowhere")
    assert bad.returncode == 1 and bad.stdout == ""
    assert bad.stderr.strip() == f"{tmp_path / 'nowhere'} is not there."
    folder = tmp_path / "room"
    folder.mkdir()
    cv2.imwrite(str(folder / "1_rgb.png"), np.full((72, 96, 3), 90, np.uint8))
    depth = (1000 / cv2.resize(inverse_picture(), (96, 72))).astype(np.uint16)
    cv2.imwrite(str(folder / "1_depth.png"), depth)
    good = run("evaluate", BUILTIN_PATH, "--measured", folder, "--json", tmp_path / "f.json")
    assert good.returncode == 0, good.stderr
    assert "room" in good.stdout and "AbsRel" in good.stdout and "flicker" in good.stdout
    report = json.loads((tmp_path / "f.json").read_text())
    assert report[str(BUILTIN_PATH)]["room"]["pictures"] == 1
