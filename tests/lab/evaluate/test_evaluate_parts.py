"""The parts of an evaluation: truth from measured depth, figures, the common approach."""

from pathlib import Path

import numpy as np
import pytest
from evaluate_kit import SIZE, intrinsics, source

from sonar.config import ZonesConfig
from sonar.depth.models import Store
from sonar.lab.evaluate.data import FrameMount, read_dataset
from sonar.lab.evaluate.figures import FigureReading, sample
from sonar.lab.evaluate.maps import flicker, within_sigma
from sonar.lab.evaluate.naive import fit_distance, naive_inverse_depths
from sonar.lab.evaluate.places import learned_from, seen_by
from sonar.lab.evaluate.play import rank_distance
from sonar.lab.evaluate.truth import fit_floor, measure, nearest_group
from sonar.types import SIDES, Band, DepthKind, DepthMap, ZoneReading
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
        zones = measure(depth.astype(np.float32), intrinsics(), mount, ZonesConfig()).zones
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
    left, center, right = measure(depth, intrinsics(), mount, ZonesConfig()).zones
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
            FigureReading(k, t, r, None) for k, (t, r) in enumerate(zip(true, ranks, strict=True))
        ]
        return sample(readings, [], range(4)).whole["near_auc"]

    assert auc([0.5, 0.6, 2.0, 3.0]) == 1.0
    assert auc([3.0, 2.0, 0.6, 0.5]) == 0.0
    assert auc([1.0, 1.0, 1.0, 1.0]) == 0.5
    assert auc([None, 0.6, 2.0, 3.0]) == 0.75
    assert auc([0.5, 3.0, 2.0, 4.0]) == 0.75


def test_rank_of_readings_without_meters() -> None:
    reading = ZoneReading(SIDES[0], Band.CLOSE, proximity=0.75)
    assert rank_distance(reading, 4.0) == pytest.approx(1.0)
    assert rank_distance(ZoneReading(SIDES[0], Band.UNKNOWN), 4.0) is None
    assert rank_distance(ZoneReading(SIDES[0], Band.CLEAR), 4.0) == np.inf


def test_frames_that_follow_one_another_are_drawn_together() -> None:
    # Four frames of a walk that resemble each other say no more than one of another.
    readings = [FigureReading(k, 1.0, 1.0 if k < 4 else 3.0, None) for k in range(8)]
    apart = sample(readings, [], range(8)).figures()["ci"]["near_recall"]
    together = sample(readings, [], [0] * 4 + [1] * 4).figures()["ci"]["near_recall"]
    assert apart is not None and apart[0] > 0.0 and apart[1] < 1.0
    assert together == (0.0, 1.0)
    assert sample(readings, [], [0] * 8).figures()["ci"]["near_recall"] is None


def test_facts_of_frames_are_means_over_the_frames_that_have_them() -> None:
    facts = [{"flicker": 0.1}, {}, {"flicker": 0.3}, {"bands_equal": 1.0}]
    figures = sample([], facts, range(4)).figures()
    assert figures["flicker"] == 0.2 and figures["bands_equal"] == 1.0
    assert figures["depth_deviation"] is None and figures["n"] == 0


# --- maps ------------------------------------------------------------------------------------


class Stated(DepthMap):
    """A map with a standard deviation of its log per pixel."""

    def __init__(self, values: np.ndarray, kind: DepthKind, sigma: float) -> None:
        super().__init__(values.astype(np.float32), kind)
        object.__setattr__(self, "log_sigma", np.full(values.shape, np.log(sigma), np.float32))


def test_pixels_within_the_stated_deviation() -> None:
    true_m = source("box", 1).depth_at(0)
    true_m = np.where(true_m < 60, true_m, np.inf).astype(np.float32)
    mount, half = FrameMount(height_m=1.4), np.arange(SIZE[1]) < SIZE[1] // 2
    off = np.clip(true_m, 0, 80) * np.where(half, 1.1, 1.4)
    for values in (off, off.astype(np.float64)):
        metric = Stated(values, DepthKind.METRIC, 0.2)
        share = within_sigma(metric, true_m, intrinsics(), mount)
        seen = true_m < 20
        assert share == pytest.approx((seen & half).sum() / seen.sum(), abs=0.01)
    assert np.isnan(within_sigma(DepthMap(off.astype(np.float32)), true_m, intrinsics(), mount))


def test_flicker_of_a_map_that_follows_the_noise() -> None:
    image = source("box", 1).frame_at(0).image
    steady = flicker(lambda i: np.linspace(0.1, 1, 100, dtype=np.float32), image, [0])
    shaken = flicker(lambda i: i[:, :, 0].astype(np.float32) / 255, image, [0])
    assert steady == pytest.approx(0.0, abs=1e-6) and 0.002 < shaken < 0.5


# --- what a model has seen of a place -----------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "sources", "words"),
    [
        ("p_stairs3", None, "held out"),
        ("walk_p_stairs3_0drop", {"p_corr1"}, "held out"),
        ("hololens_office", set(), "held out"),
        ("p_stairs3", {"walk_p_stairs3_0drop"}, "trained on"),  # whatever the list says
        ("p_stairs5", {"p_corr1"}, "used for validation"),
        ("walk_p_corr1_0obst", {"p_corr1"}, "trained on"),
        ("my_office", {"p_corr1"}, "not trained on"),
        ("my_office", None, "training not known"),
    ],
)
def test_what_a_model_has_seen_of_a_place(place: str, sources: set[str] | None, words: str) -> None:
    assert seen_by(place, sources) == words


def test_the_built_in_model_states_what_it_learned_from() -> None:
    sources = learned_from(Store().resolve("builtin"))
    assert sources is not None and seen_by("sun3d_cubicles", sources) == "trained on"
    assert seen_by("hololens_office", sources) == "held out"


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


def test_naive_gets_the_best_fit() -> None:
    levels = np.linspace(0.1, 1.0, 20)
    true = 1 / (0.8 * levels + 0.2)
    fit = fit_distance(levels.tolist(), true.tolist(), [1.0] * 20)
    assert fit is not None
    said = 1 / (fit[0] * levels + fit[1])
    assert np.abs(said / true - 1).max() < 0.05
    assert fit_distance([0.1], [1.0], [1.0]) is None


@pytest.mark.skipif(not SHARED.is_dir(), reason="real RGB-D data is not here")
def test_floor_fit_on_real_depth_agrees_with_gravity() -> None:
    """Where the pose is known independently, the fitted floor agrees with it."""
    data = read_dataset(SHARED / "hololens_office")
    assert data.meta.intrinsics is not None
    errors = []
    for pair in data.pairs[::4]:
        plane = fit_floor(pair.load()[1], data.meta.intrinsics)
        mount = data.mounts[pair.id]
        if plane is not None and mount.height_m is not None and mount.pitch_deg is not None:
            errors.append(
                (abs(plane.height_m - mount.height_m), abs(plane.pitch_deg - mount.pitch_deg))
            )
    height, pitch = np.median(errors, axis=0)
    assert len(errors) >= 6 and height < 0.03 and pitch < 1.0
