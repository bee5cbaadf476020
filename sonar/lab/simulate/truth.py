"""What is really ahead at a pose, read from the exact picture of depth and parts."""

import math
from dataclasses import dataclass

import numpy as np

from sonar.config import ZonesConfig
from sonar.lab.simulate.scene.offscreen import CameraPose
from sonar.lab.simulate.scene.stage import Rendering, Stage
from sonar.types import SIDES, Side

MIN_SHARE = 5e-4  # of the picture; smaller is not seen
DROP_AHEAD_M = 6.0
DROP_HALF_M = 0.3
_STEP_M = 0.05


@dataclass(frozen=True, slots=True)
class NearestAhead:
    """The nearest thing of one side inside the corridor: metres along the heading."""

    side: Side
    thing: str
    distance_m: float


def nearest_things(
    stage: Stage, sight: Rendering, pose: CameraPose, zones: ZonesConfig
) -> dict[Side, NearestAhead | None]:
    """Per side the nearest solid thing that the picture shows in the way."""
    camera = pose.camera()
    x, y = camera.pixel_rays(*sight.depth_m.shape)
    axes = camera.axes
    ahead, right = camera.heading
    solid = stage.solid[sight.part] & np.isfinite(sight.depth_m)
    rows, cols = np.nonzero(solid)
    depth = sight.depth_m[rows, cols].astype(np.float64)
    rays = x[cols, None] * axes[0] + y[rows, None] * axes[1] + axes[2]
    points = rays * depth[:, None]
    forward, lateral = points[:, :2] @ ahead, points[:, :2] @ right
    up = points[:, 2] + pose.height_m
    inside = (np.abs(lateral) <= zones.corridor_width_m / 2) & (up <= zones.head_height_m)
    inside &= forward > 0.0
    edge = math.tan(math.radians(zones.center_width_deg / 2)) * forward
    sides = np.where(lateral < -edge, 0, np.where(lateral > edge, 2, 1))
    thing = stage.thing_of[sight.part[rows, cols]]
    needed = max(1, round(MIN_SHARE * sight.depth_m.size))
    found: dict[Side, NearestAhead | None] = {}
    for number, side in enumerate(SIDES):
        own = inside & (sides == number)
        best: NearestAhead | None = None
        for index in np.unique(thing[own]):
            at = forward[own & (thing == index)]
            if at.size >= needed and (best is None or at.min() < best.distance_m):
                best = NearestAhead(side, stage.things[index], float(at.min()))
        found[side] = best
    return found


def drop_ahead(stage: Stage, pose: CameraPose) -> float | None:
    """Metres along the heading to where the ground ends on the feet's way, by the plan."""
    angle = math.radians(pose.yaw_deg)
    sin, cos = math.sin(angle), math.cos(angle)
    for far in np.arange(0.0, DROP_AHEAD_M, _STEP_M):
        for beside in (-DROP_HALF_M, 0.0, DROP_HALF_M):
            x = pose.x_m + far * sin + beside * cos
            y = pose.y_m + far * cos - beside * sin
            if stage.world.drop_at(x, y) > 0.05:
                return float(far)
    return None
