"""Evaluation on folders drawn from synthetic scenes, whose truth is known exactly."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from sonar.capture.synthetic import Camera, SyntheticSource, scenario
from sonar.config import BandEdges, MountConfig, SonarConfig, ZonesConfig
from sonar.errors import DepthError, SourceError
from sonar.replay.evaluate import evaluate, known_mounts, rank_distance
from sonar.replay.evaluate_data import FrameMount, Intrinsics, find_datasets, read_dataset
from sonar.replay.evaluate_figures import Reading, band_of, figures
from sonar.replay.evaluate_naive import fit_distance, naive_band, naive_distance, naive_levels
from sonar.replay.evaluate_truth import fit_floor, nearest_group, read_zones
from sonar.types import SIDES, Band, DepthMap, Frame, Reason, Scene, ZoneReading

SIZE = (120, 160)
CAMERA = Camera(height_m=1.4, pitch_deg=12.0, roll_deg=3.0)
SHARED = Path(__file__).parents[3] / "shared" / "rgbd"


def intrinsics() -> Intrinsics:
    focal = CAMERA.focal_px(SIZE[1])
    return Intrinsics(fx=focal, fy=focal, cx=(SIZE[1] - 1) / 2, cy=(SIZE[0] - 1) / 2)


def source(name: str, frames: int = 8) -> SyntheticSource:
    scene = scenario(name, CAMERA, distance_m=4.23)
    return SyntheticSource(scene, rate_hz=2.0, frames=frames, size=SIZE)


def write_folder(folder: Path, name: str, *, mounts: bool = True, frames: int = 8) -> Path:
    """A dataset folder in the format of real ones."""
    folder.mkdir(parents=True)
    src = source(name, frames)
    poses = {}
    for index in range(frames):
        key = f"{index:04d}"
        cv2.imwrite(str(folder / f"{key}_rgb.png"), src.frame_at(index).image[:, :, ::-1])
        metres = src.depth_at(index)
        mm = np.where(metres < 60, np.rint(np.minimum(metres, 60) * 1000), 0).astype(np.uint16)
        cv2.imwrite(str(folder / f"{key}_depth.png"), mm)
        poses[key] = {"height_m": 1.4, "pitch_deg": 12.0, "roll_deg": 3.0}
    meta = {"intrinsics": intrinsics().model_dump(), "rate_hz": 2.0, "licence": "ours"}
    if mounts:
        meta["frames"] = poses
    (folder / "meta.json").write_text(json.dumps(meta))
    return folder


class Oracle:
    """A depth engine and zones that know the truth, or are wrong on purpose."""

    label = "oracle"

    def __init__(self, src: SyntheticSource, factor: float = 1.0, fail: bool = False) -> None:
        self.src, self.factor, self.fail = src, factor, fail
        self.mounts: list[MountConfig] = []
        self.lost_frames = 0
        self.closed = False

    def warm_up(self, height: int, width: int) -> None: ...

    def estimate(self, frame: Frame) -> DepthMap:
        if self.fail:
            raise DepthError("no depth today.")
        return DepthMap((1.0 / np.minimum(self.src.depth_at(frame.id), 100)).astype(np.float32))

    def close(self) -> None:
        self.closed = True

    def set_mount(self, mount: MountConfig) -> None:
        self.mounts.append(mount)

    def update(self, depth: DepthMap, frame: Frame) -> Scene:
        truth = self.src.truth_at(frame.id)
        zones = []
        for side, true in zip(SIDES, truth.zones, strict=True):
            metres = None if true.distance_m is None else true.distance_m * self.factor
            band = band_of(metres, BandEdges())
            near = 0.0 if metres is None else max(0.0, 1 - metres / 4.0)
            zones.append(ZoneReading(side, band, near, metres))
        return Scene(frame.id, frame.t, *zones)

    def lost(self, frame_id: int, t: float, reason: Reason) -> Scene:
        self.lost_frames += 1
        return Scene.unknown(frame_id, t, reason)

    def reset(self) -> None: ...


def run(path: Path, oracle: Oracle, **kwargs: object):
    return evaluate(
        [path],
        SonarConfig(),
        lambda: oracle,
        lambda mount: (oracle.set_mount(mount), oracle)[1],
        **kwargs,  # type: ignore[arg-type]
    )


# --- the whole way ---------------------------------------------------------------------------


def test_a_perfect_system_gets_perfect_figures(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "wall", "wall")
    oracle = Oracle(source("wall"))
    seen: list[tuple[int, int]] = []
    report = run(folder, oracle, progress=lambda done, of: seen.append((done, of)))
    figure = report.sources["wall"]
    assert seen == [(k, 8) for k in range(1, 9)]
    assert oracle.closed
    assert figure.frames == 8 and figure.n == 24 and figure.unmeasured == 0
    assert figure.mount == "given" and figure.intrinsics == "given"
    assert 0 < figure.near < figure.n
    assert figure.near_auc == 1.0
    assert figure.near_recall == 1.0 and figure.near_false_alarm == 0.0
    assert figure.distance_median_rel_error is not None
    assert figure.distance_median_rel_error < 0.01, "the truth of both rooms must agree"
    assert figure.nearest_zone_agreement == 1.0 and figure.band_agreement == 1.0
    # A wall that fills the picture is the same picture at any distance for min-max.
    assert figure.naive.near_auc is not None and figure.naive.near_auc < 1.0


def test_errors_are_measured(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "wall", "wall")
    figure = run(folder, Oracle(source("wall"), factor=1.25)).sources["wall"]
    assert figure.distance_median_rel_error == pytest.approx(0.25, abs=0.01)
    assert figure.near_auc == 1.0
    assert figure.near_recall is not None and figure.near_recall < 1.0
    low, high = figure.ci["near_recall"] or (1.0, 0.0)
    assert low <= figure.near_recall <= high and low < high


def test_failed_depth_is_unknown_and_counts_against(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "wall", "wall")
    oracle = Oracle(source("wall"), fail=True)
    figure = run(folder, oracle).sources["wall"]
    assert oracle.lost_frames == 8
    assert figure.unknown == figure.n == 24
    assert figure.near_auc == 0.5 and figure.near_recall == 0.0 and figure.distance_share == 0.0
    assert figure.distance_median_rel_error is None
    assert sum(row["unknown"] for row in figure.bands.values()) == 24


def test_json_has_the_documented_names(tmp_path: Path) -> None:
    write_folder(tmp_path / "set" / "a", "left_box", frames=4)
    write_folder(tmp_path / "set" / "b", "wall", frames=4)
    report = run(tmp_path / "set", Oracle(source("wall", 4)))
    told = json.loads(report.to_json())
    assert list(told["sources"]) == ["a", "b"]
    names = {
        "n",
        "distance_median_rel_error",
        "distance_p95_rel_error",
        "near_auc",
        "near_recall",
        "near_false_alarm",
        "nearest_zone_agreement",
        "bands",
    }
    for folder in told["sources"].values():
        assert names <= set(folder) and names <= set(folder["naive"])
    again = run(tmp_path / "set", Oracle(source("wall", 4)))
    assert again.to_json() == report.to_json()


@pytest.mark.parametrize(
    ("use", "per_frame", "height"), [("frames", 9, 1.4), ("fixed", 1, 1.4), ("none", 1, None)]
)
def test_what_the_system_is_told(
    tmp_path: Path, use: str, per_frame: int, height: float | None
) -> None:
    folder = write_folder(tmp_path / "box", "box")
    oracle = Oracle(source("box"))
    report = run(folder, oracle, mount_use=use)
    assert len(oracle.mounts) == per_frame
    mount = oracle.mounts[-1]
    assert mount.height_m == height
    assert (mount.pitch_deg is None) == (height is None)
    assert mount.fx_px == pytest.approx(intrinsics().fx)
    assert report.sources["box"].mount == ("none" if use == "none" else "given")


def test_mount_from_the_measured_floor(tmp_path: Path) -> None:
    data = read_dataset(write_folder(tmp_path / "box", "box", mounts=False))
    mounts, origin = known_mounts(data, intrinsics())
    assert origin == "fitted" and len(mounts) == 8
    for mount in mounts.values():
        assert mount.height_m == pytest.approx(1.4, abs=0.02)
        assert mount.pitch_deg == pytest.approx(12.0, abs=0.5)
        assert mount.roll_deg == pytest.approx(3.0, abs=0.5)


def test_without_floor_nothing_is_claimed(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "wall", "wall", mounts=False, frames=2)
    for file in folder.glob("*_depth.png"):
        cv2.imwrite(str(file), np.full(SIZE, 900, np.uint16))
    report = run(folder, Oracle(source("wall", 2)))
    figure = report.sources["wall"]
    assert figure.n == 0 and figure.frames_without_floor == 2 and figure.mount == "none"
    assert figure.near_auc is None and figure.naive.distance_median_rel_error is None
    json.loads(report.to_json())


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
        for measured, true in zip(zones, src.truth_at(index).zones, strict=True):
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


def test_floor_fit_tells_a_table_from_the_floor() -> None:
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
            Reading(k, t, r, None, Band.NEAR)
            for k, (t, r) in enumerate(zip(true, ranks, strict=True))
        ]
        return figures(readings, BandEdges()).near_auc

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
    assert naive_levels(DepthMap(values)) == pytest.approx(naive_levels(DepthMap(5 + 3 * values)))
    left, middle, right = naive_levels(DepthMap(np.tile(np.arange(9, dtype=np.float32), (4, 1))))
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


# --- bad input -------------------------------------------------------------------------------


def test_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not a folder"):
        find_datasets([tmp_path / "nothing"])
    with pytest.raises(SourceError, match="holds no pairs"):
        find_datasets([tmp_path])
    folder = write_folder(tmp_path / "box", "box", frames=1)
    (folder / "meta.json").write_text('{"intrinsics": {"fx": -1, "fy": 1, "cx": 0, "cy": 0}}')
    with pytest.raises(SourceError, match=r"intrinsics\.fx"):
        read_dataset(folder)
    (folder / "meta.json").write_text("{")
    with pytest.raises(SourceError, match="not readable JSON"):
        read_dataset(folder)
    (folder / "meta.json").unlink()
    assert read_dataset(folder).intrinsics is None
    cv2.imwrite(str(folder / "0000_depth.png"), np.zeros((10, 10), np.uint16))
    with pytest.raises(SourceError, match="must have the same size"):
        read_dataset(folder).pairs[0].load()
    cv2.imwrite(str(folder / "0000_depth.png"), np.zeros(SIZE, np.uint8))
    with pytest.raises(SourceError, match="not a 16-bit depth"):
        read_dataset(folder).pairs[0].load()
    (folder / "0000_depth.png").write_bytes(b"no picture")
    with pytest.raises(SourceError, match="not a picture"):
        read_dataset(folder).pairs[0].load()
    (folder / "0001_depth.png").write_bytes(b"")
    with pytest.raises(SourceError, match="no picture 0001_rgb"):
        read_dataset(folder)


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
