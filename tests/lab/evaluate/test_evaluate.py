"""Evaluation on places drawn from synthetic scenes, whose truth is known exactly."""

import gzip
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from evaluate_kit import SIZE, Oracle, intrinsics, play_all, run, source, write_folder, write_pack

from sonar.errors import SourceError
from sonar.lab.evaluate import lines
from sonar.lab.evaluate.data import find_datasets, read_dataset
from sonar.lab.evaluate.play import known_mounts
from sonar.lab.evaluate.results import write_results
from sonar.lab.evaluate.run import report_places

SHARED = Path(__file__).parents[4] / "shared" / "rendered"

# --- the whole way ---------------------------------------------------------------------------


def test_a_perfect_system_gets_perfect_figures(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "wall", "wall")
    place = run(folder, good=Oracle(source("wall"), sigma_m=0.05))["wall"]
    figure = place["figures"]["good"]
    assert place["frames"] == 8 and figure["n"] == 24 and place["unmeasured"] == 0
    assert place["mount"] == "given"
    assert 0 < place["near"] < figure["n"]
    assert figure["near_auc"] == 1.0
    assert figure["near_recall"] == 1.0 and figure["near_false_alarm"] == 0.0
    assert figure["distance_median_rel_error"] < 0.01, "the truth of both rooms must agree"
    assert abs(figure["distance_bias"]) < 0.01 and figure["zone_within_sigma"] == 1.0
    assert place["without_mount"]["good"]["near_recall"] == 1.0
    # A wall that fills the frame is the same frame at any distance for min-max.
    assert place["figures"]["min-max"]["near_auc"] < 1.0


def test_errors_are_measured(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "wall", "wall")
    place = run(folder, far=Oracle(source("wall"), factor=1.25, sigma_m=0.01))["wall"]
    figure = place["figures"]["far"]
    assert figure["distance_median_rel_error"] == pytest.approx(0.25, abs=0.01)
    assert figure["distance_bias"] == pytest.approx(np.log(1.25), abs=0.01)
    assert figure["near_auc"] == 1.0 and figure["zone_within_sigma"] == 0.0
    assert figure["near_recall"] < 1.0
    low, high = figure["ci"]["distance_bias"]
    assert low <= figure["distance_bias"] <= high and low < high


def test_failed_depth_is_unknown_and_counts_against(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "wall", "wall")
    oracle = Oracle(source("wall"), fail=True)
    figure = run(folder, bad=oracle)["wall"]["figures"]["bad"]
    assert oracle.lost_frames == 16  # with the mount and without
    assert figure["unknown"] == figure["n"] == 24
    assert figure["near_auc"] == 0.5 and figure["near_recall"] == figure["distance_share"] == 0.0
    assert figure["distance_median_rel_error"] is None


def test_the_report_is_json_and_the_same_again(tmp_path: Path) -> None:
    write_folder(tmp_path / "set" / "a", "left_box", frames=4)
    write_pack(tmp_path / "set", "b", frames=4)
    report = run(tmp_path / "set", one=Oracle(source("wall", 4)))
    assert list(json.loads(json.dumps(report))) == ["a", "b"]
    assert run(tmp_path / "set", one=Oracle(source("wall", 4))) == report


def test_what_the_system_knows(tmp_path: Path) -> None:
    oracle = Oracle(source("box"))
    run(write_folder(tmp_path / "box", "box"), one=oracle)
    known, bare = oracle.made  # zones are made once: the frames follow one another
    assert known.height_m == 1.4 and known.pitch_deg == 12.0
    assert bare.height_m is bare.pitch_deg is bare.roll_deg is None
    assert bare.fx_px == known.fx_px == pytest.approx(intrinsics().fx)
    assert len(oracle.mounts) == 8


# --- rendered packs --------------------------------------------------------------------------


def test_a_walk_in_a_pack_gives_what_its_folder_gives(tmp_path: Path) -> None:
    folder = run(write_folder(tmp_path / "wall", "wall"), one=Oracle(source("wall")))["wall"]
    oracle = Oracle(source("wall"))
    place = run(write_pack(tmp_path, "walk_x_0obst", frames=8), one=oracle)["walk_x_0obst"]
    assert place["figures"] == folder["figures"] and place["frames"] == 8
    assert oracle.mounts[-1].roll_deg == pytest.approx(3.0)
    assert oracle.mounts[-1].cx_px == pytest.approx(intrinsics().cx)


def test_views_of_a_pack_have_nothing_to_do_with_each_other(tmp_path: Path) -> None:
    oracle = Oracle(source("wall", 5))
    place = run(write_pack(tmp_path, "p_x", walk=False, frames=5), one=oracle)["p_x"]
    assert len(oracle.made) == 10  # new zones for each, with a mount and without
    # The oracle's map does not depend on the frame: it never flickers.
    assert place["figures"]["one"]["flicker"] == pytest.approx(0.0, abs=1e-6)
    assert place["figures"]["one"]["false_drops_per_1000"] is None


def test_what_lies_beyond_all_range_is_free_not_unmeasured(tmp_path: Path) -> None:
    def open_sky(depth_m: np.ndarray) -> np.ndarray:
        return np.where(np.arange(SIZE[0])[:, None] < 110, 99.0, depth_m)

    path = write_pack(tmp_path, "p_x", frames=1, change=open_sky)
    assert run(path, one=Oracle(source("wall", 1)))["p_x"]["unmeasured"] == 0


def test_drops_found_and_drops_that_are_none(tmp_path: Path) -> None:
    def pit(depth_m: np.ndarray) -> np.ndarray:
        depth_m = depth_m.copy()
        depth_m[90:, 60:100] *= 1.5  # far below the floor
        return depth_m

    src = source("wall", 4)
    early, late, never = (Oracle(src, drops=drops) for drops in ((1, 2), (3,), ()))
    path = write_pack(tmp_path, "walk_x_0drop", change=pit, kind="drop")
    place = run(path, early=early, late=late, never=never)["walk_x_0drop"]
    assert place["drop_found_m"] == {"early": 2.0, "late": 0.0, "never": None}
    assert place["figures"]["early"]["false_drops_per_1000"] is None  # the pit is always in view
    text = "\n".join(lines({"models": dict.fromkeys(place["drop_found_m"], "m"), "recordings": {},
                            "places": {"walk_x_0drop": place}}))  # fmt: skip
    assert re.search(r"drop reported +at 2.0 m +at 0.0 m +never +-$", text)
    assert re.search(r"drops found at 1 m +1 of 1 +0 of 1 +0 of 1\n", text)
    flat = run(write_pack(tmp_path, "walk_y_0obst", kind="obst"), early=early)["walk_y_0obst"]
    assert flat["figures"]["early"]["false_drops_per_1000"] == 500.0
    assert "drop_found_m" not in flat and flat["frames_without_drop"] == 4


@pytest.mark.skipif(not SHARED.is_dir(), reason="the rendered packs are not here")
def test_a_real_pack_is_read_as_its_readme_says() -> None:
    """The camera's height, from the depth of the pixels that are marked as ground."""
    (place,) = find_datasets([SHARED / "p_stairs5.tar.gz"])
    errors = []
    for pair in place.pairs[::8]:
        depth_m, mount, k = pair.load()[1], place.mounts[pair.id], place.camera(pair)
        ground = pair.image(f"{pair.id}_label.png") == 1
        v, u = np.nonzero(ground)
        x, y = (u - k.cx) / k.fx, (v - k.cy) / k.fy
        p, r = np.radians(mount.pitch_deg), np.radians(mount.roll_deg)
        height = depth_m[ground] * (np.sin(p) + np.cos(p) * (np.cos(r) * y + np.sin(r) * x))
        errors += [abs(np.median(height) / mount.height_m - 1)] if height.size > 100 else []
    assert len(errors) >= 8 and np.median(errors) < 0.002
    assert len(place.pairs) == 85 and not place.related


# --- which is better -------------------------------------------------------------------------


def test_a_model_is_better_only_beyond_the_interval_of_the_difference(tmp_path: Path) -> None:
    path = write_folder(tmp_path / "wall", "wall")
    src = source("wall")
    exact = Oracle(src)
    place = run(path, far=Oracle(src, 1.25), good=exact, same=Oracle(src, 1.25))["wall"]
    good, same = place["compared"]["good"], place["compared"]["same"]
    assert good["verdict"] == "better"
    error = good["figures"]["distance_median_rel_error"]
    assert error["verdict"] == "better" and error["ci"][1] < 0
    assert error["difference"] == pytest.approx(-0.25, abs=0.01)
    assert same["verdict"] == "no difference beyond the interval"
    assert same["figures"]["near_recall"]["ci"] == (0.0, 0.0)
    figures = place["figures"]
    assert figures["same"]["bands_equal"] == 1.0 and figures["same"]["depth_deviation"] == 0.0
    assert figures["good"]["bands_equal"] < 1.0 and figures["good"]["depth_deviation"] > 0.0
    few = run(write_pack(tmp_path, "p_x", walk=False, frames=5), far=Oracle(src, 1.25), good=exact)
    assert few["p_x"]["compared"]["good"]["verdict"] == "too few frames to say"
    back = run(path, good=Oracle(src), far=Oracle(src, 1.25))["wall"]["compared"]["far"]
    assert back["verdict"] == "worse"  # though it is better in nothing, and worse in one is enough


def test_the_page_says_what_is_held_out_and_what_the_figures_mean(tmp_path: Path) -> None:
    src = source("wall", 6)
    for name in ("p_corr3", "p_new", "p_corr1", "p_<b>"):
        write_pack(tmp_path, name, walk=False, frames=6)
    played = play_all(tmp_path, old=Oracle(src, 1.25), new=Oracle(src))
    places = report_places(played, {"old": None, "new": frozenset({"walk_p_corr1_0obst"})})
    assert places["p_corr3"]["seen"] == {"old": "held out", "new": "held out"}
    report = {"models": {"old": "o", "new": "n"}, "recordings": {}, "places": places}
    (tmp_path / "out").mkdir()
    write_results(tmp_path / "out", report)
    page = (tmp_path / "out" / "evaluation.html").read_text()
    for text in (
        "p_corr3 (held out)", "p_corr1 (training not known / trained on)",
        "p_new (training not known / not trained on)", "p_&lt;b&gt; (", "new, trained on",
        "half of the announced distances", "flatter it", "Compared with old",
    ):  # fmt: skip
        assert text in page, text
    assert page.index("p_corr3 (held out)") < page.index("p_corr1 (")  # held out first
    plain = "\n".join(lines(report))
    assert "In short: held out, lowest to highest figure of each place; places: 1\n" in plain
    assert "None of the places here is held out" not in page
    places.pop("p_corr3")
    write_results(tmp_path / "out", report)
    assert "None of the places here is held" in (tmp_path / "out" / "evaluation.html").read_text()
    assert "better: median distance error" in plain
    assert "p_corr3 (held out)   " in plain and "median distance error" in plain


# --- mounts ----------------------------------------------------------------------------------


def test_mount_from_the_measured_floor(tmp_path: Path) -> None:
    data = read_dataset(write_folder(tmp_path / "box", "box", mounts=False))
    mounts, origin = known_mounts(data)
    assert origin == "fitted" and len(mounts) == 8
    for mount in mounts.values():
        assert mount.height_m == pytest.approx(1.4, abs=0.02)
        assert mount.pitch_deg == pytest.approx(12.0, abs=0.5)
        assert mount.roll_deg == pytest.approx(3.0, abs=0.5)


def test_without_floor_nothing_is_claimed(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "wall", "wall", mounts=False, frames=2)
    for file in folder.glob("*_depth.png"):
        cv2.imwrite(str(file), np.full(SIZE, 900, np.uint16))
    place = run(folder, one=Oracle(source("wall", 2)))["wall"]
    assert place["figures"]["one"]["n"] == 0 and place["frames_without_floor"] == 2
    assert place["mount"] == "none" and place["figures"]["one"]["near_auc"] is None
    assert place["figures"]["min-max"]["distance_median_rel_error"] is None


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
    assert read_dataset(folder).meta.intrinsics is None
    cv2.imwrite(str(folder / "0000_depth.png"), np.zeros((10, 10), np.uint16))
    with pytest.raises(SourceError, match="must have the same size"):
        read_dataset(folder).pairs[0].load()
    cv2.imwrite(str(folder / "0000_depth.png"), np.zeros(SIZE, np.uint8))
    with pytest.raises(SourceError, match="not a 16-bit depth"):
        read_dataset(folder).pairs[0].load()
    (folder / "0000_depth.png").write_bytes(b"no image")
    with pytest.raises(SourceError, match="not an image"):
        read_dataset(folder).pairs[0].load()
    (folder / "0001_depth.png").write_bytes(b"")
    with pytest.raises(SourceError, match="no image 0001_rgb"):
        read_dataset(folder)


def test_clear_errors_of_packs(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"no tar")
    with pytest.raises(SourceError, match="not a readable tar"):
        find_datasets([tmp_path / "a.tar"])
    folder = tmp_path / "packs"
    folder.mkdir()
    path = write_pack(folder, "p_x", hz=-1)
    with pytest.raises(SourceError, match=r"p_x.*hz"):
        find_datasets([path])
    with pytest.raises(SourceError, match="holds no frames"):
        find_datasets([write_pack(folder, "p_z", frames=0)])
    path = write_pack(folder, "p_y", frames=1)
    place = find_datasets([path])[0]
    with pytest.raises(SourceError, match=r"holds no p_y_00000_label\.png"):
        place.pairs[0].image("p_y_00000_label.png")
    write_folder(folder / "p_y", "box", frames=1)
    with pytest.raises(SourceError, match="Two datasets"):
        find_datasets([folder / "p_y", path])


def test_damaged_bytes_of_a_pack_are_one_sentence(tmp_path: Path) -> None:
    packed = write_pack(tmp_path, "p_x", frames=1).read_bytes()
    rng = np.random.default_rng(1)
    refused = 0
    for number in range(120):
        suffix, data = [("tar.gz", packed), ("tar", gzip.decompress(packed))][number % 2]
        damaged = np.frombuffer(data, np.uint8).copy()
        damaged[rng.integers(0, damaged.size, 4)] = rng.integers(0, 256, 4)
        path = tmp_path / f"p_{number}.{suffix}"
        path.write_bytes(damaged.tobytes()[: None if number % 5 else int(rng.integers(9, 9000))])
        try:
            for pair in find_datasets([path])[0].pairs:
                pair.load()
        except SourceError as error:
            refused += str(error).count(path.name)
    assert refused >= 60
