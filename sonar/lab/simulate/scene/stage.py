"""Renders a world offscreen by MuJoCo: pictures and exact depth from any pose.

Needs what :mod:`sonar.lab.simulate.scene.offscreen` needs.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.lab.simulate.scenario import Light
from sonar.lab.simulate.scene.builder import Look, pictures
from sonar.lab.simulate.scene.offscreen import CameraPose, aim, load_mujoco, open_renderer, png
from sonar.lab.simulate.scene.world import World
from sonar.types import FloatImage, RgbImage

FAR_M = 60.0
_DAY_SKY = ((0.35, 0.55, 0.85), (0.80, 0.88, 0.95))
_NIGHT_SKY = ((0.02, 0.02, 0.05), (0.05, 0.05, 0.08))
# light: what is lit from the camera's side (ambient, front), sky, exposure, sensor noise (levels)
_LIGHTS: dict[Light, tuple[Look, float, float]] = {
    "indoor": (Look(far_m=FAR_M), 1.0, 1.5),
    "day": (Look((0.62, 0.62, 0.62), (0.25, 0.25, 0.25), _DAY_SKY, far_m=FAR_M), 1.0, 1.5),
    "dim": (Look((0.40, 0.40, 0.42), (0.12, 0.12, 0.12), _NIGHT_SKY, far_m=FAR_M), 0.45, 4.0),
    "night": (Look((0.10, 0.10, 0.12), (0.03, 0.03, 0.03), _NIGHT_SKY, far_m=FAR_M), 0.4, 3.0),
    "glare": (Look((0.9, 0.9, 0.85), (0.4, 0.4, 0.4), _DAY_SKY, far_m=FAR_M), 1.9, 1.5),
}
PLAIN_LEVEL = 120.0  # brightness of untextured pictures in good light, 0 to 255
_FOG_START_M = 6.0  # beyond this, untextured pictures fade: only their brightness is looked at


@dataclass(frozen=True, slots=True, eq=False)
class Rendering:
    """What is seen from a pose.

    Attributes:
        image: uint8 (H, W, 3), RGB.
        depth_m: float32 (H, W), metres along the optical axis; infinite for the sky.
        part: int32 (H, W), index into ``Stage.parts``, -1 for nothing.
    """

    image: RgbImage
    depth_m: FloatImage
    part: NDArray[np.int32]


class Stage:
    """A world before the camera. Use as a context manager.

    Args:
        world: what is drawn, as it stands when :meth:`look` is called.
        size: (height, width) in pixels.
        pictures: False draws plain noisy surfaces instead of textures and light: depth is as
            exact, and brightness is the scenario's, in a tenth of the time.
        seed: of the sensor's noise.

    Attributes:
        parts: name of the thing that each part belongs to.
        things: those names, each once; ``thing_of[part]`` is the index here. The last part,
            which index -1 means too, is nothing.
        solid: per part, whether one can walk into it.

    Raises:
        MissingExtraError: mujoco is not installed.
        ConfigError: it cannot draw without a screen here; says what to install or set.
    """

    def __init__(
        self, world: World, size: tuple[int, int], *, pictures: bool = True, seed: int = 0
    ) -> None:
        self._mj = load_mujoco()
        self.world, self.size, self._pictures = world, size, pictures
        self._rng = np.random.default_rng(seed)
        look, self._exposure, self._noise = _LIGHTS[world.scenario.light]
        self._model, self._data = self._build(look)
        self.parts = tuple(
            str(self._model.geom(i).name).partition("/")[0] for i in range(self._model.ngeom)
        )
        self.things = tuple(dict.fromkeys((*self.parts, "")))
        self.thing_of = np.array([self.things.index(name) for name in (*self.parts, "")])
        solid = set(world.builder.obstacles)
        self.solid = np.array([name in solid for name in (*self.parts, "")])
        spec = world.scenario.camera
        focal = size[1] / 2 / math.tan(math.radians(spec.hfov_deg) / 2)
        self._model.cam_fovy[0] = math.degrees(2 * math.atan(size[0] / 2 / focal))
        self._draw = open_renderer(self._mj, self._model, size)
        self._bodies = [
            self._model.body(f"body {body[0]}").mocapid[0] for body in world.builder.bodies
        ]

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the drawing context."""
        self._draw.close()

    def look(self, pose: CameraPose) -> Rendering:
        """The world from ``pose``, now."""
        self._place(pose)
        depth, part = self._depth()
        image = self._picture() if self._pictures else self._plain(depth, part)
        return Rendering(self._expose(image), depth, part)

    def walkable(self, sight: Rendering) -> FloatImage:
        """1 where the level ground is seen, else 0; float32 (H, W)."""
        floor = np.array([name == "floor" for name in (*self.parts, "")])
        return floor[sight.part].astype(np.float32)

    def _build(self, look: Look) -> tuple[Any, Any]:
        builder = self.world.builder
        if not self._pictures:
            look = Look(look.ambient, look.front, None, False, look.far_m)
        files = {}
        if self._pictures:
            images = pictures(256, builder.materials)
            files = {name: png(image) for name, image in images.items()}
        xml = builder.xml(self.size[1], self.size[0], look)
        model = self._mj.MjModel.from_xml_string(xml, files)
        return model, self._mj.MjData(model)

    def _place(self, pose: CameraPose) -> None:
        aim(self._mj, self._model, pose.camera())
        for slot, motion in zip(self._bodies, self.world.motions, strict=True):
            half = math.radians(motion.turn_deg) / 2
            self._data.mocap_pos[slot] = (motion.x_m, motion.y_m, 0.0)
            self._data.mocap_quat[slot] = (math.cos(half), 0.0, 0.0, math.sin(half))
        self._mj.mj_forward(self._model, self._data)

    def _depth(self) -> tuple[FloatImage, NDArray[np.int32]]:
        """Depth and parts in one pass (the renderer's own two modes take one each)."""
        draw, mj = self._draw, self._mj
        draw.enable_segmentation_rendering()
        draw.update_scene(self._data, camera="eye")
        flags = draw.scene.flags.copy()
        draw.scene.flags[mj.mjtRndFlag.mjRND_SEGMENT] = True
        draw.scene.flags[mj.mjtRndFlag.mjRND_IDCOLOR] = True
        colour = np.empty((*self.size, 3), np.uint8)
        buffer = np.empty(self.size, np.float32)
        draw._gl_context.make_current()
        mj.mjr_render(draw._rect, draw.scene, draw._mjr_context)
        mj.mjr_readPixels(colour, buffer, draw._rect, draw._mjr_context)
        np.copyto(draw.scene.flags, flags)
        draw.disable_segmentation_rendering()
        code = colour[::-1].astype(np.int32)
        number = code[:, :, 0] + (code[:, :, 1] << 8) + (code[:, :, 2] << 16)
        shown = {g.segid + 1: g.objid for g in draw.scene.geoms[: draw.scene.ngeom]}
        table = np.full(max(shown, default=0) + 2, -1, np.int32)
        for segment, part in shown.items():
            if segment > 0:
                table[segment] = part
        part_of = table[np.minimum(number, table.size - 1)]
        near = float(self._model.vis.map.znear * self._model.stat.extent)
        far = float(self._model.vis.map.zfar * self._model.stat.extent)
        # The buffer is 1 at the near plane and 0 at the far one (reversed Z).
        value = buffer[::-1].astype(np.float64)
        depth = (near * far / (near + value * (far - near))).astype(np.float32)
        depth[part_of < 0] = np.inf
        return depth, part_of

    def _picture(self) -> RgbImage:
        self._draw.update_scene(self._data, camera="eye")
        image: RgbImage = self._draw.render().copy()
        return image

    def _plain(self, depth: FloatImage, part: NDArray[np.int32]) -> RgbImage:
        """Every part its own grey, rough, darker far away."""
        ambient = float(np.mean(_LIGHTS[self.world.scenario.light][0].ambient))
        bright = PLAIN_LEVEL * min(ambient / 0.46, 1.0)
        tone = 0.5 + 0.5 * ((part * 40503 + 977) % 101) / 100.0
        near = _FOG_START_M / np.maximum(np.minimum(depth, FAR_M), _FOG_START_M)
        rough = self._rng.uniform(0.75, 1.25, depth.shape)
        grey = np.clip(bright * tone * (0.5 + 0.5 * near) * rough, 0, 255)
        return np.repeat(grey[:, :, None], 3, axis=2).astype(np.uint8)

    def _expose(self, image: RgbImage) -> RgbImage:
        noise = self._rng.normal(0.0, self._noise, image.shape[:2]).astype(np.float32)
        lit = image.astype(np.float32) * np.float32(self._exposure) + noise[:, :, None]
        image8: RgbImage = np.clip(lit, 0.0, 255.0).astype(np.uint8)
        return image8
