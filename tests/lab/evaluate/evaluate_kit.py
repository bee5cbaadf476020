"""Folders drawn from synthetic scenes, and depth and zones that know the truth of them."""

import json
from pathlib import Path

import cv2
import numpy as np

from sonar.capture.synthetic import Camera, SyntheticSource, scenario
from sonar.config import BandEdges, MountConfig, SonarConfig
from sonar.errors import DepthError
from sonar.lab.evaluate.data import DatasetIntrinsics, find_datasets
from sonar.lab.evaluate.figures import band_of
from sonar.lab.evaluate.folder import MountUse, read_folder
from sonar.lab.evaluate.report import sum_up
from sonar.types import SIDES, DepthMap, Frame, Reason, Scene, ZoneReading
from tests.truth import truth_at

SIZE = (120, 160)
CAMERA = Camera(height_m=1.4, pitch_deg=12.0, roll_deg=3.0)


def intrinsics() -> DatasetIntrinsics:
    focal = CAMERA.focal_px(SIZE[1])
    return DatasetIntrinsics(fx=focal, fy=focal, cx=(SIZE[1] - 1) / 2, cy=(SIZE[0] - 1) / 2)


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
        truth = truth_at(self.src, frame.id)
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


def run(path: Path, oracle: Oracle, mount_use: MountUse = "frames") -> dict:
    config = SonarConfig()

    def zones(config: SonarConfig, mount: MountConfig) -> Oracle:
        oracle.set_mount(mount)
        return oracle

    found = [read_folder(d, config, oracle, mount_use, zones) for d in find_datasets([path])]
    return sum_up(found, config, oracle.label, mount_use)
