"""Made-up places: the depth is exact, the ground is the ground, and a run can be taken up again."""

import importlib.util

import numpy as np
import pytest

from sonar.lab.simulate.places import scenes, views
from sonar.lab.simulate.places.scenes import KINDS, make_scene
from sonar.lab.simulate.scene.world import World
from sonar.lab.training.sample import below_ground_m, split_labels
from sonar.lab.training.sources import read_mujoco


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_scenes_are_seeded_and_have_the_ground_of_their_kind(kind, seed):
    one, same, other = (make_scene(np.random.default_rng(s), kind) for s in (seed, seed, seed + 9))
    assert one == same != other
    world = World(one.scenario())
    names = {part.thing.partition(" ")[0] for part in world.room.parts}
    assert "floor" in names and ("stairs" in names) == kind.startswith("stairs")
    assert ("road" in names) == (kind == "street")
    assert ("below" in names) == (kind in ("stairs_down", "drop", "street"))


def test_what_lies_below_an_edge_is_not_ground_to_walk_on():
    assert views.ground_label("below") == views.ground_label("wall 1") == 0
    assert views.ground_label("stairs 1") == 2
    assert views.ground_label("floor") == views.ground_label("road") == 1


@pytest.fixture(scope="module")
def mujoco():
    # Not importorskip: the way to draw must be chosen before mujoco is imported.
    if importlib.util.find_spec("mujoco") is None:
        pytest.skip("rendering needs mujoco (extra [sim])")


def test_rendered_depth_of_the_floor_lies_on_a_plane(mujoco):
    found = views.render_scene(np.random.default_rng([1, 4]), views=3)
    judged = 0
    for view in found:
        assert view.image.shape == (*views.SIZE, 3) and view.image.std() > 2
        assert view.inverse_m.min() >= 0 and 0.9 <= view.camera.height_m <= 1.8
        rows, columns = np.nonzero(view.ground == 1)
        if rows.size < 2000:
            continue
        # A plane's inverse depth is linear in the image; curbs and landings are a second one.
        a = np.stack([rows, columns, np.ones(rows.size)], axis=1)
        inverse = view.inverse_m[rows, columns]
        fit, *_ = np.linalg.lstsq(a, inverse, rcond=None)
        assert np.median(np.abs(a @ fit - inverse) / inverse) < 0.03
        judged += 1
    assert judged


def test_rendering_goes_on_where_it_was(mujoco, tmp_path, monkeypatch):
    monkeypatch.setattr(views, "SIZE", (48, 64))
    monkeypatch.setattr(views, "VIEWS", 2)
    said = []
    views.render(tmp_path, 1, seed=5, progress=lambda done, total: said.append((done, total)))
    (first,) = tmp_path.glob("scene_*.npz")
    stamp = first.stat().st_mtime_ns
    views.render(tmp_path, 2, seed=5, progress=lambda done, total: said.append((done, total)))
    assert said == [(1, 1), (1, 2), (2, 2)]
    assert first.stat().st_mtime_ns == stamp
    samples = list(read_mujoco(tmp_path))
    assert len({s.name for s in samples}) == len(samples) >= 3
    assert {s.kind for s in samples} == {"mujoco"} and all(s.calibrated for s in samples)
    assert all(s.licence == views.LICENCE and s.inverse.min() >= 0 for s in samples)


def test_ground_of_a_sample_lies_on_the_ground_of_its_camera(mujoco, tmp_path, monkeypatch):
    monkeypatch.setattr(views, "VIEWS", 3)
    monkeypatch.setattr(scenes, "SHARES", (1.0, 0.0, 0.0, 0.0, 0.0, 0.0))  # rooms
    views.render(tmp_path, 1, seed=1)
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
