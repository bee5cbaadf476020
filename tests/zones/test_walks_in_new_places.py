"""What walks in new places have shown: seven rules for every map that has a scale.

Exact depth of drawn scenes, in camera heights (as the built-in network gives it, with probabilities
and its uncertainty) and in meters.
"""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from sonar.capture.synthetic import (
    Box,
    Camera,
    SyntheticScene,
    ceiling,
    floor,
    hall,
    person,
    scenario,
    wall,
)
from sonar.config import MountConfig
from sonar.types import Band, DepthKind, Height
from tests.zones.kit import see

KINDS = [DepthKind.PER_CAMERA_HEIGHT, DepthKind.METRIC]
every_kind = pytest.mark.parametrize("kind", KINDS)
FREE = (Band.CLEAR, Band.FAR)
ROOM = floor(), ceiling()
STANDING = Camera()


def stand(*boxes, kind, frames=6, camera=STANDING, **depth):
    """The last scene and its truth, of a standing camera."""
    scene = SyntheticScene((*ROOM, *boxes), camera)
    noise = {"noise": 0.02, **depth}
    *_, last = see(scene, frames, kind=kind, **noise)
    return last


def missed(scene, truth):
    """Whether the zones that have the nearest obstacle are free; None if it is not near."""
    distances = [np.inf if z.distance_m is None else z.distance_m for z in truth.zones]
    if min(distances) >= 1.5:
        return None
    has = [d < 1.05 * min(distances) for d in distances]
    return all(z.band in FREE for z, here in zip(scene.zones, has, strict=True) if here)


# 1. A near obstacle whose foot or side is cut off is never clear.


def overestimated(by_log):
    """Obstacles come out too far by this log, and the map says so in its uncertainty."""

    def change(depth, source, k):
        off = np.where(depth.walkable > 0.5, 0.0, by_log).astype(np.float32)
        values = depth.values * np.exp(off if depth.kind is DepthKind.METRIC else -off)
        if depth.log_sigma is None:
            return replace(depth, values=values)
        return replace(depth, values=values, log_sigma=np.full_like(off, np.log(by_log)))

    return change


CUT = {
    "a slab across the frame": Box((-1.0, 0.0, 0.5), (1.0, 0.5, 0.9)),
    "a post at the left edge": Box((-0.6, 0.0, 0.0), (-0.2, 0.3, 2.0)),
    "a table's corner": Box((-0.9, 0.0, 0.7), (-0.25, 0.8, 0.76)),
    "a chair's back": Box((-0.55, 0.0, 0.4), (-0.15, 0.1, 1.2)),
    "a sign at the head": Box((-0.5, 0.0, 1.2), (0.1, 0.05, 1.8)),
}


@every_kind
@pytest.mark.parametrize("name", CUT)
@pytest.mark.parametrize("gap_m", [0.4, 0.8, 1.2])
@pytest.mark.parametrize("by_log", [0.05, 0.3])
def test_a_near_obstacle_that_is_cut_off_is_never_clear(kind, name, gap_m, by_log):
    box = CUT[name]
    low, high = box.low, box.high
    box = replace(box, low=(low[0], gap_m, low[2]), high=(high[0], gap_m + high[1], high[2]))
    scene, truth = stand(box, kind=kind, change=overestimated(by_log))
    assert missed(scene, truth) is False


# 2. A wall beside the way and parallel to it is no obstacle ahead.


@every_kind
@pytest.mark.parametrize(("beside_m", "noise"), [(0.85, 0.02), (0.95, 0.06), (1.05, 0.06)])
@pytest.mark.parametrize("yaw_deg", [0.0, -4.0])
def test_a_wall_beside_the_way_is_not_ahead(kind, beside_m, yaw_deg, noise):
    right = wall((beside_m, -5.0), (beside_m + 0.2, 30.0))
    camera = Camera(yaw_deg=yaw_deg)
    scene = SyntheticScene((*ROOM, right), camera, speed_mps=1.0)
    near = [
        [z.band for z in s.zones] for s, _ in see(scene, 25, kind=kind, noise=noise, sigma=0.05)
    ][5:]
    assert sum(b not in FREE for bands in near for b in bands) <= 0.03 * 3 * len(near)


# 3. Distances have no bias.


@every_kind
@pytest.mark.parametrize("noise", [0.0, 0.03, 0.06])
def test_distances_have_no_bias(kind, noise):
    errors = []
    for name in ("box", "left_box", "wall"):
        walk = see(scenario(name, distance_m=4.0), 30, kind=kind, noise=noise)
        for scene, truth in list(walk)[8:]:
            for reading, real in zip(scene.zones, truth.zones, strict=True):
                if reading.distance_m is not None and real.distance_m is not None:
                    errors.append(np.log(reading.distance_m / real.distance_m))
    assert len(errors) > 100
    assert abs(np.median(errors)) < 0.04


# 4. Filters work in seconds.


COURSE = (
    *ROOM,
    wall((1.0, -5.0), (1.2, 30.0)),
    wall((-1.6, -5.0), (-1.4, 30.0)),
    Box((-0.4, 3.0, 0.0), (0.1, 3.4, 1.8)),
    Box((0.3, 4.4, 0.0), (0.9, 4.9, 0.8)),
    Box((-1.4, 6.0, 0.0), (-0.3, 6.5, 2.0)),
)


class Weaving(SyntheticScene):
    """A walk that passes the obstacles by a hair."""

    def camera_at(self, t):
        camera = SyntheticScene.camera_at(self, t)
        return replace(camera, x_m=0.2 * np.sin(0.8 * t), yaw_deg=6.0 * np.sin(1.1 * t))


def slow_noise(rate_hz, share, seed=0):
    """Errors of depth that last for 0.15 s, the same at every frame rate."""
    rng, steps = np.random.default_rng(seed), []
    keep = np.exp(-1 / 60 / 0.15)
    state = np.zeros((13, 13))
    for _ in range(60 * 7):
        state = keep * state + np.sqrt(1 - keep**2) * rng.normal(0.0, share, state.shape)
        steps.append(state)

    def change(depth, source, k):
        noise = steps[round(k * 60 / rate_hz)].astype(np.float32)
        noise = cv2.resize(noise, depth.values.shape[::-1])
        return replace(depth, values=depth.values * np.exp(noise))

    return change


@every_kind
def test_the_frame_rate_changes_neither_bands_nor_false_alarms(kind):
    bands, false = {}, {}
    for rate_hz in (6.0, 12.0, 30.0):
        for boxes, seconds in ((COURSE, 5), (hall(1.1, 30.0), 3)):
            scene = Weaving(boxes, Camera(), 1.0, sway_deg=1.0)
            given = {"rate_hz": rate_hz, "kind": kind, "change": slow_noise(rate_hz, 0.04)}
            out = list(see(scene, int(seconds * rate_hz), size=(72, 96), **given))
            each = out[round(rate_hz) :: round(rate_hz) // 6]  # six times a second
            seen = [[z.band for z in now.zones] for now, _ in each]
            if boxes is COURSE:
                bands[rate_hz] = np.array(seen)
            else:
                false[rate_hz] = np.mean([band not in FREE for row in seen for band in row])
    for a, b in ((6.0, 12.0), (12.0, 30.0), (6.0, 30.0)):
        assert np.mean(bands[a] == bands[b]) >= 0.85
        assert abs(false[a] - false[b]) <= 0.03


# 5. Only what comes closer has a time to collision.


@every_kind
@pytest.mark.parametrize("noise", [0.02, 0.06])
def test_nothing_comes_closer_to_a_standing_camera(kind, noise):
    boxes = (*hall(1.2, 4.0), Box((-0.6, 2.0, 0.0), (-0.1, 2.4, 1.0)))
    scene = SyntheticScene(boxes, Camera(), sway_deg=1.0)
    for now, _ in see(scene, 60, kind=kind, noise=noise):
        assert all(z.ttc_s is None for z in now.zones), now


@every_kind
def test_nothing_comes_closer_while_the_camera_turns(kind):
    for rate_dps in (-30.0, 30.0):
        scene = SyntheticScene(hall(1.0, 3.0), Camera(yaw_deg=-rate_dps), yaw_rate_dps=rate_dps)
        for now, _ in see(scene, 25, kind=kind, noise=0.03):
            assert all(z.ttc_s is None for z in now.zones), now


@every_kind
def test_nothing_far_has_a_time_to_collision(kind):
    for now, _ in see("wall", 30, kind=kind, noise=0.02):
        for z in now.zones:
            if z.band in FREE:
                assert z.ttc_s is None, z


@every_kind
def test_what_is_mounted_on_a_wall_is_not_at_head_height(kind):
    end = wall((-6.0, 4.0), (6.0, 4.2))
    cabinet = Box((-0.5, 3.8, 1.3), (0.5, 4.0, 1.9))
    scene = SyntheticScene((*ROOM, end, cabinet), Camera(), 1.0, walk_m=3.2)
    for now, _ in list(see(scene, 32, kind=kind, noise=0.03))[5:]:
        assert all(z.height is not Height.HEAD for z in now.zones)


# 6. A band ends with its cause.


@every_kind
@pytest.mark.parametrize("rate_hz", [10.0, 30.0])
@pytest.mark.parametrize("case", ["box beside", "person crossing"])
def test_a_band_ends_with_its_cause(kind, rate_hz, case):
    boxes = hall(2.5, 14.0)
    camera = Camera(height_m=1.35, pitch_deg=5.0)
    if case == "box beside":
        boxes = (*boxes, Box((0.35, 3.0, 0.0), (0.75, 3.3, 1.6)))
        scene = SyntheticScene(boxes, camera, 1.0)
    else:
        boxes = (*boxes, *person(-2.5, 1.8, (1.2, 0.0, 0.0)))
        scene = SyntheticScene(boxes, camera)
    out = list(see(scene, int(4.5 * rate_hz), rate_hz=rate_hz, kind=kind, noise=0.02))
    for side in range(3):
        gone_s, was = 0.0, False
        for now, truth in out:
            there = truth.zones[side].distance_m is not None and truth.zones[side].distance_m < 2.8
            was = was or there
            gone_s = 0.0 if there else gone_s + 1 / rate_hz
            if was and gone_s > 0.3 + 1.01 / rate_hz:
                assert now.zones[side].band in FREE, (case, side, now.t, now.zones[side])


# 7. Without a mount the height is estimated or assumed, with its uncertainty.


@every_kind
@pytest.mark.parametrize(("height_m", "pitch_deg"), [(1.1, 5.0), (1.4, 30.0), (1.7, 15.0)])
def test_without_a_mount_near_obstacles_are_found(kind, height_m, pitch_deg):
    camera, near, free = Camera(height_m=height_m, pitch_deg=pitch_deg), [], []
    for name in ("box", "left_box", "wall"):
        walk = see(scenario(name, camera, distance_m=2.5), 22, kind=kind, mount=MountConfig())
        near += [missed(scene, truth) for scene, truth in list(walk)[5:]]
    hall_walk = see(scenario("empty_hall", camera), 20, kind=kind, noise=0.02, mount=MountConfig())
    for scene, _ in list(hall_walk)[5:]:
        free += [reading.band in FREE for reading in scene.zones]
    assert near.count(False) >= 20 and near.count(True) <= 0.05 * near.count(False)
    assert np.mean(free) > 0.95
