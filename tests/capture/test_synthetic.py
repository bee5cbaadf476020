"""The synthetic world obeys the geometry that zones are built on."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonar.capture.synthetic import (
    SCENARIOS,
    Box,
    Camera,
    Role,
    SyntheticScene,
    SyntheticSource,
    floor,
    paint,
    scenario,
)
from sonar.errors import SourceError
from sonar.lab.simulate.truth import mixed_noise
from sonar.ports import Engine, FrameSource
from sonar.types import SIDES, DepthKind, Height
from tests.exact import ExactDepth
from tests.truth import truth_at

SIZE = (48, 64)

cameras = st.builds(
    Camera,
    x_m=st.floats(-0.5, 0.5),
    height_m=st.floats(0.5, 2.0),
    yaw_deg=st.floats(-30, 30),
    pitch_deg=st.floats(-15, 40),
    roll_deg=st.floats(-20, 20),
    hfov_deg=st.floats(40, 110),
)


@settings(max_examples=40, deadline=None)
@given(cameras)
def test_floor_pixels_follow_the_plane_formula(camera: Camera) -> None:
    view = SyntheticScene((floor(),), camera).view(0.0, *SIZE)
    x, y = camera.pixel_rays(*SIZE)
    p, r = math.radians(camera.pitch_deg), math.radians(camera.roll_deg)
    expected = (
        y[:, None] * math.cos(r) * math.cos(p)
        + x[None, :] * math.sin(r) * math.cos(p)
        + math.sin(p)
    ) / camera.height_m
    seen = view.hit == 0
    assert np.array_equal(seen, expected > 1e-11)
    np.testing.assert_allclose(1.0 / view.depth_m[seen], expected[seen], rtol=1e-6)
    assert np.isinf(view.depth_m[~seen]).all()


@settings(max_examples=30, deadline=None)
@given(cameras, st.floats(1.0, 6.0))
def test_points_and_depth_agree(camera: Camera, distance: float) -> None:
    view = scenario("box", camera, distance_m=distance).view(0.0, *SIZE)
    local = np.tensordot(camera.axes, view.points_m - camera.origin[:, None, None], axes=1)
    seen = view.hit >= 0
    np.testing.assert_allclose(local[2][seen], view.depth_m[seen], rtol=1e-4, atol=1e-4)
    x, y = camera.pixel_rays(*SIZE)
    np.testing.assert_allclose(
        (local[0] / local[2])[seen], np.broadcast_to(x, SIZE)[seen], atol=1e-4
    )
    np.testing.assert_allclose(
        (local[1] / local[2])[seen], np.broadcast_to(y[:, None], SIZE)[seen], atol=1e-4
    )


def test_a_box_is_hit_where_its_six_faces_are() -> None:
    """Against one slab test per pixel, written out."""
    small = Box((-0.2, 2.0, 0.3), (0.3, 2.4, 0.9))
    camera = Camera(pitch_deg=17, roll_deg=8, yaw_deg=5)
    view = SyntheticScene((small,), camera).view(0.0, *SIZE)
    x, y = camera.pixel_rays(*SIZE)
    directions = np.stack(
        [np.broadcast_to(x, SIZE), np.broadcast_to(y[:, None], SIZE), np.ones(SIZE)], -1
    )
    rays = directions @ camera.axes
    a = (np.array(small.low) - camera.origin) / rays
    b = (np.array(small.high) - camera.origin) / rays
    enter, leave = np.minimum(a, b).max(-1), np.maximum(a, b).min(-1)
    expected = np.where(enter <= leave, enter, np.inf)
    assert np.isfinite(expected).sum() > 20
    np.testing.assert_allclose(view.depth_m, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "side", "height"),
    [
        ("box", "center", Height.BODY),
        ("left_box", "left", Height.BODY),
        ("right_box", "right", Height.BODY),
        ("head_bar", "center", Height.HEAD),
        ("person_approaching", "center", Height.BODY),
        ("wall", "center", Height.BODY),
    ],
)
def test_truth_of_an_obstacle(name: str, side: str, height: Height) -> None:
    source = SyntheticSource(name, frames=31)
    truth = getattr(truth_at(source, 30), side)
    assert truth.height is height
    walked = 2.0
    start = {"person_approaching": 7.0 - 0.14, "wall": 4.0}.get(name, 5.0)
    assert truth.distance_m == pytest.approx(start - walked, abs=0.02)
    assert truth.ttc_s == pytest.approx(truth.distance_m / 1.0, rel=1e-6)


def test_truth_of_nothing_in_the_way() -> None:
    for name in ("wall_beside", "stairs_down"):
        truth = truth_at(SyntheticSource(name, frames=31), 30)
        assert [zone.distance_m for zone in truth.zones] == [None, None, None]
    leaving = truth_at(SyntheticSource("person_leaving", frames=31), 30).center
    assert leaving.distance_m == pytest.approx(2.0 - 0.14 + 2.0, abs=0.02)
    assert leaving.ttc_s is None


@pytest.mark.parametrize("name", ["stairs_down", "platform"])
def test_drop_edge(name: str) -> None:
    source = SyntheticSource(name, frames=46)
    assert truth_at(source, 0).drop_distance_m == pytest.approx(5.0)
    assert truth_at(source, 45).drop_distance_m == pytest.approx(2.0)
    view = source.view_at(0)
    below = np.isin(view.hit, [i for i, b in enumerate(view.boxes) if b.role is Role.BELOW])
    assert below.any()
    assert (view.points_m[1][below] >= 5.0 - 1e-4).all()
    # What lies below the ground is farther than the ground plane would be there.
    _, y = view.camera.pixel_rays(*source.size)
    plane = (y * math.cos(math.radians(10)) + math.sin(math.radians(10))) / 1.4
    plane = np.broadcast_to(plane[:, None], source.size)
    assert (1.0 / view.depth_m[below] < plane[below]).all()


def test_mirror_symmetry() -> None:
    left = truth_at(SyntheticSource("left_box", frames=31), 30)
    right = truth_at(SyntheticSource("right_box", frames=31), 30)
    assert left.left.distance_m == pytest.approx(right.right.distance_m, abs=1e-3)
    depth_left = SyntheticSource("left_box", frames=31).depth_at(30)
    depth_right = SyntheticSource("right_box", frames=31).depth_at(30)
    np.testing.assert_allclose(depth_left, depth_right[:, ::-1], rtol=1e-4)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_is_a_frame_source(name: str) -> None:
    source = SyntheticSource(name, rate_hz=5.0, frames=3, size=SIZE)
    assert isinstance(source, FrameSource)
    with pytest.raises(SourceError):
        source.read()
    source.open()
    frames = [source.read(0.1) for _ in range(4)]
    assert frames[3] is None
    assert [f.id for f in frames[:3] if f] == [0, 1, 2]
    assert frames[2] is not None and frames[2].t == pytest.approx(0.4)
    assert frames[2].image.shape == (*SIZE, 3)
    assert frames[2].image.std() > 12, "an image without texture"
    depth = source.depth_at(2)
    assert depth.dtype == np.float32 and depth.shape == SIZE and (depth > 0).all()
    assert [z.side for z in truth_at(source, 2).zones] == list(SIDES)
    source.close()
    source.close()
    source.open()
    again = source.read()
    assert again is not None and frames[0] is not None
    assert np.array_equal(again.image, frames[0].image)


def test_texture_moves_with_the_surface() -> None:
    """Walking on, a spot of the end wall keeps its color while it moves across the image."""
    scene = scenario("wall", Camera(pitch_deg=0), distance_m=3.0)
    first, later = scene.view(0.0, 240, 320), scene.view(0.5, 240, 320)
    images = paint(first).astype(int), paint(later).astype(int)
    # (u - cx) grows by the ratio of the distances, 3 / 2.5 = 1.2.
    rows, cols = np.meshgrid(np.arange(80, 160), np.arange(100, 220), indexing="ij")
    rows2 = np.rint((rows - 119.5) * 1.2 + 119.5).astype(int)
    cols2 = np.rint((cols - 159.5) * 1.2 + 159.5).astype(int)
    same = np.abs(images[0][rows, cols] - images[1][rows2, cols2]).mean()
    other = np.abs(images[0][rows, cols] - images[1][rows, cols]).mean()
    assert same < 0.6 * other


def test_gait_and_stop() -> None:
    scene = scenario("wall", sway_deg=2.0, bob_m=0.02)
    assert scene.camera_at(100.0).y_m == pytest.approx(3.5)
    pitches = [scene.camera_at(t / 30).pitch_deg for t in range(60)]
    assert max(pitches) == pytest.approx(12.0, abs=0.05)
    assert min(pitches) == pytest.approx(8.0, abs=0.05)


def test_unknown_scene() -> None:
    with pytest.raises(SourceError, match="no synthetic scene called 'moon'"):
        SyntheticSource("moon")


def test_exact_depth_engine() -> None:
    source = SyntheticSource("box", frames=3, size=SIZE)
    engine: Engine = ExactDepth(source, scale=0.5, shift=0.1)
    engine.warm_up(*SIZE)
    frame = source.frame_at(1)
    depth = engine.estimate(frame)
    assert depth.kind is DepthKind.RELATIVE_INVERSE
    np.testing.assert_allclose(depth.values, 0.5 / source.depth_at(1) + 0.1, rtol=1e-5)
    assert depth.walkable is not None
    view = source.view_at(1)
    on = np.isin(view.hit, [i for i, box in enumerate(view.boxes) if box.role is Role.GROUND])
    assert np.array_equal(depth.walkable, on)
    metric = ExactDepth(source, kind=DepthKind.METRIC).estimate(frame)
    np.testing.assert_allclose(metric.values, source.depth_at(1), rtol=1e-5)
    heights = ExactDepth(source, kind=DepthKind.PER_CAMERA_HEIGHT).estimate(frame)
    np.testing.assert_allclose(heights.values, 1.4 / source.depth_at(1), rtol=1e-3)  # 62 degrees
    assert heights.drop is not None and heights.drop.max() == 0.0  # no step down in this scene
    noisy = ExactDepth(source, noise=0.05, seed=3)
    assert np.array_equal(noisy.estimate(frame).values, noisy.estimate(frame).values)
    spoilt = noisy.estimate(frame).values - 1.0 / source.depth_at(1)
    low, high = np.percentile(1.0 / source.depth_at(1), (5, 95))
    assert spoilt.std() == pytest.approx(0.05 * (high - low), rel=0.25)


def test_noise_has_unit_variance() -> None:
    samples = np.stack([mixed_noise(np.random.default_rng(s), (24, 32)) for s in range(200)])
    assert samples.std() == pytest.approx(1.0, rel=0.05)
    assert abs(samples.mean()) < 0.05
