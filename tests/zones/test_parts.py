"""The parts: geometry against its formulas, visibility, drops, tracks, calibration, speed."""

import cv2
import numpy as np
import pytest

from sonar.capture.synthetic import Camera, SyntheticSource, scenario
from sonar.config import MountConfig
from sonar.types import DepthKind, Frame, Height, Reason
from sonar.zones import estimate_mount, tracks
from sonar.zones.geometry import intrinsics, make_grid, make_view, undistort
from sonar.zones.image_quality import ImageQuality, assess
from sonar.zones.obstacles import DropTrack, Edge, Obstacle, follow_drop
from tests.exact import ExactDepth
from tests.zones.kit import play


@pytest.mark.parametrize(("pitch", "roll"), [(0, 0), (20, 0), (10, 7), (-15, -4), (60, 10)])
def test_ground_rays_follow_the_documented_formula(pitch, roll):
    grid = make_grid(intrinsics(MountConfig(hfov_deg=70), 640, 480), (96, 128), 64)
    view = make_view(grid, pitch, roll)
    p, r = np.radians(pitch), np.radians(roll)
    expected = grid.y * np.cos(r) * np.cos(p) + grid.x * np.sin(r) * np.cos(p) + np.sin(p)
    np.testing.assert_allclose(view.q, expected, atol=1e-5)
    # Down, ahead and right are one right-handed frame.
    length = view.q**2 + view.ahead**2 + view.side**2
    np.testing.assert_allclose(length, grid.x**2 + grid.y**2 + 1, rtol=1e-5)


def test_derivatives_of_q_are_ahead_and_side():
    grid = make_grid(intrinsics(MountConfig(), 640, 480), (96, 128), 64)
    base = make_view(grid, 12, 5)
    small = np.radians(0.1)
    np.testing.assert_allclose((make_view(grid, 12.1, 5).q - base.q) / small, base.ahead, atol=2e-3)
    by_roll = base.side * np.cos(np.radians(12))
    np.testing.assert_allclose((make_view(grid, 12, 5.1).q - base.q) / small, by_roll, atol=2e-3)


def test_intrinsics_rescale_and_turn_with_the_frame():
    mount = MountConfig(
        fx_px=1000,
        fy_px=1010,
        cx_px=959.5,
        cy_px=539.5,
        calibrated_width_px=1920,
        calibrated_height_px=1080,
    )
    half = intrinsics(mount, 960, 540)
    assert (half.fx, half.fy) == pytest.approx((500, 505))
    assert (half.cx, half.cy) == pytest.approx((479.5, 269.5))
    turned = intrinsics(mount, 1080, 1920)
    assert (turned.fx, turned.fy) == pytest.approx((1010, 1000))
    assert intrinsics(MountConfig(), 480, 640).fx == intrinsics(MountConfig(), 640, 480).fx


def test_undistort_inverts_the_lens_model():
    k1, k2, p1, p2, k3 = coefficients = (-0.25, 0.08, 0.001, -0.0005, -0.01)
    x, y = np.meshgrid(
        np.linspace(-0.6, 0.6, 9, dtype=np.float32), np.linspace(-0.45, 0.45, 7, dtype=np.float32)
    )
    r2 = x * x + y * y
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    bent_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    bent_y = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    u, v = undistort(bent_x, bent_y, coefficients)
    np.testing.assert_allclose(u, x, atol=2e-3)
    np.testing.assert_allclose(v, y, atol=2e-3)


@pytest.mark.parametrize("size", [(192, 256), (256, 128), (33, 400), (1, 1), (7, 9)])
def test_grid_covers_maps_of_any_shape(size):
    grid = make_grid(intrinsics(MountConfig(), size[1], size[0]), size, 64)
    assert grid.reduce(np.ones(size, np.float32)).shape == grid.shape
    assert max(grid.shape) <= 128


def textured(seed=0, low=30, high=220):
    return np.random.default_rng(seed).integers(low, high, (480, 640, 3)).astype(np.uint8)


def flat(value, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    return np.clip(value + rng.normal(0, noise, (480, 640, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (textured(), None),
        (flat(3), Reason.DARK),
        (flat(255, 0), Reason.GLARE),
        (flat(60), Reason.COVERED),
        (flat(190), Reason.BLANK),
    ],
)
def test_a_frame_that_says_nothing_has_its_reason(image, reason):
    assert assess(image, 0.0, ImageQuality())[0] is reason


def test_a_dim_frame_of_few_but_sharp_edges_is_not_a_covered_lens():
    stairwell = flat(12)
    stairwell[300:] = flat(90)[300:]  # bare ground that ends
    assert assess(stairwell, 0.0, ImageQuality())[0] is None
    finger = cv2.GaussianBlur(stairwell, (0, 0), 25)  # too near to be sharp
    assert assess(finger, 0.0, ImageQuality())[0] is Reason.COVERED


def test_one_bad_frame_is_not_yet_a_reason_but_a_quarter_second_is():
    _, quality = assess(textured(), 0.0, ImageQuality())
    found, quality = assess(flat(3), 0.1, quality)
    assert found is None
    found, quality = assess(flat(3, seed=1), 0.4, quality)
    assert found is Reason.DARK
    found, _ = assess(textured(1), 0.5, quality)
    assert found is None


def test_the_same_frame_again_and_again_is_frozen_and_thaws():
    image, quality = textured(), ImageQuality()
    reasons = []
    for k in range(40):
        found, quality = assess(image, k / 15, quality)
        reasons.append(found)
    assert reasons[10] is None
    assert reasons[-1] is Reason.FROZEN
    assert assess(textured(5), 3.0, quality)[0] is None


def test_dark_frames_make_every_zone_unknown_and_light_brings_them_back():

    def image(frame):
        dark = 15 <= frame.id < 30
        return Frame((frame.image // 60).astype(np.uint8), frame.id, frame.t) if dark else frame

    scenes = [scene for _, scene, _ in play("box", 45, rate_hz=15, image=image)]
    assert scenes[14].reason is None
    assert scenes[29].reason is Reason.DARK
    assert {z.band.value for z in scenes[29].zones} == {"unknown"}
    assert scenes[-1].reason is None
    assert scenes[-1].center.distance_m is not None


def follow(distances, rate_hz=15.0, height=Height.BODY):
    track, dt = tracks.Track(), 1 / rate_hz
    for k, d in enumerate(distances):
        found = None if d is None else Obstacle(d, 0.05, height)
        track = tracks.follow(track, found, k * dt, dt)
    return track


def test_time_to_collision_of_a_steady_approach():
    distances = [5.0 - 1.2 * k / 15 for k in range(30)]
    assert tracks.time_to_collision(follow(distances)) == pytest.approx(
        distances[-1] / 1.2, rel=0.05
    )


def test_sway_alone_is_no_approach():
    swing = [3.0 + 0.12 * np.sin(2 * np.pi * 1.8 * k / 15) for k in range(45)]
    for end in range(20, 45):
        assert tracks.time_to_collision(follow(swing[:end])) is None


def test_a_single_missing_frame_does_not_lose_the_obstacle():
    assert follow([2.0] * 10 + [None]).log_m is not None
    assert follow([2.0] * 10 + [None] * 8).log_m is None


def test_an_obstacle_seen_once_is_not_announced_yet_but_the_second_time_it_is():
    track = follow([3.0] * 6)
    assert not track.fresh
    once = tracks.follow(track, Obstacle(0.5, 0.05, Height.BODY), 0.4, 1 / 15)
    assert once.fresh
    again = tracks.follow(once, Obstacle(1.5, 0.05, Height.BODY), 0.47, 1 / 15)
    assert not again.fresh
    slow = tracks.follow(track, Obstacle(0.5, 0.05, Height.BODY), 1.4, 1.0)
    assert not slow.fresh


def test_a_moving_obstacle_is_not_followed_late():
    distances = [5.0 - 1.2 * k / 15 for k in range(40)]
    assert np.exp(follow(distances).log_m) == pytest.approx(distances[-1], rel=0.04)


def test_one_sighting_of_an_edge_is_no_alarm_and_steady_ones_are():
    track = follow_drop(DropTrack(), Edge(2.5, 1.0), 0.0, 0.0, True)
    assert track.reading is False
    for k in range(1, 4):
        track = follow_drop(track, Edge(2.5 - 0.05 * k, 1.0), k / 15, 1 / 15, True)
    assert track.reading is True
    for k in range(4, 20):
        track = follow_drop(track, None, k / 15, 1 / 15, True)
    assert track.reading is False
    track = follow_drop(track, None, 5.0, 3.0, False)
    assert track.reading is None


def test_edges_here_and_there_never_add_up():
    track = DropTrack()
    for k in range(60):
        track = follow_drop(track, Edge(1.0 if k % 2 else 4.0, 1.0), k / 15, 1 / 15, True)
        assert track.reading is False


def mount_seen_in(scene, kind=DepthKind.RELATIVE_INVERSE):
    source = SyntheticSource(scene, frames=16, size=(96, 128))
    engine = ExactDepth(source, scale=4.0, shift=1.0, noise=0.02, kind=kind)
    maps = [engine.estimate(source.frame_at(k)) for k in range(16)]
    return estimate_mount(maps, (96, 128), MountConfig(height_m=1.4, hfov_deg=62))


@pytest.mark.parametrize("kind", DepthKind)
@pytest.mark.parametrize(("pitch", "roll"), [(5.0, 0.0), (20.0, 4.0), (12.0, -6.0)])
def test_mount_is_found_in_a_corridor(pitch, roll, kind):
    camera = Camera(pitch_deg=pitch, roll_deg=roll)
    found = mount_seen_in(scenario("corridor", camera, sway_deg=1.0), kind)
    assert found is not None
    assert found.pitch_deg == pytest.approx(pitch, abs=2.5)
    assert abs(found.pitch_deg - pitch) < 2 * found.sigma_deg
    assert found.roll_deg == pytest.approx(roll, abs=1.5)
    assert found.quality > 0.8
    mount = found.applied_to(MountConfig(height_m=1.4))
    assert mount.pitch_deg == pytest.approx(found.pitch_deg, abs=0.06)


@pytest.mark.parametrize("pitch", [28.0, 35.0, 40.0])
def test_a_pitch_that_hides_the_horizon_is_reported_as_uncertain(pitch):
    found = mount_seen_in(scenario("corridor", Camera(pitch_deg=pitch), sway_deg=1.0))
    assert found is not None
    assert abs(found.pitch_deg - pitch) < 2 * found.sigma_deg
    assert found.quality < 0.5


def test_no_mount_is_invented_where_no_ground_is_seen():
    assert mount_seen_in(scenario("wall", distance_m=0.7, speed_mps=0.0)) is None
