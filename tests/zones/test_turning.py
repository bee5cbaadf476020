"""Turning on the spot: how far, and that what slides through a zone does not come nearer."""

from dataclasses import replace

import numpy as np
import pytest

from sonar.capture.synthetic import Camera, SyntheticScene, SyntheticSource, hall, person, scenario
from sonar.config import ZonesConfig
from sonar.types import DepthMap, Frame, Height
from sonar.zones import DepthZones, tracks
from sonar.zones.obstacles import Obstacle
from sonar.zones.turning import slide
from tests.zones.kit import MOUNT, play


def see(scene, frames):
    """Scenes, and the bearing that the zones believe in, at each frame."""
    seen = [
        (s, z._turning.deg) for z, s, _ in play(scene, frames, scale=3.0, shift=0.4, noise=0.03)
    ]
    scenes, bearings = zip(*seen, strict=True)
    return scenes, np.array(bearings)


def corridor(yaw_deg, rate_dps, **walk):
    """A corridor 2 m wide whose end is 3 m off, seen from its middle."""
    return SyntheticScene(hall(1.0, 3.0), Camera(yaw_deg=yaw_deg), yaw_rate_dps=rate_dps, **walk)


@pytest.mark.parametrize("rate_dps", [-40.0, -15.0, 15.0, 40.0])
def test_a_turn_on_the_spot_is_measured(rate_dps):
    _, bearing = see(corridor(-40.0 * np.sign(rate_dps), rate_dps), 20)
    # Profiles are a moment old at most; the first of them starts the count.
    assert bearing[-1] - bearing[5] == pytest.approx(1.4 * rate_dps, abs=3.0)


def test_a_straight_walk_that_sways_is_no_turn():
    scene = scenario("corridor", Camera(), sway_deg=1.5, bob_m=0.02)
    _, bearing = see(scene, 40)
    assert np.ptp(bearing) < 3.0


def test_where_nothing_has_a_shape_no_turn_is_assumed():
    rng = np.random.default_rng(2)
    zones = DepthZones(ZonesConfig(), MOUNT)
    source = SyntheticSource(scenario("empty_hall"), rate_hz=10, frames=1, size=(96, 128))
    plain = np.maximum(np.linspace(-0.2, 0.6, 96)[:, None], 0.0).repeat(128, 1)
    for k in range(15):
        frame = Frame(
            source.frame_at(0).image ^ rng.integers(0, 4, (96, 128, 3), np.uint8), k, k / 10
        )
        values = plain + rng.normal(0, 0.01, plain.shape)
        zones.update(DepthMap(values.astype(np.float32)), frame)
    assert abs(zones._turning.deg) < 3.0


@pytest.mark.parametrize("rate_dps", [-40.0, -20.0, 20.0, 40.0])
def test_walls_that_slide_by_are_no_approach(rate_dps):
    turn_s = 80.0 / abs(rate_dps)
    scenes, _ = see(corridor(-40.0 * np.sign(rate_dps), rate_dps), int(turn_s * 10))
    soon = [z.ttc_s for s in scenes for z in s.zones if z.ttc_s is not None and z.ttc_s < 3.0]
    assert soon == []
    # Their distance is reported all the same.
    assert sum(z.distance_m is not None for s in scenes[5:] for z in s.zones) > 1.5 * len(scenes)


class Swaying(SyntheticScene):
    """A head that swings from side to side while somebody comes."""

    def camera_at(self, t):
        return replace(self.camera, yaw_deg=3.0 * np.sin(2 * np.pi * 0.9 * t))


def test_somebody_coming_has_a_time_to_collision_though_the_head_sways():
    scene = Swaying((*hall(2.0, 40.0), *person(0.0, 7.0, (0.0, -1.5, 0.0))), Camera())
    scenes, bearing = see(scene, 40)
    assert np.ptp(bearing) > 3.0  # the swing is seen
    for k in range(33, 40):  # before, somebody is still far
        true_s = (7.0 - 1.5 * k / 10 - 0.14) / 1.5
        assert scenes[k].center.ttc_s == pytest.approx(true_s, rel=0.3)


def test_history_starts_anew_after_a_turn():
    track, dt = tracks.Track(), 0.1
    for k in range(30):
        distance = 4.0 - 1.0 * k * dt
        bearing = 0.0 if k < 15 else 40.0
        found = Obstacle(distance, 0.05, Height.BODY)
        track = tracks.follow(track, found, k * dt, dt, bearing)
        ttc = tracks.time_to_collision(track)
        if 7 <= k < 15 or k >= 21:
            assert ttc == pytest.approx(distance, rel=0.05)
        elif 15 <= k < 19:
            assert ttc is None


@pytest.mark.parametrize("columns", [-6.0, -2.4, 0.0, 0.5, 3.7])
def test_slide_is_found_between_columns(columns):
    at = np.arange(64)
    shape = [np.sin(at / 5), np.cos(at / 7), 0.02 * at]
    moved = [np.sin((at + columns) / 5), np.cos((at + columns) / 7), 0.02 * (at + columns)]
    found, sigma, beyond = slide(np.array(shape, np.float32), 0.3 + np.array(moved, np.float32))
    assert found == pytest.approx(columns, abs=0.1)
    assert sigma < 0.15
    assert not beyond


def test_a_slide_beyond_the_search_is_known_to_be_one():
    at = np.arange(64)
    ramp = np.array([np.tanh((at - 40) / 30), np.tanh((at - 44) / 30)], np.float32)
    far = np.array([np.tanh((at - 26) / 30), np.tanh((at - 30) / 30)], np.float32)
    found, _, beyond = slide(ramp, far)
    assert beyond
    assert found == 10.0
