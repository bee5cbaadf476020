"""Evaluation on folders drawn from synthetic scenes, whose truth is known exactly."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from evaluate_kit import SIZE, Oracle, intrinsics, run, source, write_folder

from sonar.errors import SourceError
from sonar.lab.evaluate.data import find_datasets, read_dataset
from sonar.lab.evaluate.folder import known_mounts

# --- the whole way ---------------------------------------------------------------------------


def test_a_perfect_system_gets_perfect_figures(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "wall", "wall")
    oracle = Oracle(source("wall"))
    report = run(folder, oracle)
    figure = report["sources"]["wall"]
    assert figure["frames"] == 8 and figure["n"] == 24 and figure["unmeasured"] == 0
    assert figure["mount"] == "given"
    assert 0 < figure["near"] < figure["n"]
    assert figure["near_auc"] == 1.0
    assert figure["near_recall"] == 1.0 and figure["near_false_alarm"] == 0.0
    assert figure["distance_median_rel_error"] is not None
    assert figure["distance_median_rel_error"] < 0.01, "the truth of both rooms must agree"
    assert figure["nearest_zone_agreement"] == 1.0 and figure["band_agreement"] == 1.0
    # A wall that fills the picture is the same picture at any distance for min-max.
    assert figure["naive"]["near_auc"] is not None and figure["naive"]["near_auc"] < 1.0


def test_errors_are_measured(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "wall", "wall")
    figure = run(folder, Oracle(source("wall"), factor=1.25))["sources"]["wall"]
    assert figure["distance_median_rel_error"] == pytest.approx(0.25, abs=0.01)
    assert figure["near_auc"] == 1.0
    assert figure["near_recall"] is not None and figure["near_recall"] < 1.0
    low, high = figure["ci"]["near_recall"] or (1.0, 0.0)
    assert low <= figure["near_recall"] <= high and low < high


def test_failed_depth_is_unknown_and_counts_against(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "wall", "wall")
    oracle = Oracle(source("wall"), fail=True)
    figure = run(folder, oracle)["sources"]["wall"]
    assert oracle.lost_frames == 8
    assert figure["unknown"] == figure["n"] == 24
    assert (
        figure["near_auc"] == 0.5
        and figure["near_recall"] == 0.0
        and figure["distance_share"] == 0.0
    )
    assert figure["distance_median_rel_error"] is None
    assert sum(row["unknown"] for row in figure["bands"].values()) == 24


def test_json_has_the_documented_names(tmp_path: Path) -> None:
    write_folder(tmp_path / "set" / "a", "left_box", frames=4)
    write_folder(tmp_path / "set" / "b", "wall", frames=4)
    report = run(tmp_path / "set", Oracle(source("wall", 4)))
    assert json.loads(json.dumps(report))["sources"].keys() == report["sources"].keys()
    assert list(report["sources"]) == ["a", "b"]
    names = {
        "n",
        "distance_median_rel_error",
        "distance_p95_rel_error",
        "near_auc",
        "near_recall",
        "near_false_alarm",
        "nearest_zone_agreement",
        "bands",
    }
    for folder in report["sources"].values():
        assert names <= set(folder) and names <= set(folder["naive"])
    again = run(tmp_path / "set", Oracle(source("wall", 4)))
    assert again == report


@pytest.mark.parametrize(("use", "per_frame", "height"), [("frames", 9, 1.4), ("none", 1, None)])
def test_what_the_system_knows(
    tmp_path: Path, use: str, per_frame: int, height: float | None
) -> None:
    folder = write_folder(tmp_path / "box", "box")
    oracle = Oracle(source("box"))
    report = run(folder, oracle, mount_use=use)
    assert len(oracle.mounts) == per_frame
    mount = oracle.mounts[-1]
    assert mount.height_m == height
    assert (mount.pitch_deg is None) == (height is None)
    assert mount.fx_px == pytest.approx(intrinsics().fx)
    assert report["sources"]["box"]["mount"] == ("none" if use == "none" else "given")


def test_mount_from_the_measured_floor(tmp_path: Path) -> None:
    data = read_dataset(write_folder(tmp_path / "box", "box", mounts=False))
    mounts, origin = known_mounts(data, intrinsics())
    assert origin == "fitted" and len(mounts) == 8
    for mount in mounts.values():
        assert mount.height_m == pytest.approx(1.4, abs=0.02)
        assert mount.pitch_deg == pytest.approx(12.0, abs=0.5)
        assert mount.roll_deg == pytest.approx(3.0, abs=0.5)


def test_without_floor_nothing_is_claimed(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "wall", "wall", mounts=False, frames=2)
    for file in folder.glob("*_depth.png"):
        cv2.imwrite(str(file), np.full(SIZE, 900, np.uint16))
    report = run(folder, Oracle(source("wall", 2)))
    figure = report["sources"]["wall"]
    assert figure["n"] == 0 and figure["frames_without_floor"] == 2 and figure["mount"] == "none"
    assert figure["near_auc"] is None and figure["naive"]["distance_median_rel_error"] is None
    json.dumps(report)


# --- bad input -------------------------------------------------------------------------------


def test_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not a folder"):
        find_datasets([tmp_path / "nothing"])
    with pytest.raises(SourceError, match="holds no pairs"):
        find_datasets([tmp_path])
    folder = write_folder(tmp_path / "box", "box", frames=1)
    (folder / "meta.json").write_text('{"intrinsics": {"fx": -1, "fy": 1, "cx": 0, "cy": 0}}')
    with pytest.raises(SourceError, match=r"intrinsics\.fx"):
        read_dataset(folder)
    (folder / "meta.json").write_text("{")
    with pytest.raises(SourceError, match="Invalid JSON"):
        read_dataset(folder)
    (folder / "meta.json").unlink()
    assert read_dataset(folder).intrinsics is None
    cv2.imwrite(str(folder / "0000_depth.png"), np.zeros((10, 10), np.uint16))
    with pytest.raises(SourceError, match="must have the same size"):
        read_dataset(folder).pairs[0].load()
    cv2.imwrite(str(folder / "0000_depth.png"), np.zeros(SIZE, np.uint8))
    with pytest.raises(SourceError, match="not a 16-bit depth"):
        read_dataset(folder).pairs[0].load()
    (folder / "0000_depth.png").write_bytes(b"no picture")
    with pytest.raises(SourceError, match="not an image"):
        read_dataset(folder).pairs[0].load()
    (folder / "0001_depth.png").write_bytes(b"")
    with pytest.raises(SourceError, match="no image 0001_rgb"):
        read_dataset(folder)
