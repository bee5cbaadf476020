"""What must hold whatever the scene: symmetry, invariance, monotony, no alarm from noise."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonar.audio.cues import PulseMapper
from sonar.capture.synthetic import Camera, SyntheticSource, scenario
from sonar.config import AudioConfig, BandEdges, MountConfig, SpeechConfig, ZonesConfig
from sonar.types import BANDS_BY_NEARNESS, Band, DepthMap, Frame
from sonar.zones import DepthZones
from sonar.zones.bands import Latch, band_of, step
from sonar.zones.geometry import intrinsics, make_grid, make_view
from sonar.zones.network import UNCERTAINTIES, obstacle_inverse, prior_for
from tests.exact import ExactDepth

HERE = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
MOUNT = MountConfig(height_m=1.4, pitch_deg=10.0, roll_deg=0.0, hfov_deg=62.0)


def maps(name, frames=14, noise=0.02, seed=0, **where):
    """(frames, depth maps) of a walk seen by a level camera."""
    source = SyntheticSource(
        scenario(name, Camera(), **where), rate_hz=15, frames=frames, size=(96, 128)
    )
    engine = ExactDepth(source, noise=noise, seed=seed)
    seen = [source.frame_at(k) for k in range(frames)]
    return seen, [engine.estimate(f) for f in seen]


def run(seen, depths, model="", mount=MOUNT):
    zones = DepthZones(ZonesConfig(), mount)
    return [zones.update(replace(d, model=model), f) for f, d in zip(seen, depths, strict=True)]


def mirrored(depth):
    walk = None if depth.walkable is None else np.ascontiguousarray(depth.walkable[:, ::-1])
    return DepthMap(np.ascontiguousarray(depth.values[:, ::-1]), depth.kind, walk)


def flipped(frame):
    return Frame(np.ascontiguousarray(frame.image[:, ::-1]), frame.id, frame.t)


@pytest.mark.parametrize("model", ["", "builtin"])
@pytest.mark.parametrize("name", ["left_box", "box", "wall_beside", "stairs_down"])
def test_a_mirrored_frame_swaps_left_and_right_in_zones_and_cues(name, model):
    frames, depths = maps(name, distance_m=3.0)
    there = run(frames, depths, model)
    back = run([flipped(f) for f in frames], [mirrored(d) for d in depths], model)
    cues, other_cues = (PulseMapper(AudioConfig(), SpeechConfig()) for _ in range(2))
    for a, b in zip(there, back, strict=True):
        for x, y in zip(a.zones, reversed(b.zones), strict=True):
            assert x.band is y.band
            assert x.proximity == pytest.approx(y.proximity, abs=1e-3)  # sums in another order
        assert a.drop_off == b.drop_off
        cue, other = cues.update(a), other_cues.update(b)
        assert (cue.kind, cue.pan) == (other.kind, -other.pan)
        assert cue.rate_hz == pytest.approx(other.rate_hz, abs=0.05)


@HERE
@given(scale=st.floats(0.01, 1000), shift=st.floats(-50, 50))
def test_scale_and_shift_change_nothing_without_a_prior(scale, shift):
    seen, depths = maps("box", frames=8)
    other = [
        DepthMap((d.values * scale + shift * scale).astype(np.float32), d.kind, d.walkable)
        for d in depths
    ]
    for a, b in zip(run(seen, depths), run(seen, other), strict=True):
        for x, y in zip(a.zones, b.zones, strict=True):
            assert x.band is y.band
            assert x.proximity == pytest.approx(y.proximity, abs=0.02)


def test_with_a_prior_a_changed_level_is_followed_without_a_jump():
    seen, depths = maps("box", frames=60, speed_mps=0.0, distance_m=3.0, noise=0.01)
    # A camera that stands still has noise; without it the frame counts as frozen.
    rng = np.random.default_rng(1)
    seen = [Frame(f.image ^ rng.integers(0, 4, f.image.shape, np.uint8), f.id, f.t) for f in seen]
    # The built-in model's level for this camera: floor on the prior's line.
    fit = [d.values * 1.4 * 1.25 + 0.03 for d in depths]
    level = [v * (1.0 if k < 20 else 1.25) for k, v in enumerate(fit)]
    changed = [
        DepthMap(v.astype(np.float32), d.kind, d.walkable)
        for v, d in zip(level, depths, strict=True)
    ]
    near = np.array([s.center.proximity for s in run(seen, changed, "builtin")])
    assert np.abs(np.diff(near[5:])).max() < 0.1
    assert near[-1] == pytest.approx(near[15], abs=0.15)


@pytest.mark.parametrize("model", ["", "builtin"])
def test_a_nearer_obstacle_is_never_in_a_farther_band(model):
    ranks = []
    for distance in (1.2, 1.6, 2.0, 2.6, 3.2, 4.0):
        seen, depths = maps("box", distance_m=distance, speed_mps=0.0, noise=0.0, frames=10)
        depths = [
            DepthMap((d.values * 1.75 + 0.03).astype(np.float32), d.kind, d.walkable)
            for d in depths
        ]
        ranks.append(BANDS_BY_NEARNESS.index(run(seen, depths, model)[-1].center.band))
    assert ranks == sorted(ranks, reverse=True)
    assert ranks[0] > ranks[-1]


@HERE
@given(st.floats(-20, 45), st.integers(0, 99), st.floats(*UNCERTAINTIES))
def test_a_nearer_output_never_gives_a_farther_obstacle(pitch_deg, seed, uncertainty):
    prior = prior_for("builtin")
    assert prior is not None
    view = make_view(make_grid(intrinsics(MOUNT, 256, 192), (192, 256), 64), pitch_deg, 0.0)
    floor = np.random.default_rng(seed).uniform(0, 1, view.q.shape).astype(np.float32)
    last = np.zeros_like(floor)
    for level in np.geomspace(0.01, 8.0, 40):
        said = obstacle_inverse(np.full_like(floor, level), floor, view, prior, uncertainty)
        assert (said >= last * (1 - 1e-5)).all()
        last = said
    assert (last > 1.5).all()  # and what is at hand is reported so


@HERE
@given(seed=st.integers(0, 10_000), share=st.floats(0.05, 0.4))
def test_noise_below_the_floor_raises_no_alarm(seed, share):
    seen, depths = maps("empty_hall", frames=14, noise=0.01)
    rng = np.random.default_rng(seed)
    noisy = []
    for d in depths:
        # Cells of the lower half seem farther than the floor is: below it, nothing on it.
        values = d.values.copy()
        hit = rng.random(values.shape) < share
        hit[:48] = False
        values[hit] *= rng.uniform(0.6, 1.0, int(hit.sum())).astype(np.float32)
        noisy.append(DepthMap(values, d.kind, d.walkable))
    for scene in run(seen, noisy)[4:]:
        assert all(z.band in (Band.CLEAR, Band.FAR) for z in scene.zones)


EDGES = BandEdges()


@given(st.lists(st.one_of(st.none(), st.floats(0.1, 8.0)), min_size=1, max_size=40))
def test_latch_follows_nearer_soon_and_never_beyond_what_was_seen(distances):
    latch, t = Latch(), 0.0
    seen = []
    for d in distances:
        latch = step(latch, d, True, t, 1 / 15, EDGES)
        seen.append(BANDS_BY_NEARNESS.index(band_of(d, EDGES)))
        t += 1 / 15
        if latch.band is Band.UNKNOWN:
            assert set(seen) == {0}, "only clear may keep one waiting at the start"
            continue
        rank = BANDS_BY_NEARNESS.index(latch.band)
        assert rank <= max(seen)
        if seen[-1] - rank >= 2:
            pytest.fail("two steps nearer were not taken at once")


def test_clear_is_not_said_before_it_has_held():
    latch = Latch()
    bands = []
    for k in range(8):
        latch = step(latch, None, True, k / 15, 1 / 15, EDGES)
        bands.append(latch.band)
    assert bands[0] is Band.UNKNOWN and bands[-1] is Band.CLEAR
    assert 0.2 <= bands.index(Band.CLEAR) / 15 <= 0.35
    assert step(Latch(), 0.5, True, 0.0, 0.0, EDGES).band is Band.STOP


def test_latch_does_not_flicker_on_an_edge():
    latch, changes = Latch(), 0
    for k in range(200):
        before = latch.band
        distance = EDGES.close_m + (0.06 if k % 2 else -0.06)
        latch = step(latch, distance, True, k / 15, 1 / 15, EDGES)
        changes += latch.band is not before
    assert changes <= 2


def test_latch_leaves_a_band_only_after_the_dwell():
    latch = step(Latch(), 1.0, True, 0.0, 0.0, EDGES)
    times = []
    for k in range(1, 20):
        latch = step(latch, 3.5, True, k / 20, 1 / 20, EDGES)
        times.append((k / 20, latch.band))
    first = next(t for t, band in times if band is Band.FAR)
    assert 0.25 <= first <= 0.4
