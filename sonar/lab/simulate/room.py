"""A furnished hallway for MuJoCo."""

import math

from sonar.lab.simulate.builder import MATERIALS, TOP_M, RoomBuilder, pictures

__all__ = ["END_Y_M", "MATERIALS", "TOP_M", "WIDTH_M", "RoomBuilder", "build_hallway", "pictures"]

WIDTH_M, END_Y_M = 3.8, 12.6


def build_hallway() -> RoomBuilder:
    """The demo's hallway: x to the right, y ahead, z up; a chair on the left, a cabinet on the
    right, a hanging plant at head height, somebody standing, a table and a door at the end."""
    room = RoomBuilder()
    half = WIDTH_M / 2
    room.box("floor", (-half, -2.0, -0.1), (half, END_Y_M, 0.0), "oak floor")
    room.box("ceiling", (-half, -2.0, TOP_M), (half, END_Y_M, TOP_M + 0.1), "ceiling")
    for side in (-1, 1):
        wall = room.thing("left wall" if side < 0 else "right wall")
        inner, outer = sorted((side * half, side * (half + 0.1)))
        room.box(wall, (inner, -2.0, 0.0), (outer, END_Y_M, TOP_M), "wallpaper")
        low, high = sorted((side * half, side * (half - 0.02)))
        room.box(wall, (low, -2.0, 0.0), (high, END_Y_M, 0.12), "white wood")
        room.box(wall, (low, -2.0, 0.88), (high, END_Y_M, 0.93), "white wood")
    end = room.thing("end wall")
    room.box(end, (-half, END_Y_M, 0.0), (half, END_Y_M + 0.1, TOP_M), "end wall")
    room.box(end, (-half, END_Y_M - 0.02, 0.0), (half, END_Y_M, 0.12), "white wood")
    _door(room, end, 1.25, END_Y_M)
    _side_doors(room)
    _furniture(room)
    _person(room, -0.55, 9.9)
    for y in (0.8, 4.2, 7.6, 11.0):
        room.lamp(0.0, y, 0.62, shadow=y != 7.6)
    return room


def _door(room: RoomBuilder, name: str, x_m: float, y_m: float) -> None:
    room.box(name, (x_m - 0.52, y_m - 0.05, 0.0), (x_m + 0.52, y_m, 2.12), "white wood")
    room.box(name, (x_m - 0.43, y_m - 0.07, 0.02), (x_m + 0.43, y_m - 0.04, 2.04), "door")
    for low, high in ((0.2, 0.9), (1.1, 1.9)):
        panel = (x_m - 0.3, y_m - 0.085, low), (x_m + 0.3, y_m - 0.06, high)
        room.box(name, *panel, "oak")
    room.round(name, "sphere", "0.035", (x_m + 0.36, y_m - 0.12, 1.02), "steel")


def _side_doors(room: RoomBuilder) -> None:
    half = WIDTH_M / 2
    for side, y in ((-1, 1.9), (1, 3.4), (-1, 9.0), (1, 9.8)):
        name = "left wall" if side < 0 else "right wall"
        for depth, low, high, top, material in (
            (0.04, y - 0.5, y + 0.5, 2.12, "white wood"),
            (0.06, y - 0.42, y + 0.42, 2.05, "door"),
        ):
            a, b = sorted((side * half, side * (half - depth)))
            room.box(name, (a, low, 0.0), (b, high, top), material)
        room.round(name, "sphere", "0.03", (side * (half - 0.1), y + 0.34, 1.02), "steel")
    hung = ((1, 1.5, 0.8), (-1, 3.7, 0.7), (-1, 5.4, 0.9), (1, 7.5, 1.1), (1, 11.4, 0.8))
    for side, y, width in hung:
        name = "left wall" if side < 0 else "right wall"
        a, b = sorted((side * half, side * (half - 0.03)))
        room.box(name, (a, y - width / 2, 1.3), (b, y + width / 2, 1.3 + 0.75 * width), "walnut")
        a, b = sorted((side * half, side * (half - 0.035)))
        inner = width / 2 - 0.05
        room.box(name, (a, y - inner, 1.35), (b, y + inner, 1.25 + 0.75 * width), "painting")


def _furniture(room: RoomBuilder) -> None:
    half = WIDTH_M / 2
    room.box("rug", (-0.75, 4.6, 0.0), (0.75, 7.0, 0.012), "rug")
    chair = room.thing("chair")
    x, y = -0.48, 3.7
    room.box(chair, (x - 0.24, y - 0.24, 0.43), (x + 0.24, y + 0.24, 0.50), "blue cloth")
    room.box(chair, (x - 0.24, y + 0.20, 0.50), (x + 0.24, y + 0.25, 0.98), "oak")
    for dx in (-0.21, 0.21):
        for dy in (-0.21, 0.21):
            leg = (x + dx - 0.022, y + dy - 0.022, 0.0), (x + dx + 0.022, y + dy + 0.022, 0.43)
            room.box(chair, *leg, "oak")
    cabinet = room.thing("cabinet")
    room.box(cabinet, (0.30, 5.7, 0.06), (half, 6.25, 0.92), "walnut")
    room.box(cabinet, (0.28, 5.68, 0.92), (half, 6.27, 0.96), "oak")
    room.box(cabinet, (0.34, 5.72, 0.0), (half, 6.2, 0.06), "grey cloth")
    for low, high in ((0.34, 0.86), (0.90, 1.44)):
        room.box(cabinet, (low, 5.685, 0.12), (high, 5.71, 0.86), "oak")
        room.round(cabinet, "sphere", "0.02", ((low + high) / 2, 5.67, 0.70), "steel")
    room.round(cabinet, "cylinder", "0.09 0.11", (1.1, 5.95, 1.07), "terracotta")
    for k in range(7):
        angle = 2 * math.pi * k / 7
        at = (1.1 + 0.10 * math.cos(angle), 5.95 + 0.10 * math.sin(angle), 1.30 + 0.03 * (k % 3))
        room.round(cabinet, "ellipsoid", "0.09 0.07 0.15", at, "leaves")
    _hanging_plant(room, -0.45, 8.4)
    room.box("left wall", (-half, 6.9, 0.18), (-half + 0.09, 8.0, 0.72), "white wood")
    for k in range(9):
        y = 6.96 + 0.12 * k
        rib = (-half + 0.09, y, 0.2), (-half + 0.115, y + 0.06, 0.7)
        room.box("left wall", *rib, "white wood")
    bench = room.thing("bench")
    room.box(bench, (-half, 0.2, 0.38), (-half + 0.42, 1.25, 0.45), "walnut")
    for y in (0.28, 1.1):
        room.box(bench, (-half + 0.04, y, 0.0), (-half + 0.38, y + 0.06, 0.38), "walnut")
    room.box("end wall", (-0.5, END_Y_M - 0.04, 1.25), (0.6, END_Y_M, 1.95), "walnut")
    room.box("end wall", (-0.45, END_Y_M - 0.05, 1.3), (0.55, END_Y_M - 0.03, 1.9), "painting")
    pouf = room.thing("pouf")
    room.round(pouf, "cylinder", "0.26 0.21", (0.95, 11.1, 0.21), "red cloth")
    table = room.thing("table")
    room.box(table, (-0.5, 11.75, 0.74), (0.65, 12.2, 0.79), "oak")
    room.box(table, (-0.47, 11.8, 0.62), (0.62, 12.15, 0.74), "walnut")
    for x in (-0.46, 0.55):
        for y in (11.8, 12.09):
            room.box(table, (x, y, 0.0), (x + 0.06, y + 0.06, 0.62), "oak")
    room.box(table, (-0.44, 11.83, 0.15), (0.59, 12.12, 0.19), "oak")
    room.box(table, (-0.25, 11.9, 0.19), (0.4, 12.1, 0.45), "books")
    room.round(table, "cylinder", "0.07 0.14", (0.1, 12.0, 0.93), "terracotta")
    room.round(table, "ellipsoid", "0.16 0.14 0.15", (0.1, 12.0, 1.17), "leaves")
    plant = room.thing("plant")
    room.round(plant, "cylinder", "0.15 0.17", (-1.62, 11.6, 0.17), "terracotta")
    for k in range(9):
        angle = 2 * math.pi * k / 9
        at = (-1.62 + 0.12 * math.cos(angle), 11.6 + 0.12 * math.sin(angle), 0.62 + 0.1 * (k % 3))
        room.round(plant, "ellipsoid", "0.07 0.07 0.28", at, "leaves")


def _hanging_plant(room: RoomBuilder, x: float, y: float) -> None:
    """A basket at head height: nothing below it, a cane passes under."""
    name = room.thing("hanging plant")
    room.round(name, "cylinder", "0.13 0.10", (x, y, 1.52), "terracotta")
    for k in range(14):
        angle, reach = 2 * math.pi * k / 14, 0.14 + 0.04 * (k % 2)
        at = (x + reach * math.cos(angle), y + reach * math.sin(angle), 1.58 + 0.07 * (k % 3))
        room.round(name, "ellipsoid", "0.08 0.07 0.13", at, "leaves")
    for k in range(7):
        angle = 2 * math.pi * k / 7
        at = (x + 0.09 * math.cos(angle), y + 0.09 * math.sin(angle), 1.76)
        room.round(name, "ellipsoid", "0.09 0.09 0.17", at, "leaves")
    room.round(name, "cylinder", "0.008 0.38", (x, y, 2.22), "steel")


def _person(room: RoomBuilder, x: float, y: float) -> None:
    name = room.thing("person")
    for dx in (-0.09, 0.09):
        room.round(name, "capsule", "0.075 0.36", (x + dx, y, 0.46), "grey cloth")
        room.box(name, (x + dx - 0.05, y - 0.17, 0.0), (x + dx + 0.05, y + 0.09, 0.08), "hair")
    room.round(name, "ellipsoid", "0.19 0.12 0.16", (x, y, 0.90), "grey cloth")
    room.round(name, "ellipsoid", "0.21 0.13 0.34", (x, y, 1.18), "red cloth")
    for dx in (-0.25, 0.25):
        room.round(name, "capsule", "0.05 0.24", (x + dx, y, 1.12), "red cloth")
        room.round(name, "sphere", "0.048", (x + dx, y, 0.80), "skin")
    room.round(name, "cylinder", "0.055 0.06", (x, y, 1.50), "skin")
    room.round(name, "ellipsoid", "0.085 0.10 0.125", (x, y, 1.64), "skin")
    room.round(name, "ellipsoid", "0.092 0.105 0.10", (x, y + 0.025, 1.69), "hair")
