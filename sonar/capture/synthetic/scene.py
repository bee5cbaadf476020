"""Boxes seen by a pinhole camera: exact depth and a textured image, in plain numpy.

World axes, in meters: x to the right, y forward, z up; the ground is z = 0. Everything is an
axis-aligned box, and a side may lie at infinity: the ground is a box that reaches down without
end, a flight of stairs is a row of boxes, a wall is a thin one. One slab test draws them all
(Kay and Kajiya 1986).

Camera: pixel (u, v) looks along ``(x, y, 1)`` with ``x = (u - cx) / f``, ``y = (v - cy) / f``,
``cx = (W - 1) / 2``, ``cy = (H - 1) / 2``, ``f = W / (2 tan(hfov / 2))``. Pitch is positive
looking down, roll is positive when the camera's right side is lower, yaw is positive to the
right. On the ground, then, ``1/Z = (y cos r cos p + x sin r cos p + sin p) / height``.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from sonar.types import FloatImage, RgbImage

INF = math.inf
_EPS = 1e-12
_MIN_Z_M = 0.02  # nearer than any lens sees; keeps a camera that touches a box out of trouble
_SKY = (0.62, 0.75, 0.92)

Float = NDArray[np.float64]
Triple = tuple[float, float, float]


class Role(StrEnum):
    """What a box is to a walker."""

    GROUND = "ground"  # what is walked on
    BELOW = "below"  # steps down, road below a kerb, track below a platform
    OBSTACLE = "obstacle"
    OVERHEAD = "overhead"  # ceiling, sky: never in the way


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned box, at time 0, moving with ``velocity_mps``.

    Attributes:
        low, high: corners (x, y, z) in meters; infinite sides allowed.
        role: what it is to a walker.
        name: boxes of one name are one obstacle (a person is three boxes).
        color: RGB in [0, 1].
        tile_m: size of the checker pattern.
        velocity_mps: (x, y, z).
    """

    low: Triple
    high: Triple
    role: Role = Role.OBSTACLE
    name: str = "box"
    color: Triple = (0.7, 0.5, 0.35)
    tile_m: float = 0.25
    velocity_mps: Triple = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if not all(a < b for a, b in zip(self.low, self.high, strict=True)):
            raise ValueError(f"box {self.name!r}: low must lie below high on every axis")

    def at(self, t: float) -> "Box":
        """The box ``t`` seconds later."""
        if not any(self.velocity_mps):
            return self
        (a, b, c), (x, y, z) = self.low, (v * t for v in self.velocity_mps)
        d, e, f = self.high
        return replace(self, low=(a + x, b + y, c + z), high=(d + x, e + y, f + z))


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera in the world; see the module's text for the signs."""

    x_m: float = 0.0
    y_m: float = 0.0
    height_m: float = 1.4
    yaw_deg: float = 0.0
    pitch_deg: float = 10.0
    roll_deg: float = 0.0
    hfov_deg: float = 62.0

    @property
    def origin(self) -> Float:
        """Position (3,) in meters."""
        return np.array([self.x_m, self.y_m, self.height_m])

    @property
    def axes(self) -> Float:
        """Rows: the camera's right, down and forward in world axes, shape (3, 3)."""
        p, r, a = (math.radians(d) for d in (self.pitch_deg, self.roll_deg, self.yaw_deg))
        right, forward = np.array([1.0, 0.0, 0.0]), np.array([0.0, math.cos(p), -math.sin(p)])
        down = np.array([0.0, -math.sin(p), -math.cos(p)])
        rolled = (
            math.cos(r) * right + math.sin(r) * down,
            math.cos(r) * down - math.sin(r) * right,
        )
        yaw = [[math.cos(a), -math.sin(a), 0.0], [math.sin(a), math.cos(a), 0.0], [0.0, 0.0, 1.0]]
        axes: Float = np.stack([*rolled, forward]) @ np.array(yaw)
        return axes

    @property
    def heading(self) -> tuple[Float, Float]:
        """Horizontal unit vectors (x, y): forward and to the right of the way ahead."""
        a = math.radians(self.yaw_deg)
        return np.array([math.sin(a), math.cos(a)]), np.array([math.cos(a), -math.sin(a)])

    def focal_px(self, width: int) -> float:
        """Focal length in pixels for an image of this width."""
        return width / (2.0 * math.tan(math.radians(self.hfov_deg) / 2.0))

    def pixel_rays(self, height: int, width: int) -> tuple[Float, Float]:
        """x of shape (W,) and y of shape (H,): each pixel looks along (x, y, 1)."""
        f = self.focal_px(width)
        x: Float = (np.arange(width, dtype=np.float64) - (width - 1) / 2.0) / f
        y: Float = (np.arange(height, dtype=np.float64) - (height - 1) / 2.0) / f
        return x, y


@dataclass(frozen=True, slots=True, eq=False)
class SceneView:
    """What a camera sees.

    Attributes:
        depth_m: float32 (H, W), meters along the optical axis; infinite where nothing is hit.
        hit: int16 (H, W), index into ``boxes``, -1 for nothing.
        points_m: float32 (3, H, W), the hit in world axes (garbage where ``hit`` is -1).
        boxes: where they were at that moment.
        camera: where it was.
    """

    depth_m: FloatImage
    hit: NDArray[np.int16]
    points_m: NDArray[np.float32]
    boxes: tuple[Box, ...]
    camera: Camera


def cast(boxes: tuple[Box, ...], camera: Camera, height: int, width: int) -> SceneView:
    """Exact depth of ``boxes`` (computed in float64) for an image of (height, width) pixels."""
    xs, ys = camera.pixel_rays(height, width)
    axes, origin = camera.axes, camera.origin
    # One direction component is a sum of a row vector and a column vector: cheap to build.
    rays = [xs[None, :] * axes[0, k] + (ys[:, None] * axes[1, k] + axes[2, k]) for k in range(3)]
    for ray in rays:
        ray[np.abs(ray) < _EPS] = _EPS
    inverse = [1.0 / ray for ray in rays]
    depth = np.full((height, width), INF)
    hit = np.full((height, width), -1, np.int16)
    for index, box in enumerate(boxes):
        enter, leave = np.full((height, width), _MIN_Z_M), depth.copy()
        for k in range(3):
            if box.low[k] == -INF and box.high[k] == INF:
                continue
            a, b = (box.low[k] - origin[k]) * inverse[k], (box.high[k] - origin[k]) * inverse[k]
            np.maximum(enter, np.minimum(a, b), out=enter)
            np.minimum(leave, np.maximum(a, b), out=leave)
        mask = (enter <= leave) & (enter < depth) & (enter > _MIN_Z_M)
        depth[mask], hit[mask] = enter[mask], index
    finite = np.where(hit >= 0, depth, 0.0)
    points = np.stack([origin[k] + finite * rays[k] for k in range(3)]).astype(np.float32)
    return SceneView(depth.astype(np.float32), hit, points, boxes, camera)


def paint(view: SceneView, *, brightness: float = 1.0) -> RgbImage:
    """An image of the view: checkers and hashed noise on every face, light from above.

    Returns uint8 (H, W, 3), RGB. The noise is fixed to the surface, not to the pixel, so that it
    moves as a real texture does; on a moving box it moves with the box.
    """
    colors = np.array([*(box.color for box in view.boxes), _SKY], np.float32)
    tiles = np.array([*(box.tile_m for box in view.boxes), 1.0], np.float32)
    corners = [
        [lo if math.isfinite(lo) else hi if math.isfinite(hi) else 0.0 for lo, hi in sides]
        for sides in (zip(box.low, box.high, strict=True) for box in view.boxes)
    ]
    anchors = np.array([*corners, [0.0, 0.0, 0.0]], np.float32)  # a finite corner of each box
    hit = view.hit
    code = hit.astype(np.uint32) * np.uint32(40503)
    parity = np.zeros(hit.shape, np.uint32)
    for k, salt in enumerate((0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)):
        # Half a millimeter keeps a face that lies on a cell's edge in one cell.
        along = view.points_m[k] - anchors[hit, k] + np.float32(5e-4)
        parity ^= np.floor(along / tiles[hit]).astype(np.int32).view(np.uint32) & np.uint32(1)
        code ^= np.floor(along * 24.0).astype(np.int32).view(np.uint32) * np.uint32(salt)
    code ^= code >> np.uint32(15)
    code *= np.uint32(0x2C1B3C6D)
    code ^= code >> np.uint32(12)
    noise = (code & np.uint32(255)).astype(np.float32) / 255 - np.float32(0.5)
    shade = 0.78 + np.float32(0.16) * parity.astype(np.float32) + np.float32(0.22) * noise
    # Less light farther away: enough to read the shapes.
    shade *= np.float32(1.15) / (1.0 + np.minimum(view.depth_m, 30.0) * np.float32(0.05))
    shade[hit < 0] = 1.0
    image = colors[hit] * (shade * np.float32(255.0 * brightness))[:, :, None]
    return np.clip(image, 0.0, 255.0).astype(np.uint8)
