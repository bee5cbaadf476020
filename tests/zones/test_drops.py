"""Drop-offs: the probability of lower ground, the ground's end and the geometry beyond agree."""

from dataclasses import replace

import numpy as np
import pytest

from sonar.capture.synthetic import INF, Box, Camera, Role, SyntheticScene, floor, scenario
from sonar.config import MountConfig
from sonar.types import DepthKind
from tests.zones.kit import see

EDGE_M = 3.5
KIND = DepthKind.PER_CAMERA_HEIGHT


def below(depth_m, x_m=INF, until_m=INF):
    return Box((-x_m, EDGE_M, -INF), (x_m, until_m, -depth_m), Role.BELOW)


def ground(low, high):
    return Box((*low, -INF), (*high, 0.0), Role.GROUND)


def stepped(rise_m):
    """Ground that falls from the edge on, too little at once to be a step."""
    steps = [
        replace(ground((-INF, EDGE_M + 0.2 * k), (INF, INF)), high=(INF, INF, -rise_m * (k + 1)))
        for k in range(20)
    ]
    return (floor(EDGE_M), *reversed(steps))


BEYOND_M = EDGE_M + 1.2
HATCH = (
    floor(EDGE_M),
    ground((-INF, BEYOND_M), (INF, INF)),
    ground((-INF, EDGE_M), (-0.5, BEYOND_M)),
    ground((0.5, EDGE_M), (INF, BEYOND_M)),
    below(1.5, 0.5, BEYOND_M),
)
DROPS = {
    "stairs": scenario("stairs_down").boxes,
    "platform": scenario("platform").boxes,
    "kerb": (floor(EDGE_M), below(0.15)),
    "hatch": HATCH,
}


def worn(camera):
    return MountConfig(height_m=1.4, pitch_deg=camera.pitch_deg, roll_deg=0.0, hfov_deg=62.0)


def walk(boxes, change=lambda depth, source, k: depth, edge_m=EDGE_M, **camera):
    """(reported drop, meters to its edge, true meters to the edge) at 8 Hz."""
    scene = SyntheticScene(boxes, Camera(**camera), 1.0, walk_m=edge_m - 0.4)
    scene = replace(scene, sway_deg=0.7, bob_m=0.01)
    seconds = edge_m - 0.4
    how = {"rate_hz": 8.0, "noise": 0.03, "change": change}
    each = see(scene, int(8 * seconds), kind=KIND, mount=worn(scene.camera), **how)
    return [(s.drop_off, s.drop_off_distance_m, edge_m - min(s.t, seconds)) for s, _ in each]


def hesitant(depth, source, k):
    """A network is never sure of what lies lower; a hole's sides are no ground."""
    lower = source.view_at(k).points_m[2] < -0.1
    walkable = np.where(lower, 0.2, 0.8 * depth.walkable).astype(np.float32)
    drop = np.where(lower, 0.7, 0.75 * depth.drop).astype(np.float32)
    return replace(depth, walkable=walkable, drop=drop)


@pytest.mark.parametrize("name", DROPS)
@pytest.mark.parametrize("pitch_deg", [12.0, 25.0])
def test_a_drop_is_announced_before_it_is_reached(name, pitch_deg):
    edge_m = 5.0 if name in ("stairs", "platform") else EDGE_M
    out = walk(DROPS[name], hesitant, edge_m, pitch_deg=pitch_deg)
    found = [(said, true) for drop, said, true in out if drop]
    assert found and found[0][1] >= 1.5
    assert all(drop for drop, _, true in out if true <= found[0][1] and true > 1.0)
    errors = [said / true - 1.0 for said, true in found if true > 2.2]
    assert abs(np.median(errors)) < 0.15


def patch(source, k):
    """Floor cells 2 to 3 m ahead of the start, in the way."""
    points = source.view_at(k).points_m
    here = (np.abs(points[0]) < 0.7) & (points[1] > 2.0) & (points[1] < 3.0)
    return here & (np.abs(points[2]) < 0.01)


def dark(depth, source, k):
    """A dark patch: the network takes it for a hole as well as for ground."""
    here = patch(source, k)
    walkable, drop = np.where(here, 0.45, depth.walkable), np.where(here, 0.5, depth.drop)
    return replace(depth, walkable=walkable.astype(np.float32), drop=drop.astype(np.float32))


def puddle(depth, source, k):
    """A mirror on the ground: what is seen in it lies below."""
    here = patch(source, k)
    values = np.where(here, 0.6 * depth.values, depth.values)
    walkable, drop = np.where(here, 0.6, depth.walkable), np.where(here, 0.25, depth.drop)
    return replace(
        depth,
        values=values.astype(np.float32),
        walkable=walkable.astype(np.float32),
        drop=drop.astype(np.float32),
    )


@pytest.mark.parametrize(
    ("boxes", "change"),
    [
        ((floor(),), lambda depth, source, k: depth),
        ((floor(),), dark),
        ((floor(),), puddle),
        (stepped(0.016), lambda depth, source, k: depth),
    ],
    ids=["floor", "dark floor", "puddle", "ramp"],
)
def test_no_drop_is_announced_where_there_is_none(boxes, change):
    out = walk(boxes, change)
    assert [drop for drop, *_ in out].count(True) == 0
    assert [drop for drop, *_ in out][4:].count(None) == 0


def test_one_frame_is_no_drop():
    def flash(depth, source, k):
        drop = np.where(patch(source, k), 0.95, depth.drop) if k == 8 else depth.drop
        return replace(depth, drop=drop.astype(np.float32), walkable=1.0 - drop.astype(np.float32))

    assert [drop for drop, *_ in walk((floor(),), flash)].count(True) == 0


@pytest.mark.parametrize("rate_hz", [6.0, 12.0, 30.0])
def test_a_drop_takes_the_same_time_at_any_frame_rate(rate_hz):
    scene = SyntheticScene(HATCH, Camera(pitch_deg=20.0))
    how = {"rate_hz": rate_hz, "change": hesitant, "mount": worn(scene.camera)}
    out = see(scene, int(rate_hz), kind=KIND, **how)
    first = next(s.t for s, _ in out if s.drop_off)
    assert 0.15 <= first <= 0.5
