"""The report on folders of images with measured depth, beside the common approach.

Definitions of the figures: :mod:`sonar.lab.evaluate.figures`; of the truth:
:mod:`sonar.lab.evaluate.truth`; of the approach beside it: :mod:`sonar.lab.evaluate.naive`.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from sonar.config import SonarConfig
from sonar.lab.evaluate.figures import DISTANCE_RANGE_M, NEAR_M, FigureReading, Figures, figures
from sonar.lab.evaluate.folder import FolderReadings, MountOrigin, MountUse
from sonar.lab.evaluate.naive import fit_distance, naive_band, naive_distance

ABOUT = (
    "Per folder: sonar's figures, and under 'naive' those of per-frame min-max over fixed thirds,"
    " whose distances are fitted to the truth of all folders of this run. near: closer than"
    " near_m. mount: 'given' = height and angles came with the frames; 'fitted' = from the floor"
    " in the measured depth (the angles of each frame as an IMU would measure them, the folder's"
    " height); 'none' = sonar knew the intrinsics only. Truth: horizontal distance ahead to"
    " the nearest obstacle in the corridor, floor removed."
)


class SourceReport(Figures):
    """One folder: sonar's figures, and those of the common approach.

    Attributes:
        frames: used; frames_without_floor: left out, gravity is not known there.
        near: zones nearer than ``near_m``; unmeasured: zones left out, too little depth there.
        mount: what sonar knew of the camera; intrinsics: given or assumed.
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


def sum_up(
    found: Sequence[FolderReadings],
    config: SonarConfig,
    model: str,
    mount_use: MountUse,
    seed: int = 0,
) -> EvaluationReport:
    """The report on folders that were played, wherever that was."""
    fit = _naive_fit(found)
    return EvaluationReport(
        model=model,
        mount_use=mount_use,
        corridor_width_m=config.zones.corridor_width_m,
        head_height_m=config.zones.head_height_m,
        center_width_deg=config.zones.center_width_deg,
        sources={folder.name: _report(folder, config, fit, seed) for folder in found},
    )


def _report(
    folder: FolderReadings, config: SonarConfig, fit: tuple[float, float] | None, seed: int
) -> SourceReport:
    edges = config.zones.bands
    return SourceReport(
        **figures(folder.readings, edges, seed).model_dump(),
        frames=folder.frames,
        frames_without_floor=folder.pairs - folder.frames,
        near=sum(r.true_m is not None and r.true_m < NEAR_M for r in folder.readings),
        unmeasured=folder.unmeasured,
        mount=folder.origin,
        intrinsics=folder.intrinsics,
        naive=figures(_naive(folder, fit), edges, seed),
    )


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
    pairs = [
        (inverse_depth, true, 1.0 / len(inside))
        for folder in found
        if (inside := folder.naive_pairs())
        for inverse_depth, true in inside
    ]
    inverse_depths, true, weights = zip(*pairs, strict=True) if pairs else ((), (), ())
    return fit_distance(inverse_depths, true, weights)
