"""Distances, heights, drop-offs and time to contact on a few synthetic walks."""

import numpy as np
from synthetic_figures import Tally, table, walk


def test_distances_heights_and_closing_time_keep_their_bounds() -> None:
    tally = Tally()
    for k, name in enumerate(("box", "person_approaching", "head_bar")):
        walk(
            name,
            np.random.default_rng((1, k)),
            tally,
            pitch_sigma=1.0,
            noise=0.02,
            walkable=bool(k % 2),
            sway=1.0,
            rate_hz=8.0,
        )
    figures = table(tally)
    assert figures["distance"]["n"] > 60
    assert figures["distance"]["median"] <= 0.08
    assert figures["distance"]["p95"] <= 0.20
    assert figures["height_right"] >= 0.9
    assert figures["ttc"]["median"] <= 0.15


def test_drops_are_found_and_flat_ground_is_not_a_drop() -> None:
    tally = Tally()
    for k, name in enumerate(("stairs_down", "platform", "corridor")):
        walk(
            name,
            np.random.default_rng((4, k)),
            tally,
            pitch_sigma=1.0,
            noise=0.02,
            walkable=True,
            sway=1.0,
            rate_hz=8.0,
        )
    figures = table(tally)
    assert figures["drop_off"]["all"] == 1.0
    assert figures["drop_off"]["false_frames"] == 0
    assert figures["free"]["false_near"] == 0
