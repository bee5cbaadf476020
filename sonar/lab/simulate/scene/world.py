"""A scenario as a world: what is drawn, what is solid, who moves, where the ground ends."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from sonar.lab.simulate import scenario as sc
from sonar.lab.simulate.scene.builder import TOP_M, RoomBuilder, Vec
from sonar.lab.simulate.scene.motion import Motion
from sonar.lab.simulate.scene.things import draw

FELT_FROM_M = 0.08  # lower things are stepped on
BODY_TOP_M = 1.8
HEAD_BOTTOM_M = 1.2  # what begins higher is missed by a cane
STEP_RUN_M, STEP_DOWN_M = 0.29, 0.17


class Solid(NamedTuple):
    """A part's outline in plan, in its body's frame: a turned rectangle grown by a radius."""

    thing: str
    x_m: float
    y_m: float
    half_x_m: float
    half_y_m: float
    turn_deg: float
    radius_m: float
    low_m: float
    high_m: float
    body: int  # -1: stands in the world


@dataclass(frozen=True, slots=True)
class Gap:
    """How far a point is from a thing: metres from its surface and the unit vector away from it."""

    thing: str
    metres: float
    away: tuple[float, float]


@dataclass(slots=True)
class WorldBuilder(RoomBuilder):
    """Draws and keeps the solids of what it draws."""

    solids: list[Solid] = field(default_factory=list)
    bodies: list[tuple[str, sc.Point, float, sc.Moves | None]] = field(default_factory=list)
    _inside: bool = False

    def box(self, name: str, low: Vec, high: Vec, material: str, turn_deg: float = 0.0) -> None:
        RoomBuilder.box(self, name, low, high, material, turn_deg)
        x, y = (low[0] + high[0]) / 2, (low[1] + high[1]) / 2
        half = (high[0] - low[0]) / 2, (high[1] - low[1]) / 2
        self._keep(Solid(name, x, y, *half, turn_deg, 0.0, low[2], high[2], -1))

    def round(self, name: str, kind: str, size: str, at: Vec, material: str) -> None:
        RoomBuilder.round(self, name, kind, size, at, material)
        numbers = [float(word) for word in size.split()]
        up = {
            "sphere": numbers[0],
            "cylinder": numbers[-1],
            "capsule": numbers[0] + numbers[-1],
            "ellipsoid": numbers[-1],
        }[kind]
        across = max(numbers[:2]) if kind == "ellipsoid" else numbers[0]
        self._keep(Solid(name, at[0], at[1], 0.0, 0.0, 0.0, across, at[2] - up, at[2] + up, -1))

    @contextmanager
    def mover(
        self, name: str, at: sc.Point, moves: sc.Moves | None, turn_deg: float
    ) -> Iterator[None]:
        """Parts drawn inside are about the origin, facing +y, and belong to one body."""
        outside, self._geoms, self._inside = self._geoms, [], True
        self.bodies.append((name, at, turn_deg, moves))
        yield
        body = f"<body name={quoteattr('body ' + name)} mocap='true'>{''.join(self._geoms)}</body>"
        self._geoms, self._inside = [*outside, body], False

    def _keep(self, solid: Solid) -> None:
        if solid.thing in self.obstacles:
            body = len(self.bodies) - 1 if self._inside else -1
            self.solids.append(solid._replace(body=body))


class World:
    """A scenario that time passes in.

    Attributes:
        scenario: what it was made from.
        builder: the drawn parts.
        motions: of ``builder.bodies``, in their order.
    """

    def __init__(self, scenario: sc.Scenario) -> None:
        self.scenario = scenario
        self.builder = WorldBuilder()
        _ground(self.builder, scenario)
        counts: dict[str, int] = {}
        for thing in scenario.things:
            counts[thing.kind] = counts.get(thing.kind, 0) + 1
            draw(self.builder, thing, f"{thing.kind.replace('_', ' ')} {counts[thing.kind]}")
        _lamps(self.builder, scenario)
        solids = self.builder.solids
        self._things = np.array([s.thing for s in solids] or [""])
        values = np.array([list(s[1:-1]) for s in solids] or [[0.0] * 8], float)
        self._local = values[:, 0:2]
        self._half, self._radius = values[:, 2:4], values[:, 5]
        self._turn = np.radians(values[:, 4])
        self._span = values[:, 6:8]
        self._body = np.array([s.body for s in solids] or [-1])
        self.reset()

    def reset(self) -> None:
        """Everybody back to where they started."""
        self.t = 0.0
        self.motions = [
            Motion(name, at, turn, moves) for name, at, turn, moves in self.builder.bodies
        ]

    def step(self, dt_s: float, x_m: float, y_m: float) -> None:
        """Let time pass, with the walker at a place. Nobody walks into who is in the way."""
        self.t += dt_s
        for motion in self.motions:
            motion.step(dt_s, x_m, y_m)

    def gaps(self, x_m: float, y_m: float, reach_m: float) -> list[Gap]:
        """Things of body height within ``reach_m`` of an upright line, nearest first."""
        centre, turn = self._placed()
        dx, dy = x_m - centre[:, 0], y_m - centre[:, 1]
        cos, sin = np.cos(turn), np.sin(turn)
        local = np.stack([cos * dx + sin * dy, cos * dy - sin * dx], axis=1)
        inside = np.clip(local, -self._half, self._half)
        off = local - inside
        far = np.hypot(off[:, 0], off[:, 1])
        metres = far - self._radius
        felt = (self._span[:, 1] > FELT_FROM_M) & (self._span[:, 0] < BODY_TOP_M)
        found: dict[str, Gap] = {}
        for k in np.argsort(metres):
            if metres[k] > reach_m:
                break
            thing = str(self._things[k])
            if not felt[k] or thing in found or not thing:
                continue
            if far[k] > 1e-9:
                ux, uy = off[k] / far[k]
            else:  # inside a rectangle: out by the nearest side
                room = self._half[k] - np.abs(local[k])
                axis = int(np.argmin(room))
                side = math.copysign(1.0, float(local[k][axis]))
                ux, uy = (side, 0.0) if axis == 0 else (0.0, side)
            away = (float(cos[k] * ux - sin[k] * uy), float(sin[k] * ux + cos[k] * uy))
            found[thing] = Gap(thing, float(metres[k]), away)
        return list(found.values())

    def drop_at(self, x_m: float, y_m: float) -> float:
        """How much lower the ground is at a place, in metres; 0 on the level."""
        for drop in self.scenario.drops:
            x0, y0, x1, y1 = drop.area
            if x0 <= x_m <= x1 and y0 <= y_m <= y1:
                if not drop.steps:
                    return drop.depth_m
                return min(STEP_DOWN_M * (1 + int((y_m - y0) / STEP_RUN_M)), drop.depth_m)
        return 0.0

    def kind_of(self, thing: str) -> str:
        """Kind of truth event: person, head (nothing of it below head height) or obstacle."""
        spans = self._span[self._things == thing]
        if thing.startswith("person") or (thing.startswith("bicycle") and self._rides(thing)):
            return "person"
        return "head" if spans.size and spans[:, 0].min() >= HEAD_BOTTOM_M else "obstacle"

    def _rides(self, thing: str) -> bool:
        return any(b[0] == thing and b[3] is not None for b in self.builder.bodies)

    def _placed(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centres (N, 2) and turns (N,) in the world, now."""
        centre, turn = self._local.copy(), self._turn.copy()
        for number, motion in enumerate(self.motions):
            own = self._body == number
            angle = math.radians(motion.turn_deg)
            cos, sin = math.cos(angle), math.sin(angle)
            x, y = self._local[own, 0], self._local[own, 1]
            centre[own, 0] = motion.x_m + cos * x - sin * y
            centre[own, 1] = motion.y_m + sin * x + cos * y
            turn[own] += angle
        return centre, turn


def _ground(world: WorldBuilder, scenario: sc.Scenario) -> None:
    """The floor as tiles around the drops, the lower levels, the ceiling."""
    ground = scenario.ground
    x0, y0, x1, y1 = ground.area
    xs = sorted({x0, x1, *(v for d in scenario.drops for v in (d.area[0], d.area[2]))})
    ys = sorted({y0, y1, *(v for d in scenario.drops for v in (d.area[1], d.area[3]))})
    for xa, xb in pairwise(xs):
        for ya, yb in pairwise(ys):
            mid = ((xa + xb) / 2, (ya + yb) / 2)
            if any(
                d.area[0] <= mid[0] <= d.area[2] and d.area[1] <= mid[1] <= d.area[3]
                for d in scenario.drops
            ):
                continue
            world.box("floor", (xa, ya, -0.12), (xb, yb, 0.0), ground.material)
    for drop in scenario.drops:
        _lower(world, drop)
    if ground.ceiling_m is not None:
        top = ground.ceiling_m
        world.box("ceiling", (x0, y0, top), (x1, y1, top + 0.1), "ceiling")


def _lower(world: WorldBuilder, drop: sc.Drop) -> None:
    x0, y0, x1, y1 = drop.area
    down = drop.depth_m
    y = y0
    for k in range(drop.steps):
        tread = STEP_DOWN_M * (k + 1)
        if y + STEP_RUN_M > y1 or tread >= down:
            break
        world.box("below", (x0, y, -tread - 0.2), (x1, y + STEP_RUN_M, -tread), drop.material)
        y += STEP_RUN_M
    world.box("below", (x0, y, -down - 0.1), (x1, y1, -down), drop.material)
    for low, high in (  # the sides: without them one looks into nothing
        ((x0 - 0.1, y0, -down), (x0, y1, 0.0)),
        ((x1, y0, -down), (x1 + 0.1, y1, 0.0)),
        ((x0, y1, -down), (x1, y1 + 0.1, 0.0)),
    ):
        world.box("below", low, high, drop.material)


def _lamps(world: WorldBuilder, scenario: sc.Scenario) -> None:
    if scenario.ground.ceiling_m is None or scenario.ground.ceiling_m > TOP_M + 0.2:
        return
    x0, y0, x1, y1 = scenario.ground.area
    for y in np.arange(max(y0, -2.0) + 2.0, y1, 5.0)[:5]:
        world.lamp((x0 + x1) / 2, float(y), 0.5, shadow=False)
