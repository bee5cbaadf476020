"""Named walks with exact truth."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sonar.capture.synthetic.scene import INF, Box, Camera, Role, SceneView, Triple, cast
from sonar.errors import SourceError

_STEP_HZ = 1.8  # steps per second of a walk; the body rolls at half of that


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
        if self.speed_mps * t >= self.walk_m:
            return (0.0, 0.0)
        (x, y), _ = self.camera.heading
        return (self.speed_mps * float(x), self.speed_mps * float(y))

    def view(self, t: float, height: int, width: int) -> SceneView:
        """Exact depth at ``t`` for an image of this size."""
        return cast(tuple(box.at(t) for box in self.boxes), self.camera_at(t), height, width)


# --- parts -----------------------------------------------------------------------------------


def floor(until_y: float = INF) -> Box:
    """Ground without end, or up to an edge across the way."""
    high = (INF, until_y, 0.0)
    return Box((-INF, -INF, -INF), high, Role.GROUND, "floor", (0.55, 0.5, 0.45), 0.4)


def below(from_y: float, to_y: float, depth_m: float, name: str = "below") -> Box:
    """Lower ground behind an edge."""
    high = (INF, to_y, -depth_m)
    return Box((-INF, from_y, -INF), high, Role.BELOW, name, (0.42, 0.42, 0.45), 0.3)


def wall(low: tuple[float, float], high: tuple[float, float], name: str = "wall") -> Box:
    """From the ground to 2.7 m, between two (x, y) corners."""
    return Box((*low, 0.0), (*high, 2.7), Role.OBSTACLE, name, (0.8, 0.76, 0.66), 0.5)


def ceiling(z_m: float = 2.7) -> Box:
    """A ceiling without end."""
    low = (-INF, -INF, z_m)
    return Box(low, (INF, INF, INF), Role.OVERHEAD, "ceiling", (0.85, 0.85, 0.85), 0.6)


def person(x_m: float, y_m: float, velocity_mps: Triple, color: Triple) -> tuple[Box, ...]:
    """Somebody upright: legs, trunk and head."""
    parts = (
        (0.19, 0.12, 0.0, 0.82, (0.2, 0.22, 0.35)),
        (0.25, 0.14, 0.82, 1.46, color),
        (0.10, 0.11, 1.46, 1.74, (0.75, 0.58, 0.47)),
    )
    return tuple(
        Box(
            (x_m - half_w, y_m - half_d, z0),
            (x_m + half_w, y_m + half_d, z1),
            *(Role.OBSTACLE, "person", tint, 0.12, velocity_mps),
        )
        for half_w, half_d, z0, z1, tint in parts
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


# --- the scenarios ---------------------------------------------------------------------------

Boxes = tuple[Box, ...]


def _box(x_m: float) -> Callable[[float], Boxes]:
    return lambda d: (*hall(2.5, 14.0), Box((x_m - 0.25, d, 0.0), (x_m + 0.25, d + 0.5, 0.9)))


def _person(speed_mps: float) -> Callable[[float], Boxes]:
    velocity = (0.0, speed_mps, 0.0)
    return lambda d: (*hall(2.0, 40.0), *person(0.0, d, velocity, (0.65, 0.25, 0.22)))


def _head_bar(d: float) -> Boxes:
    low, high = (-0.9, d, 1.55), (0.9, d + 0.12, 1.8)
    return (*hall(2.5, 14.0), Box(low, high, Role.OBSTACLE, "bar", (0.75, 0.3, 0.15), 0.1))


def _stairs_down(d: float) -> Boxes:
    edges = [d + 0.29 * k for k in range(15)]
    steps = [below(edges[k], edges[k + 1], 0.175 * (k + 1), f"step {k + 1}") for k in range(14)]
    landing = below(edges[14], INF, 0.175 * 15, "landing")
    return (floor(d), *steps, landing, ceiling(), *hall(1.5, 14.0)[2:4])


def _kerb(d: float) -> Boxes:
    return (floor(d), below(d, INF, 0.15, "road"), wall((-8.0, d + 12.0), (8.0, d + 12.5), "house"))


def _platform(d: float) -> Boxes:
    tunnel = wall((-30.0, d + 4.5), (30.0, d + 5.0), "tunnel wall")
    return (floor(d), below(d, INF, 1.1, "track"), ceiling(4.5), tunnel)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a walk is made: ``boxes`` of a distance, default distance and speed, where it stops
    (``before_m`` ahead of that distance; None: nowhere), whether the ground ends there."""

    boxes: Callable[[float], Boxes]
    distance_m: float = 5.0
    speed_mps: float = 1.0
    before_m: float | None = 0.5
    drop: bool = False
    yaw_deg: float = 0.0
    yaw_rate_dps: float = 0.0


_PLANS: dict[str, _Plan] = {
    "corridor": _Plan(lambda d: hall(1.0, 20.0), 12.0, before_m=0.0),
    "box": _Plan(_box(0.0)),
    "left_box": _Plan(_box(-0.5)),
    "right_box": _Plan(_box(0.5)),
    "person_approaching": _Plan(_person(-1.0), 7.0, 0.0, before_m=None),
    "person_leaving": _Plan(_person(1.0), 2.0, 0.0, before_m=None),
    "head_bar": _Plan(_head_bar),
    "stairs_down": _Plan(_stairs_down, before_m=0.3, drop=True),
    "kerb": _Plan(_kerb, before_m=0.3, drop=True),
    "platform": _Plan(_platform, before_m=0.3, drop=True),
    "wall": _Plan(lambda d: (floor(), ceiling(), wall((-6, d), (6, d + 0.2))), 4.0),
    "turning": _Plan(
        lambda d: (*hall(2.5, 10.0), Box((-0.3, d, 0.0), (0.3, d + 0.6, 1.1))),
        *(2.5, 0.0, None, False, -40.0, 16.0),
    ),
    "empty_hall": _Plan(lambda d: hall(6.0, 30.0), 12.0, before_m=0.0),
    "wall_beside": _Plan(
        lambda d: (floor(), ceiling(), wall((-1.2, -5.0), (-1.0, 30.0), "wall beside")),
        *(12.0, 1.0, 0.0),
    ),
}
SCENARIOS: tuple[str, ...] = tuple(_PLANS)


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
        distance_m: where the obstacle or the edge is at time 0.
        speed_mps: the walker's speed (people in the scene keep theirs).
        sway_deg, bob_m: gait, see :class:`SyntheticScene`.

    Raises:
        SourceError: no such scenario.
    """
    if name not in _PLANS:
        raise SourceError(
            f"There is no synthetic scene called {name!r}; there are: {', '.join(SCENARIOS)}."
        )
    plan, camera = _PLANS[name], camera or Camera()
    d = plan.distance_m if distance_m is None else distance_m
    return SyntheticScene(
        plan.boxes(d),
        replace(camera, yaw_deg=camera.yaw_deg + plan.yaw_deg),
        plan.speed_mps if speed_mps is None else speed_mps,
        walk_m=INF if plan.before_m is None else d - plan.before_m,
        yaw_rate_dps=plan.yaw_rate_dps,
        sway_deg=sway_deg,
        bob_m=bob_m,
        drop_y_m=d if plan.drop else None,
    )
