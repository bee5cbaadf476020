"""Pictures with measured depth as the zones see them, for scripts/zones_fit_*."""

import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sonar.app import open_engine
from sonar.config import MountConfig, SonarConfig
from sonar.depth import open_engine as open_backend
from sonar.depth.models.registry import BUILTIN
from sonar.depth.models.resolved import resolve_path
from sonar.errors import SonarError, SourceError
from sonar.lab.evaluate.data import find_datasets
from sonar.lab.evaluate.folder import known_mounts
from sonar.lab.evaluate.truth import FLOOR_M, FLOOR_PER_M, read_zones
from sonar.lab.simulate.places.rgbd import FOLDERS
from sonar.types import SIDES, Frame
from sonar.zones import prior as prior_room
from sonar.zones.analyser import analyse
from sonar.zones.bands import initial_state, zone_regressions
from sonar.zones.evidence import Cells, cells_of, combine, gather, to_cells
from sonar.zones.geometry import optics_for, pose_of, views_for, zone_masks
from sonar.zones.obstacles import nearest, range_bins
from sonar.zones.prior import Settings

BY = " by "
MEASURED = 0.5  # share of a cell's pixels that must be measured


@dataclass
class Picture:
    """One picture's cells, and the truth in them (nan where it is not known)."""

    folder: str
    d: np.ndarray
    walkable: np.ndarray
    view: object  # for the true pose
    height_m: float
    w: np.ndarray  # 1/m
    up_m: np.ndarray
    ahead_m: np.ndarray
    zones: list  # (side, mask, true distance or None) of measured zones
    settings: Settings
    map_: object
    frame_hw: tuple
    uncertainty: float  # the network's, of the place; of the picture where a folder has many places

    @property
    def is_floor(self):
        return np.abs(self.up_m) < FLOOR_M + FLOOR_PER_M * self.ahead_m

    @property
    def stands(self):
        return self.up_m > FLOOR_M + FLOOR_PER_M * self.ahead_m


def cell_truth(depth_m, shape):
    """Median inverse depth of each cell's measured pixels."""
    rows, cols = shape
    r = np.linspace(0, depth_m.shape[0], rows + 1).astype(int)
    c = np.linspace(0, depth_m.shape[1], cols + 1).astype(int)
    out = np.full(shape, np.nan)
    for i in range(rows):
        for j in range(cols):
            block = depth_m[r[i] : max(r[i + 1], r[i] + 1), c[j] : max(c[j + 1], c[j] + 1)]
            seen = block[np.isfinite(block)]
            if seen.size >= MEASURED * block.size:
                out[i, j] = 1.0 / np.median(seen)
    return out


def arguments(parser):
    """What the fits are asked."""
    parser.add_argument("datasets", nargs="+", type=Path)
    parser.add_argument(
        "--told-by", nargs="+", action="append", default=[], metavar="MODEL.onnx FOLDER",
        help="folders besides, as a network tells them that has not been trained on them",
    )  # fmt: skip
    parser.add_argument("--write", action="store_true", help="write the numbers into sonar/zones")


def sources(asked):
    """(name, dataset, engine) of every folder asked for."""
    config = SonarConfig.model_validate({"engine": {"precision": "fp32"}})
    told = [
        (None, asked.datasets),
        *((model, [Path(p) for p in paths]) for model, *paths in asked.told_by),
    ]
    for model, paths in told:
        if not paths:
            raise SourceError(f"--told-by {model} names no folder.")
        if model is None:
            engine = open_engine(config)
        else:  # another state of the built-in network, which a file alone does not tell
            other = replace(resolve_path(Path(model)), contract=BUILTIN.contract)
            engine = open_backend(config.engine, other)
        for dataset in find_datasets(paths):
            yield dataset.name + (f"{BY}{Path(model).stem}" if model else ""), dataset, engine


def run(main):
    """``main``; what is wrong with what it was given is one sentence, and the exit code 1."""
    try:
        main()
    except SonarError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


def place_of(name):
    """The place of a source: one that two networks tell is one place."""
    return name.split(BY)[0]


def collect(asked):
    """Every picture whose pose is known."""
    pictures = list(_each(asked))
    own = {}
    for p in pictures:
        own.setdefault(p.folder, []).append(p.uncertainty)
    for folder, uncertainties in own.items():
        print(f"{folder:<28}uncertainty {np.mean(uncertainties):.2f}")
    return [
        p if p.folder in FOLDERS else replace(p, uncertainty=float(np.mean(own[p.folder])))
        for p in pictures
    ]


def _each(asked):
    # The traits of the built-in network are asked of whatever network is in its place.
    zones, prior = SonarConfig().zones, prior_room.prior_for("builtin")
    for name, dataset, engine in sources(asked):
        mounts, _ = known_mounts(dataset, dataset.intrinsics)
        for number, pair in enumerate(dataset.pairs):
            if pair.id not in mounts:
                continue
            image, depth_m = pair.load()
            k, pose, hw = dataset.intrinsics, mounts[pair.id], depth_m.shape
            mount = MountConfig(
                height_m=pose.height_m, pitch_deg=pose.pitch_deg, roll_deg=pose.roll_deg,
                fx_px=k.fx, fy_px=k.fy, cx_px=k.cx, cy_px=k.cy,
                calibrated_width_px=hw[1], calibrated_height_px=hw[0],
            )  # fmt: skip
            settings = Settings(zones, mount, prior, tracked=True)
            map_ = engine.estimate(Frame(image, number, 0.0))
            cells = to_cells(map_, hw, settings)
            key = (mount, hw, map_.values.shape, cells_of(map_, settings))
            view = views_for(*key, pose.pitch_deg, pose.roll_deg)[0]
            w = cell_truth(depth_m, optics_for(*key).fine.shape)
            truth = read_zones(depth_m, k, pose, zones)
            found = [
                (side, mask, zone.distance_m)
                for side, mask, zone in zip(SIDES, zone_masks(view, zones), truth, strict=True)
                if zone.measured
            ]
            yield Picture(
                name, cells.d, cells.walkable, view, pose.height_m, w,
                pose.height_m - view.q / w, view.ahead / w, found, settings, map_, hw,
                prior_room.out_of_distribution(cells.walkable, view),
            )  # fmt: skip


def share_of(folders):
    """A weight per row: each folder by the square root of its rows; mean 1."""
    names, index, count = np.unique(folders, return_inverse=True, return_counts=True)
    weight = count[index] ** -0.5
    return weight / weight.mean() if len(names) else weight


def placed(p, prior):
    """The scale that the zones find in a single picture, and the view by it."""
    settings = replace(p.settings, prior=prior)
    _, state = analyse(p.map_, 0, p.frame_hw, None, 0.0, initial_state(settings), settings)
    view = views_for(
        settings.mount, p.frame_hw, p.map_.values.shape, cells_of(p.map_, settings),
        settings.mount.pitch_deg + math.degrees(state.scale.pitch_error),
        settings.mount.roll_deg + math.degrees(state.scale.roll_error),
    )[0]  # fmt: skip
    return state.scale, view


def scaled(p, prior):
    """``u`` of a picture's cells as the zones would see a single picture, and their view."""
    scale, view = placed(p, prior)
    return (p.d * np.float32(scale.alpha) + np.float32(scale.beta)).astype(np.float32), view


def single(p, prior):
    """(true meters, log of the meters told by all cues) of a picture's zones."""
    scale, view = placed(p, prior)
    pose, cells = pose_of(p.settings.mount), Cells(p.d, np.isfinite(p.d), p.walkable)
    evidence = gather(cells, view, scale, None, pose, p.settings, prior, p.uncertainty)
    whole = zone_regressions(cells, view, pose, prior, evidence.uncertainty)
    bins = range_bins(evidence.space)
    for side, mask, true_m in p.zones:
        weight = evidence.weight * mask
        found = nearest(evidence.space, cells.d, weight, bins, evidence.needed, False)
        if found is not None and true_m is not None:
            said = combine(found, scale, pose, evidence, mask, view, prior, whole(side, mask))
            yield true_m, said[0]
