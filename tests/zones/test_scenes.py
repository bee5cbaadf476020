"""Zones on drawn walks with exact depth: the right side, distance, height and silence."""

import math
from dataclasses import replace

import numpy as np
import pytest

from sonar.capture.synthetic import Camera, SyntheticSource, scenario
from sonar.config import MountConfig, ZonesConfig
from sonar.types import Band, DepthKind, DepthMap, Frame, Height, Reason, Scene, State
from sonar.zones import DepthZones
from tests.exact import ExactDepth
from tests.zones.kit import play

# What a map may be: relative with and without a walkable mask, in camera heights, in meters.
MAPS = [
    {"walkable": True},
    {"walkable": False},
    {"kind": DepthKind.PER_CAMERA_HEIGHT},
    {"kind": DepthKind.METRIC, "walkable": False},
]
every_map = pytest.mark.parametrize("maps", MAPS, ids=["relative", "bare", "heights", "meters"])


def walk(
    name,
    *,
    frames=45,
    mount=None,
    kind=DepthKind.RELATIVE_INVERSE,
    noise=0.02,
    scale=5.0,
    shift=0.7,
    walkable=True,
    camera=None,
    sway=0.0,
    **where,
):
    """Scenes and truths of a walk."""
    camera = camera or Camera()
    mount = mount or MountConfig(
        height_m=camera.height_m, pitch_deg=camera.pitch_deg, roll_deg=0.0, hfov_deg=62.0
    )
    scene = scenario(name, camera, sway_deg=sway, **where)
    depth = {"kind": kind, "scale": scale, "shift": shift, "noise": noise, "walkable": walkable}
    return [(s, t) for _, s, t in play(scene, frames, rate_hz=15, mount=mount, **depth)]


@every_map
@pytest.mark.parametrize(("name", "side"), [("box", 1), ("left_box", 0), ("right_box", 2)])
def test_box_is_found_where_it_stands(name, side, maps):
    # A box to the side enters its zone as one comes near: the first half second there is free.
    pairs = [(s.zones[side], t.zones[side]) for s, t in walk(name, frames=60, **maps)]
    pairs = [p for p in pairs if p[1].distance_m is not None][8:]
    assert len(pairs) > 15
    for reading, real in pairs:
        assert reading.distance_m == pytest.approx(real.distance_m, rel=0.2)
        assert reading.height is Height.BODY


@every_map
def test_bar_at_head_height_is_called_so(maps):
    heights = [
        scene.center.height
        for scene, truth in walk("head_bar", **maps)[15:]
        if truth.center.distance_m > 1.5
    ]
    assert heights.count(Height.HEAD) >= 0.95 * len(heights)


@pytest.mark.parametrize("name", ["empty_hall", "corridor", "wall_beside"])
@every_map
def test_free_way_is_clear_and_known(name, maps):
    for scene, _ in walk(name, sway=1.0, **maps)[8:]:
        assert scene.state is State.GUIDING
        assert scene.drop_off is False
        assert [z.band for z in scene.zones].count(Band.UNKNOWN) == 0
        assert scene.center.band in (Band.CLEAR, Band.FAR)
        assert all(z.ttc_s is None or z.ttc_s > 2.0 for z in scene.zones)


@every_map
def test_nobody_leaving_collides(maps):
    assert all(s.center.ttc_s is None for s, _ in walk("person_leaving", **maps))


@pytest.mark.parametrize("hfov_deg", [50.0, 90.0])
def test_camera_heights_are_right_behind_any_lens(hfov_deg):
    camera = Camera(hfov_deg=hfov_deg)
    mount = MountConfig(height_m=1.4, pitch_deg=10.0, roll_deg=0.0, hfov_deg=hfov_deg)
    out = walk("box", kind=DepthKind.PER_CAMERA_HEIGHT, camera=camera, mount=mount)[8:]
    for scene, truth in out:
        assert scene.center.distance_m == pytest.approx(truth.center.distance_m, rel=0.1)


def test_without_mount_data_there_are_bands_but_no_meters():
    out = walk("box", mount=MountConfig(), camera=Camera(pitch_deg=15.0))[20:]
    assert all(s.center.distance_m is None for s, _ in out)
    last, truth = out[-1]
    assert truth.center.distance_m < 2.5
    assert last.center.band in (Band.NEAR, Band.CLOSE)


def frame_of(t, shape=(96, 128), seed=0):
    rng = np.random.default_rng(seed)
    return Frame(rng.integers(0, 255, (*shape, 3)).astype(np.uint8), 0, t)


def numbers(scene: Scene):
    for z in scene.zones:
        yield from (
            v for v in (z.proximity, z.distance_m, z.distance_sigma_m, z.ttc_s) if v is not None
        )
    if scene.drop_off_distance_m is not None:
        yield scene.drop_off_distance_m


@pytest.mark.parametrize("kind", DepthKind)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("share", [0.02, 0.3, 1.0])
def test_no_nan_leaves(bad, share, kind):
    source = SyntheticSource("box", size=(96, 128), frames=12)
    engine = ExactDepth(source, noise=0.02, kind=kind)
    zones = DepthZones(ZonesConfig(), MountConfig())
    source.open()
    rng = np.random.default_rng(3)
    while (frame := source.read()) is not None:
        depth = engine.estimate(frame)
        planes = {
            name: plane.copy()
            for name in ("values", "walkable", "drop", "log_sigma")
            if (plane := getattr(depth, name)) is not None
        }
        for plane in planes.values():
            plane[rng.random(plane.shape) < share] = bad
        scene = zones.update(replace(depth, **planes), frame)
        assert all(math.isfinite(v) for v in numbers(scene))
        if share == 1.0:
            assert all(z.band is Band.UNKNOWN for z in scene.zones)


def test_a_constant_map_is_unknown_not_clear():
    zones = DepthZones(ZonesConfig(), MountConfig(height_m=1.4, pitch_deg=10))
    for k in range(20):
        scene = zones.update(
            DepthMap(np.full((96, 128), 0.3, np.float32)), frame_of(k / 15, seed=k)
        )
    assert all(z.band is Band.UNKNOWN for z in scene.zones)
    assert scene.state is State.DEGRADED
    assert scene.reason is Reason.NO_GROUND


def test_lost_makes_everything_unknown_with_its_reason():
    zones = DepthZones(ZonesConfig(), MountConfig())
    scene = zones.lost(4, 1.5, Reason.STALE)
    assert (scene.frame_id, scene.t, scene.reason) == (4, 1.5, Reason.STALE)
    assert all(z.band is Band.UNKNOWN for z in scene.zones)


@pytest.mark.parametrize("kind", [DepthKind.METRIC, DepthKind.RELATIVE_INVERSE])
def test_a_hole_in_the_depth_is_no_free_way(kind):
    rows = np.mgrid[0:48, 0:64][0].astype(np.float32)
    down = (rows - 23.5) / 53.3 + math.tan(math.radians(12))  # a free floor, 1.4 m below the camera
    inverse = np.maximum(down, 0.02).astype(np.float32) / np.float32(1.4)
    values = 1.0 / inverse if kind is DepthKind.METRIC else inverse
    mount = MountConfig(height_m=1.4, pitch_deg=12.0, roll_deg=0.0, hfov_deg=62.0)

    def bands(holed):
        seen = values.copy()
        if holed:
            seen[10:40, 10:50] = np.nan
        zones = DepthZones(ZonesConfig(), mount)
        for k in range(60):
            scene = zones.update_map(DepthMap(seen, kind), k, (480, 640), k / 30)
        return [zone.band for zone in scene.zones]

    assert bands(holed=False) == [Band.CLEAR] * 3
    assert bands(holed=True)[1] is Band.UNKNOWN  # 62 % of the center is missing


@every_map
def test_the_profile_says_how_far_the_way_is_free(maps):
    for scene, truth in walk("wall", frames=20, noise=0.01, **maps)[8:]:
        bearings = [column.bearing_deg for column in scene.profile]
        assert bearings == sorted(bearings) and bearings[0] == pytest.approx(-30.0, abs=3.0)
        for column in scene.profile:
            along_m = truth.center.distance_m / math.cos(math.radians(column.bearing_deg))
            assert column.free_m == pytest.approx(along_m, rel=0.12)
            assert 0.0 < column.free_sigma_m < 0.4 * column.free_m


def test_nothing_is_known_to_be_free_where_nothing_is_seen():
    zones = DepthZones(ZonesConfig(), MountConfig(height_m=1.4, pitch_deg=12.0, roll_deg=0.0))
    source = SyntheticSource("empty_hall", size=(96, 128), frames=8)
    engine = ExactDepth(source, kind=DepthKind.METRIC)
    for k in range(8):
        depth = engine.estimate(source.frame_at(k))
        depth.values[:, :30] = np.nan
        scene = zones.update_map(depth, k, (96, 128), k / 8)
    assert [column.free_m for column in scene.profile[:5]] == [None] * 5
    assert [column.free_m for column in scene.profile[8:]].count(None) == 0
