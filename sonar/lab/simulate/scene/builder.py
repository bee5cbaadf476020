"""Rooms for MuJoCo, written from parts whose textures have a true scale."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

from sonar.lab.simulate.scene import textures
from sonar.types import RgbImage

Vec = tuple[float, float, float]

TOP_M = 2.6  # where lamps hang

# material: (kind, colour, metres that one picture of the texture covers)
MATERIALS: Mapping[str, tuple[str, textures.Rgb, float]] = {
    "oak floor": ("planks", (0.62, 0.44, 0.28), 1.2),
    "wallpaper": ("wallpaper", (0.80, 0.76, 0.64), 0.9),
    "end wall": ("plaster", (0.62, 0.70, 0.72), 1.5),
    "ceiling": ("plaster", (0.93, 0.93, 0.91), 1.6),
    "white wood": ("grain", (0.88, 0.87, 0.83), 0.8),
    "oak": ("grain", (0.60, 0.40, 0.22), 0.7),
    "walnut": ("grain", (0.36, 0.22, 0.13), 0.6),
    "door": ("grain", (0.50, 0.33, 0.20), 0.9),
    "blue cloth": ("cloth", (0.22, 0.32, 0.55), 0.5),
    "red cloth": ("cloth", (0.62, 0.18, 0.16), 0.5),
    "grey cloth": ("cloth", (0.28, 0.29, 0.33), 0.5),
    "rug": ("rug", (0.58, 0.27, 0.22), 1.5),
    "books": ("books", (0.95, 0.85, 0.8), 0.6),
    "painting": ("landscape", (1.0, 1.0, 1.0), 0.8),
    "terracotta": ("plaster", (0.66, 0.36, 0.24), 0.5),
    "leaves": ("cloth", (0.18, 0.40, 0.16), 0.3),
    "skin": ("plaster", (0.80, 0.60, 0.50), 0.5),
    "hair": ("cloth", (0.16, 0.11, 0.08), 0.2),
    "steel": ("plaster", (0.60, 0.61, 0.63), 0.6),
    "tiles": ("tiles", (0.74, 0.74, 0.72), 1.2),
    "asphalt": ("plaster", (0.33, 0.33, 0.35), 0.8),
    "paving": ("tiles", (0.62, 0.60, 0.56), 1.6),
    "brick": ("tiles", (0.58, 0.33, 0.25), 0.5),
    "concrete": ("plaster", (0.60, 0.60, 0.58), 1.3),
    "grass": ("cloth", (0.27, 0.42, 0.18), 0.6),
    "bark": ("grain", (0.34, 0.27, 0.20), 0.5),
    "carton": ("grain", (0.70, 0.55, 0.36), 0.9),
    "car paint": ("plaster", (0.20, 0.30, 0.50), 2.0),
}


@dataclass(frozen=True, slots=True)
class Look:
    """How a room is lit and how far one sees in it.

    Attributes:
        ambient, front: of the light that goes with the camera, RGB in [0, 1].
        sky: colours of the sky (zenith, horizon); None where nothing is seen of it.
        textured: False draws plain colours, for exact depth alone (loads a hundred times faster).
        far_m: nothing is drawn beyond.
    """

    ambient: textures.Rgb = (0.46, 0.46, 0.47)
    front: textures.Rgb = (0.16, 0.16, 0.16)
    sky: tuple[textures.Rgb, textures.Rgb] | None = None
    textured: bool = True
    far_m: float = 40.0


@dataclass(slots=True)
class RoomBuilder:
    """Collects parts; :meth:`xml` writes the MuJoCo model.

    ``obstacles`` lists the names of the things that can be walked into; a thing is one or more
    parts of one name. ``materials`` are those in use.
    """

    obstacles: list[str] = field(default_factory=list)
    materials: set[str] = field(default_factory=set)
    _meshes: list[str] = field(default_factory=list)
    _geoms: list[str] = field(default_factory=list)
    _lights: list[str] = field(default_factory=list)
    _parts: int = 0

    def box(self, name: str, low: Vec, high: Vec, material: str, turn_deg: float = 0.0) -> None:
        """An upright box from corner to corner, turned about its own vertical axis."""
        cover = MATERIALS[material][2]
        self.materials.add(material)
        half = [(b - a) / 2 for a, b in zip(low, high, strict=True)]
        centre = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
        part = f"{name}/{self._parts}"
        self._parts += 1
        self._meshes.append(_box_mesh(part, half, centre, cover))
        turn = math.radians(turn_deg) / 2
        self._geoms.append(
            f'<geom name={quoteattr(part)} type="mesh" mesh={quoteattr(part)}'
            f' material={quoteattr(material)} pos="{_join(centre)}"'
            f' quat="{_join((math.cos(turn), 0, 0, math.sin(turn)))}"/>'
        )

    def round(self, name: str, kind: str, size: str, at: Vec, material: str) -> None:
        """A MuJoCo primitive: sphere, cylinder, capsule, ellipsoid; upright."""
        part = f"{name}/{self._parts}"
        self._parts += 1
        if material != "lamp":
            self.materials.add(material)
        self._geoms.append(
            f'<geom name={quoteattr(part)} type="{kind}" size="{size}" pos="{_join(at)}"'
            f" material={quoteattr(material + ' round')}/>"
        )

    def lamp(self, x_m: float, y_m: float, strength: float, shadow: bool) -> None:
        """A ceiling lamp and its light."""
        self.round("lamp", "cylinder", "0.16 0.03", (x_m, y_m, TOP_M - 0.03), "lamp")
        self._lights.append(
            f'<light pos="{x_m} {y_m} {TOP_M - 0.12}" dir="0 0.12 -1" cutoff="85" exponent="1"'
            f' attenuation="1 0.12 0.035" castshadow="{str(shadow).lower()}"'
            f' diffuse="{strength} {strength * 0.97} {strength * 0.9}"'
            f' specular="0.1 0.1 0.1" ambient="0.05 0.05 0.05"/>'
        )

    def thing(self, name: str) -> str:
        """Declare an obstacle; returns its name."""
        self.obstacles.append(name)
        return name

    def xml(self, width: int, height: int, look: Look = Look()) -> str:
        """The model for offscreen pictures up to this size."""
        assets = []
        for material in MATERIALS if look.textured else ():
            if material not in self.materials:
                continue
            key = quoteattr(material)
            file = quoteattr(material + ".png")
            assets.append(
                f'<texture name={key} type="2d" file={file}/>'
                f'<texture name={quoteattr(material + " round")} type="cube" file={file}/>'
                f'<material name={key} texture={key} specular="0.08" shininess="0.1"/>'
                f"<material name={quoteattr(material + ' round')}"
                f' texture={quoteattr(material + " round")} specular="0.1" shininess="0.2"/>'
            )
        for material in () if look.textured else self.materials:
            rgba = f"{_join(MATERIALS[material][1])} 1"
            for name in (material, material + " round"):
                assets.append(f'<material name={quoteattr(name)} rgba="{rgba}"/>')
        assets.append('<material name="lamp round" rgba="1 0.98 0.9 1" emission="1"/>')
        if look.sky is not None:
            assets.append(
                '<texture name="sky" type="skybox" builtin="gradient" width="256" height="256"'
                f' rgb1="{_join(look.sky[0])}" rgb2="{_join(look.sky[1])}"/>'
            )
        return f"""<mujoco model="sonar demo walk">
  <compiler angle="degree"/>
  <statistic extent="10" center="0 6 1"/>
  <visual>
    <global offwidth="{width}" offheight="{height}"/>
    <quality shadowsize="2048" offsamples="4"/>
    <map znear="0.005" zfar="{look.far_m / 10:g}"/>
    <headlight ambient="{_join(look.ambient)}" diffuse="{_join(look.front)}" specular="0 0 0"/>
  </visual>
  <default><geom contype="0" conaffinity="0"/></default>
  <asset>{"".join(assets)}{"".join(self._meshes)}</asset>
  <worldbody>
    <camera name="eye" pos="0 0 1.35"/>
    {"".join(self._lights)}{"".join(self._geoms)}
  </worldbody>
</mujoco>"""


def pictures(size: int = 512, names: Collection[str] | None = None) -> dict[str, RgbImage]:
    """Texture file name -> picture, uint8 (size, size, 3) RGB; of those named, or all."""
    return {
        f"{name}.png": textures.make(kind, colour, seed, size)
        for seed, (name, (kind, colour, _)) in enumerate(MATERIALS.items())
        if names is None or name in names
    }


def _join(values: tuple[float, ...] | list[float]) -> str:
    return " ".join(f"{v:.6g}" for v in values)


def _box_mesh(name: str, half: list[float], centre: list[float], cover_m: float) -> str:
    """A box with its own corners per face, so that the texture has one scale everywhere.

    The texture hangs in the world (before turning), so that neighbouring parts do not repeat.
    """
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
                    (corner[across] + centre[across]) / cover_m,
                    (corner[up] + centre[up]) / cover_m,
                ]
            quad = [0, 1, 2, 0, 2, 3] if sign > 0 else [0, 2, 1, 0, 3, 2]
            faces += [start + k for k in quad]
    return (
        f'<mesh name={quoteattr(name)} vertex="{_join(vertices)}" texcoord="{_join(coords)}"'
        f' face="{" ".join(map(str, faces))}"/>'
    )
