"""Drawing without a screen, by MuJoCo: what every renderer of made-up places needs.

Needs the ``[sim]`` extra and a way to draw: OSMesa (Debian's libosmesa6), or EGL where
``MUJOCO_GL=egl`` asks for it.
"""

import os
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from sonar.demo import MOUNT
from sonar.errors import ConfigError, MissingExtraError
from sonar.types import RgbImage

if TYPE_CHECKING:
    from sonar.capture.synthetic import Camera


@dataclass(frozen=True, slots=True)
class CameraPose:
    """Camera at one moment: metres and degrees, signs as :mod:`sonar.capture.synthetic`."""

    x_m: float
    y_m: float
    height_m: float
    yaw_deg: float
    pitch_deg: float
    roll_deg: float

    def camera(self) -> "Camera":
        """The demo's camera, there."""
        from sonar.capture.synthetic import Camera

        return Camera(
            self.x_m,
            self.y_m,
            self.height_m,
            self.yaw_deg,
            self.pitch_deg,
            self.roll_deg,
            MOUNT.hfov_deg or 62.0,
        )


def load_mujoco() -> ModuleType:
    """mujoco, told to draw without a screen. Raises MissingExtraError or ConfigError."""
    # Must be said before mujoco is imported; whoever has a GPU may have said otherwise.
    os.environ.setdefault("MUJOCO_GL", "osmesa")
    try:
        import mujoco
    except ImportError as error:
        raise MissingExtraError("sim", "Rendering walks (mujoco)") from error
    except AttributeError as error:  # how PyOpenGL tells that OSMesa's library is absent
        raise _no_screen() from error
    module: ModuleType = mujoco
    return module


def open_renderer(mujoco: ModuleType, model: Any, size: tuple[int, int]) -> Any:
    """A ``mujoco.Renderer`` of pictures ``size`` (height, width).

    Raises:
        ConfigError: it cannot draw without a screen here; says what to install or set.
    """
    try:
        return mujoco.Renderer(model, *size)
    except (RuntimeError, AttributeError, ImportError, mujoco.FatalError) as error:
        raise _no_screen() from error


def aim(mujoco: ModuleType, model: Any, camera: "Camera") -> None:
    """Put the model's first camera where ``camera`` is; seen after the next ``mj_forward``."""
    axes = camera.axes
    # MuJoCo's camera looks along -z with y up.
    matrix = np.stack([axes[0], -axes[1], -axes[2]], axis=1)
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, matrix.ravel())
    model.cam_pos[0] = camera.origin
    model.cam_quat[0] = quat


def png(image: RgbImage) -> bytes:
    """uint8 (H, W, 3) RGB as a PNG file, which is how MuJoCo takes a texture."""
    import cv2

    quick = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    ok, data = cv2.imencode(".png", image[:, :, ::-1], quick)
    if not ok:
        raise ValueError("a texture could not be written as PNG")
    return bytes(data.tobytes())


def _no_screen() -> ConfigError:
    return ConfigError(
        f"Drawing without a screen did not work with MUJOCO_GL={os.environ['MUJOCO_GL']}: install "
        "Debian's libosmesa6 and use MUJOCO_GL=osmesa, or MUJOCO_GL=egl where a GPU driver is."
    )
