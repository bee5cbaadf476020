"""A walker's body in a world: where it is, what it touches, how it feels its way by hand."""

import math
from dataclasses import dataclass, field

import numpy as np

from sonar.lab.simulate.scenario import Point
from sonar.lab.simulate.scene.world import Gap, World

BODY_RADIUS_M = 0.25
FOOT_M = 0.1  # this far ahead of the middle the ground is met
FEEL_MPS = 0.4
FEEL_GAP_M = 0.08
FEEL_TURNS_M = (3.5, 10.5)  # felt this far in vain, the other way is tried, farther
FEEL_LIMIT_M = 24.0
LEFT_M = 0.3  # a thing this far behind may be touched anew
ARRIVED_M = 0.3


@dataclass(slots=True)
class Route:
    """Turning points, one after the other; the goal is the last."""

    points: tuple[Point, ...]
    leg: int = 0

    @property
    def length_m(self) -> float:
        return sum(self._leg_m(k) for k in range(len(self.points) - 1))

    @property
    def target(self) -> Point:
        return self.points[min(self.leg + 1, len(self.points) - 1)]

    @property
    def done(self) -> bool:
        return self.leg >= len(self.points) - 1

    def way_m(self, x_m: float, y_m: float) -> float:
        """Meters of the route that lie behind a place; moves on to the next leg."""
        while not self.done:
            (x0, y0), (x1, y1) = self.points[self.leg], self.target
            length = self._leg_m(self.leg)
            along = ((x_m - x0) * (x1 - x0) + (y_m - y0) * (y1 - y0)) / length
            if along < length - ARRIVED_M:
                return sum(self._leg_m(k) for k in range(self.leg)) + max(along, 0.0)
            self.leg += 1
        return self.length_m

    def _leg_m(self, k: int) -> float:
        return math.dist(self.points[k], self.points[k + 1])


@dataclass(slots=True)
class Body:
    """An upright cylinder that walks; yaw is positive to the right, 0 faces +y.

    Attributes:
        contacts: names of what was touched, in order; edges that were stepped over are "drop N".
        falls: edges stepped over unwarned; a warned walker meets them with a foot ahead.
        feeling: whether a hand is on something, along which it goes round it.
    """

    world: World
    x_m: float
    y_m: float
    yaw_deg: float
    walked_m: float = 0.0
    way_m: float = 0.0
    falls: int = 0
    contacts: list[str] = field(default_factory=list)
    route: Route = field(init=False)
    _touching: set[str] = field(default_factory=set)
    _hand: str | None = None  # the thing that is felt along
    _sign: float = 1.0
    _felt_m: float = 0.0
    _ended: bool = False  # the goal lies below the edge that was met

    def __post_init__(self) -> None:
        walk = self.world.scenario.walk
        self.route = Route((walk.start, *walk.route))

    @property
    def feeling(self) -> bool:
        return self._hand is not None

    @property
    def arrived(self) -> bool:
        return self._ended or self.route.done

    @property
    def to_goal_deg(self) -> float:
        """Where the next point of the route is, relative to the heading, positive right."""
        x, y = self.route.target
        bearing = math.degrees(math.atan2(x - self.x_m, y - self.y_m))
        return (bearing - self.yaw_deg + 180.0) % 360.0 - 180.0

    def advance(self, distance_m: float, turn_deg: float) -> None:
        """Turn, then go."""
        self.yaw_deg += turn_deg
        angle = math.radians(self.yaw_deg)
        self._move(distance_m * math.sin(angle), distance_m * math.cos(angle))

    def touch(self, warned: bool) -> tuple[str, ...]:
        """What is newly touched where the body is now; it then stands beside it, a hand on it.

        Args:
            warned: somebody who expects an edge, and goes slowly, feels it with the foot.
        """
        self.way_m = max(self.way_m, self.route.way_m(self.x_m, self.y_m))
        new: list[str] = []
        near = self._gaps(BODY_RADIUS_M + LEFT_M)
        self._touching &= {gap.thing for gap in near}
        angle = math.radians(self.yaw_deg)
        foot = (self.x_m + FOOT_M * math.sin(angle), self.y_m + FOOT_M * math.cos(angle))
        if self.world.drop_at(*foot) > 0.05 and not self.arrived:
            number = self.world.drop_number(*foot)
            name = f"drop {number}"
            if name not in self._touching:
                self._touching.add(name)
                self.falls += not warned
                new += [] if warned else [name]
                self._ended = self.world.drop_number(*self.route.points[-1]) == number
                self._take_hand(name)
        for gap in near:
            if gap.distance_m < BODY_RADIUS_M and gap.thing not in self._touching:
                self._touching.add(gap.thing)
                new.append(gap.thing)
                self._take_hand(gap.thing)
        self.contacts += new
        self._push_out()
        return tuple(new)

    def feel(self, dt_s: float) -> None:
        """Go along what the hand is on, until the way to the goal leads off it."""
        gap = next((g for g in self._gaps(2.0) if g.thing == self._hand), None)
        goal = math.radians(self.yaw_deg + self.to_goal_deg)
        if (
            gap is None
            or math.sin(goal) * gap.away[0] + math.cos(goal) * gap.away[1] > 0.2
            or self._felt_m > FEEL_LIMIT_M
        ):
            self._hand = None
            return
        stride = FEEL_MPS * dt_s
        if any(self._felt_m < turn <= self._felt_m + stride for turn in FEEL_TURNS_M):
            self._sign = -self._sign
        tangent = (-gap.away[1] * self._sign, gap.away[0] * self._sign)
        before = self.x_m, self.y_m
        self._move(stride * tangent[0], stride * tangent[1])
        self._push_out()
        self.yaw_deg = math.degrees(math.atan2(tangent[0], tangent[1]))
        self._felt_m += stride
        if math.dist(before, (self.x_m, self.y_m)) < 0.3 * stride:
            self._sign = -self._sign  # a corner

    def _take_hand(self, name: str) -> None:
        if self._hand == name:
            return
        self._hand, self._felt_m = name, 0.0
        gap = next((g for g in self._gaps(2.0) if g.thing == name), None)
        if gap is not None:
            goal = math.radians(self.yaw_deg + self.to_goal_deg)
            across = -gap.away[1] * math.sin(goal) + gap.away[0] * math.cos(goal)
            self._sign = 1.0 if across >= 0.0 else -1.0

    def _move(self, dx: float, dy: float) -> None:
        self.x_m += dx
        self.y_m += dy
        self.walked_m += math.hypot(dx, dy)

    def _push_out(self) -> None:
        """Stand beside what is touched, not in it."""
        for _ in range(4):
            gaps = [g for g in self._gaps(BODY_RADIUS_M + FEEL_GAP_M) if g.thing in self._touching]
            if not gaps:
                return
            out = BODY_RADIUS_M + FEEL_GAP_M + 1e-3 - gaps[0].distance_m
            self.x_m += out * gaps[0].away[0]
            self.y_m += out * gaps[0].away[1]

    def _gaps(self, reach_m: float) -> list[Gap]:
        gaps = self.world.gaps(self.x_m, self.y_m, reach_m)
        for number in range(len(self.world.scenario.drops)):
            if f"drop {number}" in self._touching and not self._ended:
                gap = self._drop_gap(number)
                if gap.distance_m <= reach_m:
                    gaps.append(gap)
        return sorted(gaps, key=lambda gap: gap.distance_m)

    def _drop_gap(self, number: int) -> Gap:
        x0, y0, x1, y1 = self.world.scenario.drops[number].area
        nearest = float(np.clip(self.x_m, x0, x1)), float(np.clip(self.y_m, y0, y1))
        dx, dy = self.x_m - nearest[0], self.y_m - nearest[1]
        far = math.hypot(dx, dy)
        if far > 1e-9:
            return Gap(f"drop {number}", far, (dx / far, dy / far))
        sides = (
            (self.x_m - x0, (-1.0, 0.0)),
            (x1 - self.x_m, (1.0, 0.0)),
            (self.y_m - y0, (0.0, -1.0)),
            (y1 - self.y_m, (0.0, 1.0)),
        )
        inside, away = min(sides)
        return Gap(f"drop {number}", -inside, away)
