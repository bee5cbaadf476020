"""At arm's length: what hides the ground, fills the picture or leaves it below."""

import numpy as np
import pytest

from sonar.capture.synthetic import Camera, ExactDepth, SyntheticScene, SyntheticSource
from sonar.capture.synthetic.scenarios import ceiling, floor, hall, wall
from sonar.capture.synthetic.scene import Box
from sonar.config import MountConfig, ZonesConfig
from sonar.types import Band, Frame, Reason, State
from sonar.zones import DepthZones

START_M, SPEED_MPS, RATE_HZ = 3.0, 0.8, 10.0


def approach(*boxes, stop_m=0.25, seconds=7.0, room=None, scene=SyntheticScene):
    """(true gap in metres, scene, truth) of a walk up to what begins 3 m ahead."""
    camera = Camera(height_m=1.35)
    room = (*hall(2.5, 14.0),) if room is None else room
    walk = scene(
        (*room, *boxes), camera, SPEED_MPS, walk_m=START_M - stop_m, sway_deg=0.7, bob_m=0.01
    )
    frames = int(seconds * RATE_HZ)
    source = SyntheticSource(walk, rate_hz=RATE_HZ, frames=frames, size=(96, 128))
    engine = ExactDepth(source, scale=2.0, shift=0.3, noise=0.03)
    mount = MountConfig(height_m=1.35, pitch_deg=10.0, roll_deg=0.0, hfov_deg=62.0)
    zones = DepthZones(ZonesConfig(), mount)
    out = []
    for k in range(frames):
        frame = source.frame_at(k)
        gap = START_M - min(SPEED_MPS * k / RATE_HZ, START_M - stop_m)
        out.append((gap, zones.update(engine.estimate(frame), frame), source.truth_at(k)))
    return out


def test_a_long_bonnet_is_not_taken_for_the_floor():
    car = Box((-0.85, START_M, 0.2), (0.85, START_M + 4.0, 0.85))
    near = [pair for pair in approach(car) if pair[0] < 1.5]
    for _, scene, truth in near:
        assert scene.center.distance_m == pytest.approx(truth.center.distance_m, rel=0.2)
    assert near[-1][1].center.band in (Band.CLOSE, Band.STOP)


def test_a_wall_walked_up_to_stays_a_stop_when_it_fills_the_picture_then_is_unknown():
    out = approach(wall((-6, START_M), (6, START_M + 0.2)), room=(floor(), ceiling()), seconds=12.0)
    blank = [k for k, (_, scene, _) in enumerate(out) if scene.reason is Reason.BLANK]
    assert blank  # the picture does get there
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
    source = SyntheticSource("right_box", rate_hz=10, frames=45, size=(96, 128))
    engine = ExactDepth(source, noise=0.02)
    zones = DepthZones(ZonesConfig(), MountConfig(height_m=1.4, pitch_deg=10))
    rng = np.random.default_rng(0)
    for k in range(48):
        frame = source.frame_at(min(k, 44))
        depth = engine.estimate(frame)
        if k >= 42:
            image = np.clip(level + rng.normal(0, 0.5, frame.image.shape), 0, 255).astype(np.uint8)
            frame = Frame(image, k, k / 10)
        scene = zones.update(depth, frame)
        if k == 41:
            assert scene.right.band is Band.CLOSE
            assert scene.left.band is Band.CLEAR
    assert scene.reason is not None
    assert scene.right.band is (Band.CLOSE if kept else Band.UNKNOWN)
    assert scene.left.band is Band.UNKNOWN
