"""`sonar depth`: what it writes, and what it refuses."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.cli.conftest import Run, one_sentence, shipped


def test_depth_of_images(sonar: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        cv2.imwrite(f"{tmp_path}/{folder}/x.png", rng.integers(0, 255, (120, 160, 3), np.uint8))
    code, out, _ = sonar("depth", "a", "b/x.png", "--out", "out", "--json")
    assert code == 0
    facts = json.loads(out)
    assert [fact["name"] for fact in facts] == ["x", "x_2"]  # neither overwrites the other
    values = np.load(tmp_path / "out" / "x_depth.npy")
    png = cv2.imread(str(tmp_path / "out" / "x_depth16.png"), -1).astype(np.float64)
    low, high = facts[0]["png16_zero"], facts[0]["png16_full"]
    assert low + png / 65535 * (high - low) == pytest.approx(values, abs=(high - low) / 60000)
    heat = cv2.imread(str(tmp_path / "out" / "x_depth.png"))
    assert heat.shape == (*values.shape, 3)
    bright = heat.astype(int).sum(axis=2)
    assert bright[values >= np.quantile(values, 0.98)].mean() > bright.mean()  # bright = near


@pytest.mark.parametrize(
    "image",
    [
        np.full((1, 1, 3), 90, np.uint8),
        np.random.default_rng(0).integers(0, 255, (33, 4000, 3), np.uint8),
        np.random.default_rng(0).integers(0, 255, (64, 80), np.uint8),
        np.random.default_rng(0).integers(0, 65535, (64, 80, 3), np.uint16),
        np.random.default_rng(0).integers(0, 255, (64, 80, 4), np.uint8),
    ],
    ids=["1x1", "33x4000", "gray", "16 bit", "rgba"],
)
def test_odd_images_get_a_depth_or_a_reason(sonar: Run, tmp_path: Path, image: np.ndarray) -> None:
    cv2.imwrite(str(tmp_path / "odd.png"), image)
    code, _, err = sonar("depth", "odd.png", "--out", "out")
    assert code in (0, 5) and "Traceback" not in err
    if code == 0:
        values = np.load(tmp_path / "out" / "odd_depth.npy")
        assert values.dtype == np.float32 and np.isfinite(values).all()
        assert cv2.imread(str(tmp_path / "out" / "odd_depth16.png"), -1).dtype == np.uint16
    else:
        assert one_sentence(err)


def test_floating_point_images(sonar: Run, tmp_path: Path) -> None:
    image = np.random.default_rng(0).random((64, 80, 3)).astype(np.float32)
    image[10:30] = np.nan
    cv2.imwrite(str(tmp_path / "nan.tiff"), image)
    code, _, err = sonar("depth", "nan.tiff", "--out", "out")
    assert code == 3 and "convert it to PNG" in err and one_sentence(err)


def test_the_cup_is_nearer_than_the_table_behind_it(sonar: Run, tmp_path: Path) -> None:
    assert sonar("depth", shipped("scikit-image", "coffee.png"), "--out", "out")[0] == 0
    values = np.load(tmp_path / "out" / "coffee_depth.npy")
    rows, columns = values.shape
    cup = values[rows // 2 : 3 * rows // 4, columns // 3 : 2 * columns // 3]
    behind = values[: rows // 10]
    assert np.isfinite(values).all() and np.median(cup) > np.median(behind)
