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
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.capture.media import Recording
from sonar.errors import SourceError
from sonar.types import FloatImage, Frame, RgbImage

INF = math.inf
_STEP_HZ = 1.8  # steps per second of a walk; the body rolls at half of that
_EPS = 1e-12
_MIN_Z_M = 0.02  # nearer than any lens sees; a camera that touches a box stays outside it
_SKY = (0.62, 0.75, 0.92)

Float = NDArray[np.float64]
Triple = tuple[float, float, float]


class Role(StrEnum):
    """What a box is to a walker."""

    GROUND = "ground"
    BELOW = "below"  # steps down, the road below a curb, the track below a platform
    OBSTACLE = "obstacle"
    OVERHEAD = "overhead"  # a ceiling: never in the way


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned box between two corners (x, y, z) in meters; infinite sides allowed."""

    low: Triple  # at time 0
    high: Triple
    role: Role = Role.OBSTACLE
    name: str = "box"  # boxes of one name are one obstacle (a person is three boxes)
    color: Triple = (0.7, 0.5, 0.35)  # RGB in [0, 1]
    tile_m: float = 0.25  # size of the checker pattern
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
    """What a camera sees: meters along the optical axis (infinite where nothing is hit), an index
    into ``boxes`` (-1 for nothing) and the point in world axes (undefined for nothing)."""

    depth_m: FloatImage  # float32 (H, W)
    hit: NDArray[np.int16]  # (H, W)
    points_m: NDArray[np.float32]  # (3, H, W)
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
    drop_y_m: float | None = None  # the line across the way where the ground ends

    def camera_at(self, t: float) -> Camera:
        """Where the camera is, and how it is turned, ``t`` seconds later."""
        (x, y), _ = self.camera.heading
        walked_m = min(self.speed_mps * t, self.walk_m)
        step, swing = (math.sin(2 * math.pi * hz * t) for hz in (_STEP_HZ, _STEP_HZ / 2))
        return replace(
            self.camera,
            x_m=self.camera.x_m + walked_m * float(x),
            y_m=self.camera.y_m + walked_m * float(y),
            height_m=self.camera.height_m + self.bob_m * step,
            yaw_deg=self.camera.yaw_deg + self.yaw_rate_dps * t,
            pitch_deg=self.camera.pitch_deg + self.sway_deg * step,
            roll_deg=self.camera.roll_deg + self.sway_deg * swing,
        )

    def velocity_at(self, t: float) -> tuple[float, float]:
        """The camera's (x, y) velocity in m/s."""
        speed_mps = self.speed_mps if self.speed_mps * t < self.walk_m else 0.0
        (x, y), _ = self.camera.heading
        return (speed_mps * float(x), speed_mps * float(y))

    def view(self, t: float, height: int, width: int) -> SceneView:
        """Exact depth (computed in float64) at ``t`` for an image of this size."""
        boxes, camera = tuple(box.at(t) for box in self.boxes), self.camera_at(t)
        x, y = camera.pixel_rays(height, width)
        across, down, ahead = camera.axes[:, :, None, None]
        rays = x[None, None, :] * across + y[None, :, None] * down + ahead  # (3, H, W)
        rays[np.abs(rays) < _EPS] = _EPS
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
    """An image of the view, uint8 RGB (H, W, 3): checkers in the world, darker farther away."""
    colors = np.array([*(box.color for box in view.boxes), _SKY], np.float32)
    tiles_m = np.array([*(box.tile_m for box in view.boxes), 1.0], np.float32)
    # Half a millimeter keeps a face that lies on a cell's edge in one cell.
    cells = np.floor((view.points_m + np.float32(5e-4)) / tiles_m[view.hit])
    shade = np.where(cells.sum(axis=0) % 2 == 1, 0.94, 0.72)
    shade *= 1.15 / (1.0 + np.minimum(view.depth_m, 30.0) * 0.05)
    shade[view.hit < 0] = 1.0
    return np.clip(colors[view.hit] * (255.0 * shade[:, :, None]), 0, 255).astype(np.uint8)


def floor(until_y: float = INF) -> Box:
    """Ground without end, or up to an edge across the way."""
    high = (INF, until_y, 0.0)
    return Box((-INF, -INF, -INF), high, Role.GROUND, "floor", (0.55, 0.5, 0.45), 0.4)


def _below(from_y: float, to_y: float, depth_m: float) -> Box:
    high = (INF, to_y, -depth_m)
    return Box((-INF, from_y, -INF), high, Role.BELOW, "below", (0.42, 0.42, 0.45), 0.3)


def wall(low: tuple[float, float], high: tuple[float, float], name: str = "wall") -> Box:
    """From the ground to 2.7 m, between two (x, y) corners."""
    return Box((*low, 0.0), (*high, 2.7), Role.OBSTACLE, name, (0.8, 0.76, 0.66), 0.5)


def ceiling(z_m: float = 2.7) -> Box:
    """A ceiling without end."""
    low = (-INF, -INF, z_m)
    return Box(low, (INF, INF, INF), Role.OVERHEAD, "ceiling", (0.85, 0.85, 0.85), 0.6)


def person(x_m: float, y_m: float, velocity_mps: Triple, color: Triple) -> tuple[Box, ...]:
    """Somebody upright: legs, trunk and head."""

    def part(half_w: float, half_d: float, low_m: float, high_m: float, tint: Triple) -> Box:
        low, high = (x_m - half_w, y_m - half_d, low_m), (x_m + half_w, y_m + half_d, high_m)
        return Box(low, high, Role.OBSTACLE, "person", tint, 0.12, velocity_mps)

    return (
        part(0.19, 0.12, 0.0, 0.82, (0.2, 0.22, 0.35)),
        part(0.25, 0.14, 0.82, 1.46, color),
        part(0.10, 0.11, 1.46, 1.74, (0.75, 0.58, 0.47)),
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


def _head_bar(d: float) -> tuple[Box, ...]:
    low, high = (-0.9, d, 1.55), (0.9, d + 0.12, 1.8)
    return (*hall(2.5, 14.0), Box(low, high, Role.OBSTACLE, "bar", (0.75, 0.3, 0.15), 0.1))


def _stairs_down(d: float) -> tuple[Box, ...]:
    edges = [*(d + 0.29 * k for k in range(15)), INF]  # 14 steps and the landing
    steps = [_below(edges[k], edges[k + 1], 0.175 * (k + 1)) for k in range(15)]
    return (floor(d), *steps, ceiling(), *hall(1.5, 14.0)[2:4])


def _platform(d: float) -> tuple[Box, ...]:
    tunnel = wall((-30.0, d + 4.5), (30.0, d + 5.0), "tunnel wall")
    return (floor(d), _below(d, INF, 1.1), ceiling(4.5), tunnel)


def _kerb(d: float) -> tuple[Box, ...]:
    return (floor(d), _below(d, INF, 0.15), wall((-8.0, d + 12.0), (8.0, d + 12.5), "house"))


def _box(x_m: float, d: float) -> tuple[Box, ...]:
    return (*hall(2.5, 14.0), Box((x_m - 0.25, d, 0.0), (x_m + 0.25, d + 0.5, 0.9)))


def _person(speed_mps: float, d: float) -> tuple[Box, ...]:
    return (*hall(2.0, 40.0), *person(0.0, d, (0.0, speed_mps, 0.0), (0.65, 0.25, 0.22)))


# Of each walk: its boxes for a distance, that distance in meters, and how far before it the walker
# stops; None: the camera stands.
_WALKS: dict[str, tuple[Callable[[float], tuple[Box, ...]], float, float | None]] = {
    "corridor": (lambda d: hall(1.0, 20.0), 12.0, 0.0),
    "box": (partial(_box, 0.0), 5.0, 0.5),
    "left_box": (partial(_box, -0.5), 5.0, 0.5),
    "right_box": (partial(_box, 0.5), 5.0, 0.5),
    "person_approaching": (partial(_person, -1.0), 7.0, None),
    "person_leaving": (partial(_person, 1.0), 2.0, None),
    "head_bar": (_head_bar, 5.0, 0.5),
    "stairs_down": (_stairs_down, 5.0, 0.3),
    "kerb": (_kerb, 5.0, 0.3),
    "platform": (_platform, 5.0, 0.3),
    "wall": (lambda d: (floor(), ceiling(), wall((-6, d), (6, d + 0.2))), 4.0, 0.5),
    "empty_hall": (lambda d: hall(6.0, 30.0), 12.0, 0.0),
    "wall_beside": (lambda d: (*hall(9.0, 99.0)[:2], wall((-1.2, -5.0), (-1.0, 30.0))), 12.0, 0.0),
}
SCENARIOS: tuple[str, ...] = tuple(_WALKS)


def scenario(
    name: str, camera: Camera | None = None, *, distance_m: float | None = None, **others: float
) -> SyntheticScene:
    """A named walk at 1 m/s.

    Args:
        name: one of :data:`SCENARIOS`.
        camera: height, angles and field of view; chest height, 10 degrees down by default.
        distance_m: where the obstacle or the edge is at time 0.
        others: of :class:`SyntheticScene`, such as ``sway_deg`` or another ``speed_mps``.

    Raises SourceError for an unknown name.
    """
    if name not in _WALKS:
        raise SourceError(
            f"There is no synthetic scene called {name!r}; there are: {', '.join(SCENARIOS)}."
        )
    boxes_at, usual_m, before_m = _WALKS[name]
    d = usual_m if distance_m is None else distance_m
    boxes = boxes_at(d)
    made: dict[str, Any] = {"drop_y_m": d} if any(b.role is Role.BELOW for b in boxes) else {}
    if before_m is not None:
        made |= {"speed_mps": 1.0, "walk_m": d - before_m}
    return SyntheticScene(boxes, camera or Camera(), **{**made, **others})


class SyntheticSource(Recording):
    """A recording of a drawn scene that knows its depth; a :class:`sonar.ports.FrameSource`.

    Args:
        scene: a scenario's name, or a scene of one's own.
        rate_hz: frames a second.
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
        named = isinstance(scene, str)
        super().__init__(f"synthetic:{scene if named else 'scene'}", rate_hz, frames)
        self.scene = scenario(scene) if isinstance(scene, str) else scene
        self.size = size
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

    def walkable_at(self, frame_id: int) -> FloatImage:
        """1 where the ground that is walked on is seen, else 0; float32 (H, W)."""
        view = self.view_at(frame_id)
        ground = np.array([b.role is Role.GROUND for b in view.boxes] + [False])
        return ground[view.hit].astype(np.float32)

    def _play(self) -> Generator[Frame | None, None, None]:
        yield None
        yield from map(self.frame_at, range(self.frame_count))
