"""What is really ahead, read from the geometry: the yardstick for zones.

Distances are horizontal, along the way ahead (the camera's heading), from the camera. What
counts is what the picture shows: a thing below the lower edge or behind another has no truth.
"""

import math
from dataclasses import dataclass

import numpy as np

from sonar.capture.synthetic.scene import Role, View
from sonar.config import MountConfig, ZonesConfig
from sonar.types import SIDES, Height, Side

FLOOR_HEIGHT_M = 0.4  # a thing that ends below this is stepped over or tripped on
HEAD_BOTTOM_M = 1.2  # a thing that begins above this is missed by a cane


@dataclass(frozen=True, slots=True)
class ZoneTruth:
    """One side: all None where nothing stands in the way.

    Attributes:
        distance_m: to the nearest visible point of an obstacle inside the corridor.
        height: by where the whole thing begins and ends.
        ttc_s: seconds to contact at the present speeds; None when not closing.
        name: of the thing.
    """

    side: Side
    distance_m: float | None = None
    height: Height | None = None
    ttc_s: float | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class SceneTruth:
    """The three zones and the edge of the ground, at one moment."""

    t: float
    left: ZoneTruth
    center: ZoneTruth
    right: ZoneTruth
    drop_distance_m: float | None
    mount: MountConfig

    @property
    def zones(self) -> tuple[ZoneTruth, ZoneTruth, ZoneTruth]:
        """Left, center, right."""
        return (self.left, self.center, self.right)


def mount_of(view: View) -> MountConfig:
    """The camera's mount, exactly."""
    camera = view.camera
    return MountConfig(
        height_m=camera.height_m,
        pitch_deg=camera.pitch_deg,
        roll_deg=camera.roll_deg,
        hfov_deg=camera.hfov_deg,
    )


def read_truth(
    view: View,
    t: float,
    *,
    zones: ZonesConfig,
    velocity_mps: tuple[float, float] = (0.0, 0.0),
    drop_y_m: float | None = None,
    min_area: float = 5e-4,
) -> SceneTruth:
    """The truth of ``view`` at ``t``.

    Args:
        zones: edges of the zones, corridor and head height.
        velocity_mps: the camera's own (x, y).
        drop_y_m: where the ground ends, as a line across the way at this y.
        min_area: share of the picture a thing must cover inside a zone to count.
    """
    camera = view.camera
    forward_axis, right_axis = camera.heading
    dx = view.points_m[0] - camera.x_m
    dy = view.points_m[1] - camera.y_m
    up = view.points_m[2]
    forward = dx * forward_axis[0] + dy * forward_axis[1]
    lateral = dx * right_axis[0] + dy * right_axis[1]
    solid = np.array([b.role is Role.OBSTACLE for b in view.boxes] + [False])[view.hit]
    inside = (
        solid
        & (np.abs(lateral) <= zones.corridor_width_m / 2)
        & (up <= zones.head_height_m)
        & (forward > 0)
    )
    edge = math.tan(math.radians(zones.center_width_deg / 2)) * forward
    masks = (lateral < -edge, np.abs(lateral) <= edge, lateral > edge)
    needed = max(1, round(min_area * view.hit.size))
    readings = []
    for side, mask in zip(SIDES, masks, strict=True):
        readings.append(_zone(view, side, inside & mask, forward, needed, velocity_mps))
    drop = None
    if drop_y_m is not None and forward_axis[1] > 1e-6 and drop_y_m > camera.y_m:
        drop = (drop_y_m - camera.y_m) / float(forward_axis[1])
    left, center, right = readings
    return SceneTruth(t, left, center, right, drop, mount_of(view))


def _zone(
    view: View,
    side: Side,
    mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    forward: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    needed: int,
    velocity_mps: tuple[float, float],
) -> ZoneTruth:
    nearest: tuple[float, str, tuple[float, float, float]] | None = None
    names = np.array([b.name for b in view.boxes] or [""])
    found = view.hit[mask]
    distances = forward[mask]
    for name in sorted({str(n) for n in names[np.unique(found)]} if found.size else set()):
        members = np.isin(found, np.flatnonzero(names == name))
        if np.count_nonzero(members) < needed:
            continue
        at = float(distances[members].min())
        if nearest is None or at < nearest[0]:
            box = next(b for b in view.boxes if b.name == name)
            nearest = (at, name, box.velocity_mps)
    if nearest is None:
        return ZoneTruth(side)
    distance, name, velocity = nearest
    bottom = min(b.low[2] for b in view.boxes if b.name == name)
    top = max(b.high[2] for b in view.boxes if b.name == name)
    if bottom >= HEAD_BOTTOM_M:
        height = Height.HEAD
    elif top <= FLOOR_HEIGHT_M:
        height = Height.FLOOR
    else:
        height = Height.BODY
    ahead = view.camera.heading[0]
    closing = sum((velocity_mps[k] - velocity[k]) * float(ahead[k]) for k in range(2))
    ttc = distance / closing if closing > 1e-3 else None
    return ZoneTruth(side, distance, height, ttc, name)
