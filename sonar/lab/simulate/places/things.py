"""What stands in a made-up place: furniture, people, cars, posts, things at head height.

Built from the parts of the demo's hallway (:class:`sonar.lab.simulate.scene.builder.RoomBuilder`).
"""

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from sonar.lab.simulate.scene.builder import MATERIALS, RoomBuilder, Vec

Kind = Literal["room", "corridor", "street", "stairs_down", "stairs_up", "drop"]
KINDS: tuple[Kind, ...] = ("room", "corridor", "street", "stairs_down", "stairs_up", "drop")
SOLID = tuple(name for name in MATERIALS if name not in ("oak floor", "tiles", "wallpaper"))


@dataclass(slots=True)
class PlaceScene:
    """What is rendered.

    Attributes:
        room: its parts.
        kind: which of :data:`KINDS`.
        free: (x0, y0, x1, y1) where a camera may be.
        outdoors: there is sky.
        sun: its light, as MuJoCo's XML.
        solid: (low, high) corners of what a camera must not be inside.
    """

    room: RoomBuilder
    kind: Kind
    free: tuple[float, float, float, float]
    outdoors: bool = False
    sun: str = ""
    solid: list[tuple[Vec, Vec]] = field(default_factory=list)

    def block(self, name: str, low: Vec, high: Vec, material: str, turn_deg: float = 0.0) -> None:
        """A box that a camera must keep out of."""
        self.room.box(name, low, high, material, turn_deg)
        self.solid.append((low, high))


def street_thing(rng: np.random.Generator, scene: PlaceScene, half: float, far: float) -> None:
    """Something that stands on a pavement: within ``half`` m of its middle, ``far`` m ahead."""
    x, y = rng.uniform(-half, half), rng.uniform(1.2, min(far, 15.0))
    pick = rng.random()
    if pick < 0.3:  # a post, a lamp post, a sign
        high = rng.choice([rng.uniform(0.7, 1.2), rng.uniform(2.2, 4.0)])
        radius = rng.uniform(0.03, 0.12)
        at = (x, y, high / 2)
        scene.room.round("post", "cylinder", f"{radius:.3f} {high / 2:.3f}", at, "steel")
        if high > 2 and rng.random() < 0.6:
            w, low = rng.uniform(0.2, 0.45), rng.uniform(1.5, high - 0.5)
            scene.block("sign", (x - w, y - 0.03, low), (x + w, y, low + 0.5), "red cloth")
    elif pick < 0.5:  # a tree
        radius = rng.uniform(0.08, 0.25)
        scene.room.round("tree", "cylinder", f"{radius:.3f} 1.5", (x, y, 1.5), "walnut")
        for _ in range(12):
            at = (x + rng.normal(0, 0.7), y + rng.normal(0, 0.7), rng.uniform(1.7, 4.0))
            size = " ".join(f"{v:.2f}" for v in rng.uniform(0.25, 0.8, 3))
            scene.room.round("tree", "ellipsoid", size, at, "leaves")
    elif pick < 0.75:  # a bin, a box, a low wall
        w, d, h = rng.uniform(0.2, 0.6), rng.uniform(0.2, 0.8), rng.uniform(0.3, 1.3)
        low, high_ = (x - w / 2, y - d / 2, 0.0), (x + w / 2, y + d / 2, h)
        scene.block("box", low, high_, str(rng.choice(SOLID)), rng.uniform(-30, 30))
    else:  # a bench
        scene.block("bench", (x - 0.7, y - 0.2, 0.4), (x + 0.7, y + 0.2, 0.46), "oak")
        for dx in (-0.6, 0.55):
            scene.room.box("bench", (x + dx, y - 0.18, 0), (x + dx + 0.05, y + 0.18, 0.4), "oak")


def car(rng: np.random.Generator, scene: PlaceScene, x: float, y: float, z: float) -> None:
    """A car along the way, its rear at (x, y), on ground at height ``z``; metres."""
    paint = str(rng.choice(["red cloth", "blue cloth", "steel", "white wood", "hair"]))
    scene.block("car", (x - 0.85, y, z + 0.25), (x + 0.85, y + 4.2, z + 0.85), paint)
    scene.block("car", (x - 0.75, y + 0.9, z + 0.85), (x + 0.75, y + 3.6, z + 1.4), "painting")
    scene.room.box("car", (x - 0.7, y + 1.0, z + 1.4), (x + 0.7, y + 3.4, z + 1.45), paint)
    for dy in (0.8, 3.3):
        for dx in (-0.75, 0.75):
            scene.room.round("car", "sphere", "0.32", (x + dx, y + dy, z + 0.32), "hair")


def thing(rng: np.random.Generator, scene: PlaceScene, half: float, end: float) -> None:
    """One piece of furniture, at a wall more often than in the way."""
    y = rng.uniform(0.6, end)
    at_wall = rng.random() < 0.6
    x = (
        rng.choice([-1, 1]) * (half - rng.uniform(0.2, 0.5))
        if at_wall
        else rng.uniform(-half, half)
    )
    material = str(rng.choice(SOLID))
    pick = rng.random()
    if pick < 0.25:  # cabinet, shelf, box
        w, d = rng.uniform(0.3, 1.2), rng.uniform(0.25, 0.7)
        h = rng.uniform(0.2, 2.2)
        a, b = max(x - w / 2, -half), min(x + w / 2, half)
        turn = 0.0 if at_wall else rng.uniform(-45, 45)
        scene.block("cabinet", (a, y - d / 2, 0.0), (b, y + d / 2, h), material, turn)
        if h < 1.2 and rng.random() < 0.6:
            at = ((a + b) / 2, y, h + 0.12)
            scene.room.round("cabinet", "ellipsoid", "0.1 0.09 0.12", at, str(rng.choice(SOLID)))
    elif pick < 0.5:
        _chair(rng, scene, x, y, material)
    elif pick < 0.68:
        _table(rng, scene, x, y, material)
    elif pick < 0.8:
        person(rng, scene, x, y)
    elif pick < 0.9:  # sofa
        w, h = rng.uniform(1.2, 2.2), rng.uniform(0.38, 0.46)
        a, b = max(x - w / 2, -half), min(x + w / 2, half)
        scene.block("sofa", (a, y, 0.08), (b, y + 0.8, h), material)
        scene.block("sofa", (a, y + 0.65, h), (b, y + 0.85, h + 0.45), material)
        for c in (a, b - 0.15):
            scene.room.box("sofa", (c, y, h), (c + 0.15, y + 0.8, h + 0.18), material)
    else:  # pillar, plant, bin
        radius, high = rng.uniform(0.1, 0.3), rng.uniform(0.25, 2.6)
        at = (x, y, high / 2)
        scene.room.round("pillar", "cylinder", f"{radius:.2f} {high / 2:.2f}", at, material)
        scene.solid.append(((x - radius, y - radius, 0.0), (x + radius, y + radius, high)))
        if high < 0.6:
            for _ in range(6):
                top = (x + rng.normal(0, 0.12), y + rng.normal(0, 0.12), high + rng.uniform(0, 0.7))
                scene.room.round("plant", "ellipsoid", "0.08 0.08 0.2", top, "leaves")


def _chair(rng: np.random.Generator, scene: PlaceScene, x: float, y: float, cloth: str) -> None:
    w, h = rng.uniform(0.19, 0.26), rng.uniform(0.40, 0.5)
    back = rng.choice([-1, 1])
    scene.block("chair", (x - w, y - w, h), (x + w, y + w, h + 0.06), cloth)
    a, b = sorted((y + back * w, y + back * (w - 0.05)))
    scene.block("chair", (x - w, a, h), (x + w, b, h + rng.uniform(0.3, 0.55)), cloth)
    if rng.random() < 0.3:  # on one column, as at a desk
        scene.room.round("chair", "cylinder", f"0.03 {h / 2:.2f}", (x, y, h / 2), "steel")
        for k in range(5):
            at = (x + 0.2 * math.cos(k * 1.257), y + 0.2 * math.sin(k * 1.257), 0.05)
            scene.room.round("chair", "sphere", "0.045", at, "hair")
        return
    for dx in (-w, w - 0.04):
        for dy in (-w, w - 0.04):
            leg = (x + dx, y + dy, 0.0), (x + dx + 0.04, y + dy + 0.04, h)
            scene.room.box("chair", *leg, "oak")


def _table(rng: np.random.Generator, scene: PlaceScene, x: float, y: float, wood: str) -> None:
    w, d, h = rng.uniform(0.3, 0.9), rng.uniform(0.25, 0.5), rng.uniform(0.4, 1.05)
    scene.block("table", (x - w, y - d, h), (x + w, y + d, h + 0.04), wood)
    for dx in (-w, w - 0.05):
        for dy in (-d, d - 0.05):
            leg = (x + dx, y + dy, 0.0), (x + dx + 0.05, y + dy + 0.05, h)
            scene.room.box("table", *leg, wood)
    if rng.random() < 0.5:
        a = x + rng.uniform(-w, w - 0.3)
        top = (a, y - 0.1, h + 0.04), (a + rng.uniform(0.15, 0.5), y + 0.1, h + 0.4)
        scene.block("table", *top, str(rng.choice(SOLID)))


def head_height(
    rng: np.random.Generator, scene: PlaceScene, half: float, edge: float, top: float
) -> None:
    """A bar, a shelf or a sign between 1.3 and 2 m, with nothing under it."""
    y, z = rng.uniform(1.0, max(1.2, edge - 0.5)), rng.uniform(1.3, 1.9)
    thick = rng.uniform(0.04, 0.3)
    a = -half if rng.random() < 0.5 else rng.uniform(-half, 0)
    b = half if rng.random() < 0.5 else rng.uniform(0, half)
    name = str(rng.choice(SOLID))
    scene.block("bar", (a, y, z), (b, y + rng.uniform(0.04, 0.4), min(z + thick, top)), name)


def person(rng: np.random.Generator, scene: PlaceScene, x: float, y: float) -> None:
    """Somebody of some height and colours at (x, y); metres."""
    part, s = scene.room.round, rng.uniform(0.85, 1.08)
    coat, legs = (str(v) for v in rng.choice(["red cloth", "blue cloth", "grey cloth", "hair"], 2))
    stride = rng.uniform(0, 0.2)
    for dx, dy in ((-0.09, stride), (0.09, -stride)):
        part("person", "capsule", f"0.075 {0.36 * s:.3f}", (x + dx, y + dy, 0.46 * s), legs)
        scene.room.box(
            "person",
            (x + dx - 0.05, y + dy - 0.17, 0),
            (x + dx + 0.05, y + dy + 0.09, 0.08),
            "hair",
        )
    part("person", "ellipsoid", "0.19 0.12 0.16", (x, y, 0.90 * s), legs)
    part("person", "ellipsoid", f"0.21 0.13 {0.34 * s:.3f}", (x, y, 1.18 * s), coat)
    for dx in (-0.25, 0.25):
        part("person", "capsule", f"0.05 {0.24 * s:.3f}", (x + dx, y, 1.12 * s), coat)
    part("person", "cylinder", "0.055 0.06", (x, y, 1.50 * s), "skin")
    part("person", "ellipsoid", "0.085 0.10 0.125", (x, y, 1.64 * s), "skin")
    part("person", "ellipsoid", "0.092 0.105 0.10", (x, y + 0.025, 1.69 * s), "hair")
    scene.solid.append(((x - 0.3, y - 0.25, 0.0), (x + 0.3, y + 0.25, 1.9)))
