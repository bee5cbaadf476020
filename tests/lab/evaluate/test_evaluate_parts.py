"""The parts of an evaluation: truth from measured depth, figures, the common approach."""

from pathlib import Path

import numpy as np
import pytest
from evaluate_kit import SIZE, intrinsics, source

from sonar.config import BandEdges, ZonesConfig
from sonar.lab.evaluate.data import FrameMount, read_dataset
from sonar.lab.evaluate.figures import FigureReading, band_of, figures
from sonar.lab.evaluate.folder import rank_distance
from sonar.lab.evaluate.naive import fit_distance, naive_band, naive_distance, naive_inverse_depths
from sonar.lab.evaluate.truth import fit_floor, nearest_group, read_zones
from sonar.types import SIDES, Band, DepthMap, ZoneReading
from tests.truth import truth_at

SHARED = Path(__file__).parents[4] / "shared" / "rgbd"


# --- truth -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["box", "left_box", "right_box", "wall", "person_approaching"])
def test_measured_truth_agrees_with_geometry(name: str) -> None:
    src = source(name, 6)
    mount = FrameMount(height_m=1.4, pitch_deg=12.0, roll_deg=3.0)
    rng = np.random.default_rng(0)
    checked = 0
    for index in range(6):
        depth = src.depth_at(index) * (1 + 0.005 * rng.standard_normal(SIZE).astype(np.float32))
        zones = read_zones(depth.astype(np.float32), intrinsics(), mount, ZonesConfig())
        for measured, true in zip(zones, truth_at(src, index).zones, strict=True):
            assert measured.measured
            if true.distance_m is None:
                assert measured.distance_m is None
            elif measured.distance_m is not None:  # a sliver is too small for the one, not both
                assert measured.distance_m == pytest.approx(true.distance_m, rel=0.06)
                checked += 1
    assert checked >= 6


def test_holes_leave_a_zone_out() -> None:
    depth = source("wall", 1).depth_at(0).copy()
    depth[:, :60] = np.nan
    mount = FrameMount(height_m=1.4, pitch_deg=12.0, roll_deg=3.0)
    left, center, right = read_zones(depth, intrinsics(), mount, ZonesConfig())
    assert not left.measured and left.distance_m is None
    assert center.measured and right.measured


def test_nearest_group_needs_enough_close_together() -> None:
    values = np.concatenate([[0.5, 0.7, 0.9], np.full(20, 2.0), np.full(50, 3.0)])
    assert nearest_group(values, 10) == pytest.approx(2.0)
    assert nearest_group(values, 40) == pytest.approx(3.0)
    assert nearest_group(values, 60) is None
    assert nearest_group(values[:2], 10) is None


def test_floor_fit_distinguishes_a_table_from_the_floor() -> None:
    src = source("left_box", 3)
    plane = fit_floor(src.depth_at(2), intrinsics())
    assert plane is not None and plane.height_m == pytest.approx(1.4, abs=0.02)
    assert fit_floor(np.full(SIZE, np.nan, np.float32), intrinsics()) is None
    assert fit_floor(np.full(SIZE, 2.0, np.float32), intrinsics()) is None


# --- figures ---------------------------------------------------------------------------------


def test_auc_of_known_order_ties_and_unknown() -> None:
    def auc(ranks: list[float | None]) -> float | None:
        true = [1.0, 1.2, 2.0, 3.0]
        readings = [
            FigureReading(k, t, r, None, Band.NEAR)
            for k, (t, r) in enumerate(zip(true, ranks, strict=True))
        ]
        return figures(readings, BandEdges())["near_auc"]

    assert auc([0.5, 0.6, 2.0, 3.0]) == 1.0
    assert auc([3.0, 2.0, 0.6, 0.5]) == 0.0
    assert auc([1.0, 1.0, 1.0, 1.0]) == 0.5
    assert auc([None, 0.6, 2.0, 3.0]) == 0.75
    assert auc([0.5, 3.0, 2.0, 4.0]) == 0.75


def test_rank_of_readings_without_metres() -> None:
    reading = ZoneReading(SIDES[0], Band.CLOSE, proximity=0.75)
    assert rank_distance(reading, 4.0) == pytest.approx(1.0)
    assert rank_distance(ZoneReading(SIDES[0], Band.UNKNOWN), 4.0) is None
    assert rank_distance(ZoneReading(SIDES[0], Band.CLEAR), 4.0) == np.inf


@pytest.mark.parametrize(
    ("distance", "band"),
    [(0.5, Band.STOP), (0.6, Band.CLOSE), (2.4, Band.NEAR), (3.9, Band.FAR), (None, Band.CLEAR)],
)
def test_true_bands(distance: float | None, band: Band) -> None:
    assert band_of(distance, BandEdges()) is band


# --- the common approach ---------------------------------------------------------------------


def test_naive_is_blind_to_scale() -> None:
    values = np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8)
    assert naive_inverse_depths(DepthMap(values)) == pytest.approx(
        naive_inverse_depths(DepthMap(5 + 3 * values))
    )
    left, middle, right = naive_inverse_depths(
        DepthMap(np.tile(np.arange(9, dtype=np.float32), (4, 1)))
    )
    assert left < middle < right
    assert naive_band(0.9) is Band.STOP and naive_band(0.1) is Band.CLEAR


def test_naive_gets_the_best_fit() -> None:
    levels = np.linspace(0.1, 1.0, 20)
    true = 1 / (0.8 * levels + 0.2)
    fit = fit_distance(levels.tolist(), true.tolist(), [1.0] * 20)
    assert fit is not None
    said = np.array([naive_distance(level, fit) for level in levels])
    assert np.abs(said / true - 1).max() < 0.05
    assert fit_distance([0.1], [1.0], [1.0]) is None


@pytest.mark.skipif(not SHARED.is_dir(), reason="real RGB-D data is not here")
def test_floor_fit_on_real_depth_agrees_with_gravity() -> None:
    """Where the pose is known independently, the fitted floor agrees with it."""
    data = read_dataset(SHARED / "hololens_office")
    assert data.intrinsics is not None
    errors = []
    for pair in data.pairs[::4]:
        plane = fit_floor(pair.load()[1], data.intrinsics)
        mount = data.mounts[pair.id]
        if plane is not None and mount.height_m is not None and mount.pitch_deg is not None:
            errors.append(
                (abs(plane.height_m - mount.height_m), abs(plane.pitch_deg - mount.pitch_deg))
            )
    height, pitch = np.median(errors, axis=0)
    assert len(errors) >= 6 and height < 0.03 and pitch < 1.0
