"""What is really ahead, read from the geometry: the reference for zones.

Distances are horizontal, along the way ahead (the camera's heading), from the camera. What
counts is what the image shows: an obstacle below the lower edge or behind another has no truth.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from sonar.capture.synthetic import Role, SceneView, SyntheticSource
from sonar.config import MountConfig, ZonesConfig
from sonar.types import SIDES, Height, Side

FLOOR_HEIGHT_M = 0.4  # an obstacle that ends below this is stepped over or tripped on
HEAD_BOTTOM_M = 1.2  # an obstacle that begins above this is missed by a cane
_LEAST_AREA = 5e-4  # share of the image that an obstacle must cover inside a zone to count


@dataclass(frozen=True, slots=True)
class ZoneTruth:
    """One side: the nearest visible point of an obstacle inside the corridor, its height by where
    the whole obstacle begins and ends, seconds to contact at the present speeds (None when not
    closing), and its name. All None where no obstacle is in the way."""

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


def truth_at(
    source: SyntheticSource, frame_id: int, zones: ZonesConfig | None = None
) -> SceneTruth:
    """What is ahead at a frame of ``source``, inside the corridor of ``zones``.

    >>> source = SyntheticSource("left_box", frames=31)
    >>> truth = truth_at(source, 30)  # after 2 of the 5 meters
    >>> truth.left.name, round(truth.left.distance_m, 1), truth.right.distance_m
    ('box', 3.0, None)
    """
    zones, scene = zones or ZonesConfig(), source.scene
    t, view = frame_id / source.rate_hz, source.view_at(frame_id)
    camera = view.camera
    ahead, right = camera.heading
    dx, dy = view.points_m[0] - camera.x_m, view.points_m[1] - camera.y_m
    forward, lateral = dx * ahead[0] + dy * ahead[1], dx * right[0] + dy * right[1]
    solid = np.array([b.role is Role.OBSTACLE for b in view.boxes] + [False])[view.hit]
    inside = (
        solid
        & (np.abs(lateral) <= zones.corridor_width_m / 2)
        & (view.points_m[2] <= zones.head_height_m)
        & (forward > 0)
    )
    edge = math.tan(math.radians(zones.center_width_deg / 2)) * forward
    masks = (lateral < -edge, np.abs(lateral) <= edge, lateral > edge)
    speed_mps = 0.0
    if scene.speed_mps * t < scene.walk_m:  # else it stands
        speed_mps = scene.speed_mps * float(scene.camera.heading[0] @ ahead)
    left, center, right_zone = (
        _zone(view, side, inside & mask, forward, speed_mps)
        for side, mask in zip(SIDES, masks, strict=True)
    )
    edges_y = [box.low[1] - camera.y_m for box in view.boxes if box.role is Role.BELOW]
    drop = min(edges_y, default=-1.0) / max(float(ahead[1]), 1e-6)
    angles = {name: getattr(camera, name) for name in ("pitch_deg", "roll_deg", "hfov_deg")}
    mount = MountConfig(height_m=camera.height_m, **angles)
    return SceneTruth(t, left, center, right_zone, drop if drop > 0.0 else None, mount)


def _zone(
    view: SceneView,
    side: Side,
    mask: np.ndarray[Any, np.dtype[np.bool_]],
    forward: np.ndarray[Any, np.dtype[np.float32]],
    speed_mps: float,
) -> ZoneTruth:
    names = np.array([box.name for box in view.boxes] or [""])
    found, distances = names[view.hit[mask]], forward[mask]
    needed = max(1, round(_LEAST_AREA * view.hit.size))
    large = [name for name in np.unique(found) if np.count_nonzero(found == name) >= needed]
    if not large:
        return ZoneTruth(side)
    distance_m, name = min((float(distances[found == name].min()), str(name)) for name in large)
    parts = [box for box in view.boxes if box.name == name]
    height = Height.BODY
    if min(box.low[2] for box in parts) >= HEAD_BOTTOM_M:
        height = Height.HEAD
    elif max(box.high[2] for box in parts) <= FLOOR_HEIGHT_M:
        height = Height.FLOOR
    ahead, own = view.camera.heading[0], parts[0].velocity_mps
    closing = speed_mps - own[0] * float(ahead[0]) - own[1] * float(ahead[1])
    return ZoneTruth(
        side, distance_m, height, distance_m / closing if closing > 1e-3 else None, name
    )
