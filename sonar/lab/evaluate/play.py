"""One place with known depth, played through each model and its zones, frame by frame.

Frames that follow one another keep the zones' state. Views of a pack have nothing to do with each
other: each is a first frame.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np

from sonar.app import make_zones
from sonar.config import MountConfig, SonarConfig
from sonar.depth.practice import deviation
from sonar.errors import DepthError
from sonar.lab.evaluate import maps
from sonar.lab.evaluate.data import Dataset, DatasetIntrinsics, FrameMount
from sonar.lab.evaluate.figures import BLOCK_S, FigureColumn, FigureReading
from sonar.lab.evaluate.naive import naive_inverse_depths
from sonar.lab.evaluate.truth import ZoneMeasured, fit_floor, measure
from sonar.ports import Engine, ZoneAnalyzer
from sonar.types import (
    Band,
    DepthKind,
    DepthMap,
    FloatImage,
    Frame,
    Reason,
    RgbImage,
    Scene,
    ZoneReading,
)

MountOrigin = Literal["given", "fitted", "none"]
Variants = Mapping[str, tuple[SonarConfig, Engine]]
Zones = Callable[[SonarConfig, MountConfig], ZoneAnalyzer]
IMAGE_RATE_HZ = 1.0  # of a folder that states no rate
ANGLE_SIGMA_DEG = 1.0  # of angles that come with each frame: what an IMU is good for
SAME_FLOOR = 0.2  # a fitted height that differs more from the folder's is a table, not the floor
FLICKER_EVERY = 4  # of the views of a pack
DROP_LATE_S = 1.0  # a warning of a drop this long after it was seen is not false


@dataclass(slots=True)
class Played:
    """What was read at one place.

    Attributes:
        columns: what each variant reported.
        inverse_depths: of the common approach with the first variant's maps, one for each of its
            readings.
        blocks: of each frame used. pairs: how many there are. unmeasured: zones left out.
        origin: where the camera's height and angles come from.
        frames_without_drop: those in which a report of a drop is false; no views of packs.
        has_drop: whether the way leads to a drop whose distance is known.
    """

    name: str
    columns: dict[str, FigureColumn]
    pairs: int
    origin: MountOrigin
    inverse_depths: list[float] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)
    unmeasured: int = 0
    frames_without_drop: int = 0
    has_drop: bool = False

    @property
    def first(self) -> FigureColumn:
        """The first variant's."""
        return next(iter(self.columns.values()))


def play(dataset: Dataset, variants: Variants, make_zones: Zones = make_zones) -> Played:
    """Run every frame of a place in order through every variant.

    What is true does not depend on the variant: the corridor is the first one's. Raises SonarError.
    """
    mounts, origin = known_mounts(dataset)
    played = Played(
        dataset.name, {name: FigureColumn() for name in variants}, len(dataset.pairs), origin
    )
    zones: dict[str, tuple[ZoneAnalyzer, ZoneAnalyzer]] = {}
    truth_of = next(iter(variants.values()))[0].zones
    lower_t = -math.inf
    for index, pair in enumerate(dataset.pairs):
        mount = mounts.get(pair.id)
        if mount is None:
            continue
        k, (image, depth_m) = dataset.camera(pair), pair.load()
        t = index / (dataset.meta.rate_hz or IMAGE_RATE_HZ)
        frame = Frame(image, len(played.blocks), t)
        measured = measure(depth_m, k, mount, truth_of)
        truth = measured.zones
        edge_m = mount.target_dist_m if dataset.meta.kind == "drop" else None
        if measured.lower or (edge_m or 0.0) > 0.0:
            lower_t = t
        no_drop = dataset.related and t - lower_t > DROP_LATE_S
        played.frames_without_drop += no_drop
        played.blocks.append(int(t / BLOCK_S) if dataset.related else index)
        played.unmeasured += sum(not zone.measured for zone in truth)
        played.has_drop |= edge_m is not None
        first: tuple[DepthMap, Scene] | None = None
        for number, (name, (config, engine)) in enumerate(variants.items()):
            pose = _mount_config(config, k, image, mount)
            if name not in zones or not dataset.related:
                bare = _mount_config(config, k, image, FrameMount())
                zones[name] = make_zones(config, pose), make_zones(config, bare)
            if set_mount := getattr(zones[name][0], "set_mount", None):
                set_mount(pose)
            try:
                depth: DepthMap | None = engine.estimate(frame)
            except DepthError:
                depth = None
            scene, without = (_scene(each, depth, frame) for each in zones[name])
            column, far_m = played.columns[name], config.zones.bands.far_m
            column.readings += _readings(frame.id, truth, scene, far_m)
            column.without_mount += _readings(frame.id, truth, without, far_m)
            facts: dict[str, float] = {}
            if no_drop:
                facts["false_drops_per_1000"] = 1000.0 * bool(scene.drop_off)
            if scene.drop_off and edge_m is not None:
                column.drop_found_m = max(column.drop_found_m or 0.0, edge_m)
            if depth is not None:
                facts["pixel_within_sigma"] = maps.within_sigma(depth, depth_m, k, mount)
                if not dataset.related and index % FLICKER_EVERY == 0:
                    run = partial(_inverse_depth, engine)
                    facts["flicker"] = maps.flicker(run, image, [0, index])
                if first is not None:
                    facts |= _against(*first, depth, scene)
            column.facts.append(facts)
            if number == 0:
                first = None if depth is None else (depth, scene)
                inverse = (0.0, 0.0, 0.0) if depth is None else naive_inverse_depths(depth)
                both = zip(truth, inverse, strict=True)
                played.inverse_depths += [one for zone, one in both if zone.measured]
    return played


def _mount_config(
    config: SonarConfig, k: DatasetIntrinsics, image: RgbImage, mount: FrameMount
) -> MountConfig:
    """The camera, with its height and angles where ``mount`` has them."""
    return config.mount.model_copy(
        update={
            **{name: getattr(mount, name) for name in ("height_m", "pitch_deg", "roll_deg")},
            "angle_sigma_deg": ANGLE_SIGMA_DEG,
            "fx_px": k.fx,
            "fy_px": k.fy,
            "cx_px": max(k.cx, 1e-3),
            "cy_px": max(k.cy, 1e-3),
            "calibrated_width_px": image.shape[1],
            "calibrated_height_px": image.shape[0],
        }
    )


def _scene(zones: ZoneAnalyzer, depth: DepthMap | None, frame: Frame) -> Scene:
    if depth is None:
        return zones.lost(frame.id, frame.t, Reason.DEPTH_FAILED)
    return zones.update(depth, frame)


def _readings(
    frame: int, truth: tuple[ZoneMeasured, ...], scene: Scene, far_m: float
) -> list[FigureReading]:
    """Of the zones with enough measured depth."""
    return [
        FigureReading(
            frame,
            true.distance_m,
            rank_distance(said, far_m),
            said.distance_m,
            said.distance_sigma_m,
        )
        for true, said in zip(truth, scene.zones, strict=True)
        if true.measured
    ]


def _against(
    first: DepthMap, first_scene: Scene, depth: DepthMap, scene: Scene
) -> dict[str, float]:
    """How a variant's frame differs from the first variant's."""
    pairs = zip(first_scene.zones, scene.zones, strict=True)
    found = {"bands_equal": float(np.mean([one.band is two.band for one, two in pairs]))}
    if first.kind is depth.kind and first.values.shape == depth.values.shape:
        found["depth_deviation"] = deviation(first.values, depth.values)
    return found


def _inverse_depth(engine: Engine, image: RgbImage) -> FloatImage:
    depth = engine.estimate(Frame(image, 0, 0.0))
    if depth.kind is DepthKind.METRIC:
        return (1.0 / np.maximum(depth.values, 1e-3)).astype(np.float32)
    return depth.values


def rank_distance(said: ZoneReading, far_m: float) -> float | None:
    """Meters by which a reading is ranked; infinite for clear, None for unknown.

    Where no meters are reported, those that belong to its proximity:
    ``(1 - proximity) * far_m``.
    """
    if said.band is Band.UNKNOWN:
        return None
    if said.distance_m is not None:
        return said.distance_m
    if said.band is Band.CLEAR and said.proximity == 0.0:
        return math.inf
    return (1.0 - said.proximity) * far_m


def known_mounts(dataset: Dataset) -> tuple[Mapping[str, FrameMount], MountOrigin]:
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
    planes = {pair.id: fit_floor(pair.load()[1], dataset.camera(pair)) for pair in dataset.pairs}
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
