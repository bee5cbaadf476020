"""How good is it? Figures on pictures with measured depth, beside the common approach.

:func:`evaluate` runs the depth engine and the zones over every pair of every folder, in order,
and compares each zone with the truth derived from the measured depth. Definitions of the
figures: :mod:`sonar.replay.evaluate_figures`; of the truth: :mod:`sonar.replay.evaluate_truth`;
of the approach beside it: :mod:`sonar.replay.evaluate_naive`.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from pydantic import BaseModel, ConfigDict

from sonar.config import MountConfig, SonarConfig
from sonar.errors import DepthError
from sonar.ports import DepthEngine, ZoneAnalyser
from sonar.replay.evaluate_data import (
    ASSUMED_HFOV_DEG,
    Dataset,
    FrameMount,
    Intrinsics,
    find_datasets,
)
from sonar.replay.evaluate_figures import DISTANCE_RANGE_M, NEAR_M, Figures, Reading, figures
from sonar.replay.evaluate_naive import fit_distance, naive_band, naive_distance, naive_levels
from sonar.replay.evaluate_truth import ZoneMeasured, fit_floor, read_zones
from sonar.types import Band, Frame, Reason, ZoneReading

MountUse = Literal["frames", "fixed", "none"]
MountOrigin = Literal["given", "fitted", "none"]
ANGLE_SIGMA_DEG = 1.0  # of angles that come with each frame: what an IMU is good for
SAME_FLOOR = 0.2  # a fitted height that differs more from the folder's is a table, not the floor

ABOUT = (
    "Per folder: sonar's figures, and under 'naive' those of per-frame min-max over fixed thirds,"
    " whose distances are fitted to the truth of all folders of this run. near: closer than"
    " near_m. mount: 'given' = height and angles came with the frames; 'fitted' = from the floor"
    " in the measured depth (the angles of each frame as an IMU would tell them, the folder's"
    " height); 'none' = sonar was told the intrinsics only. Truth: horizontal distance ahead to"
    " the nearest obstacle in the corridor, floor removed."
)


class SourceReport(Figures):
    """One folder: sonar's figures, and those of the common approach.

    Attributes:
        frames: used; frames_without_floor: left out, gravity is not known there.
        near: zones nearer than ``near_m``; unmeasured: zones left out, too little depth there.
        mount: what sonar was told of the camera; intrinsics: given or assumed.
    """

    frames: int
    frames_without_floor: int
    near: int
    unmeasured: int
    mount: MountOrigin
    intrinsics: Literal["given", "assumed"]
    naive: Figures


class EvaluationReport(BaseModel):
    """Everything that ``sonar evaluate --json`` prints."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str = ABOUT
    model: str
    near_m: float = NEAR_M
    distance_range_m: float = DISTANCE_RANGE_M
    mount_use: MountUse
    corridor_width_m: float
    head_height_m: float
    center_width_deg: float
    sources: dict[str, SourceReport]

    def to_json(self) -> str:
        """Indented JSON."""
        return self.model_dump_json(indent=2)


@runtime_checkable
class _TakesMounts(Protocol):
    def set_mount(self, mount: MountConfig) -> None: ...


def evaluate(
    paths: Sequence[Path],
    config: SonarConfig,
    engine_factory: Callable[[], DepthEngine],
    zones_factory: Callable[[MountConfig], ZoneAnalyser],
    *,
    mount_use: MountUse = "frames",
    progress: Callable[[int, int], None] | None = None,
    seed: int = 0,
) -> EvaluationReport:
    """Run everything over the datasets in ``paths``.

    Args:
        paths: dataset folders, or folders of them.
        zones_factory: a fresh analyser for a mount; one a folder. If it has ``set_mount``, it is
            told each frame's height and angles where they are known.
        mount_use: ``frames`` tells the analyser each frame's mount, ``fixed`` the folder's median
            (angles known to the spread within the folder), ``none`` only the intrinsics.
        progress: called with (pairs done, pairs in all).
        seed: of the resampling for confidence intervals.

    Raises:
        SourceError: a folder or file that cannot be used.
    """
    datasets = find_datasets(paths)
    total = sum(len(d.pairs) for d in datasets)
    done = 0
    runs: list[_Run] = []
    engine = engine_factory()
    try:
        for dataset in datasets:
            run = _Run(dataset, config, engine, mount_use)
            for _ in run.play(zones_factory):
                done += 1
                if progress is not None:
                    progress(done, total)
            runs.append(run)
    finally:
        engine.close()
    fit = _naive_fit(runs)
    return EvaluationReport(
        model=engine.label,
        mount_use=mount_use,
        corridor_width_m=config.zones.corridor_width_m,
        head_height_m=config.zones.head_height_m,
        center_width_deg=config.zones.center_width_deg,
        sources={run.name: run.report(fit, seed) for run in runs},
    )


class _Run:
    """One folder."""

    def __init__(
        self, dataset: Dataset, config: SonarConfig, engine: DepthEngine, mount_use: MountUse
    ) -> None:
        self.name = dataset.name
        self._data = dataset
        self._config = config
        self._engine = engine
        self._use = mount_use
        self._size, self._k = _camera(dataset)
        self._mounts, self._origin = known_mounts(dataset, self._k)
        self._readings: list[Reading] = []
        self._levels: list[float] = []
        self._unmeasured = 0
        self._frames = 0

    def play(self, zones_factory: Callable[[MountConfig], ZoneAnalyser]) -> Iterator[str]:
        """Runs every pair in order; yields its id when done."""
        rate_hz = self._data.rate_hz or self._config.capture.image_rate_hz
        analyser = zones_factory(self._typical_mount())
        for index, pair in enumerate(self._data.pairs):
            mount = self._mounts.get(pair.id)
            if mount is not None:
                image, depth_m = pair.load()
                if self._use == "frames" and isinstance(analyser, _TakesMounts):
                    analyser.set_mount(self._mount_config(mount))
                truth = read_zones(depth_m, self._k, mount, self._config.zones)
                self._frame(analyser, Frame(image, index, index / rate_hz), truth)
            yield pair.id

    def report(self, fit: tuple[float, float] | None, seed: int) -> SourceReport:
        """The figures of what was played."""
        edges = self._config.zones.bands
        naive = figures(self._naive(fit), edges, seed)
        return SourceReport(
            **figures(self._readings, edges, seed).model_dump(),
            frames=self._frames,
            frames_without_floor=len(self._data.pairs) - self._frames,
            near=sum(r.true_m is not None and r.true_m < NEAR_M for r in self._readings),
            unmeasured=self._unmeasured,
            mount="none" if self._use == "none" else self._origin,
            intrinsics="assumed" if self._data.intrinsics is None else "given",
            naive=naive,
        )

    def _frame(
        self,
        analyser: ZoneAnalyser,
        frame: Frame,
        truth: tuple[ZoneMeasured, ZoneMeasured, ZoneMeasured],
    ) -> None:
        self._frames += 1
        levels = (0.0, 0.0, 0.0)
        try:
            depth = self._engine.estimate(frame)
        except DepthError:
            scene = analyser.lost(frame.id, frame.t, Reason.DEPTH_FAILED)
        else:
            scene = analyser.update(depth, frame)
            levels = naive_levels(depth)
        for true, said, level in zip(truth, scene.zones, levels, strict=True):
            if not true.measured:
                self._unmeasured += 1
                continue
            rank = rank_distance(said, self._config.zones.bands.far_m)
            self._readings.append(
                Reading(frame.id, true.distance_m, rank, said.distance_m, said.band)
            )
            self._levels.append(level)

    def naive_pairs(self) -> list[tuple[float, float]]:
        """(level, true metres) of the obstacles in range."""
        return [
            (level, r.true_m)
            for level, r in zip(self._levels, self._readings, strict=True)
            if r.true_m is not None and r.true_m < DISTANCE_RANGE_M
        ]

    def _naive(self, fit: tuple[float, float] | None) -> list[Reading]:
        readings = []
        for level, r in zip(self._levels, self._readings, strict=True):
            metres = None if fit is None else naive_distance(level, fit)
            # A hair of the level keeps its order where the fit makes all distances one.
            rank = (1.0 if metres is None else metres) - 1e-6 * level
            readings.append(Reading(r.frame, r.true_m, rank, metres, naive_band(level)))
        return readings

    def _mount_config(self, mount: FrameMount | None) -> MountConfig:
        known = mount if mount is not None and self._use != "none" else FrameMount()
        height, width = self._size
        return self._config.mount.model_copy(
            update={
                "height_m": known.height_m,
                "pitch_deg": known.pitch_deg,
                "roll_deg": known.roll_deg,
                "angle_sigma_deg": ANGLE_SIGMA_DEG,
                "fx_px": self._k.fx,
                "fy_px": self._k.fy,
                "cx_px": max(self._k.cx, 1e-3),
                "cy_px": max(self._k.cy, 1e-3),
                "calibrated_width_px": width,
                "calibrated_height_px": height,
            }
        )

    def _typical_mount(self) -> MountConfig:
        mounts = list(self._mounts.values())
        if not mounts:
            return self._mount_config(None)
        height, pitch, roll = (
            np.array([getattr(m, name) for m in mounts], float)
            for name in ("height_m", "pitch_deg", "roll_deg")
        )
        typical = self._mount_config(
            FrameMount(
                height_m=float(np.median(height)),
                pitch_deg=float(np.median(pitch)),
                roll_deg=float(np.median(roll)),
            )
        )
        spread = float(np.clip(np.hypot(pitch.std(), roll.std()), ANGLE_SIGMA_DEG, 15.0))
        return typical.model_copy(update={"angle_sigma_deg": spread})


def _naive_fit(runs: Sequence[_Run]) -> tuple[float, float] | None:
    """One fit for all folders, each counting the same."""
    pairs = [
        (level, true, 1.0 / len(found))
        for run in runs
        if (found := run.naive_pairs())
        for level, true in found
    ]
    levels, true, weights = zip(*pairs, strict=True) if pairs else ((), (), ())
    return fit_distance(levels, true, weights)


def rank_distance(said: ZoneReading, far_m: float) -> float | None:
    """Metres by which a reading is ranked; infinite for clear, None for unknown.

    Where no metres are reported, those that its proximity stands for:
    ``(1 - proximity) * far_m``.
    """
    if said.band is Band.UNKNOWN:
        return None
    if said.distance_m is not None:
        return said.distance_m
    if said.band is Band.CLEAR and said.proximity == 0.0:
        return math.inf
    return (1.0 - said.proximity) * far_m


def known_mounts(dataset: Dataset, k: Intrinsics) -> tuple[Mapping[str, FrameMount], MountOrigin]:
    """Height and angles per pair id, and where they come from.

    ``meta.json`` first; else the floor is fitted to each measured depth, the median of the
    folder's heights being the camera's (a lower plane above it is a table: left out).
    """
    stated = {
        pair.id: dataset.mounts[pair.id]
        for pair in dataset.pairs
        if pair.id in dataset.mounts and dataset.mounts[pair.id].complete
    }
    if stated:
        given = all(mount.measured for mount in stated.values())
        return stated, "given" if given else "fitted"
    planes = {pair.id: fit_floor(pair.load()[1], k) for pair in dataset.pairs}
    found = {key: plane for key, plane in planes.items() if plane is not None}
    if not found:
        return {}, "none"
    heights = np.array([plane.height_m for plane in found.values()])
    floor = float(np.median(heights[heights >= 0.75 * np.quantile(heights, 0.9)]))
    mounts = {
        key: FrameMount(height_m=floor, pitch_deg=plane.pitch_deg, roll_deg=plane.roll_deg)
        for key, plane in found.items()
        if abs(plane.height_m / floor - 1) <= SAME_FLOOR
    }
    return mounts, "fitted"


def _camera(dataset: Dataset) -> tuple[tuple[int, int], Intrinsics]:
    """(height, width) of the folder's pictures, and intrinsics (assumed where not given)."""
    image, _ = dataset.pairs[0].load()
    height, width = image.shape[:2]
    if dataset.intrinsics is not None:
        return (height, width), dataset.intrinsics
    focal = width / 2 / math.tan(math.radians(ASSUMED_HFOV_DEG / 2))
    return (height, width), Intrinsics(fx=focal, fy=focal, cx=(width - 1) / 2, cy=(height - 1) / 2)
