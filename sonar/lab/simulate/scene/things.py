"""Draws a scenario's things into a world, part by part; every part is solid where it is drawn."""

import math
from typing import TYPE_CHECKING

import numpy as np

from sonar.lab.simulate import scenario as sc

if TYPE_CHECKING:
    from sonar.lab.simulate.scene.world import WorldBuilder

Plan = tuple[float, float]


def draw(world: "WorldBuilder", thing: sc.Thing, name: str) -> None:
    """One thing of any kind."""
    world.thing(name)
    match thing:
        case sc.Wall():
            _wall(world, name, thing)
        case sc.Block():
            w, d, h = thing.size
            x, y = thing.at
            low = (x - w / 2, y - d / 2, thing.bottom_m)
            high = (x + w / 2, y + d / 2, thing.bottom_m + h)
            world.box(name, low, high, thing.material, thing.turn_deg)
        case sc.Pole():
            half = thing.height_m / 2
            at = (*thing.at, thing.bottom_m + half)
            world.round(name, "cylinder", f"{thing.radius_m} {half}", at, thing.material)
        case sc.Tree():
            _tree(world, name, thing)
        case sc.Doorway():
            _doorway(world, name, thing)
        case sc.Clutter():
            _clutter(world, name, thing)
        case sc.Person():
            with world.mover(name, thing.at, thing.moves, 0.0):
                _person(world, name)
        case sc.Bicycle():
            with world.mover(name, thing.at, thing.moves, thing.turn_deg):
                _bicycle(world, name, ridden=thing.moves is not None)
        case sc.Furniture():
            with world.mover(name, thing.at, None, thing.turn_deg):
                _FURNITURE[thing.kind](world, name)


def _wall(world: "WorldBuilder", name: str, wall: sc.Wall) -> None:
    (x0, y0), (x1, y1) = wall.start, wall.end
    length = math.hypot(x1 - x0, y1 - y0)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    turn = math.degrees(math.atan2(y1 - y0, x1 - x0))
    low = (x - length / 2, y - wall.thick_m / 2, 0.0)
    high = (x + length / 2, y + wall.thick_m / 2, wall.height_m)
    world.box(name, low, high, wall.material, turn)


def _doorway(world: "WorldBuilder", name: str, door: sc.Doorway) -> None:
    (x0, y), (x1, _) = door.start, door.end
    left, right = door.at[0] - door.width_m / 2, door.at[0] + door.width_m / 2
    for a, b in ((x0, left), (right, x1)):
        if b - a > 0.01:
            world.box(name, (a, y - 0.07, 0.0), (b, y + 0.07, 2.6), door.material)
    world.box(name, (left, y - 0.07, door.height_m), (right, y + 0.07, 2.6), door.material)
    for x in (left, right):
        world.box(name, (x - 0.04, y - 0.09, 0.0), (x + 0.04, y + 0.09, door.height_m), "oak")


def _tree(world: "WorldBuilder", name: str, tree: sc.Tree) -> None:
    x, y = tree.at
    world.round(name, "cylinder", "0.16 1.9", (x, y, 1.9), "bark")
    rng = np.random.default_rng(5)
    dx, dy = tree.branch
    for k in range(12):
        part = (k + 1) / 12
        spread = rng.normal(0.0, 0.10, 2)
        at = (x + dx * part + spread[0], y + dy * part + spread[1])
        z = tree.low_m + 0.16 + float(rng.uniform(0.0, 0.35)) + 0.25 * (1 - part)
        world.round(name, "ellipsoid", "0.17 0.15 0.16", (*at, z), "leaves")
    for k in range(14):
        angle = 2 * math.pi * k / 14
        at = (x + 0.8 * math.cos(angle), y + 0.8 * math.sin(angle))
        world.round(name, "ellipsoid", "0.5 0.5 0.4", (*at, 3.2 + 0.3 * (k % 2)), "leaves")


def _clutter(world: "WorldBuilder", name: str, clutter: sc.Clutter) -> None:
    rng = np.random.default_rng(clutter.seed)
    x0, y0, x1, y1 = clutter.area
    for _ in range(clutter.count):
        x, y = float(rng.uniform(x0, x1)), float(rng.uniform(y0, y1))
        w, d, h = (float(v) for v in rng.uniform((0.25, 0.25, 0.2), (0.6, 0.5, 1.1)))
        material = str(rng.choice(["carton", "red cloth", "walnut", "white wood"]))
        turn = float(rng.uniform(0.0, 90.0))
        low, high = (x - w / 2, y - d / 2, 0.0), (x + w / 2, y + d / 2, h)
        world.box(name, low, high, material, turn)


# --- what has a place and a direction: drawn about the origin, facing +y -----------------------


def _person(world: "WorldBuilder", name: str) -> None:
    for dx in (-0.09, 0.09):
        world.round(name, "capsule", "0.075 0.36", (dx, 0.0, 0.46), "grey cloth")
        world.box(name, (dx - 0.05, -0.09, 0.0), (dx + 0.05, 0.17, 0.08), "hair")
    world.round(name, "ellipsoid", "0.19 0.12 0.16", (0.0, 0.0, 0.90), "grey cloth")
    world.round(name, "ellipsoid", "0.21 0.13 0.34", (0.0, 0.0, 1.18), "red cloth")
    for dx in (-0.25, 0.25):
        world.round(name, "capsule", "0.05 0.24", (dx, 0.0, 1.12), "red cloth")
        world.round(name, "sphere", "0.048", (dx, 0.0, 0.80), "skin")
    world.round(name, "cylinder", "0.055 0.06", (0.0, 0.0, 1.50), "skin")
    world.round(name, "ellipsoid", "0.085 0.10 0.125", (0.0, 0.0, 1.64), "skin")
    world.round(name, "ellipsoid", "0.092 0.105 0.10", (0.0, -0.025, 1.69), "hair")


def _bicycle(world: "WorldBuilder", name: str, *, ridden: bool) -> None:
    for dy in (-0.52, 0.52):
        for k in range(10):
            angle = 2 * math.pi * k / 10
            at = (0.0, dy + 0.31 * math.cos(angle), 0.33 + 0.31 * math.sin(angle))
            world.round(name, "sphere", "0.055", at, "hair")
    world.box(name, (-0.02, -0.5, 0.5), (0.02, 0.5, 0.56), "car paint")
    world.box(name, (-0.02, -0.25, 0.3), (0.02, -0.2, 0.95), "car paint")
    world.box(name, (-0.02, 0.4, 0.33), (0.02, 0.45, 1.05), "car paint")
    world.box(name, (-0.28, 0.36, 1.03), (0.28, 0.41, 1.08), "steel")
    world.box(name, (-0.08, -0.36, 0.95), (0.08, -0.1, 1.02), "hair")
    if ridden:
        for dx in (-0.13, 0.13):
            world.round(name, "capsule", "0.075 0.3", (dx, 0.0, 0.65), "grey cloth")
        world.round(name, "ellipsoid", "0.21 0.15 0.36", (0.0, -0.1, 1.28), "blue cloth")
        world.round(name, "sphere", "0.12", (0.0, 0.02, 1.72), "skin")


def _table(world: "WorldBuilder", name: str) -> None:
    world.box(name, (-0.6, -0.4, 0.70), (0.6, 0.4, 0.76), "oak")
    for x in (-0.55, 0.48):
        for y in (-0.35, 0.28):
            world.box(name, (x, y, 0.0), (x + 0.07, y + 0.07, 0.70), "oak")


def _chair(world: "WorldBuilder", name: str) -> None:
    world.box(name, (-0.23, -0.23, 0.43), (0.23, 0.23, 0.49), "blue cloth")
    world.box(name, (-0.23, 0.19, 0.49), (0.23, 0.23, 0.95), "oak")
    for x in (-0.22, 0.17):
        for y in (-0.22, 0.17):
            world.box(name, (x, y, 0.0), (x + 0.05, y + 0.05, 0.43), "oak")


def _bench(world: "WorldBuilder", name: str) -> None:
    world.box(name, (-0.8, -0.22, 0.38), (0.8, 0.22, 0.46), "walnut")
    world.box(name, (-0.8, 0.18, 0.5), (0.8, 0.22, 0.9), "walnut")
    for x in (-0.7, 0.62):
        world.box(name, (x, -0.2, 0.0), (x + 0.08, 0.2, 0.38), "steel")


def _plant(world: "WorldBuilder", name: str) -> None:
    world.round(name, "cylinder", "0.17 0.2", (0.0, 0.0, 0.2), "terracotta")
    for k in range(9):
        angle = 2 * math.pi * k / 9
        at = (0.12 * math.cos(angle), 0.12 * math.sin(angle), 0.7 + 0.1 * (k % 3))
        world.round(name, "ellipsoid", "0.09 0.09 0.3", at, "leaves")


def _hanging_plant(world: "WorldBuilder", name: str) -> None:
    world.round(name, "cylinder", "0.14 0.1", (0.0, 0.0, 1.5), "terracotta")
    for k in range(12):
        angle = 2 * math.pi * k / 12
        at = (0.17 * math.cos(angle), 0.17 * math.sin(angle), 1.6 + 0.07 * (k % 3))
        world.round(name, "ellipsoid", "0.09 0.09 0.15", at, "leaves")
    world.round(name, "cylinder", "0.01 0.4", (0.0, 0.0, 2.1), "steel")


def _car(world: "WorldBuilder", name: str) -> None:
    world.box(name, (-0.85, -2.0, 0.2), (0.85, 2.0, 0.85), "car paint")
    world.box(name, (-0.75, -1.2, 0.85), (0.75, 1.0, 1.42), "steel")
    for x in (-0.8, 0.8):
        for y in (-1.25, 1.25):
            world.round(name, "sphere", "0.3", (x * 0.95, y, 0.3), "hair")


_FURNITURE = {
    "table": _table,
    "chair": _chair,
    "bench": _bench,
    "plant": _plant,
    "hanging_plant": _hanging_plant,
    "car": _car,
}
