"""Renders a world offscreen by MuJoCo: images and exact depth from any pose.

Needs the ``[sim]`` extra and a way to draw without a screen: OSMesa (Debian's libosmesa6), or EGL
where ``MUJOCO_GL=egl`` asks for it.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from sonar.capture.synthetic import Camera
from sonar.errors import ConfigError, MissingExtraError
from sonar.lab.simulate.scenario import Light
from sonar.lab.simulate.scene.builder import usual_texture
from sonar.lab.simulate.scene.world import World
from sonar.types import FloatImage, RgbImage

_DAY_SKY = ("0.35 0.55 0.85", "0.8 0.88 0.95")
_NIGHT_SKY = ("0.02 0.02 0.05", "0.05 0.05 0.08")
# light: the light from the camera's side; sky; exposure; sensor noise (of 255)
_LIGHTS: dict[Light, tuple[str, tuple[str, str] | None, float, float]] = {
    "indoor": ('ambient="0.46 0.46 0.47" diffuse="0.16 0.16 0.16"', None, 1.0, 1.5),
    "day": ('ambient="0.62 0.62 0.62" diffuse="0.25 0.25 0.25"', _DAY_SKY, 1.0, 1.5),
    "dim": ('ambient="0.4 0.4 0.42" diffuse="0.12 0.12 0.12"', _NIGHT_SKY, 0.45, 4.0),
    "night": ('ambient="0.1 0.1 0.12" diffuse="0.03 0.03 0.03"', _NIGHT_SKY, 0.4, 3.0),
    "glare": ('ambient="0.9 0.9 0.85" diffuse="0.4 0.4 0.4"', _DAY_SKY, 1.9, 1.5),
}


def load_mujoco() -> ModuleType:
    """mujoco, set to draw without a screen. Raises MissingExtraError or ConfigError."""
    # Must be set before mujoco is imported; whoever has a GPU may have set it otherwise.
    os.environ.setdefault("MUJOCO_GL", "osmesa")
    try:
        import mujoco
    except ImportError as error:
        raise MissingExtraError("sim", "Rendering walks (mujoco)") from error
    except AttributeError as error:  # how PyOpenGL reports that OSMesa's library is absent
        raise _no_screen() from error
    module: ModuleType = mujoco
    return module


def _no_screen() -> ConfigError:
    return ConfigError(
        f"Drawing without a screen did not work with MUJOCO_GL={os.environ['MUJOCO_GL']}: install "
        "Debian's libosmesa6 and use MUJOCO_GL=osmesa, or MUJOCO_GL=egl where a GPU driver is."
    )


@dataclass(frozen=True, slots=True, eq=False)
class Rendering:
    """What is seen from a pose.

    Attributes:
        image: uint8 (H, W, 3), RGB.
        depth_m: float32 (H, W), meters along the optical axis; infinite for the sky.
        part: int32 (H, W), index into ``Stage.parts``, -1 for nothing.
    """

    image: RgbImage
    depth_m: FloatImage
    part: NDArray[np.int32]


class Stage:
    """A world before the camera. Use as a context manager.

    Args:
        world: what is drawn, as it is when :meth:`render` is called.
        size: (height, width) in pixels.
        seed: of the sensor's noise.
        surfaces: textures by material, instead of the usual ones.

    Attributes:
        model: MuJoCo's.
        parts: name of the thing that each part belongs to; the last one, which index -1 means
            too, is nothing.
        solid: bool per part, whether one can walk into it.

    Raises:
        MissingExtraError: mujoco is not installed.
        ConfigError: it cannot draw without a screen here; says what to install or set.
    """

    def __init__(
        self,
        world: World,
        size: tuple[int, int],
        *,
        seed: int = 0,
        surfaces: Mapping[str, RgbImage] | None = None,
    ) -> None:
        self._mj = mujoco = load_mujoco()
        self.world, self.size = world, size
        self._rng = np.random.default_rng(seed)
        front, sky, self._exposure, self._noise = _LIGHTS[world.scenario.light]
        used = {part.material for part in world.room.parts} - {"lamp"}
        images = surfaces or {name: usual_texture(name) for name in used}
        files = {f"{name}.png": _png(image) for name, image in images.items()}
        self.model = mujoco.MjModel.from_xml_string(world.room.xml(size, front, sky), files)
        self._data = mujoco.MjData(self.model)
        names = (str(self.model.geom(i).name) for i in range(self.model.ngeom))
        self.parts = (*(name.partition("/")[0] for name in names), "")
        self.solid = np.isin(self.parts, world.room.obstacles)
        try:
            self._renderer = mujoco.Renderer(self.model, *size)
        except (RuntimeError, AttributeError, ImportError, mujoco.FatalError) as error:
            raise _no_screen() from error

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the drawing context."""
        self._renderer.close()

    def render(self, camera: Camera) -> Rendering:
        """The world from ``camera``, now."""
        self._place(camera)
        draw = self._renderer
        draw.enable_segmentation_rendering()
        draw.update_scene(self._data, camera="eye")
        part: NDArray[np.int32] = draw.render()[:, :, 0].copy()
        draw.disable_segmentation_rendering()
        draw.enable_depth_rendering()
        depth: FloatImage = draw.render().copy()
        draw.disable_depth_rendering()
        depth[part < 0] = np.inf
        image = draw.render()
        noise = self._rng.normal(0.0, self._noise, self.size).astype(np.float32)
        lit = image.astype(np.float32) * np.float32(self._exposure) + noise[:, :, None]
        return Rendering(np.clip(lit, 0.0, 255.0).astype(np.uint8), depth, part)

    def walkable(self, rendering: Rendering) -> FloatImage:
        """1 where the level ground is seen, else 0; float32 (H, W)."""
        floor = np.array([name == "floor" for name in self.parts])
        return floor[rendering.part].astype(np.float32)

    def _place(self, camera: Camera) -> None:
        """Put the camera and the moving bodies where they are now."""
        axes = camera.axes
        # MuJoCo's camera looks along -z with y up.
        matrix = np.stack([axes[0], -axes[1], -axes[2]], axis=1)
        self._mj.mju_mat2Quat(self.model.cam_quat[0], matrix.ravel())
        self.model.cam_pos[0] = camera.origin
        half_height = self.size[0] / 2 / camera.focal_px(self.size[1])
        self.model.cam_fovy[0] = math.degrees(2 * math.atan(half_height))
        for name, motion in zip(self.world.room.bodies, self.world.motions, strict=True):
            slot = self.model.body(f"body {name}").mocapid[0]
            half = math.radians(motion.turn_deg) / 2
            self._data.mocap_pos[slot] = (motion.x_m, motion.y_m, 0.0)
            self._data.mocap_quat[slot] = (math.cos(half), 0.0, 0.0, math.sin(half))
        self._mj.mj_forward(self.model, self._data)


def _png(image: RgbImage) -> bytes:
    """uint8 (H, W, 3) RGB as a PNG file, which is how MuJoCo takes a texture."""
    import cv2

    quick = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    ok, data = cv2.imencode(".png", image[:, :, ::-1], quick)
    if not ok:
        raise ValueError("a texture could not be written as PNG")
    return bytes(data.tobytes())
