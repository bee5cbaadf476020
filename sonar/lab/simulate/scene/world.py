"""A scenario as a world: what is drawn, what is solid, who moves, where the ground ends."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sonar.lab.evaluate.labels import Kind
from sonar.lab.simulate import scenario as sc
from sonar.lab.simulate.scene.builder import TOP_M, RoomBuilder
from sonar.lab.simulate.scene.things import draw

FELT_FROM_M = 0.08  # lower things are stepped on
BODY_TOP_M = 1.8
HEAD_BOTTOM_M = 1.2  # what begins higher is missed by a cane
COURTESY_M = 0.6  # nobody walks into somebody who is this near in front of them
_ROUND_CORNER_DPS = 240.0
CURB_M = 0.2  # lower ground up to this is a road, not an abyss


@dataclass(frozen=True, slots=True)
class Gap:
    """How far a point is from a thing: meters from its surface and the unit vector away from it."""

    thing: str
    distance_m: float
    away: tuple[float, float]


class Motion:
    """Where a body is and which way it faces (degrees, mathematically: 0 faces +y, left positive).

    It stands until the walker comes within ``moves.trigger_m``, follows the path, and waits while
    the walker stands in its way: a collision is the walker's doing, except with who comes from
    behind or from the side, as in the street.

    Attributes:
        x_m, y_m, turn_deg: now.
        moves: None never moves.
    """

    def __init__(self, start: sc.Point, turn_deg: float, moves: sc.Moves | None) -> None:
        self.x_m, self.y_m = start
        self.turn_deg = turn_deg if moves is None else _bearing(start, moves.to[0])
        self.moves = moves
        self._start = start
        self._leg, self._back, self._started = 0, False, False

    def step(self, dt_s: float, walker_x_m: float, walker_y_m: float) -> None:
        """``dt_s`` on."""
        moves = self.moves
        if moves is None:
            return
        dx, dy = walker_x_m - self.x_m, walker_y_m - self.y_m
        self._started |= moves.trigger_m is None or math.hypot(dx, dy) <= moves.trigger_m
        points = (self._start, *moves.to)
        if not self._started or not 0 <= self._leg < len(moves.to):
            return
        target = points[self._leg if self._back else self._leg + 1]
        bearing = _bearing((self.x_m, self.y_m), target)
        error = (bearing - self.turn_deg + 180.0) % 360.0 - 180.0
        most = _ROUND_CORNER_DPS * dt_s
        self.turn_deg += min(max(error, -most), most)
        ahead = (-math.sin(math.radians(bearing)), math.cos(math.radians(bearing)))
        before = dx * ahead[0] + dy * ahead[1]
        beside = abs(dx * ahead[1] - dy * ahead[0])
        if 0.0 < before < COURTESY_M + 0.25 and beside < 0.5:
            return
        left = math.hypot(target[0] - self.x_m, target[1] - self.y_m)
        stride = min(moves.speed_mps * dt_s, left)
        self.x_m += stride * ahead[0]
        self.y_m += stride * ahead[1]
        if left - stride < 1e-6:
            self._leg += -1 if self._back else 1
            if moves.loop and not 0 <= self._leg < len(moves.to):
                self._back = not self._back
                self._leg = len(moves.to) - 1 if self._back else 0


class World:
    """A scenario that time passes in.

    Attributes:
        scenario: what it was made from.
        room: the drawn parts.
        motions: of ``room.bodies``, in their order.
    """

    def __init__(self, scenario: sc.Scenario) -> None:
        self.scenario = scenario
        self.room = RoomBuilder()
        self.motions: list[Motion] = []
        _ground(self.room, scenario)
        counts: dict[str, int] = {}
        for thing in scenario.things:
            counts[thing.kind] = counts.get(thing.kind, 0) + 1
            draw(self.room, thing, f"{thing.kind.replace('_', ' ')} {counts[thing.kind]}")
            if isinstance(thing, sc.Furniture | sc.Parts):
                self.motions.append(Motion(thing.at, thing.turn_deg, thing.moves))
        _lamps(self.room, scenario)
        # Outlines in plan, in the frames of their bodies: turned rectangles grown by a radius.
        solids = [part for part in self.room.parts if part.thing in self.room.obstacles]
        self._things = [part.thing for part in solids]
        self._at = np.array([part.at for part in solids], float).reshape(-1, 3)
        box = np.array([part.shape == "box" for part in solids], bool)
        size = np.array([part.size[:2] if len(part.size) > 1 else part.size * 2 for part in solids])
        self._half = size.reshape(-1, 2) * box[:, None]
        round_m = [max(p.size[:2]) if p.shape == "ellipsoid" else p.size[0] for p in solids]
        self._radius = np.array(round_m, float) * ~box
        self._turn = np.radians([part.turn_deg for part in solids])
        up = np.array([part.half_height_m for part in solids], float)
        self._low, self._high = self._at[:, 2] - up, self._at[:, 2] + up
        self._body = np.array([part.body for part in solids], int)

    def step(self, dt_s: float, x_m: float, y_m: float) -> None:
        """Let time pass, with the walker at a place. Nobody walks into who is in the way."""
        for motion in self.motions:
            motion.step(dt_s, x_m, y_m)

    def gaps(self, x_m: float, y_m: float, reach_m: float) -> list[Gap]:
        """Things of body height within ``reach_m`` of an upright line, nearest first."""
        center, turn = self._placed()
        dx, dy = x_m - center[:, 0], y_m - center[:, 1]
        cos, sin = np.cos(turn), np.sin(turn)
        local = np.stack([cos * dx + sin * dy, cos * dy - sin * dx], axis=1)
        off = local - np.clip(local, -self._half, self._half)
        far = np.hypot(off[:, 0], off[:, 1])
        distance_m = far - self._radius
        felt = (self._high > FELT_FROM_M) & (self._low < BODY_TOP_M)
        found: dict[str, Gap] = {}
        for k in np.argsort(distance_m):
            thing = self._things[k]
            if distance_m[k] > reach_m:
                break
            if not felt[k] or thing in found:
                continue
            if far[k] > 1e-9:
                ux, uy = off[k] / far[k]
            else:  # inside a rectangle: out by the nearest side
                edge = self._half[k] - np.abs(local[k])
                axis = int(np.argmin(edge))
                side = math.copysign(1.0, float(local[k][axis]))
                ux, uy = (side, 0.0) if axis == 0 else (0.0, side)
            away = (float(cos[k] * ux - sin[k] * uy), float(sin[k] * ux + cos[k] * uy))
            found[thing] = Gap(thing, float(distance_m[k]), away)
        return list(found.values())

    def drop_at(self, x_m: float, y_m: float) -> float:
        """How much lower the ground is at a place, in meters; 0 on level ground."""
        number = self.drop_number(x_m, y_m)
        if number is None:
            return 0.0
        drop = self.scenario.drops[number]
        if not drop.steps:
            return drop.depth_m
        return min(drop.rise_m * (1 + int((y_m - drop.area[1]) / drop.run_m)), drop.depth_m)

    def drop_number(self, x_m: float, y_m: float) -> int | None:
        """Which of the scenario's drops lies at a place."""
        for number, drop in enumerate(self.scenario.drops):
            x0, y0, x1, y1 = drop.area
            if x0 <= x_m <= x1 and y0 <= y_m <= y1:
                return number
        return None

    def kind_of(self, thing: str) -> Kind:
        """Kind of truth event: a person, head (nothing of it below head height) or obstacle."""
        if thing in self.room.bodies:
            ridden = self.motions[self.room.bodies.index(thing)].moves is not None
            if thing.startswith("person") or (thing.startswith("bicycle") and ridden):
                return "person"
        low = [low for name, low in zip(self._things, self._low, strict=True) if name == thing]
        return "head" if low and min(low) >= HEAD_BOTTOM_M else "obstacle"

    def _placed(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centers (N, 2) and turns (N,) in the world, now."""
        center, turn = self._at[:, :2].copy(), self._turn.copy()
        for number, motion in enumerate(self.motions):
            own = self._body == number
            angle = math.radians(motion.turn_deg)
            cos, sin = math.cos(angle), math.sin(angle)
            x, y = self._at[own, 0], self._at[own, 1]
            center[own, 0] = motion.x_m + cos * x - sin * y
            center[own, 1] = motion.y_m + sin * x + cos * y
            turn[own] += angle
        return center, turn


def _ground(room: RoomBuilder, scenario: sc.Scenario) -> None:
    """The floor as tiles around the drops, the lower levels, the ceiling."""
    ground = scenario.ground
    x0, y0, x1, y1 = ground.area
    areas = [drop.area for drop in scenario.drops]
    xs = sorted({x0, x1, *(v for area in areas for v in (area[0], area[2]))})
    ys = sorted({y0, y1, *(v for area in areas for v in (area[1], area[3]))})
    for xa, xb in pairwise(xs):
        for ya, yb in pairwise(ys):
            x, y = (xa + xb) / 2, (ya + yb) / 2
            if not any(a[0] <= x <= a[2] and a[1] <= y <= a[3] for a in areas):
                room.box("floor", (xa, ya, -0.12), (xb, yb, 0.0), ground.material)
    for drop in scenario.drops:
        _lower(room, drop)
    if ground.ceiling_m is not None:
        top = ground.ceiling_m
        room.box("ceiling", (x0, y0, top), (x1, y1, top + 0.1), "ceiling")


def _lower(room: RoomBuilder, drop: sc.Drop) -> None:
    x0, y0, x1, y1 = drop.area
    down = drop.depth_m
    y = y0
    for k in range(drop.steps):
        tread = drop.rise_m * (k + 1)
        if y + drop.run_m > y1 or tread >= down:
            break
        room.box("stairs", (x0, y, -tread - 0.2), (x1, y + drop.run_m, -tread), drop.material)
        y += drop.run_m
    name = "below" if down > CURB_M else "road"
    room.box(name, (x0, y, -down - 0.1), (x1, y1, -down), drop.material)
    for low, high in (  # the sides: without them one looks into nothing
        ((x0 - 0.1, y0, -down), (x0, y1, 0.0)),
        ((x1, y0, -down), (x1 + 0.1, y1, 0.0)),
        ((x0, y1, -down), (x1, y1 + 0.1, 0.0)),
    ):
        room.box("below", low, high, drop.material)


def _lamps(room: RoomBuilder, scenario: sc.Scenario) -> None:
    if scenario.ground.ceiling_m is None or scenario.ground.ceiling_m > TOP_M + 0.2:
        return
    x0, y0, x1, y1 = scenario.ground.area
    for y in np.arange(max(y0, -2.0) + 2.0, y1, 5.0)[:5]:
        room.lamp((x0 + x1) / 2, float(y), 0.5)


def _bearing(start: sc.Point, end: sc.Point) -> float:
    return math.degrees(math.atan2(-(end[0] - start[0]), end[1] - start[1]))
