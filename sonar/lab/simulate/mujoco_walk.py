"""The demo's walk, rendered offscreen by MuJoCo: pictures, exact depth and truth.

Needs what :mod:`sonar.lab.simulate.offscreen` needs. The same versions render the same pictures.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.config import ZonesConfig
from sonar.demo import MOUNT
from sonar.lab.simulate.offscreen import Pose, aim, load_mujoco, open_renderer, png
from sonar.lab.simulate.room import build_hallway, pictures
from sonar.types import SIDES, FloatImage, RgbImage

RATE_HZ = 25.0
FRAMES = 290
SIZE = (480, 640)
SPEED_MPS = 1.1
STOP_Y_M = 10.75
# Where the walker's x is at y: round the chair, the cabinet, the plant and the person.
_PATH_Y = np.array([0.0, 1.8, 3.6, 4.4, 5.5, 6.0, 7.4, 9.0, 10.4, 13.0])
_PATH_X = np.array([0.0, 0.0, 0.16, 0.05, -0.25, -0.2, 0.26, 0.26, 0.12, 0.1])


def walk_pose(t: float) -> Pose:
    """The walker at ``t`` seconds: gets going in a second, stops in front of the door."""
    y = _distance(t)
    x = _smooth_path(y)
    slope = (_smooth_path(y + 0.3) - _smooth_path(y - 0.3)) / 0.6
    pace = (_distance(t + 0.02) - _distance(t - 0.02)) / 0.04 / SPEED_MPS
    step = math.sin(2 * math.pi * 1.9 * t) * pace
    swing = math.sin(2 * math.pi * 0.95 * t) * pace
    return Pose(
        x_m=x + 0.015 * swing,
        y_m=y,
        height_m=1.35 + 0.012 * step,
        yaw_deg=0.7 * math.degrees(math.atan(slope)),
        pitch_deg=10.0 + 0.5 * step,
        roll_deg=0.6 * swing,
    )


def _distance(t: float) -> float:
    """Metres walked at ``t``: eases in over 1 s and out over the last 1.2 m."""
    if t <= 0:
        return 0.0
    going = SPEED_MPS * (t - 0.5 * (1 - math.exp(-2 * t)))
    left = STOP_Y_M - going
    soft = 0.5
    # log-sum-exp: a smooth minimum of "still walking" and "has stopped".
    return going - soft * math.log1p(math.exp(-left / soft)) if left > -20 else STOP_Y_M


def _smooth_path(y: float) -> float:
    """Cosine steps between the way points."""
    k = int(np.clip(np.searchsorted(_PATH_Y, y) - 1, 0, len(_PATH_Y) - 2))
    f = float(np.clip((y - _PATH_Y[k]) / (_PATH_Y[k + 1] - _PATH_Y[k]), 0.0, 1.0))
    f = f * f * (3 - 2 * f)
    return float(_PATH_X[k] * (1 - f) + _PATH_X[k + 1] * f)


@dataclass(frozen=True, slots=True, eq=False)
class WalkFrame:
    """One rendered moment.

    Attributes:
        image: uint8 (H, W, 3), RGB.
        depth_m: float32 (H, W), metres along the optical axis.
        part: int32 (H, W), index into ``WalkRenderer.parts``, -1 for nothing.
    """

    index: int
    t: float
    pose: Pose
    image: RgbImage
    depth_m: FloatImage
    part: NDArray[np.int32]


class WalkRenderer:
    """Renders any frame of the walk. Use as a context manager.

    Raises:
        MissingExtraError: mujoco is not installed.
        ConfigError: it cannot draw without a screen here; says what to install or set.
    """

    def __init__(self, size: tuple[int, int] = SIZE) -> None:
        self._mujoco = load_mujoco()
        self.size = size
        room = build_hallway()
        self.obstacles = tuple(dict.fromkeys(room.obstacles))
        files = {name: png(image) for name, image in pictures(names=room.materials).items()}
        self._model = self._mujoco.MjModel.from_xml_string(room.xml(size[1], size[0]), files)
        self._data = self._mujoco.MjData(self._model)
        self.parts = tuple(
            str(self._model.geom(i).name).partition("/")[0] for i in range(self._model.ngeom)
        )
        focal = size[1] / 2 / math.tan(math.radians(MOUNT.hfov_deg or 0.0) / 2)
        self._model.cam_fovy[0] = math.degrees(2 * math.atan(size[0] / 2 / focal))
        self._renderer = open_renderer(self._mujoco, self._model, size)

    def __enter__(self) -> "WalkRenderer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the drawing context."""
        self._renderer.close()

    def frame(self, index: int, *, picture: bool = True) -> WalkFrame:
        """Frame ``index`` of the walk; without ``picture`` the image is black (faster)."""
        t = index / RATE_HZ
        pose = walk_pose(t)
        self._look(pose)
        renderer = self._renderer
        image = np.zeros((*self.size, 3), np.uint8)
        if picture:
            renderer.update_scene(self._data, camera="eye")
            image = renderer.render().copy()
        renderer.enable_depth_rendering()
        renderer.update_scene(self._data, camera="eye")
        depth = renderer.render().copy()
        renderer.disable_depth_rendering()
        renderer.enable_segmentation_rendering()
        renderer.update_scene(self._data, camera="eye")
        part = renderer.render()[:, :, 0].copy()
        renderer.disable_segmentation_rendering()
        return WalkFrame(index, t, pose, image, depth.astype(np.float32), part)

    def frames(self) -> Iterator[WalkFrame]:
        """The whole walk in order."""
        for index in range(FRAMES):
            yield self.frame(index)

    def _look(self, pose: Pose) -> None:
        aim(self._mujoco, self._model, pose.camera())
        self._mujoco.mj_forward(self._model, self._data)


def nearest_obstacles(
    frame: WalkFrame, parts: tuple[str, ...], obstacles: tuple[str, ...], zones: ZonesConfig
) -> dict[str, dict[str, Any] | None]:
    """Per side the nearest named thing inside the corridor: ``{"thing", "distance_m"}``.

    Distance is horizontal, along the heading; a thing counts from 0.1 % of the picture on.
    """
    camera = frame.pose.camera()
    x, y = camera.pixel_rays(*frame.depth_m.shape)
    axes = camera.axes
    rays = x[None, :, None] * axes[0] + y[:, None, None] * axes[1] + axes[2]
    points = rays * frame.depth_m[:, :, None]
    ahead, right = camera.heading
    forward = points[:, :, :2] @ ahead
    lateral = points[:, :, :2] @ right
    up = points[:, :, 2] + frame.pose.height_m
    inside = (np.abs(lateral) <= zones.corridor_width_m / 2) & (up <= zones.head_height_m)
    edge = math.tan(math.radians(zones.center_width_deg / 2)) * forward
    masks = (lateral < -edge, np.abs(lateral) <= edge, lateral > edge)
    names = np.array([*parts, "nothing"])[frame.part]
    needed = max(1, frame.depth_m.size // 1000)
    found: dict[str, dict[str, Any] | None] = {}
    for side, mask in zip(SIDES, masks, strict=True):
        best: dict[str, Any] | None = None
        for thing in obstacles:
            at = forward[inside & mask & (names == thing)]
            if at.size >= needed and (best is None or at.min() < best["distance_m"]):
                best = {"thing": thing, "distance_m": round(float(at.min()), 3)}
        found[side.value] = best
    return found
