"""Named walks with exact truth."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sonar.capture.synthetic.scene import INF, Box, Camera, Role, View, cast, paint
from sonar.capture.synthetic.truth import SceneTruth, read_truth
from sonar.config import ZonesConfig
from sonar.errors import SourceError
from sonar.types import RgbImage

Rgb = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class SyntheticScene:
    """Boxes and a walking camera.

    Attributes:
        boxes: the world at time 0.
        camera: at time 0.
        speed_mps: along the heading at time 0, until ``walk_m`` is walked.
        walk_m: where the walker stops.
        yaw_rate_dps: turning on the spot, positive to the right.
        sway_deg, bob_m: a walker's gait: pitch (at 1.8 Hz) and roll (at 0.9 Hz) swing by
            ``sway_deg``, height by ``bob_m``; 0 = a camera on rails.
        drop_y_m: the line across the way where the ground ends.
    """

    boxes: tuple[Box, ...]
    camera: Camera = field(default_factory=Camera)
    speed_mps: float = 0.0
    walk_m: float = INF
    yaw_rate_dps: float = 0.0
    sway_deg: float = 0.0
    bob_m: float = 0.0
    drop_y_m: float | None = None

    def camera_at(self, t: float) -> Camera:
        """Where the camera is, and how it looks, ``t`` seconds on."""
        ahead = self.camera.heading[0]
        walked = min(self.speed_mps * t, self.walk_m)
        step = math.sin(2 * math.pi * 1.8 * t)
        swing = math.sin(2 * math.pi * 0.9 * t)
        return replace(
            self.camera,
            x_m=self.camera.x_m + walked * float(ahead[0]),
            y_m=self.camera.y_m + walked * float(ahead[1]),
            height_m=self.camera.height_m + self.bob_m * step,
            yaw_deg=self.camera.yaw_deg + self.yaw_rate_dps * t,
            pitch_deg=self.camera.pitch_deg + self.sway_deg * step,
            roll_deg=self.camera.roll_deg + self.sway_deg * swing,
        )

    def velocity_at(self, t: float) -> tuple[float, float]:
        """The camera's (x, y) velocity in m/s."""
        if self.speed_mps * t >= self.walk_m:
            return (0.0, 0.0)
        ahead = self.camera.heading[0]
        return (self.speed_mps * float(ahead[0]), self.speed_mps * float(ahead[1]))

    def view(self, t: float, height: int, width: int) -> View:
        """Exact depth at ``t`` for a picture of this size."""
        return cast(tuple(box.at(t) for box in self.boxes), self.camera_at(t), height, width)

    def picture(self, view: View, *, brightness: float = 1.0) -> RgbImage:
        """uint8 (H, W, 3), RGB."""
        return paint(view, brightness=brightness)

    def truth(self, view: View, t: float, zones: ZonesConfig | None = None) -> SceneTruth:
        """What is ahead in a view taken at ``t``."""
        return read_truth(
            view,
            t,
            zones=zones or ZonesConfig(),
            velocity_mps=self.velocity_at(t),
            drop_y_m=self.drop_y_m,
        )


# --- building blocks -------------------------------------------------------------------------


def floor(until_y: float = INF) -> Box:
    """Ground without end, or up to an edge across the way."""
    return Box(
        (-INF, -INF, -INF), (INF, until_y, 0.0), Role.GROUND, "floor", (0.55, 0.5, 0.45), 0.4
    )


def below(from_y: float, to_y: float, depth_m: float, name: str = "below") -> Box:
    """A lower level behind an edge."""
    return Box(
        (-INF, from_y, -INF), (INF, to_y, -depth_m), Role.BELOW, name, (0.42, 0.42, 0.45), 0.3
    )


def wall(low: tuple[float, float], high: tuple[float, float], name: str = "wall") -> Box:
    """From the floor to 2.7 m, between two (x, y) corners."""
    return Box((*low, 0.0), (*high, 2.7), Role.OBSTACLE, name, (0.8, 0.76, 0.66), 0.5)


def ceiling(z_m: float = 2.7) -> Box:
    """A ceiling without end."""
    return Box(
        (-INF, -INF, z_m), (INF, INF, INF), Role.OVERHEAD, "ceiling", (0.85, 0.85, 0.85), 0.6
    )


def person(
    x_m: float, y_m: float, velocity_mps: tuple[float, float, float], colour: Rgb
) -> tuple[Box, ...]:
    """Somebody upright: legs, trunk and head."""
    parts = (
        (0.19, 0.12, 0.0, 0.82, (0.2, 0.22, 0.35)),
        (0.25, 0.14, 0.82, 1.46, colour),
        (0.10, 0.11, 1.46, 1.74, (0.75, 0.58, 0.47)),
    )
    return tuple(
        Box(
            (x_m - half_w, y_m - half_d, z0),
            (x_m + half_w, y_m + half_d, z1),
            Role.OBSTACLE,
            "person",
            tint,
            0.12,
            velocity_mps,
        )
        for half_w, half_d, z0, z1, tint in parts
    )


def hall(half_width_m: float, end_y_m: float) -> tuple[Box, ...]:
    """A straight room: floor, ceiling, two side walls and an end wall."""
    return (
        floor(),
        ceiling(),
        wall((-half_width_m - 0.2, -5.0), (-half_width_m, end_y_m), "left wall"),
        wall((half_width_m, -5.0), (half_width_m + 0.2, end_y_m), "right wall"),
        wall((-half_width_m - 0.2, end_y_m), (half_width_m + 0.2, end_y_m + 0.2), "end wall"),
    )


# --- the scenarios ---------------------------------------------------------------------------


def _corridor(camera: Camera, d: float, v: float) -> SyntheticScene:
    return SyntheticScene(hall(1.0, 20.0), camera, v, walk_m=d)


def _empty_hall(camera: Camera, d: float, v: float) -> SyntheticScene:
    return SyntheticScene(hall(6.0, 30.0), camera, v, walk_m=d)


def _boxed(x_m: float) -> Callable[[Camera, float, float], SyntheticScene]:
    def build(camera: Camera, d: float, v: float) -> SyntheticScene:
        box = Box((x_m - 0.25, d, 0.0), (x_m + 0.25, d + 0.5, 0.9))
        return SyntheticScene((*hall(2.5, 14.0), box), camera, v, walk_m=d - 0.5)

    return build


def _person(speed_mps: float) -> Callable[[Camera, float, float], SyntheticScene]:
    def build(camera: Camera, d: float, v: float) -> SyntheticScene:
        body = person(0.0, d, (0.0, speed_mps, 0.0), (0.65, 0.25, 0.22))
        return SyntheticScene((*hall(2.0, 40.0), *body), camera, v)

    return build


def _head_bar(camera: Camera, d: float, v: float) -> SyntheticScene:
    bar = Box((-0.9, d, 1.55), (0.9, d + 0.12, 1.8), Role.OBSTACLE, "bar", (0.75, 0.3, 0.15), 0.1)
    return SyntheticScene((*hall(2.5, 14.0), bar), camera, v, walk_m=d - 0.5)


def _stairs_down(camera: Camera, d: float, v: float) -> SyntheticScene:
    steps = tuple(
        below(d + 0.29 * k, d + 0.29 * (k + 1), 0.175 * (k + 1), f"step {k + 1}") for k in range(14)
    )
    landing = below(d + 0.29 * 14, INF, 0.175 * 15, "landing")
    room = (ceiling(), *hall(1.5, 14.0)[2:4])
    return SyntheticScene((floor(d), *steps, landing, *room), camera, v, walk_m=d - 0.3, drop_y_m=d)


def _kerb(camera: Camera, d: float, v: float) -> SyntheticScene:
    houses = wall((-8.0, d + 12.0), (8.0, d + 12.5), "house")
    return SyntheticScene(
        (floor(d), below(d, INF, 0.15, "road"), houses), camera, v, walk_m=d - 0.3, drop_y_m=d
    )


def _platform(camera: Camera, d: float, v: float) -> SyntheticScene:
    far_side = wall((-30.0, d + 4.5), (30.0, d + 5.0), "tunnel wall")
    return SyntheticScene(
        (floor(d), below(d, INF, 1.1, "track"), ceiling(4.5), far_side),
        camera,
        v,
        walk_m=d - 0.3,
        drop_y_m=d,
    )


def _wall(camera: Camera, d: float, v: float) -> SyntheticScene:
    return SyntheticScene((floor(), ceiling(), wall((-6, d), (6, d + 0.2))), camera, v, d - 0.5)


def _turning(camera: Camera, d: float, v: float) -> SyntheticScene:
    box = Box((-0.3, d, 0.0), (0.3, d + 0.6, 1.1))
    start = replace(camera, yaw_deg=camera.yaw_deg - 40.0)
    return SyntheticScene((*hall(2.5, 10.0), box), start, 0.0, yaw_rate_dps=16.0)


def _wall_beside(camera: Camera, d: float, v: float) -> SyntheticScene:
    beside = wall((-1.2, -5.0), (-1.0, 30.0), "wall beside")
    return SyntheticScene((floor(), ceiling(), beside), camera, v, walk_m=d)


_BUILDERS: dict[str, tuple[Callable[[Camera, float, float], SyntheticScene], float, float]] = {
    # name: (builder, distance_m, speed_mps)
    "corridor": (_corridor, 12.0, 1.0),
    "box": (_boxed(0.0), 5.0, 1.0),
    "left_box": (_boxed(-0.5), 5.0, 1.0),
    "right_box": (_boxed(0.5), 5.0, 1.0),
    "person_approaching": (_person(-1.0), 7.0, 0.0),
    "person_leaving": (_person(1.0), 2.0, 0.0),
    "head_bar": (_head_bar, 5.0, 1.0),
    "stairs_down": (_stairs_down, 5.0, 1.0),
    "kerb": (_kerb, 5.0, 1.0),
    "platform": (_platform, 5.0, 1.0),
    "wall": (_wall, 4.0, 1.0),
    "turning": (_turning, 2.5, 0.0),
    "empty_hall": (_empty_hall, 12.0, 1.0),
    "wall_beside": (_wall_beside, 12.0, 1.0),
}
SCENARIOS: tuple[str, ...] = tuple(_BUILDERS)


def scenario(
    name: str,
    camera: Camera | None = None,
    *,
    distance_m: float | None = None,
    speed_mps: float | None = None,
    sway_deg: float = 0.0,
    bob_m: float = 0.0,
) -> SyntheticScene:
    """A named walk.

    Args:
        name: one of :data:`SCENARIOS`.
        camera: height, angles and field of view; chest height, 10 degrees down by default.
        distance_m: where the obstacle or the edge stands at time 0.
        speed_mps: the walker's speed (people in the scene keep theirs).
        sway_deg, bob_m: gait, see :class:`SyntheticScene`.

    Raises:
        SourceError: no such scenario.
    """
    if name not in _BUILDERS:
        raise SourceError(
            f"There is no synthetic scene called {name!r}; there are: {', '.join(SCENARIOS)}."
        )
    build, distance, speed = _BUILDERS[name]
    scene = build(
        camera or Camera(),
        distance if distance_m is None else distance_m,
        speed if speed_mps is None else speed_mps,
    )
    return replace(scene, sway_deg=sway_deg, bob_m=bob_m)
