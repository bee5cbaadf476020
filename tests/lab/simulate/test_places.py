"""Made-up places: the depth is exact, the ground is the ground, and a run can be taken up again."""

import importlib.util

import numpy as np
import pytest

from sonar.lab.evaluate.data import find_datasets
from sonar.lab.simulate.places import render, rgbd, scenes
from sonar.lab.simulate.places.scenes import make_scene
from sonar.lab.simulate.places.things import KINDS
from sonar.lab.training.sample import below_ground_m, split_labels
from sonar.lab.training.sources import read_mujoco


@pytest.mark.parametrize("kind", KINDS)
def test_scenes_are_seeded_and_have_floor(kind):
    one, same, other = (make_scene(np.random.default_rng(seed), kind) for seed in (1, 1, 2))
    first, again, another = (scene.room.xml(64, 48) for scene in (one, same, other))
    assert first == again != another
    assert 'name="floor/' in first
    assert ('name="stairs/' in first) == kind.startswith("stairs")
    assert one.outdoors == bool(one.sun)
    assert kind == "drop" or one.outdoors == (kind == "street")


@pytest.mark.parametrize(("kind", "name"), [("drop", "below"), ("stairs_down", "landing")])
def test_what_lies_below_an_edge_is_not_ground_to_walk_on(kind, name):
    xml = make_scene(np.random.default_rng(3), kind).room.xml(64, 48)
    assert f'name="{name}/' in xml
    assert render._ground_id(f"{name}/3") == 0 != render._ground_id("floor/3")


@pytest.fixture(scope="module")
def mujoco():
    # Not importorskip: the way to draw must be chosen before mujoco is imported.
    if importlib.util.find_spec("mujoco") is None:
        pytest.skip("rendering needs mujoco (extra [sim])")


def test_rendered_depth_of_the_floor_lies_on_a_plane(mujoco):
    views = render.render_scene(np.random.default_rng([1, 4]), views=3)
    judged = 0
    for view in views:
        assert view.image.shape == (*render.SIZE, 3) and view.image.std() > 2
        assert view.inverse_m.min() >= 0 and 0.9 <= view.camera.height_m <= 1.8
        rows, columns = np.nonzero(view.ground == render.GROUND)
        if rows.size < 2000:
            continue
        # A plane's inverse depth is linear in the picture; kerbs and landings are a second one.
        a = np.stack([rows, columns, np.ones(rows.size)], axis=1)
        inverse = view.inverse_m[rows, columns]
        fit, *_ = np.linalg.lstsq(a, inverse, rcond=None)
        assert np.median(np.abs(a @ fit - inverse) / inverse) < 0.03
        judged += 1
    assert judged


def test_rendering_goes_on_where_it_was(mujoco, tmp_path, monkeypatch):
    monkeypatch.setattr(render, "SIZE", (48, 64))
    monkeypatch.setattr(render, "VIEWS", 2)
    said = []
    render.render(tmp_path, 1, seed=5, progress=lambda done, total: said.append((done, total)))
    (first,) = tmp_path.glob("scene_*.npz")
    stamp = first.stat().st_mtime_ns
    render.render(tmp_path, 2, seed=5, progress=lambda done, total: said.append((done, total)))
    assert said == [(1, 1), (1, 2), (2, 2)]
    assert first.stat().st_mtime_ns == stamp
    samples = list(read_mujoco(tmp_path))
    assert len({s.name for s in samples}) == len(samples) >= 3
    assert {s.kind for s in samples} == {"mujoco"} and all(s.calibrated for s in samples)
    assert all(s.licence == render.OWN_LICENCE and s.inverse.min() >= 0 for s in samples)


def test_ground_of_a_sample_lies_on_the_ground_of_its_camera(mujoco, tmp_path, monkeypatch):
    monkeypatch.setattr(render, "VIEWS", 3)
    monkeypatch.setattr(scenes, "SHARES", (1.0, 0.0, 0.0, 0.0, 0.0, 0.0))  # rooms
    render.render(tmp_path, 1, seed=1)
    judged = 0
    (file,) = tmp_path.glob("scene_*.npz")
    for sample, camera in zip(read_mujoco(tmp_path), np.load(file)["camera"], strict=True):
        focal_px, height_m, pitch_deg, roll_deg = (float(v) for v in camera)
        near = split_labels(sample.labels, "ground")[0] & (sample.inverse > 0.2)
        if np.count_nonzero(near) < 500:
            continue
        depth_m = (height_m / np.maximum(sample.inverse, 0.01)).astype(np.float32)
        rows, columns = depth_m.shape
        lens = (focal_px, focal_px, (columns - 1) / 2, (rows - 1) / 2)
        below_m = below_ground_m(depth_m, lens, height_m, pitch_deg, roll_deg)
        assert np.median(np.abs(below_m[near])) < 0.02
        assert not (split_labels(sample.labels, "drop")[0] & near).any()
        judged += 1
    assert judged


def test_photos_dress_surfaces(mujoco):
    photo = np.zeros((90, 90, 3), np.uint8)
    photo[:, :, 1] = 255
    dressed = render._dress(np.random.default_rng(0), [photo])
    green = [im for im in dressed.values() if im[:, :, 1].min() == 255 and im[:, :, 0].max() == 0]
    assert 2 <= len(green) < len(dressed)


def test_rgbd_folders_have_their_floor_where_their_pose_says(mujoco, tmp_path, monkeypatch):
    monkeypatch.setattr(rgbd, "FOLDERS", {"rendered_indoors": ("corridor",)})
    rgbd.write(tmp_path, 2, seed=7)
    (dataset,) = find_datasets([tmp_path / "rendered_indoors"])
    assert dataset.intrinsics is not None and len(dataset.pairs) == 2 * rgbd.VIEWS
    floors = 0
    for pair in dataset.pairs:
        _, depth_m = pair.load()
        k, mount = dataset.intrinsics, dataset.mounts[pair.id]
        assert mount.height_m and mount.pitch_deg is not None and mount.roll_deg is not None
        angles = mount.height_m, mount.pitch_deg, mount.roll_deg
        below_m = below_ground_m(depth_m, (k.fx, k.fy, k.cx, k.cy), *angles)
        floors += bool((np.abs(below_m[-20:]) < 0.05).mean() > 0.5)
    assert floors >= 3
