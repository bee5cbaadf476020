"""At arm's length: what hides the ground, fills the frame or leaves it below."""

from dataclasses import replace

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
from sonar.types import Band, Frame, Height, Reason, State
from tests.zones.kit import MOUNT, play

START_M, SPEED_MPS, RATE_HZ = 3.0, 0.8, 10.0


def approach(*boxes, stop_m=0.25, seconds=7.0, room=None, scene=SyntheticScene):
    """(true gap in meters, scene, truth) of a walk up to what begins 3 m ahead."""
    boxes = (*(hall(2.5, 14.0) if room is None else room), *boxes)
    swing = {"sway_deg": 0.7, "bob_m": 0.01}
    walk = scene(boxes, Camera(height_m=1.35), SPEED_MPS, walk_m=START_M - stop_m, **swing)
    mount = MOUNT.model_copy(update={"height_m": 1.35})
    depth = {"scale": 2.0, "shift": 0.3, "noise": 0.03}
    out = []
    for k, (_, now, truth) in enumerate(play(walk, int(seconds * RATE_HZ), mount=mount, **depth)):
        gap = START_M - min(SPEED_MPS * k / RATE_HZ, START_M - stop_m)
        out.append((gap, now, truth))
    return out


def test_a_long_bonnet_is_not_taken_for_the_floor():
    car = Box((-0.85, START_M, 0.2), (0.85, START_M + 4.0, 0.85))
    out = approach(car)
    for gap, scene, truth in out:
        if gap < 1.5:
            # Its near edge leaves the frame before one reaches it.
            assert gap - 0.1 < scene.center.distance_m < 1.2 * truth.center.distance_m
    assert out[-1][1].center.band in (Band.CLOSE, Band.STOP)


LOW = Box((-0.4, START_M, 0.0), (0.4, START_M + 0.4, 0.35))


def test_a_low_box_that_leaves_the_frame_below_comes_on_until_it_is_passed():
    out = approach(LOW)
    gone = [k for k, (gap, _, truth) in enumerate(out) if truth.center.distance_m > 5.0 and gap < 2]
    assert out[gone[0]][0] > 0.8  # out of sight long before it is reached
    for k in gone:
        gap, scene, _ = out[k]
        if gap > 0.3:
            assert scene.center.distance_m == pytest.approx(gap, abs=0.12)
            assert scene.center.height is Height.FLOOR
            assert scene.center.ttc_s == pytest.approx(gap / SPEED_MPS, abs=0.3)
    reached = next(k for k in gone if out[k][0] < 0.3)
    assert {out[k][1].center.band for k in range(reached, reached + 15)} <= {
        Band.STOP,
        Band.UNKNOWN,
    }
    assert out[reached + 10][1].center.band is Band.UNKNOWN
    # But not for ever.
    assert out[-1][1].center.band is Band.CLEAR


def test_a_low_box_beside_the_way_is_walked_past():
    out = approach(Box((0.5, START_M, 0.0), (0.9, START_M + 0.4, 0.35)))
    assert any(s.right.band is Band.NEAR for _, s, _ in out)
    assert all(s.right.band not in (Band.STOP, Band.UNKNOWN) for _, s, _ in out[10:])


def test_a_table_comes_nearer_though_only_its_far_part_is_seen():
    legs = [Box((x, START_M, 0.0), (x + 0.05, START_M + 0.1, 0.72)) for x in (-0.65, 0.6)]
    table = Box((-0.7, START_M, 0.72), (0.7, START_M + 0.8, 0.76))
    out = approach(table, *legs, stop_m=0.35, seconds=3.6)
    assert out[-1][2].center.distance_m > 0.8
    for gap, scene, _ in out:
        if 0.45 < gap < 1.5:
            assert scene.center.distance_m == pytest.approx(gap, abs=0.12)
    assert out[-1][1].center.band is Band.STOP


class TurnsAway(SyntheticScene):
    """At 1.3 m from the obstacle the walker stops and turns to the right."""

    def camera_at(self, t):
        turn = np.clip(40.0 * (t - (START_M - 1.3) / SPEED_MPS), 0.0, 70.0)
        return replace(SyntheticScene.camera_at(self, t), yaw_deg=float(turn))


def test_a_low_box_is_forgotten_after_a_turn_away():
    out = approach(LOW, stop_m=1.3, seconds=5.0, scene=TurnsAway)
    assert min(s.center.distance_m or 9.0 for _, s, _ in out) < 1.5
    assert all(s.center.band is not Band.STOP for _, s, _ in out)
    for _, scene, truth in out[-15:]:
        assert scene.center.distance_m == pytest.approx(truth.center.distance_m, rel=0.15)


def test_who_crosses_ones_way_is_gone_once_past():
    # Walks through the middle at about 1.3 m; his feet are below the frame's edge.
    man = person(-2.4, START_M + 0.2, (1.0, 0.0, 0.0))
    out = approach(*man, stop_m=1.3, seconds=4.5)
    assert any(s.center.band in (Band.NEAR, Band.CLOSE) for _, s, _ in out)
    past = [s for _, s, t in out[35:] if t.center.distance_m > 4.0]
    assert len(past) >= 8
    assert all(s.center.band in (Band.CLEAR, Band.FAR) for s in past[5:])


@pytest.mark.parametrize("name", ["corridor", "empty_hall", "wall_beside"])
def test_nothing_is_made_up_below_a_free_floor(name):
    for zones, _, _ in play(scenario(name, Camera(), sway_deg=1.5, bob_m=0.02), 60, noise=0.03):
        assert [zone.below for zone in zones._zones] == [None] * 3


def test_a_wall_walked_up_to_stays_a_stop_when_it_fills_the_frame_then_is_unknown():
    out = approach(wall((-6, START_M), (6, START_M + 0.2)), room=(floor(), ceiling()), seconds=12.0)
    blank = [k for k, (_, scene, _) in enumerate(out) if scene.reason is Reason.BLANK]
    assert blank  # it does get there
    for k in range(blank[0], blank[0] + 40):
        scene = out[k][1]
        assert [z.band for z in scene.zones] == [Band.STOP] * 3
        assert scene.center.ttc_s is None
        assert scene.state is State.DEGRADED
    # What nobody has seen for long is not known any more.
    assert {z.band for z in out[-1][1].zones} == {Band.UNKNOWN}
    assert all(scene.center.band is not Band.CLEAR for gap, scene, _ in out if gap < 2.0)


@pytest.mark.parametrize(("level", "kept"), [(190, True), (60, True), (3, False), (255, False)])
def test_only_a_filled_view_keeps_what_was_at_hand(level, kept):
    """A dark or dazzled camera has seen nothing: unknown at once. So has one that saw nothing."""
    rng = np.random.default_rng(0)

    def image(frame):
        if frame.id < 42:
            return frame
        noisy = level + rng.normal(0, 0.5, frame.image.shape)
        return Frame(np.clip(noisy, 0, 255).astype(np.uint8), frame.id, frame.t)

    scenes = [scene for _, scene, _ in play("right_box", 48, image=image, noise=0.02)]
    assert scenes[41].right.band is Band.CLOSE and scenes[41].left.band is Band.CLEAR
    scene = scenes[-1]
    assert scene.reason is not None
    assert scene.right.band is (Band.CLOSE if kept else Band.UNKNOWN)
    assert scene.left.band is Band.UNKNOWN
