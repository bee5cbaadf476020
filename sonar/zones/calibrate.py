"""How the camera sits, found from depth maps of a free floor: pitch, roll, and their uncertainty.

Roll comes from the tilt of the ground across the frame. Pitch comes from where the ground
meets the output at the farthest points in view (or the network's own, where its traits are
known): geometry.py and scale.py say how. Height and field of view must be given.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sonar.config import MountConfig
from sonar.types import DepthKind, DepthMap
from sonar.zones.evidence import to_cells
from sonar.zones.geometry import Cells, Pose, intrinsics, pose_of
from sonar.zones.ground import fit_ground
from sonar.zones.network import prior_for
from sonar.zones.scale import GroundLine, Scale, calibrated_line, farthest_output

ROUNDS = 4
WIDE_PITCH_DEG, WIDE_ROLL_DEG = 20.0, 12.0
START_PITCH_DEG = 15.0
MIN_FRAMES = 8
MIN_CONFIDENCE = 0.5
GOOD_SPREAD_DEG = 3.0  # of single frames; a walker's gait alone gives about 1.5
FREE_FAR = (0.06, 0.04)  # 1/m: a free corridor ends 10 m off or more
HORIZON_DEG = 5.0  # so much of the frame must lie above the horizon for it to be found
UNSEEN_SIGMA_DEG, UNSEEN_QUALITY = 8.0, 0.3
LEAST_SIGMA_DEG = 1.0  # what lens, floor and network leave open at best


@dataclass(frozen=True, slots=True)
class MountEstimate:
    """What a recording says of the mount.

    Attributes:
        pitch_deg, roll_deg: medians over the frames that show ground, with ``sigma_deg``.
        pitch_spread_deg, roll_spread_deg: robust standard deviation of single frames: gait,
            a mount that slips, or a poor view.
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
        angles = {
            "pitch_deg": round(self.pitch_deg, 1),
            "roll_deg": round(self.roll_deg, 1),
            "angle_sigma_deg": round(min(max(self.sigma_deg, 0.1), 20.0), 1),
        }
        return MountConfig.model_validate(mount.model_dump() | angles)


def estimate_mount(
    depths: Iterable[DepthMap], frame_hw: tuple[int, int], mount: MountConfig
) -> MountEstimate | None:
    """Pitch and roll; None where fewer than ``MIN_FRAMES`` maps show enough ground.

    Args:
        depths: maps of one camera and network, standing or walking, the way ahead free for 10 m.
        frame_hw: (height, width) of the frames.
        mount: height and field of view or intrinsics; its pitch and roll are not used.
    """
    count, line, found = 0, None, []
    for depth in depths:
        count += 1
        prior = prior_for(depth.model) if depth.kind is DepthKind.RELATIVE_INVERSE else None
        line = prior.ground_line if prior else calibrated_line(depth.kind, pose_of(mount))
        angles = _frame_angles(to_cells(depth, frame_hw, mount, prior), mount, line)
        if angles is not None:
            found.append(angles)
    if len(found) < MIN_FRAMES:
        return None
    each = np.array(found)
    middle = np.median(each, axis=0)
    spread = np.maximum(1.48 * np.median(np.abs(each - middle), axis=0), 0.05)
    pitch_deg, roll_deg = middle.tolist()
    # Errors of neighboring frames are correlated: count a third of them.
    error = 1.25 * spread.max() / np.sqrt(max(len(found) / 3.0, 1.0))
    quality = len(found) / count * min(1.0, GOOD_SPREAD_DEG / spread.max())
    if line is not None:
        # Pitch is known no better than the output at infinity.
        sigma = max(np.degrees(line.beta_sigma), LEAST_SIGMA_DEG)
    else:
        sigma = np.degrees(FREE_FAR[1] * pose_of(mount).height_m)
        lens = intrinsics(mount, frame_hw[1], frame_hw[0])
        if np.degrees(np.arctan2(lens.cy, lens.fy)) - pitch_deg < HORIZON_DEG:
            # Nothing but floor is seen: it is a line of any slope, at any pitch from here on.
            sigma, quality = UNSEEN_SIGMA_DEG, quality * UNSEEN_QUALITY
    pitch_spread, roll_spread = spread.tolist()
    in_degrees = (pitch_deg, roll_deg, pitch_spread, roll_spread, float(np.hypot(error, sigma)))
    return MountEstimate(*in_degrees, len(found), count, min(float(quality), 1.0))


def _frame_angles(
    cells: Cells | None, mount: MountConfig, line: GroundLine | None
) -> tuple[float, float] | None:
    """(pitch, roll) in degrees from one map, or None where it shows too little ground."""
    if cells is None:
        return None
    pose = pose_of(mount)
    far_d = farthest_output(cells) if line is None else None
    coarse, (pitch, roll) = cells.coarse(), (START_PITCH_DEG, 0.0)
    for _ in range(ROUNDS):
        view = cells.optics.views(pitch, roll)[1]
        fit = fit_ground(coarse, view, None, (0.0, np.inf))
        if fit is None or fit.confidence < MIN_CONFIDENCE:
            return None
        angles = view.pitch_deg, view.roll_deg, WIDE_PITCH_DEG, WIDE_ROLL_DEG
        wide = Pose(pose.height_m, *angles, True)
        scale = Scale.initial(line).updated(fit, wide, view, line, 1.0, far_d, FREE_FAR)
        if not scale.known:
            return None
        pitch = float(np.clip(view.pitch_deg + np.degrees(scale.pitch_error), -30.0, 70.0))
        roll = float(np.clip(view.roll_deg + np.degrees(scale.roll_error), -45.0, 45.0))
    return pitch, roll
