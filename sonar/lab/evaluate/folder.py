"""One folder of images with measured depth, played through engine and zones."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sonar.app import make_zones
from sonar.config import MountConfig, SonarConfig
from sonar.errors import DepthError, SourceError
from sonar.lab.evaluate.data import Dataset, DatasetIntrinsics, FrameMount
from sonar.lab.evaluate.figures import FigureReading
from sonar.lab.evaluate.naive import naive_inverse_depths
from sonar.lab.evaluate.truth import fit_floor, read_zones
from sonar.ports import Engine, ZoneAnalyser
from sonar.types import Band, Frame, Reason, ZoneReading

MountUse = Literal["frames", "none"]
MountOrigin = Literal["given", "fitted", "none"]
IMAGE_RATE_HZ = 1.0  # of a folder that states no rate
ANGLE_SIGMA_DEG = 1.0  # of angles that come with each frame: what an IMU is good for
SAME_FLOOR = 0.2  # a fitted height that differs more from the folder's is a table, not the floor


@dataclass(frozen=True, slots=True)
class FolderReadings:
    """What was read in one folder.

    Attributes:
        readings: one for each zone with enough measured depth.
        inverse_depths: of the common approach, one for each reading.
        frames: used; pairs: in the folder; unmeasured: zones left out.
    """

    name: str
    readings: tuple[FigureReading, ...]
    inverse_depths: tuple[float, ...]
    frames: int
    pairs: int
    unmeasured: int
    origin: MountOrigin


def read_folder(
    dataset: Dataset,
    config: SonarConfig,
    engine: Engine,
    mount_use: MountUse,
    make_zones: Callable[[SonarConfig, MountConfig], ZoneAnalyser] = make_zones,
) -> FolderReadings:
    """Run every pair of a folder in order, through an analyser of its own. Raises SonarError."""
    k = dataset.intrinsics
    if k is None:
        raise SourceError(f"{dataset.folder / 'meta.json'} states no intrinsics.")
    size = dataset.pairs[0].load()[0].shape
    mounts, origin = known_mounts(dataset, k)

    def mount_config(mount: FrameMount) -> MountConfig:
        pose = mount.model_dump(include={"height_m", "pitch_deg", "roll_deg"})
        return config.mount.model_copy(
            update={
                **(dict.fromkeys(pose) if mount_use == "none" else pose),
                "angle_sigma_deg": ANGLE_SIGMA_DEG,
                "fx_px": k.fx,
                "fy_px": k.fy,
                "cx_px": max(k.cx, 1e-3),
                "cy_px": max(k.cy, 1e-3),
                "calibrated_width_px": size[1],
                "calibrated_height_px": size[0],
            }
        )

    analyser = make_zones(config, mount_config(next(iter(mounts.values()), FrameMount())))
    readings: list[FigureReading] = []
    inverse_depths: list[float] = []
    unmeasured = 0
    for index, pair in enumerate(dataset.pairs):
        mount = mounts.get(pair.id)
        if mount is None:
            continue
        image, depth_m = pair.load()
        if mount_use == "frames" and (set_mount := getattr(analyser, "set_mount", None)):
            set_mount(mount_config(mount))
        frame = Frame(image, index, index / (dataset.rate_hz or IMAGE_RATE_HZ))
        inverse = (0.0, 0.0, 0.0)
        try:
            depth = engine.estimate(frame)
        except DepthError:
            scene = analyser.lost(frame.id, frame.t, Reason.DEPTH_FAILED)
        else:
            scene, inverse = analyser.update(depth, frame), naive_inverse_depths(depth)
        truth = read_zones(depth_m, k, mount, config.zones)
        for true, said, inverse_depth in zip(truth, scene.zones, inverse, strict=True):
            if not true.measured:
                unmeasured += 1
                continue
            rank = rank_distance(said, config.zones.bands.far_m)
            readings.append(
                FigureReading(frame.id, true.distance_m, rank, said.distance_m, said.band)
            )
            inverse_depths.append(inverse_depth)
    return FolderReadings(
        dataset.name,
        tuple(readings),
        tuple(inverse_depths),
        len(mounts),
        len(dataset.pairs),
        unmeasured,
        "none" if mount_use == "none" else origin,
    )


def rank_distance(said: ZoneReading, far_m: float) -> float | None:
    """Meters by which a reading is ranked; infinite for clear, None for unknown.

    Where no meters are reported, those that its proximity stands for:
    ``(1 - proximity) * far_m``.
    """
    if said.band is Band.UNKNOWN:
        return None
    if said.distance_m is not None:
        return said.distance_m
    if said.band is Band.CLEAR and said.proximity == 0.0:
        return math.inf
    return (1.0 - said.proximity) * far_m


def known_mounts(
    dataset: Dataset, k: DatasetIntrinsics
) -> tuple[Mapping[str, FrameMount], MountOrigin]:
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
        fitted = any("fitted" in (mount.gravity_source or "") for mount in stated.values())
        return stated, "fitted" if fitted else "given"
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
