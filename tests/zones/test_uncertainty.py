"""How little a network knows a place, and what follows from it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonar.config import MountConfig, ZonesConfig
from sonar.types import DepthKind, DepthMap
from sonar.zones.analyser import analyse
from sonar.zones.bands import initial_state
from sonar.zones.evidence import weigh
from sonar.zones.geometry import intrinsics, make_grid, make_view
from sonar.zones.prior import (
    UNCERTAINTIES,
    Settings,
    follow_uncertainty,
    obstacle_inverse,
    out_of_distribution,
    prior_for,
)

MOUNT = MountConfig(height_m=1.4, pitch_deg=15.0, hfov_deg=65.0)
VIEW = make_view(make_grid(intrinsics(MOUNT, 256, 192), (192, 256), 64), 15.0, 0.0)


def _all(value):
    return np.full_like(VIEW.q, value)


def test_uncertainty_is_what_walkable_leaves_open_below_the_horizon():
    assert (
        out_of_distribution(_all(0.0), VIEW)
        == out_of_distribution(_all(1.0), VIEW)
        == UNCERTAINTIES[0]
    )
    assert out_of_distribution(_all(0.5), VIEW) == UNCERTAINTIES[1]
    assert out_of_distribution(_all(0.95), VIEW) == pytest.approx(4 * 0.95 * 0.05, abs=1e-3)
    sky = np.where(VIEW.q > 0.05, np.float32(0.0), np.float32(0.5))  # nobody asks about the sky
    assert out_of_distribution(sky, VIEW) == UNCERTAINTIES[0]


def test_who_cannot_see_ground_is_uncertain():
    assert out_of_distribution(None, VIEW) == UNCERTAINTIES[1]
    up = make_view(make_grid(intrinsics(MOUNT, 256, 192), (192, 256), 64), -60.0, 0.0)
    assert out_of_distribution(_all(0.0), up) == UNCERTAINTIES[1]


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
    assert prior is not None and prior.zone is not None
    for spread in (prior.obstacle_sigma, prior.reach_sigma, prior.together, prior.zone.sigma):
        assert 0.05 < spread.at(low) <= spread.at(high) < 1.0
    rng = np.random.default_rng(seed)
    u = rng.uniform(0.02, 3.0, VIEW.q.shape).astype(np.float32)
    floor = rng.uniform(0, 1, VIEW.q.shape).astype(np.float32)
    near, nearer = (obstacle_inverse(u, floor, VIEW, prior, d) for d in (low, high))
    assert (nearer >= near * (1 - 1e-5)).all()


@given(st.floats(0.1, 4.0), st.floats(0.05, 0.6), st.floats(0.05, 0.6))
def test_what_is_uncertain_moves_towards_where_obstacles_usually_are(meters, one, other):
    sure, unsure = sorted((one, other))
    seen = float(np.log(meters))
    for soft in (True, False):
        a, b = weigh((seen, sure), soft), weigh((seen, unsure), soft)
        assert abs(a[0] - seen) <= abs(b[0] - seen) + 0.06  # but for the step towards near
        assert a[1] < sure and a[1] <= b[1]
    far = float(np.log(3.0))  # and that is nearer than three meters
    assert weigh((far, unsure), True)[0] < far


def test_the_zones_follow_uncertainty_and_weigh_depth_by_it():
    """From the map to the state, and on to how sure a distance is told."""
    settings = Settings(ZonesConfig(), MOUNT, prior_for("builtin"))
    level = np.broadcast_to(np.linspace(0.1, 1.2, 192, dtype=np.float32)[:, None], (192, 256))
    sigmas = []
    for p in (0.01, 0.5):
        depth = DepthMap(level.copy(), DepthKind.RELATIVE_INVERSE, np.full_like(level, p))
        state = initial_state(settings)
        for t in (0.0, 0.1, 0.2):
            _, state = analyse(depth, 0, (480, 640), None, t, state, settings)
        assert state.uncertainty == pytest.approx(UNCERTAINTIES[0 if p < 0.1 else 1])
        sigmas += [state.tracks[1].sigma_log]
    _, after = analyse(
        DepthMap(level.copy(), DepthKind.RELATIVE_INVERSE, np.zeros_like(level)),
        0, (480, 640), None, 0.3, state, settings,
    )  # fmt: skip
    assert UNCERTAINTIES[1] > after.uncertainty > 0.9 * UNCERTAINTIES[1], (
        "one picture does not change a place"
    )
    assert sigmas[0] < sigmas[1]
