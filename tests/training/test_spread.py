"""Residuals by doubt."""

import numpy as np
import pytest

from sonar.lab.training.spread import fit_spread
from sonar.zones import Spread


def test_the_spread_is_found_again():
    rng = np.random.default_rng(3)
    doubts = rng.uniform(0.05, 0.4, 20_000)
    made = Spread(-2.4, 3.0)
    off = rng.normal(size=doubts.size) * np.array([made.at(d) for d in doubts])
    found = fit_spread(doubts, off, np.ones_like(doubts))
    assert found.base == pytest.approx(made.base, abs=0.05)
    assert found.slope == pytest.approx(made.slope, abs=0.15)


def test_a_spread_never_shrinks_with_doubt_and_bears_wild_residuals():
    doubts = np.linspace(0.05, 0.4, 400)
    off = np.random.default_rng(0).normal(size=400) * (0.5 - doubts)
    found = fit_spread(doubts, off, np.ones(400))
    assert found.slope == 0.0
    assert found.at(0.2) == pytest.approx(float(np.sqrt((off**2).mean())), rel=0.05)
    wild = fit_spread(doubts, np.where(np.arange(400) % 20 == 0, 50.0, off), np.ones(400))
    assert wild.at(0.2) < 0.5
