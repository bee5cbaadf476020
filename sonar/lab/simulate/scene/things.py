"""Draws things into a room, part by part; every part is solid where it is drawn.

Furniture comes from ``furniture.yaml``: about the origin, facing +y, placed as a body.
"""

import math
from functools import cache
from pathlib import Path

import yaml

from sonar.lab.simulate import scenario as sc
from sonar.lab.simulate.scene.builder import Part, RoomBuilder


def draw(room: RoomBuilder, thing: sc.Thing, name: str) -> None:
    """One thing of any kind."""
    room.obstacles.append(name)
    match thing:
        case sc.Wall():
            (x0, y0), (x1, y1) = thing.start, thing.end
            length = math.hypot(x1 - x0, y1 - y0)
            x, y = (x0 + x1) / 2, (y0 + y1) / 2
            turn = math.degrees(math.atan2(y1 - y0, x1 - x0))
            low = (x - length / 2, y - thing.thick_m / 2, 0.0)
            high = (x + length / 2, y + thing.thick_m / 2, thing.height_m)
            room.box(name, low, high, thing.material, turn)
        case sc.Block():
            w, d, h = thing.size
            x, y = thing.at
            low = (x - w / 2, y - d / 2, thing.bottom_m)
            high = (x + w / 2, y + d / 2, thing.bottom_m + h)
            room.box(name, low, high, thing.material, thing.turn_deg)
        case sc.Pole():
            half = thing.height_m / 2
            at = (*thing.at, thing.bottom_m + half)
            room.round(name, "cylinder", (thing.radius_m, half), at, thing.material)
        case sc.Stairs():
            (x, y), half = thing.at, thing.width_m / 2
            for k in range(thing.steps):
                low = (x - half, y + k * thing.run_m, 0.0)
                high = (x + half, y + (k + 1) * thing.run_m, (k + 1) * thing.rise_m)
                room.box(name, low, high, thing.material)
        case sc.Parts() | sc.Furniture():
            for shape in _shapes(thing):
                x, y, z = (thing.scale * v for v in shape.at)
                size = tuple(thing.scale * v for v in shape.size)
                room.parts.append(
                    Part(name, shape.shape, (x, y, z), size, *shape[3:], body=len(room.bodies))
                )
            room.bodies.append(name)


def _shapes(thing: sc.Parts | sc.Furniture) -> tuple[sc.Shape, ...]:
    if isinstance(thing, sc.Parts):
        return thing.parts
    ridden = thing.kind == "bicycle" and thing.moves is not None
    return _furniture()[thing.kind] + (_furniture()["rider"] if ridden else ())


@cache
def _furniture() -> dict[str, tuple[sc.Shape, ...]]:
    found = yaml.safe_load(Path(__file__).with_name("furniture.yaml").read_text("utf-8"))
    return {name: tuple(sc.Shape(*shape) for shape in shapes) for name, shapes in found.items()}
