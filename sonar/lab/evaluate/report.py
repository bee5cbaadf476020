"""The report on folders of images with measured depth, beside the common approach.

Definitions of the figures: :mod:`sonar.lab.evaluate.figures`; of the truth:
:mod:`sonar.lab.evaluate.truth`; of the approach beside it: :mod:`sonar.lab.evaluate.naive`.
"""

from collections.abc import Sequence
from typing import Any

from sonar.config import SonarConfig
from sonar.lab.evaluate.figures import DISTANCE_RANGE_M, NEAR_M, FigureReading, Figures, figures
from sonar.lab.evaluate.folder import FolderReadings, MountUse
from sonar.lab.evaluate.naive import fit_distance, naive_band, naive_distance

ABOUT = (
    "Per folder: sonar's figures, and under 'naive' those of per-frame min-max over fixed thirds,"
    " whose distances are fitted to the truth of all folders of this run. near: closer than"
    " near_m. mount: 'given' = height and angles came with the frames; 'fitted' = from the floor"
    " in the measured depth (the angles of each frame as an IMU would measure them, the folder's"
    " height); 'none' = sonar knew the intrinsics only. Truth: horizontal distance ahead to"
    " the nearest obstacle in the corridor, floor removed."
)


def sum_up(
    found: Sequence[FolderReadings],
    config: SonarConfig,
    model: str,
    mount_use: MountUse,
    seed: int = 0,
) -> dict[str, Any]:
    """The report on folders that were played, wherever that was: JSON, as ``--json`` prints it.

    Under ``sources``, each folder has the figures of sonar, those of min-max as ``naive``, and
    ``frames`` used, ``frames_without_floor`` (left out: gravity is not known there), ``near``
    (zones nearer than ``near_m``), ``unmeasured`` (zones with too little depth) and ``mount`` (what
    sonar knew of the camera).
    """
    fit = _naive_fit(found)
    return {
        "about": ABOUT,
        "model": model,
        "near_m": NEAR_M,
        "distance_range_m": DISTANCE_RANGE_M,
        "mount_use": mount_use,
        "corridor_width_m": config.zones.corridor_width_m,
        "head_height_m": config.zones.head_height_m,
        "center_width_deg": config.zones.center_width_deg,
        "sources": {folder.name: _source(folder, config, fit, seed) for folder in found},
    }


def _source(
    folder: FolderReadings, config: SonarConfig, fit: tuple[float, float] | None, seed: int
) -> Figures:
    edges = config.zones.bands
    return {
        **figures(folder.readings, edges, seed),
        "frames": folder.frames,
        "frames_without_floor": folder.pairs - folder.frames,
        "near": sum(r.true_m is not None and r.true_m < NEAR_M for r in folder.readings),
        "unmeasured": folder.unmeasured,
        "mount": folder.origin,
        "naive": figures(_naive(folder, fit), edges, seed),
    }


def _naive(folder: FolderReadings, fit: tuple[float, float] | None) -> list[FigureReading]:
    readings = []
    for inverse_depth, r in zip(folder.inverse_depths, folder.readings, strict=True):
        distance_m = None if fit is None else naive_distance(inverse_depth, fit)
        # A hair of the inverse depth keeps its order where the fit makes all distances one.
        rank = (1.0 if distance_m is None else distance_m) - 1e-6 * inverse_depth
        readings.append(
            FigureReading(r.frame, r.true_m, rank, distance_m, naive_band(inverse_depth))
        )
    return readings


def _naive_fit(found: Sequence[FolderReadings]) -> tuple[float, float] | None:
    """One fit for all folders, each counting the same."""
    inverse_depths: list[float] = []
    true_m: list[float] = []
    weights: list[float] = []
    for folder in found:
        inside = [
            (inverse_depth, r.true_m)
            for inverse_depth, r in zip(folder.inverse_depths, folder.readings, strict=True)
            if r.true_m is not None and r.true_m < DISTANCE_RANGE_M
        ]
        inverse_depths += [inverse_depth for inverse_depth, _ in inside]
        true_m += [true for _, true in inside]
        weights += [1.0 / max(len(inside), 1)] * len(inside)
    return fit_distance(inverse_depths, true_m, weights)
