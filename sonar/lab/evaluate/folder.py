"""One folder of images with measured depth, played through engine and zones."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from sonar.config import MountConfig, SonarConfig
from sonar.errors import DepthError
from sonar.lab.evaluate.data import ASSUMED_HFOV_DEG, Dataset, DatasetIntrinsics, FrameMount
from sonar.lab.evaluate.figures import DISTANCE_RANGE_M, FigureReading
from sonar.lab.evaluate.naive import naive_inverse_depths
from sonar.lab.evaluate.truth import ZoneMeasured, fit_floor, read_zones
from sonar.ports import Engine, ZoneAnalyser
from sonar.types import Band, Frame, Reason, ZoneReading

MountUse = Literal["frames", "fixed", "none"]
MountOrigin = Literal["given", "fitted", "none"]
ZonesFactory = Callable[[MountConfig], ZoneAnalyser]
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
    intrinsics: Literal["given", "assumed"]

    def naive_pairs(self) -> list[tuple[float, float]]:
        """(inverse_depth, true meters) of the obstacles in range."""
        return [
            (inverse_depth, r.true_m)
            for inverse_depth, r in zip(self.inverse_depths, self.readings, strict=True)
            if r.true_m is not None and r.true_m < DISTANCE_RANGE_M
        ]


@runtime_checkable
class _TakesMounts(Protocol):
    def set_mount(self, mount: MountConfig) -> None: ...


class FolderRun:
    """Plays one folder; an analyser of its own, the engine is shared."""

    def __init__(
        self, dataset: Dataset, config: SonarConfig, engine: Engine, mount_use: MountUse
    ) -> None:
        self._data = dataset
        self._config = config
        self._engine = engine
        self._use = mount_use
        self._size, self._k = _camera(dataset)
        self._mounts, self._origin = known_mounts(dataset, self._k)
        self._readings: list[FigureReading] = []
        self._inverse_depths: list[float] = []
        self._unmeasured = 0
        self._frames = 0

    def play(self, zones_factory: ZonesFactory) -> Iterator[str]:
        """Runs every pair in order; yields its id when done."""
        rate_hz = self._data.rate_hz or IMAGE_RATE_HZ
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

    @property
    def result(self) -> FolderReadings:
        """Everything that was read."""
        return FolderReadings(
            self._data.name,
            tuple(self._readings),
            tuple(self._inverse_depths),
            self._frames,
            len(self._data.pairs),
            self._unmeasured,
            "none" if self._use == "none" else self._origin,
            "assumed" if self._data.intrinsics is None else "given",
        )

    def _frame(
        self,
        analyser: ZoneAnalyser,
        frame: Frame,
        truth: tuple[ZoneMeasured, ZoneMeasured, ZoneMeasured],
    ) -> None:
        self._frames += 1
        inverse_depths = (0.0, 0.0, 0.0)
        try:
            depth = self._engine.estimate(frame)
        except DepthError:
            scene = analyser.lost(frame.id, frame.t, Reason.DEPTH_FAILED)
        else:
            scene = analyser.update(depth, frame)
            inverse_depths = naive_inverse_depths(depth)
        for true, said, inverse_depth in zip(truth, scene.zones, inverse_depths, strict=True):
            if not true.measured:
                self._unmeasured += 1
                continue
            rank = rank_distance(said, self._config.zones.bands.far_m)
            self._readings.append(
                FigureReading(frame.id, true.distance_m, rank, said.distance_m, said.band)
            )
            self._inverse_depths.append(inverse_depth)

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


def _camera(dataset: Dataset) -> tuple[tuple[int, int], DatasetIntrinsics]:
    """(height, width) of the folder's images, and intrinsics (assumed where not given)."""
    image, _ = dataset.pairs[0].load()
    height, width = image.shape[:2]
    if dataset.intrinsics is not None:
        return (height, width), dataset.intrinsics
    focal = width / 2 / math.tan(math.radians(ASSUMED_HFOV_DEG / 2))
    return (height, width), DatasetIntrinsics(
        fx=focal, fy=focal, cx=(width - 1) / 2, cy=(height - 1) / 2
    )
