"""How the camera sits, found from depth maps of a free floor: pitch, roll, and how sure.

Roll comes from the tilt of the ground across the frame. Pitch comes from where the ground
meets the output at the farthest points in view (or the network's own, where its traits are
known): geometry.py and scale.py say how. Height and field of view must be given; distances scale
with the height, which is how one measured distance corrects it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sonar.config import MountConfig, ZonesConfig
from sonar.types import DepthKind, DepthMap
from sonar.zones.camera import farthest_output, initial_scale, update_scale
from sonar.zones.evidence import cells_of, to_cells
from sonar.zones.geometry import Pose, intrinsics, optics_for, pose_of, views_for
from sonar.zones.ground import fit_ground
from sonar.zones.prior import GroundLine, Settings, prior_for

ROUNDS = 4
WIDE_PITCH_DEG, WIDE_ROLL_DEG = 20.0, 12.0
START_PITCH_DEG = 15.0
MIN_FRAMES = 8
MIN_CONFIDENCE = 0.5
GOOD_SPREAD_DEG = 3.0  # of single frames; a walker's gait alone gives about 1.5
FREE_FAR = (0.06, 0.04)  # 1/m: a free corridor ends 10 m off or more
HORIZON_DEG = 5.0  # so much of the frame must lie above the horizon for it to be found
UNSEEN_SIGMA_DEG, UNSEEN_QUALITY = 8.0, 0.3
METRIC_SIGMA_DEG = 1.0  # what lens, floor and network leave open at best


@dataclass(frozen=True, slots=True)
class MountEstimate:
    """What a recording says of the mount.

    Attributes:
        pitch_deg, roll_deg: medians over the frames that show ground.
        pitch_spread_deg, roll_spread_deg: robust standard deviation of single frames: gait,
            a mount that slips, or a poor view.
        sigma_deg: uncertainty of the medians, for ``angle_sigma_deg``.
        frames_used, frames: with ground, and in all.
        quality: 0 (useless) to 1.
    """

    pitch_deg: float
    roll_deg: float
    pitch_spread_deg: float
    roll_spread_deg: float
    sigma_deg: float
    frames_used: int
    frames: int
    quality: float

    def applied_to(self, mount: MountConfig) -> MountConfig:
        """The mount with these angles."""
        return MountConfig.model_validate(
            mount.model_dump()
            | {
                "pitch_deg": round(self.pitch_deg, 1),
                "roll_deg": round(self.roll_deg, 1),
                "angle_sigma_deg": round(float(np.clip(self.sigma_deg, 0.1, 20.0)), 1),
            }
        )


def estimate_mount(
    depths: Iterable[DepthMap],
    frame_hw: tuple[int, int],
    mount: MountConfig,
) -> MountEstimate | None:
    """Pitch and roll from a sequence recorded in a free corridor or over a free floor.

    Args:
        depths: maps of one camera and network, standing or walking, the way ahead free for 10 m.
        frame_hw: (height, width) of the frames.
        mount: height and field of view or intrinsics; its pitch and roll are not used.

    Returns:
        The estimate, or None where fewer than ``MIN_FRAMES`` maps show enough ground.
    """
    settings = Settings(ZonesConfig(), mount)
    found: list[tuple[float, float]] = []
    count, metric = 0, False
    for depth in depths:
        count += 1
        metric = depth.kind is DepthKind.METRIC
        settings = replace(settings, prior=prior_for(depth.model))
        angles = frame_angles(depth, frame_hw, settings)
        if angles is not None:
            found.append(angles)
    if len(found) < MIN_FRAMES:
        return None
    pitch, roll = np.array(found).T
    spread = [max(1.48 * float(np.median(np.abs(a - np.median(a)))), 0.05) for a in (pitch, roll)]
    # Neighbouring frames err together: count a third of them.
    prior = settings.prior
    error = 1.25 * max(spread) / np.sqrt(max(len(found) / 3.0, 1.0))
    sure = METRIC_SIGMA_DEG
    if not metric:
        # Pitch is known no better than the output at infinity.
        horizon = (
            FREE_FAR[1] * pose_of(mount).height_m if prior is None else prior.ground_line.beta_sigma
        )
        sure = float(np.degrees(horizon))
    quality = len(found) / count * min(1.0, GOOD_SPREAD_DEG / max(spread))
    if not metric and prior is None and _above_horizon(frame_hw, mount, pitch) < HORIZON_DEG:
        # Nothing but floor is seen: it is a line of any slope, at any pitch from here on.
        sure, quality = UNSEEN_SIGMA_DEG, quality * UNSEEN_QUALITY
    return MountEstimate(
        float(np.median(pitch)),
        float(np.median(roll)),
        spread[0],
        spread[1],
        float(np.hypot(error, sure)),
        len(found),
        count,
        float(np.clip(quality, 0.0, 1.0)),
    )


def _above_horizon(
    frame_hw: tuple[int, int], mount: MountConfig, pitch: NDArray[np.float64]
) -> float:
    """Degrees from the horizon up to the middle of the frame's upper edge."""
    lens = intrinsics(mount, frame_hw[1], frame_hw[0])
    return float(np.degrees(np.arctan2(lens.cy, lens.fy)) - np.median(pitch))


def frame_angles(
    depth: DepthMap, frame_hw: tuple[int, int], settings: Settings
) -> tuple[float, float] | None:
    """(pitch, roll) in degrees from one map, or None where it shows too little ground."""
    cells = to_cells(depth, frame_hw, settings)
    if cells is None:
        return None
    metric = depth.kind is DepthKind.METRIC
    height = pose_of(settings.mount).height_m
    level = None if settings.prior is None else settings.prior.ground_line
    if metric:
        level = GroundLine(height, 0.0, 0.02 * height, 0.005)
    key = (settings.mount, frame_hw, depth.values.shape, cells_of(depth, settings))
    coarse = optics_for(*key).coarse
    d = coarse.reduce(cells.d)
    valid = coarse.reduce(cells.valid.astype(np.float32)) > 0.99
    walkable = None if cells.walkable is None else coarse.reduce(cells.walkable)
    far = farthest_output(cells.d, cells.valid) if level is None else None
    pitch, roll = START_PITCH_DEG, 0.0
    for _ in range(ROUNDS):
        view = views_for(*key, pitch, roll)[1]
        fit = fit_ground(d, valid, walkable, view, None, (0.0, np.inf))
        if fit is None or fit.confidence < MIN_CONFIDENCE:
            return None
        pose = Pose(height, pitch, roll, WIDE_PITCH_DEG, WIDE_ROLL_DEG, True)
        scale = update_scale(
            initial_scale(level),
            fit,
            far,
            pose,
            (0.0, float(np.radians(WIDE_PITCH_DEG))),
            (0.0, float(np.radians(WIDE_ROLL_DEG))),
            level,
            1.0,
            FREE_FAR,
        )
        if not scale.known:
            return None
        pitch = float(np.clip(view.pitch_deg + np.degrees(scale.pitch_error), -30.0, 70.0))
        roll = float(np.clip(view.roll_deg + np.degrees(scale.roll_error), -45.0, 45.0))
    return pitch, roll


def height_from_distance(height_m: float, reported_m: float, measured_m: float) -> float:
    """The camera's height that makes a reported distance the measured one.

    With relative depth every distance is a multiple of the height.

    Raises:
        ValueError: a length that is not positive.
    """
    if min(height_m, reported_m, measured_m) <= 0:
        raise ValueError("heights and distances must be positive")
    return height_m * measured_m / reported_m
