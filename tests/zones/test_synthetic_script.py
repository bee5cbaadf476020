"""The figures' own script, on a few walks: it runs, and what it prints keeps the promise."""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "zones_synthetic"


@pytest.fixture(scope="module")
def script():
    loader = importlib.machinery.SourceFileLoader("zones_synthetic", str(SCRIPT))
    spec = importlib.util.spec_from_loader("zones_synthetic", loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["zones_synthetic"] = module
    loader.exec_module(module)
    yield module
    del sys.modules["zones_synthetic"]


def test_distances_heights_and_closing_time_keep_the_promise(script):
    tally = script.Tally()
    for k, name in enumerate(("box", "person_approaching", "head_bar")):
        script.walk(
            name,
            np.random.default_rng((1, k)),
            tally,
            pitch_sigma=1.0,
            noise=0.02,
            walkable=bool(k % 2),
            sway=1.0,
            rate_hz=8.0,
        )
    figures = script.table(tally)
    assert figures["distance"]["n"] > 60
    assert figures["distance"]["median"] <= 0.08
    assert figures["distance"]["p95"] <= 0.20
    assert figures["height_right"] >= 0.9
    assert figures["ttc"]["median"] <= 0.15


def test_drops_are_found_and_flat_ground_is_not_a_drop(script):
    tally = script.Tally()
    for k, name in enumerate(("stairs_down", "platform", "corridor")):
        script.walk(
            name,
            np.random.default_rng((4, k)),
            tally,
            pitch_sigma=1.0,
            noise=0.02,
            walkable=True,
            sway=1.0,
            rate_hz=8.0,
        )
    figures = script.table(tally)
    assert figures["drop_off"]["all"] == 1.0
    assert figures["drop_off"]["false_frames"] == 0
    assert figures["free"]["false_near"] == 0
