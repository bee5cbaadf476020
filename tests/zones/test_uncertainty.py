"""How little a network knows a place, and what follows from it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonar.config import MountConfig, ZonesConfig
from sonar.types import DepthMap
from sonar.zones import DepthZones
from sonar.zones.evidence import pulled
from sonar.zones.geometry import intrinsics, make_grid, make_view
from sonar.zones.network import (
    UNCERTAINTIES,
    follow_uncertainty,
    obstacle_inverse,
    out_of_distribution,
    prior_for,
)

MOUNT = MountConfig(height_m=1.4, pitch_deg=15.0, hfov_deg=65.0)
VIEW, UP = (
    make_view(make_grid(intrinsics(MOUNT, 256, 192), (192, 256), 64), pitch, 0.0)
    for pitch in (15.0, -60.0)
)
SKY = np.where(VIEW.q > 0.05, np.float32(0.0), np.float32(0.5))  # nobody asks about the sky


@pytest.mark.parametrize(
    ("walkable", "view", "uncertainty"),
    [
        (np.zeros_like(VIEW.q), VIEW, UNCERTAINTIES[0]),
        (np.ones_like(VIEW.q), VIEW, UNCERTAINTIES[0]),
        (np.full_like(VIEW.q, 0.5), VIEW, UNCERTAINTIES[1]),
        (np.full_like(VIEW.q, 0.95), VIEW, 4 * 0.95 * 0.05),
        (SKY, VIEW, UNCERTAINTIES[0]),
        (None, VIEW, UNCERTAINTIES[1]),
        (np.zeros_like(VIEW.q), UP, UNCERTAINTIES[1]),
    ],
)
def test_uncertainty_is_what_walkable_leaves_open_below_the_horizon(walkable, view, uncertainty):
    assert out_of_distribution(walkable, view) == pytest.approx(uncertainty, abs=1e-3)


@given(st.floats(*UNCERTAINTIES), st.floats(*UNCERTAINTIES), st.floats(0.0, 60.0))
def test_a_places_uncertainty_goes_from_the_old_towards_the_new(before, now, dt_s):
    after = follow_uncertainty(before, now, dt_s)
    assert min(before, now) - 1e-9 <= after <= max(before, now) + 1e-9
    assert follow_uncertainty(None, now, dt_s) == now
    assert follow_uncertainty(before, now, 0.0) == before
    assert follow_uncertainty(before, now, 1e3) == pytest.approx(now)


@given(st.integers(0, 99), st.floats(*UNCERTAINTIES), st.floats(*UNCERTAINTIES))
def test_more_uncertainty_never_narrows_or_lengthens_a_distance(seed, one, other):
    prior, (low, high) = prior_for("builtin"), sorted((one, other))
    assert prior is not None
    for cue in prior.sigmas:
        assert 0.05 < prior.sigma(cue, low) <= prior.sigma(cue, high) < 1.0
    rng = np.random.default_rng(seed)
    u = rng.uniform(0.02, 3.0, VIEW.q.shape).astype(np.float32)
    ground = rng.uniform(0, 1, VIEW.q.shape).astype(np.float32)
    near, nearer = (obstacle_inverse(u, ground, VIEW, prior, d) for d in (low, high))
    assert (nearer >= near * (1 - 1e-5)).all()


@given(st.floats(0.1, 4.0), st.floats(0.05, 0.6), st.floats(0.05, 0.6))
def test_an_uncertain_distance_moves_towards_where_obstacles_usually_are(meters, one, other):
    low, high = sorted((one, other))
    seen = float(np.log(meters))
    for biased in (True, False):
        a, b = pulled((seen, low), biased), pulled((seen, high), biased)
        assert abs(a[0] - seen) <= abs(b[0] - seen) + 0.06  # but for the step towards near
        assert a[1] < low and a[1] <= b[1]
    far = float(np.log(3.0))  # and that is nearer than three meters
    assert pulled((far, high), True)[0] < far


def test_the_zones_follow_uncertainty_and_weigh_depth_by_it():
    """From the map to the state, and on to the sigma of a distance."""
    output = np.broadcast_to(np.linspace(0.1, 1.2, 192, dtype=np.float32)[:, None], (192, 256))

    def see(zones, t, p):
        walkable = np.full_like(output, p)
        depth = DepthMap(output.copy(), walkable=walkable, model="builtin")
        zones.update_map(depth, 0, (480, 640), t)

    sigmas = []
    for p, expected in ((0.01, UNCERTAINTIES[0]), (0.5, UNCERTAINTIES[1])):
        zones = DepthZones(ZonesConfig(), MOUNT)
        for t in (0.0, 0.1, 0.2):
            see(zones, t, p)
        assert zones._uncertainty == pytest.approx(expected)
        sigmas.append(zones._zones[1].track.sigma_log)
    assert sigmas[0] < sigmas[1]
    see(zones, 0.3, 0.0)  # one frame does not change a place
    assert UNCERTAINTIES[1] > zones._uncertainty > 0.9 * UNCERTAINTIES[1]
