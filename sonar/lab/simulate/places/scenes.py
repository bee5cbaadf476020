"""Random places to walk in: rooms, corridors, streets with curbs, stairs, edges to fall over.

Every scene of a seed is the same. x to the right, y ahead, z up, meters; the walker starts near
y = 0. The layouts are never those of the shipped scenarios, which measure what was trained here.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from sonar.lab.simulate.scenario import Scenario
from sonar.lab.simulate.scene.builder import MATERIALS

Kind = Literal["room", "corridor", "street", "stairs_down", "stairs_up", "drop"]
KINDS: tuple[Kind, ...] = ("room", "corridor", "street", "stairs_down", "stairs_up", "drop")
SHARES = (0.30, 0.20, 0.20, 0.11, 0.06, 0.13)
_SOLID = tuple(name for name in MATERIALS if name not in ("oak floor", "tiles", "wallpaper"))
_GROUNDS = ("oak floor", "tiles", "grey cloth", "end wall", "concrete", "paving")
_WALLS = ("wallpaper", "end wall", "ceiling", "books", "concrete", "brick")

Thing = dict[str, Any]


@dataclass(slots=True)
class PlaceScene:
    """What is rendered.

    Attributes:
        half_m, length_m: the walker is between -half and half, up to ``length_m`` ahead.
        edge_m: where stairs or an edge begin, else None.
        things, drops: as in a scenario file.
    """

    kind: Kind
    half_m: float
    length_m: float
    edge_m: float | None = None
    ground: str = "paving"
    ceiling_m: float | None = None
    things: list[Thing] = field(default_factory=list)
    drops: list[Thing] = field(default_factory=list)

    def scenario(self) -> Scenario:
        """As a scenario, whose walk does not matter."""
        wide = 30.0 if self.kind == "street" else self.half_m
        area = (-wide, -4.0, wide, self.length_m)
        return Scenario.model_validate(
            {
                "schema": "sonar.scenario/1",
                "about": self.kind,
                "light": "day" if self.ceiling_m is None else "indoor",
                "ground": {"area": area, "material": self.ground, "ceiling_m": self.ceiling_m},
                "things": self.things,
                "drops": self.drops,
                "walk": {"route": [(0.0, 1.0)]},
            }
        )


def make_scene(rng: np.random.Generator, kind: Kind | None = None) -> PlaceScene:
    """One scene; without ``kind`` a random one."""
    if kind is None:
        kind = KINDS[int(rng.choice(len(KINDS), p=SHARES))]
    return _street(rng) if kind == "street" else _indoors(rng, kind)


def _indoors(rng: np.random.Generator, kind: Kind) -> PlaceScene:
    """A room, a corridor, a flight of stairs, or a hall with a platform's edge or a hatch."""
    low, high = {"room": (1.4, 4.5), "drop": (1.3, 6.0)}.get(kind, (0.6, 1.5))
    half, top = rng.uniform(low, high), rng.uniform(2.3, 3.4)
    low, high = {"room": (3.5, 11.0), "drop": (8.0, 16.0)}.get(kind, (5.0, 20.0))
    scene = PlaceScene(kind, half, rng.uniform(low, high), ground=str(rng.choice(_GROUNDS)))
    end = scene.length_m
    if kind not in ("room", "corridor"):
        end = scene.edge_m = rng.uniform(1.6, 5.0)
        _edge(rng, scene, end)
    wall = {"kind": "wall", "material": str(rng.choice(_WALLS)), "height_m": top}
    if kind == "stairs_up":
        wall["height_m"] = top = top + 4.0
    for side in (-1, 1):
        x = side * (half + 0.075)
        scene.things.append({**wall, "start": (x, -4.0), "end": (x, scene.length_m)})
        _openings(rng, scene, side * half, -side, -2.0, end)
    for y in (-3.9, scene.length_m):
        scene.things.append({**wall, "start": (-half, y), "end": (half, y)})
    if rng.random() < 0.85 or kind in ("room", "corridor"):
        scene.ceiling_m = top
    for _ in range(int(rng.integers(3, 11) if kind == "room" else rng.integers(0, 4))):
        _furniture(rng, scene, rng.uniform(0.6, max(end - 0.6, 1.0)))
    if rng.random() < 0.25:  # a bar, a shelf or a sign with nothing under it
        at = (rng.uniform(-half / 2, half / 2), rng.uniform(1.0, max(1.2, end - 0.5)))
        size = (rng.uniform(0.4, 2 * half), rng.uniform(0.04, 0.4), rng.uniform(0.04, 0.3))
        _box(rng, scene, at, size, bottom_m=rng.uniform(1.3, 1.9))
    return scene


def _edge(rng: np.random.Generator, scene: PlaceScene, edge: float) -> None:
    """Stairs up or down across the whole width, a platform's edge, or a hatch."""
    half = scene.half_m
    steps = int(rng.integers(3, 15))
    step = {"rise_m": rng.uniform(0.14, 0.20), "run_m": rng.uniform(0.25, 0.34)}
    material = scene.ground if rng.random() < 0.6 else str(rng.choice(_SOLID))
    if scene.kind == "stairs_up":
        stairs = {"at": (0.0, edge), "width_m": 2 * half, "steps": steps, "material": material}
        scene.things.append({"kind": "stairs", **stairs, **step})
        scene.length_m = edge + steps * step["run_m"]
        return
    if scene.kind == "stairs_down":
        scene.length_m = edge + rng.uniform(4.5, 7.0)
    area, depth_m = [-half, edge, half, scene.length_m], rng.uniform(0.3, 2.2)
    if scene.kind == "stairs_down":
        depth_m = step["rise_m"] * (steps + 1)
    elif rng.random() < 0.4:  # a hatch: one can walk round it
        width = rng.uniform(0.6, min(2.0, 1.6 * half))
        left = rng.uniform(-half, half - width)
        area = [left, edge, left + width, edge + rng.uniform(0.6, 2.0)]
    drop = {"area": area, "depth_m": depth_m, "material": material}
    if scene.kind == "stairs_down":
        drop |= {"steps": steps, **step}
    scene.drops.append(drop)


def _street(rng: np.random.Generator) -> PlaceScene:
    """A sidewalk with a curb, a road beside it, house fronts, and at times a side road."""
    half, far = rng.uniform(0.9, 2.5), rng.uniform(18.0, 34.0)
    side, curb = int(rng.choice([-1, 1])), rng.uniform(0.06, 0.18)  # the side of the road
    scene = PlaceScene("street", half, far, ground=str(rng.choice(["tiles", "paving", "concrete"])))
    road = side * half, side * (half + rng.uniform(4, 9))
    a, b = sorted(road)
    scene.drops.append({"area": (a, -4.0, b, far), "depth_m": curb, "material": "asphalt"})
    cut = far
    if rng.random() < 0.45:
        cut = scene.edge_m = rng.uniform(4.0, 12.0)
        a, b = sorted((side * half, -side * (half + 6)))
        scene.drops.append({"area": (a, cut, b, cut + 5), "depth_m": curb, "material": "asphalt"})
    for x, sign in ((-side * half, -side), (road[1] + side * 3, side)):
        y = -4.0
        while y < far and rng.random() < 0.95:
            end = y + rng.uniform(3.0, 9.0)
            if not (end > cut and y < cut + 5):
                high = rng.uniform(2.5, 9.0) if rng.random() < 0.85 else rng.uniform(0.5, 1.6)
                _box(rng, scene, (x + sign, (y + end) / 2), (2.0, end - y, high))
                _openings(rng, scene, x, -sign, y, end)
            y = end + (rng.uniform(0.0, 2.0) if rng.random() < 0.2 else 0.0)
    for _ in range(int(rng.integers(2, 9))):
        _street_thing(rng, scene)
    for _ in range(int(rng.integers(0, 4))):
        _add(rng, scene, "car", (side * (half + rng.uniform(1.3, 2.0)), rng.uniform(2.0, far)))
    return scene


def _street_thing(rng: np.random.Generator, scene: PlaceScene) -> None:
    at = rng.uniform(-scene.half_m, scene.half_m), rng.uniform(1.2, 15.0)
    pick = rng.random()
    if pick < 0.3:  # a post, a lamp post
        high = rng.choice([rng.uniform(0.7, 1.2), rng.uniform(2.2, 4.0)])
        pole = {"kind": "pole", "at": at, "radius_m": rng.uniform(0.03, 0.12), "height_m": high}
        scene.things.append(pole)
    elif pick < 0.6:  # a bin, a box, a low wall
        size = rng.uniform(0.2, 0.6), rng.uniform(0.2, 0.8), rng.uniform(0.3, 1.3)
        _box(rng, scene, at, size, turn_deg=rng.uniform(-30, 30))
    else:
        _add(rng, scene, str(rng.choice(["bench", "bicycle", "person", "tree"])), at)


def _furniture(rng: np.random.Generator, scene: PlaceScene, y: float) -> None:
    """One piece of furniture, at a wall more often than in the way."""
    half, at_wall = scene.half_m, rng.random() < 0.6
    near_wall = rng.choice([-1, 1]) * (half - rng.uniform(0.2, 0.5))
    at = (near_wall if at_wall else rng.uniform(-half, half), y)
    if rng.random() < 0.4:  # a cabinet, a shelf, a box, a pillar
        size = rng.uniform(0.2, 1.2), rng.uniform(0.2, 0.7), rng.uniform(0.2, 2.2)
        _box(rng, scene, at, size, turn_deg=0.0 if at_wall else rng.uniform(-45, 45))
        return
    kinds = ("chair", "chair", "table", "table", "bench", "person", "plant", "hanging_plant")
    _add(rng, scene, str(rng.choice(kinds)), at)


def _openings(
    rng: np.random.Generator, scene: PlaceScene, x: float, sign: int, start: float, end: float
) -> None:
    """Doors, windows and pictures on a wall at ``x``, on its side ``sign``."""
    y = start + rng.uniform(0.5, 2.0)
    while y < end - 1.2:
        width, thick = rng.uniform(0.5, 1.4), rng.uniform(0.03, 0.1)
        door = rng.random() < 0.4
        size = (thick, width, 2.05 if door else rng.uniform(0.3, 1.2))
        at = (x + sign * thick / 2, y + width / 2)
        thing = {"kind": "box", "at": at, "size": size, "bottom_m": 0.0 if door else 1.0}
        material = "door" if door else str(rng.choice(["painting", "steel", "hair"]))
        scene.things.append({**thing, "material": material})
        y += width + rng.uniform(0.4, 2.5)


def _box(
    rng: np.random.Generator,
    scene: PlaceScene,
    at: tuple[float, float],
    size: tuple[float, float, float],
    **more: float,
) -> None:
    box = {"kind": "box", "at": at, "size": size, "material": str(rng.choice(_SOLID))}
    scene.things.append(box | more)


def _add(rng: np.random.Generator, scene: PlaceScene, kind: str, at: tuple[float, float]) -> None:
    turn_deg = 0.0 if kind == "car" else rng.uniform(-180, 180)
    thing = {"kind": kind, "at": at, "turn_deg": turn_deg, "scale": rng.uniform(0.85, 1.1)}
    scene.things.append(thing)
