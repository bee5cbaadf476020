"""Rooms for MuJoCo, written from parts whose textures have a true scale."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

import yaml

from sonar.lab.simulate.scene import textures
from sonar.types import RgbImage

Vec = tuple[float, float, float]

TOP_M = 2.6  # where lamps hang

MATERIALS: dict[str, tuple[str, textures.Rgb, float]] = yaml.safe_load(
    Path(__file__).with_name("materials.yaml").read_text("utf-8")
)
"""Material -> kind of texture, color, meters that one tile of the texture covers."""


class Part(NamedTuple):
    """One solid shape, upright. ``thing`` is what it belongs to.

    ``size`` is MuJoCo's for ``shape``: half edges of a box; radius; radius and half height of a
    cylinder or capsule; half axes of an ellipsoid. With a ``body`` (its index) it is about the
    body's origin, else (-1) in the world.
    """

    thing: str
    shape: str
    at: Vec
    size: tuple[float, ...]
    material: str
    turn_deg: float = 0.0
    body: int = -1

    @property
    def half_height_m(self) -> float:
        """From the middle to the top."""
        return self.size[-1] + (self.size[0] if self.shape == "capsule" else 0.0)


@dataclass(slots=True)
class RoomBuilder:
    """Collects parts; :meth:`xml` writes the MuJoCo model.

    ``obstacles`` are the names of the things that can be walked into; a thing is one or more parts
    of one name. ``bodies`` are the names of things that move or are turned as a whole.
    """

    parts: list[Part] = field(default_factory=list)
    obstacles: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    lights: list[str] = field(default_factory=list)

    def box(self, thing: str, low: Vec, high: Vec, material: str, turn_deg: float = 0.0) -> None:
        """An upright box from corner to corner, turned about its own vertical axis."""
        half = tuple((b - a) / 2 for a, b in zip(low, high, strict=True))
        x, y, z = ((a + b) / 2 for a, b in zip(low, high, strict=True))
        self.parts.append(Part(thing, "box", (x, y, z), half, material, turn_deg))

    def round(
        self, thing: str, shape: str, size: tuple[float, ...], at: Vec, material: str
    ) -> None:
        """A sphere, cylinder, capsule or ellipsoid; see :class:`Part`."""
        self.parts.append(Part(thing, shape, at, size, material))

    def lamp(self, x_m: float, y_m: float, strength: float) -> None:
        """A ceiling lamp and its light."""
        self.round("lamp", "cylinder", (0.16, 0.03), (x_m, y_m, TOP_M - 0.03), "lamp")
        self.lights.append(
            f'<light pos="{x_m} {y_m} {TOP_M - 0.12}" dir="0 0.12 -1" cutoff="85" exponent="1"'
            f' attenuation="1 0.12 0.035" castshadow="false"'
            f' diffuse="{strength} {strength * 0.97} {strength * 0.9}"'
            f' specular="0.1 0.1 0.1" ambient="0.05 0.05 0.05"/>'
        )

    def xml(self, size: tuple[int, int], front: str, sky: tuple[str, str] | None) -> str:
        """The model for offscreen images of ``size`` (height, width).

        Args:
            front: attributes of the light that goes with the camera.
            sky: colors of its zenith and horizon; None where nothing is seen of it.
        """
        assets = ['<material name="lamp round" rgba="1 0.98 0.9 1" emission="1"/>']
        used = {part.material for part in self.parts}
        for name in (name for name in MATERIALS if name in used):
            assets.append(
                f'<texture name="{name}" type="2d" file="{name}.png"/>'
                f'<texture name="{name} round" type="cube" file="{name}.png"/>'
                f'<material name="{name}" texture="{name}" specular="0.08" shininess="0.1"/>'
                f'<material name="{name} round" texture="{name} round" specular="0.1"'
                ' shininess="0.2"/>'
            )
        if sky is not None:
            assets.append(
                '<texture name="sky" type="skybox" builtin="gradient" width="256" height="256"'
                f' rgb1="{sky[0]}" rgb2="{sky[1]}"/>'
            )
        geoms: dict[int, list[str]] = {body: [] for body in range(-1, len(self.bodies))}
        for number, part in enumerate(self.parts):
            name = quoteattr(f"{part.thing}/{number}")
            if part.shape == "box":
                assets.append(_box_mesh(name, part))
                turn = math.radians(part.turn_deg) / 2
                shape = f'type="mesh" mesh={name} material="{part.material}"'
                shape += f' quat="{_join((math.cos(turn), 0, 0, math.sin(turn)))}"'
            else:
                shape = f'type="{part.shape}" size="{_join(part.size)}"'
                shape += f' material="{part.material} round"'
            geoms[part.body].append(f'<geom name={name} {shape} pos="{_join(part.at)}"/>')
        bodies = "".join(
            f"<body name={quoteattr('body ' + name)} mocap='true'>{''.join(geoms[number])}</body>"
            for number, name in enumerate(self.bodies)
        )
        return f"""<mujoco>
  <compiler angle="degree"/>
  <statistic extent="10" center="0 6 1"/>
  <visual>
    <global offwidth="{size[1]}" offheight="{size[0]}"/>
    <quality shadowsize="2048" offsamples="4"/>
    <map znear="0.005" zfar="6"/>
    <headlight {front} specular="0 0 0"/>
  </visual>
  <default><geom contype="0" conaffinity="0"/></default>
  <asset>{"".join(assets)}</asset>
  <worldbody>
    <camera name="eye" pos="0 0 1.35"/>
    {"".join(self.lights)}{"".join(geoms[-1])}{bodies}
  </worldbody>
</mujoco>"""


@cache
def usual_texture(material: str) -> RgbImage:
    """uint8 (256, 256, 3) RGB."""
    kind, color, _ = MATERIALS[material]
    return textures.make(kind, color, list(MATERIALS).index(material), 256)


def _join(values: Sequence[float]) -> str:
    return " ".join(f"{v:.6g}" for v in values)


def _box_mesh(name: str, part: Part) -> str:
    """A box with its own corners per face, so that the texture has one scale everywhere.

    The texture hangs in the world (before turning), so that neighboring parts do not repeat.
    """
    half, center, cover_m = part.size, part.at, MATERIALS[part.material][2]
    vertices: list[float] = []
    coords: list[float] = []
    faces: list[int] = []
    for axis in range(3):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        # u runs across and v up on upright faces; on level ones v runs along y.
        across, up = (b, a) if axis == 1 else (a, b)
        for sign in (-1, 1):
            start = len(vertices) // 3
            for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                corner = [0.0, 0.0, 0.0]
                corner[axis] = sign * half[axis]
                corner[a], corner[b] = i * half[a], j * half[b]
                vertices += corner
                coords += [
                    (corner[across] + center[across]) / cover_m,
                    (corner[up] + center[up]) / cover_m,
                ]
            quad = [0, 1, 2, 0, 2, 3] if sign > 0 else [0, 2, 1, 0, 3, 2]
            faces += [start + k for k in quad]
    return (
        f'<mesh name={name} vertex="{_join(vertices)}" texcoord="{_join(coords)}"'
        f' face="{" ".join(map(str, faces))}"/>'
    )
