"""At arm's length: what hides the ground, fills the picture or leaves it below."""

import pytest

from sonar.capture.synthetic import Camera, ExactDepth, SyntheticScene, SyntheticSource
from sonar.capture.synthetic.scenarios import ceiling, floor, hall, wall
from sonar.capture.synthetic.scene import Box
from sonar.config import MountConfig, ZonesConfig
from sonar.types import Band
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
