"""Frames drawn from boxes, with exact depth; numpy only. The ``synthetic:NAME`` source.

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
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.capture.media import Recording
from sonar.errors import SourceError
from sonar.types import FloatImage, Frame, RgbImage

INF = math.inf
_STEP_HZ = 1.8  # steps per second of a walk; the body rolls at half of that
_MIN_Z_M = 0.02  # nearer than any lens sees; a camera that touches a box stays outside it
_TILE_M = 0.5  # of the checkers on every face
_SALTS = np.array([0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D], np.uint32)  # of the noise, per axis

Float = NDArray[np.float64]
Triple = tuple[float, float, float]


class Role(StrEnum):
    """What a box is to a walker."""

    GROUND = "ground"
    BELOW = "below"  # steps down, the road below a curb, the track below a platform
    OBSTACLE = "obstacle"
    OVERHEAD = "overhead"  # a ceiling: never in the way


_COLORS = {
    Role.GROUND: (140, 128, 115),
    Role.BELOW: (107, 107, 115),
    Role.OBSTACLE: (204, 166, 110),
    Role.OVERHEAD: (217, 217, 217),
}


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned box between two corners (x, y, z) in meters, at time 0."""

    low: Triple
    high: Triple
    role: Role = Role.OBSTACLE
    name: str = "box"  # boxes of one name are one obstacle (a person is three boxes)
    velocity_mps: Triple = (0.0, 0.0, 0.0)

    def at(self, t: float) -> "Box":
        """The box ``t`` seconds later."""
        (a, b, c), (d, e, f), (x, y, z) = self.low, self.high, (v * t for v in self.velocity_mps)
        return replace(self, low=(a + x, b + y, c + z), high=(d + x, e + y, f + z))


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera in the world; the module explains the signs."""

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
        sp, cp, sr, cr = math.sin(p), math.cos(p), math.sin(r), math.cos(r)
        roll = np.array([[cr, sr, 0.0], [-sr, cr, 0.0], [0.0, 0.0, 1.0]])
        pitch = np.array([[1.0, 0.0, 0.0], [0.0, -sp, -cp], [0.0, cp, -sp]])
        yaw = [[math.cos(a), -math.sin(a), 0.0], [math.sin(a), math.cos(a), 0.0], [0.0, 0.0, 1.0]]
        axes: Float = roll @ pitch @ np.array(yaw)
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
    """What a camera sees."""

    depth_m: FloatImage  # float32 (H, W), along the optical axis; infinite where nothing is hit
    hit: NDArray[np.int16]  # (H, W), index into boxes, -1 for nothing
    points_m: NDArray[np.float32]  # (3, H, W), in world axes; undefined for nothing
    boxes: tuple[Box, ...]  # where they were at that moment
    camera: Camera


@dataclass(frozen=True, slots=True)
class SyntheticScene:
    """Boxes and a walking camera, both as they are at time 0."""

    boxes: tuple[Box, ...]
    camera: Camera = field(default_factory=Camera)
    speed_mps: float = 0.0  # along the heading at time 0 ...
    walk_m: float = INF  # ... until so much is walked
    yaw_rate_dps: float = 0.0  # turning on the spot, positive to the right
    sway_deg: float = 0.0  # a walker's gait: pitch and roll swing by this much, ...
    bob_m: float = 0.0  # ... height by this much

    def camera_at(self, t: float) -> Camera:
        """Where the camera is, and how it is turned, ``t`` seconds later."""
        start = self.camera
        x_m, y_m = min(self.speed_mps * t, self.walk_m) * start.heading[0]
        step, swing = (math.sin(2 * math.pi * hz * t) for hz in (_STEP_HZ, _STEP_HZ / 2))
        return replace(
            start,
            x_m=start.x_m + float(x_m),
            y_m=start.y_m + float(y_m),
            height_m=start.height_m + self.bob_m * step,
            yaw_deg=start.yaw_deg + self.yaw_rate_dps * t,
            pitch_deg=start.pitch_deg + self.sway_deg * step,
            roll_deg=start.roll_deg + self.sway_deg * swing,
        )

    def view(self, t: float, height: int, width: int) -> SceneView:
        """Exact depth (computed in float64) at ``t`` for an image of this size."""
        boxes, camera = tuple(box.at(t) for box in self.boxes), self.camera_at(t)
        x, y = camera.pixel_rays(height, width)
        across, down, ahead = camera.axes[:, :, None, None]
        rays = x[None, None, :] * across + y[None, :, None] * down + ahead  # (3, H, W)
        rays[np.abs(rays) < 1e-12] = 1e-12
        inverse, origin = 1.0 / rays, camera.origin[:, None, None]
        depth, hit = np.full((height, width), INF), np.full((height, width), -1, np.int16)
        for index, box in enumerate(boxes):
            a, b = (
                (np.array(side)[:, None, None] - origin) * inverse for side in (box.low, box.high)
            )
            enter, leave = np.minimum(a, b).max(axis=0), np.maximum(a, b).min(axis=0)
            nearer = (enter <= leave) & (enter < depth) & (enter > _MIN_Z_M)
            depth[nearer], hit[nearer] = enter[nearer], index
        points = origin + np.where(hit >= 0, depth, 0.0) * rays
        return SceneView(depth.astype(np.float32), hit, points.astype(np.float32), boxes, camera)


def paint(view: SceneView) -> RgbImage:
    """An image of the view, uint8 RGB (H, W, 3): checkers and noise, darker farther away."""
    colors = np.array([*(_COLORS[box.role] for box in view.boxes), (158, 191, 235)])  # last: sky
    # Half a millimeter keeps a face that lies on a cell's edge in one cell.
    points = view.points_m + np.float32(5e-4)
    checkers = np.floor(points / np.float32(_TILE_M)).sum(axis=0) % 2
    grains = np.floor(points * np.float32(24)).astype(np.int64).astype(np.uint32)
    code = np.bitwise_xor.reduce(grains * _SALTS[:, None, None], axis=0)
    code = (code ^ (code >> np.uint32(15))) * np.uint32(0x2C1B3C6D)
    noise = ((code ^ (code >> np.uint32(12))) & np.uint32(255)) / 255.0 - 0.5
    shade = (0.9 + 0.18 * checkers + 0.25 * noise) / (1.0 + np.minimum(view.depth_m, 30.0) * 0.05)
    shade[view.hit < 0] = 1.0
    image: RgbImage = np.clip(colors[view.hit] * shade[:, :, None], 0, 255).astype(np.uint8)
    return image


def floor(until_y: float = INF) -> Box:
    """Ground without end, or up to an edge across the way."""
    return Box((-INF, -INF, -INF), (INF, until_y, 0.0), Role.GROUND, "floor")


def ceiling(z_m: float = 2.7) -> Box:
    """A ceiling without end."""
    return Box((-INF, -INF, z_m), (INF, INF, INF), Role.OVERHEAD, "ceiling")


def wall(low: tuple[float, float], high: tuple[float, float], name: str = "wall") -> Box:
    """From the ground to 2.7 m, between two (x, y) corners."""
    return Box((*low, 0.0), (*high, 2.7), Role.OBSTACLE, name)


def person(x_m: float, y_m: float, velocity_mps: Triple) -> tuple[Box, ...]:
    """Somebody upright: legs, trunk and head."""
    who: tuple[Any, ...] = (Role.OBSTACLE, "person", velocity_mps)
    return (
        Box((x_m - 0.19, y_m - 0.12, 0.0), (x_m + 0.19, y_m + 0.12, 0.82), *who),
        Box((x_m - 0.25, y_m - 0.14, 0.82), (x_m + 0.25, y_m + 0.14, 1.46), *who),
        Box((x_m - 0.10, y_m - 0.11, 1.46), (x_m + 0.10, y_m + 0.11, 1.74), *who),
    )


def hall(half_width_m: float, end_y_m: float) -> tuple[Box, ...]:
    """A straight room: floor, ceiling, two side walls and an end wall."""
    near, far = half_width_m, half_width_m + 0.2
    return (
        floor(),
        ceiling(),
        wall((-far, -5.0), (-near, end_y_m), "left wall"),
        wall((near, -5.0), (far, end_y_m), "right wall"),
        wall((-far, end_y_m), (far, end_y_m + 0.2), "end wall"),
    )


def _below(from_y: float, to_y: float, depth_m: float) -> Box:
    return Box((-INF, from_y, -INF), (INF, to_y, -depth_m), Role.BELOW, "below")


def _stairs_down(d: float) -> tuple[Box, ...]:
    edges = [*(d + 0.29 * k for k in range(15)), INF]  # 14 steps and the landing
    steps = [_below(edges[k], edges[k + 1], 0.175 * (k + 1)) for k in range(15)]
    return (floor(d), *steps, ceiling(), *hall(1.5, 14.0)[2:4])


def _platform(d: float) -> tuple[Box, ...]:
    tunnel = wall((-30.0, d + 4.5), (30.0, d + 5.0), "tunnel wall")
    return (floor(d), _below(d, INF, 1.1), ceiling(4.5), tunnel)


def _box(x_m: float, d: float) -> tuple[Box, ...]:
    return (*hall(2.5, 14.0), Box((x_m - 0.25, d, 0.0), (x_m + 0.25, d + 0.5, 0.9)))


# Of each walk: its boxes for a distance, and that distance in meters.
_WALKS: dict[str, tuple[Callable[[float], tuple[Box, ...]], float]] = {
    "corridor": (lambda d: hall(1.0, 20.0), 12.0),
    "box": (lambda d: _box(0.0, d), 5.0),
    "left_box": (lambda d: _box(-0.5, d), 5.0),
    "right_box": (lambda d: _box(0.5, d), 5.0),
    "person_approaching": (lambda d: (*hall(2.0, 40.0), *person(0.0, d, (0.0, -1.0, 0.0))), 7.0),
    "person_leaving": (lambda d: (*hall(2.0, 40.0), *person(0.0, d, (0.0, 1.0, 0.0))), 2.0),
    "head_bar": (lambda d: (*hall(2.5, 14.0), Box((-0.9, d, 1.55), (0.9, d + 0.12, 1.8))), 5.0),
    "stairs_down": (_stairs_down, 5.0),
    "platform": (_platform, 5.0),
    "wall": (lambda d: (floor(), ceiling(), wall((-6, d), (6, d + 0.2))), 4.0),
    "empty_hall": (lambda d: hall(6.0, 30.0), 12.0),
    "wall_beside": (lambda d: (floor(), ceiling(), wall((-1.2, -5.0), (-1.0, 30.0))), 12.0),
}
SCENARIOS: tuple[str, ...] = tuple(_WALKS)


def scenario(
    name: str, camera: Camera | None = None, *, distance_m: float | None = None, **others: float
) -> SyntheticScene:
    """A named walk at 1 m/s that ends half a meter before the obstacle; a person is waited for.

    Args:
        name: one of :data:`SCENARIOS`; SourceError for another.
        camera: height, angles and field of view; chest height, 10 degrees down by default.
        distance_m: where the obstacle or the edge is at time 0.
        others: of :class:`SyntheticScene`, such as ``sway_deg`` or another ``speed_mps``.
    """
    if name not in _WALKS:
        raise SourceError(
            f"There is no synthetic scene called {name!r}; there are: {', '.join(SCENARIOS)}."
        )
    boxes_at, usual_m = _WALKS[name]
    d = usual_m if distance_m is None else distance_m
    walk = {"walk_m": d - 0.5, "speed_mps": 0.0 if name.startswith("person") else 1.0, **others}
    return SyntheticScene(boxes_at(d), camera or Camera(), **walk)


class SyntheticSource(Recording):
    """A recording of a drawn scene that knows its depth.

    Args:
        scene: a scenario's name, or a scene of one's own.
        frames: how many.
        size: (height, width) of the frames in pixels.
    """

    rate_hz: float
    frame_count: int

    def __init__(
        self,
        scene: str | SyntheticScene,
        *,
        rate_hz: float = 15.0,
        frames: int = 60,
        size: tuple[int, int] = (192, 256),
    ) -> None:
        name = scene if isinstance(scene, str) else "scene"
        super().__init__(f"synthetic:{name}", rate_hz, frames)
        self.scene, self.size = scenario(scene) if isinstance(scene, str) else scene, size
        self._last: tuple[int, SceneView] | None = None

    def frame_at(self, frame_id: int) -> Frame:
        """Any frame, whatever has been read."""
        return Frame(paint(self.view_at(frame_id)), frame_id, frame_id / self.rate_hz)

    def view_at(self, frame_id: int) -> SceneView:
        """Exact depth, hits and points of a frame."""
        if self._last is None or self._last[0] != frame_id:
            self._last = frame_id, self.scene.view(frame_id / self.rate_hz, *self.size)
        return self._last[1]

    def depth_at(self, frame_id: int) -> FloatImage:
        """Exact meters along the optical axis, float32 (H, W); infinite for the sky."""
        return self.view_at(frame_id).depth_m

    def _play(self) -> Generator[Frame | None, None, None]:
        yield None
        yield from map(self.frame_at, range(self.frame_count))
