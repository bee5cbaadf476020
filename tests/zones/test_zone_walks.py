"""Drawn walks with exact depth, a wrongly measured mount and noise: what is promised in figures."""

from collections import defaultdict

import numpy as np
import pytest

from sonar.capture.synthetic import Camera, SyntheticSource, scenario
from sonar.config import MountConfig, ZonesConfig
from sonar.zones import DepthZones
from tests.exact import ExactDepth
from tests.truth import truth_at

RATE_HZ = 8.0
START_S = 0.5


def walk(name, seed, walkable=True):
    """(seconds, scene, truth, meters to where one would touch the box by its name) of one walk.

    Height, pitch, roll, the depth's scale and shift are drawn; the mount is off by 3 cm and 1
    degree. A box's distance is that of its near face, also when that has left the frame below.
    """
    rng = np.random.default_rng(seed)
    camera = Camera(
        height_m=rng.uniform(1.15, 1.65), pitch_deg=rng.uniform(5, 25), roll_deg=rng.uniform(-4, 4)
    )
    where = {} if name in ("corridor", "person_approaching") else {"distance_m": rng.uniform(4, 6)}
    scene = scenario(name, camera, sway_deg=rng.uniform(0.5, 1), bob_m=0.01, **where)
    source = SyntheticSource(scene, rate_hz=RATE_HZ, frames=44, size=(192, 256))
    engine = ExactDepth(
        source,
        scale=float(np.exp(rng.uniform(-2, 4))),
        shift=rng.uniform(-3, 3),
        noise=0.02,
        walkable=walkable,
        seed=int(rng.integers(1 << 30)),
    )
    mount = MountConfig(
        height_m=camera.height_m + rng.normal(0, 0.03),
        pitch_deg=camera.pitch_deg + rng.normal(0, 1.0),
        roll_deg=camera.roll_deg + rng.normal(0, 1.0),
        hfov_deg=camera.hfov_deg,
        angle_sigma_deg=1.0,
    )
    zones = DepthZones(ZonesConfig(), mount)
    out = []
    for k in range(44):
        frame = source.frame_at(k)
        now, truth = zones.update(engine.estimate(frame), frame), truth_at(source, k)
        touch_m = scene.boxes[-1].low[1] - scene.camera_at(frame.t).y_m
        out.append((frame.t, now, truth, {scene.boxes[-1].name: touch_m} if name == "box" else {}))
    return [step for step in out if step[0] >= START_S]


def test_distances_heights_and_closing_time_keep_the_promise():
    errors = defaultdict(list)
    for k, name in enumerate(("box", "person_approaching", "head_bar")):
        for t, scene, truth, touch_m in walk(name, (1, k), walkable=bool(k % 2)):
            for reading, real in zip(scene.zones, truth.zones, strict=True):
                if real.distance_m is None or not 0.5 <= real.distance_m <= 5.0:
                    continue
                if reading.distance_m is None:
                    continue
                at_m = min(real.distance_m, touch_m.get(real.name, np.inf))
                errors["distance"].append(abs(reading.distance_m - at_m) / at_m)
                if real.height is not None:
                    errors["height"].append(reading.height is not real.height)
                if t > 1.2 and real.side == "center" and real.ttc_s and reading.ttc_s:
                    errors["ttc"].append(abs(reading.ttc_s - real.ttc_s) / real.ttc_s)
    assert len(errors["distance"]) > 60 and len(errors["ttc"]) > 20
    assert np.median(errors["distance"]) <= 0.08
    assert np.quantile(errors["distance"], 0.95) <= 0.20
    assert np.mean(errors["height"]) <= 0.1
    assert np.median(errors["ttc"]) <= 0.15


@pytest.mark.parametrize("name", ["stairs_down", "platform"])
def test_drops_are_found_at_a_distance(name):
    found = [truth.drop_distance_m for _, scene, truth, _ in walk(name, (4, 0)) if scene.drop_off]
    assert found and found[0] >= 1.5
