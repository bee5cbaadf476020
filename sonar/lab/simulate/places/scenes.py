"""Made-up places to walk in: rooms, corridors, streets with kerbs, stairs, edges to fall over.

Every scene of a seed is the same. x to the right, y ahead, z up, metres; the walker starts near
y = 0. Names of parts say what the ground is: ``floor`` can be walked on, ``stairs`` are stairs, all
else is not for walking: it stands in the way, or lies below an edge.
"""

import numpy as np

from sonar.lab.simulate.places.things import (
    KINDS,
    SOLID,
    Kind,
    PlaceScene,
    car,
    head_height,
    person,
    street_thing,
    thing,
)
from sonar.lab.simulate.scene.builder import RoomBuilder

SHARES = (0.30, 0.20, 0.20, 0.11, 0.06, 0.13)


def make_scene(rng: np.random.Generator, kind: Kind | None = None) -> PlaceScene:
    """One scene; without ``kind`` a random one."""
    if kind is None:
        kind = KINDS[int(rng.choice(len(KINDS), p=SHARES))]
    if kind == "drop":
        return _drop(rng)
    return _street(rng) if kind == "street" else _indoors(rng, kind)


def _indoors(rng: np.random.Generator, kind: Kind) -> PlaceScene:
    narrow = kind != "room"
    half = rng.uniform(0.6, 1.5) if narrow else rng.uniform(1.4, 4.5)
    length = rng.uniform(5.0, 20.0) if narrow else rng.uniform(3.5, 11.0)
    top = rng.uniform(2.3, 3.4)
    start = -rng.uniform(0.5, 2.5)
    scene = PlaceScene(RoomBuilder(), kind, (-half + 0.25, start + 0.2, half - 0.25, length - 0.5))
    box = scene.room.box
    ground = str(rng.choice(["oak floor", "tiles", "grey cloth", "end wall"]))
    wall = str(rng.choice(["wallpaper", "end wall", "ceiling", "books"], p=[0.5, 0.3, 0.15, 0.05]))
    edge = length
    if kind in ("stairs_down", "stairs_up"):
        edge = rng.uniform(1.6, 4.5)
        scene.free = (scene.free[0], scene.free[1], scene.free[2], edge - 0.15)
        _stairs(rng, scene, half, edge, ground, up=kind == "stairs_up")
        length = edge + rng.uniform(4.5, 7.0)
    box("floor", (-half, start, -0.1), (half, edge, 0.0), ground)
    low = -4.0 if kind == "stairs_down" else 0.0
    high = top + 4.0 if kind == "stairs_up" else top
    for side in (-1, 1):
        a, b = sorted((side * half, side * (half + 0.1)))
        box("wall", (a, start, low), (b, length, high), wall)
        if rng.random() < 0.6:
            a, b = sorted((side * half, side * (half - 0.02)))
            box("wall", (a, start, 0.0), (b, edge, rng.uniform(0.06, 0.14)), "white wood")
        _openings(rng, scene, side, half, start, edge)
    box("wall", (-half, length, low), (half, length + 0.1, high), "end wall")
    box("wall", (-half, start - 0.1, 0.0), (half, start, top), wall)
    if rng.random() < 0.85:
        box("ceiling", (-half, start, high), (half, length, high + 0.1), "ceiling")
    if rng.random() < 0.3:
        y = rng.uniform(0.5, max(0.6, edge - 2))
        reach = rng.uniform(0.4, half)
        box("floor rug", (-reach, y, 0.0), (reach, y + rng.uniform(1, 2.5), 0.012), "rug")
    many = rng.integers(0, 4) if narrow else rng.integers(3, 11)
    for _ in range(int(many)):
        thing(rng, scene, half, max(edge - 0.6, 1.0))
    if rng.random() < 0.25:
        head_height(rng, scene, half, edge, top)
    for _ in range(int(rng.integers(1, 4))):
        scene.room.lamp(rng.uniform(-half, half) * 0.6, rng.uniform(0, edge), 0.6, False)
    return scene


def _stairs(
    rng: np.random.Generator, scene: PlaceScene, half: float, edge: float, ground: str, *, up: bool
) -> None:
    """A flight across the whole width; the landing above is floor, one below is not reached."""
    rise, run = rng.uniform(0.14, 0.20), rng.uniform(0.25, 0.34)
    steps = int(rng.integers(3, 15))
    material = ground if rng.random() < 0.6 else str(rng.choice(SOLID))
    for k in range(steps):
        z = (k + 1) * rise if up else -(k + 1) * rise
        y = edge + k * run
        bottom = 0.0 if up else z - 0.3
        scene.room.box("stairs", (-half, y, bottom), (half, y + run, z), material)
        if rng.random() < 0.3:
            scene.room.box("stairs", (-half, y, z), (half, y + 0.04, z + 0.004), "white wood")
    z = steps * rise if up else -steps * rise
    y = edge + steps * run
    landing = "floor" if up else "landing"
    scene.room.box(landing, (-half, y, z - 0.1), (half, y + 8.0, z), ground)
    if rng.random() < 0.5:
        x = half - 0.06
        for k in range(0, steps, 3):
            foot = k * rise if up else -k * rise
            at = (x, edge + k * run, foot + 0.45)
            scene.room.round("rail", "cylinder", "0.02 0.45", at, "steel")


def _drop(rng: np.random.Generator) -> PlaceScene:
    """A hall or an open place with a platform's edge, a loading ramp or a hatch in the way."""
    half, length = rng.uniform(1.3, 6.0), rng.uniform(8.0, 16.0)
    depth, edge = rng.uniform(0.3, 2.2), rng.uniform(1.6, 5.0)
    outdoors = bool(rng.random() < 0.35)
    scene = PlaceScene(
        RoomBuilder(), "drop", (-half + 0.25, -1.5, half - 0.25, edge - 0.15), outdoors
    )
    box = scene.room.box
    ground, below, wall = (
        str(rng.choice(["tiles", "end wall", "grey cloth", "oak floor", "concrete", "paving"])),
        str(rng.choice(["asphalt", "hair", "concrete", "end wall"])),
        str(rng.choice(["wallpaper", "end wall", "ceiling", "concrete", "brick"])),
    )
    left, right, beyond = -half, half, edge + rng.uniform(0.6, 5.0)
    if rng.random() < 0.4:  # a hatch: one can walk round it
        width = rng.uniform(0.6, min(2.0, 1.6 * half))
        left = rng.uniform(-half, half - width)
        right = left + width
        beyond = edge + rng.uniform(0.6, 2.0)
        scene.free = (scene.free[0], -1.5, scene.free[2], length - 1.0)
        scene.solid.append(((left, edge, 0.0), (right, beyond, 2.0)))
    box("floor", (-half, -2.5, -0.2), (half, edge, 0.0), ground)
    for a, b in ((-half, left), (right, half)):
        if b > a:
            box("floor", (a, edge, -0.2), (b, beyond, 0.0), ground)
    if rng.random() < 0.5:  # the edge is marked
        stripe = (left, edge - rng.uniform(0.05, 0.4), 0.0), (right, edge, 0.004)
        box("floor", *stripe, str(rng.choice(["white wood", "ceiling", "oak"])))
    box("below", (left - 0.1, edge, -depth - 0.1), (right + 0.1, beyond, -depth), below)
    for y in (edge - 0.05, beyond):
        box("below", (left, y, -depth), (right, y + 0.05, -0.2), below)
    for x in (left - 0.05, right):
        box("below", (x, edge, -depth), (x + 0.05, beyond, -0.2), below)
    # What is reached over the edge alone is not walkable; round a hatch it is.
    far = "floor" if right - left < 2 * half else "landing"
    if beyond < length:
        box(far, (-half, beyond, -0.2), (half, length, 0.0), ground)
    top = rng.uniform(2.3, 4.5)
    if not outdoors:
        for x in (-half - 0.1, half):
            box("wall", (x, -2.5, -depth), (x + 0.1, length, top), wall)
        box("ceiling", (-half, -2.5, top), (half, length, top + 0.1), "ceiling")
        for _ in range(int(rng.integers(1, 4))):
            scene.room.lamp(rng.uniform(-half, half) * 0.6, rng.uniform(0, length), 0.6, False)
    else:
        scene.sun = f'<light directional="true" dir="{rng.normal(0, 0.5):.2f} 0.3 -1"/>'
    if not outdoors or rng.random() < 0.6:
        box("wall", (-half, length, -depth), (half, length + 0.1, top), wall)
    for _ in range(int(rng.integers(0, 4))):
        thing(rng, scene, half, max(edge - 0.6, 1.0))
    return scene


def _openings(
    rng: np.random.Generator, scene: PlaceScene, side: int, half: float, start: float, end: float
) -> None:
    """Doors and pictures on one long wall."""
    y = start + 0.7
    while y < end - 0.8:
        width = rng.uniform(0.5, 1.1)
        pick = rng.random()
        if pick < 0.35:
            depth = rng.uniform(0.02, 0.07)
            a, b = sorted((side * half, side * (half - depth)))
            scene.room.box("wall", (a, y, 0.0), (b, y + width, 2.05), "door")
            at = (side * (half - depth - 0.03), y + width - 0.08, 1.02)
            scene.room.round("wall", "sphere", "0.03", at, "steel")
        elif pick < 0.65:
            a, b = sorted((side * half, side * (half - 0.03)))
            low = rng.uniform(1.0, 1.4)
            high = low + rng.uniform(0.3, 0.9)
            scene.room.box("wall", (a, y, low), (b, y + width, high), "painting")
        y += width + rng.uniform(0.4, 2.5)


def _street(rng: np.random.Generator) -> PlaceScene:
    half = rng.uniform(0.9, 2.5)  # of the pavement
    kerb = rng.uniform(0.06, 0.18)
    side = int(rng.choice([-1, 1]))  # where the road is
    far = rng.uniform(18.0, 34.0)
    scene = PlaceScene(RoomBuilder(), "street", (-half + 0.2, -1.5, half - 0.2, 9.0), outdoors=True)
    box = scene.room.box
    pavement = str(rng.choice(["tiles", "end wall", "grey cloth"]))
    box("verge", (-30.0, -10.0, -0.6), (30.0, far + 20.0, -0.45), "leaves")
    cut = rng.uniform(4.0, 12.0) if rng.random() < 0.45 else far  # a side road crosses there
    box("floor", (-half, -4.0, -0.3), (half, cut, 0.0), pavement)
    if cut < far:
        box("floor", (-half - 6, cut, -0.4), (half + 6, cut + 5.0, -kerb), "hair")
        box("floor", (-half, cut + 5.0, -0.3), (half, far, 0.0), pavement)
        if rng.random() < 0.6:
            for k in range(5):
                x = -half + (k + 0.5) * 2 * half / 5
                strip = (x - 0.2, cut + 0.5, -kerb), (x + 0.2, cut + 4.5, -kerb + 0.004)
                box("floor", *strip, "white wood")
    road = side * half, side * (half + rng.uniform(4, 9))
    a, b = sorted(road)
    box("floor", (a, -4.0, -kerb - 0.2), (b, far, -kerb), "hair")
    a, b = sorted((road[1], road[1] + side * 3))
    box("floor", (a, -4.0, -0.3), (b, far, 0.0), pavement)
    if rng.random() < 0.7:  # the kerb's stones
        a, b = sorted((side * half, side * (half - 0.15)))
        box("floor", (a, -4.0, -0.2), (b, min(cut, far), 0.003), "ceiling")
    for at, sign in ((-side * half, -side), (road[1] + side * 3, side)):
        if rng.random() < 0.85:
            _facade(rng, scene, at, sign, far, cut)
    for _ in range(int(rng.integers(2, 8))):
        street_thing(rng, scene, half, far)
    for _ in range(int(rng.integers(0, 4))):
        x = side * (half + rng.uniform(1.0, 2.0))
        car(rng, scene, x, rng.uniform(2.0, far), -kerb)
    for _ in range(int(rng.integers(0, 3))):
        person(rng, scene, rng.uniform(-half, half), rng.uniform(1.5, 12.0))
    scene.sun = (
        f'<light directional="true" dir="{rng.normal(0, 0.6):.3f} {rng.normal(0, 0.6):.3f} -1"'
        f' castshadow="{"true" if rng.random() < 0.6 else "false"}" diffuse="0.7 0.7 0.66"'
        ' specular="0 0 0"/>'
    )
    return scene


def _facade(
    rng: np.random.Generator, scene: PlaceScene, x: float, sign: int, far: float, cut: float
) -> None:
    y = -4.0
    while y < far:
        if cut - 1.0 < y < cut + 5.0 and cut < far:
            y = cut + 5.0
        width = rng.uniform(3.0, 9.0)
        end = min(y + width, cut) if y < cut else y + width
        if end - y < 0.3:
            y = end + 0.01 if end < cut else cut + 5.0
            if y >= far:
                break
            continue
        back = x + sign * rng.uniform(0.0, 0.6)
        high = rng.uniform(2.5, 9.0) if rng.random() < 0.85 else rng.uniform(0.5, 1.6)
        a, b = sorted((back, back + sign * 2.0))
        wall = str(rng.choice(["wallpaper", "end wall", "terracotta", "tiles", "ceiling"]))
        scene.block("wall", (a, y, -0.3), (b, end, high), wall)
        at = y + 0.6
        while at < end - 1.2:
            w, low = rng.uniform(0.7, 1.4), rng.choice([0.0, 0.9])
            c, d = sorted((back, back - sign * 0.05))
            material = "door" if low == 0.0 else str(rng.choice(["painting", "hair", "steel"]))
            scene.room.box("wall", (c, at, low), (d, at + w, low + rng.uniform(1.2, 2.1)), material)
            at += w + rng.uniform(0.5, 2.0)
        y = end + (rng.uniform(0.0, 2.0) if rng.random() < 0.2 else 0.0)
