"""Places drawn from synthetic scenes, and depth and zones that know the truth of them."""

import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from sonar.capture.synthetic import Camera, SyntheticSource, scenario
from sonar.config import MountConfig, SonarConfig
from sonar.errors import DepthError
from sonar.lab.evaluate.data import DatasetIntrinsics, find_datasets
from sonar.lab.evaluate.play import Played, play
from sonar.lab.evaluate.run import report_places
from sonar.types import SIDES, Band, DepthMap, Frame, Reason, Scene, ZoneReading
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
        z_m = src.depth_at(index)
        mm = np.where(z_m < 60, np.rint(np.minimum(z_m, 60) * 1000), 0).astype(np.uint16)
        cv2.imwrite(str(folder / f"{key}_depth.png"), mm)
        poses[key] = {"height_m": 1.4, "pitch_deg": 12.0, "roll_deg": 3.0}
    meta = {"intrinsics": intrinsics().model_dump(), "rate_hz": 2.0, "licence": "ours"}
    if mounts:
        meta["frames"] = poses
    (folder / "meta.json").write_text(json.dumps(meta))
    return folder


def write_pack(
    folder: Path,
    name: str,
    scene: str = "wall",
    *,
    walk: bool = True,
    frames: int = 4,
    change: Callable[[np.ndarray], np.ndarray] = lambda depth_m: depth_m,
    **more: object,
) -> Path:
    """The same scene as a rendered pack, by the conventions of these: pixel centers at +0.5, roll
    the other way, and one camera per frame. ``change``: of the depth. ``more``: in meta.json."""
    src, k, views = source(scene, frames), intrinsics(), {}
    files: dict[str, bytes] = {}
    for index in range(frames):
        key = f"{name}_{index:05d}"
        depth_m = change(src.depth_at(index))
        mm = np.where(depth_m < 60, np.rint(np.minimum(depth_m, 60) * 1000), 0).astype(np.uint16)
        image = src.frame_at(index).image[:, :, ::-1]
        files[f"{key}_rgb.jpg"] = cv2.imencode(".png", image)[1].tobytes()
        files[f"{key}_depth.png"] = cv2.imencode(".png", mm)[1].tobytes()
        views[key] = {
            "fx": k.fx, "fy": k.fy, "cx": k.cx + 0.5, "cy": k.cy + 0.5, "height_m": 1.4,
            "pitch_deg": 12.0, "roll_deg": -3.0, "target_dist_m": 3.0 - index,
        }  # fmt: skip
    known = {"hz": 2.0, "frames": views} if walk else {"pictures": views}
    files["meta.json"] = json.dumps({"licence": "CC0", **known, **more}).encode()
    path = folder / f"{name}.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for file, data in files.items():
            info = tarfile.TarInfo(f"{name}/{file}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


class Oracle:
    """A depth engine and zones that know the truth, or are wrong on purpose."""

    label = "oracle"

    def __init__(
        self,
        src: SyntheticSource,
        factor: float = 1.0,
        fail: bool = False,
        drops: tuple[int, ...] = (),
        sigma_m: float | None = None,
    ) -> None:
        self.src, self.factor, self.fail = src, factor, fail
        self.drops, self.sigma_m, self.name = drops, sigma_m, ""
        self.mounts: list[MountConfig] = []  # of each frame
        self.made: list[MountConfig] = []  # of zones
        self.lost_frames = 0

    def warm_up(self, height: int, width: int) -> None: ...

    def estimate(self, frame: Frame) -> DepthMap:
        if self.fail:
            raise DepthError("no depth today.")
        values = 1.0 / np.minimum(self.src.depth_at(frame.id), 100) / self.factor
        return DepthMap(values.astype(np.float32), model=self.name)

    def close(self) -> None: ...

    def update(self, depth: DepthMap, frame: Frame) -> Scene:
        truth = truth_at(self.src, frame.id)
        zones = []
        for side, true in zip(SIDES, truth.zones, strict=True):
            meters = None if true.distance_m is None else true.distance_m * self.factor
            near = 0.0 if meters is None else max(0.0, 1 - meters / 4.0)
            band = Band.CLEAR if meters is None else Band.CLOSE if meters < 1.5 else Band.NEAR
            sigma_m = None if meters is None else self.sigma_m
            zones.append(ZoneReading(side, band, near, meters, sigma_m))
        scene = Scene(frame.id, frame.t, *zones)
        return replace(scene, drop_off=frame.id in self.drops)

    def lost(self, frame_id: int, t: float, reason: Reason) -> Scene:
        self.lost_frames += 1
        return Scene.unknown(frame_id, t, reason)

    def reset(self) -> None: ...


class Chooser:
    """Zones of whichever oracle made the map."""

    def __init__(self, oracles: dict[str, Oracle], mount: MountConfig) -> None:
        self.oracles, self.mount = oracles, mount

    def set_mount(self, mount: MountConfig) -> None:
        next(iter(self.oracles.values())).mounts.append(mount)

    def update(self, depth: DepthMap, frame: Frame) -> Scene:
        return self.oracles[depth.model].update(depth, frame)

    def lost(self, frame_id: int, t: float, reason: Reason) -> Scene:
        return next(iter(self.oracles.values())).lost(frame_id, t, reason)

    def reset(self) -> None: ...


def play_all(path: Path, **oracles: Oracle) -> list[Played]:
    """Every place of ``path`` through each oracle, the first of which keeps the mounts."""
    for name, oracle in oracles.items():
        oracle.name = name
    first = next(iter(oracles.values()))

    def zones(config: SonarConfig, mount: MountConfig) -> Chooser:
        first.made.append(mount)
        return Chooser(oracles, mount)

    variants = {name: (SonarConfig(), oracle) for name, oracle in oracles.items()}
    return [play(place, variants, zones) for place in find_datasets([path])]


def run(path: Path, **oracles: Oracle) -> dict:
    """The report on ``path``, by place; nobody states what they learned from."""
    return report_places(play_all(path, **oracles), dict.fromkeys(oracles))
