"""Renders made-up places (:mod:`.scenes`) with exact depth and ground masks.

Offscreen, by MuJoCo (extra [sim]; Debian's libosmesa6). One file a scene is kept in a folder, so
that rendering can be stopped and taken up again; the same seed gives the same scenes.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.capture.synthetic import Camera
from sonar.lab.simulate.places.scenes import make_scene
from sonar.lab.simulate.places.things import Kind, PlaceScene
from sonar.lab.simulate.scene import textures
from sonar.lab.simulate.scene.builder import MATERIALS
from sonar.lab.simulate.scene.offscreen import aim, load_mujoco, open_renderer, png
from sonar.types import FloatImage, RgbImage

SIZE = (240, 320)
VIEWS = 10
TEXTURE_PX = 256
NEAREST_M = 0.22
BESIDE_SHARE, BESIDE_M = 0.35, (0.3, 1.2)  # of the views are so near to something
GROUND, STAIRS, UNKNOWN = 1, 2, 255
OWN_LICENCE, PHOTOS_LICENCE = "MIT (own)", "none stated (parts of photos dress its surfaces)"
_TRIES = 8

Mask = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class PlaceView:
    """One rendered picture.

    Attributes:
        kind: of scene, one of :data:`sonar.lab.simulate.places.things.KINDS`.
        image: uint8 (H, W, 3), RGB.
        inverse_m: float32 (H, W), 1 / metres along the optical axis; 0 is the sky.
        ground: uint8 (H, W): 0 not walkable, 1 walkable, 2 stairs.
        camera: where it was taken from.
    """

    kind: Kind
    image: RgbImage
    inverse_m: FloatImage
    ground: Mask
    camera: Camera


def render(
    folder: Path,
    scenes: int,
    *,
    seed: int = 0,
    photos: Sequence[RgbImage] = (),
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Render ``scenes`` scenes into ``folder``; those that are there already are left alone.

    Args:
        photos: parts of these dress some of the surfaces, beside made-up textures.
        progress: called with (scenes done, scenes in all).

    Raises:
        MissingExtraError: mujoco is not installed.
        ConfigError: it cannot draw without a screen here; says what to install or set.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(scenes):
        target = folder / f"scene_{seed}_{index:05d}.npz"
        if not target.exists():
            views = render_scene(np.random.default_rng([seed, index]), photos)
            part = target.with_suffix(".part")
            with part.open("wb") as file:
                np.savez(
                    file,
                    kind=np.array([v.kind for v in views]),
                    image=np.stack([v.image for v in views]),
                    inverse_m=np.stack([v.inverse_m for v in views]).astype(np.float16),
                    ground=np.stack([v.ground for v in views]),
                    camera=np.array([_camera_row(v.camera) for v in views], np.float32),
                    licence=np.array(PHOTOS_LICENCE if len(photos) else OWN_LICENCE),
                )
            part.replace(target)
        if progress is not None:
            progress(index + 1, scenes)


def _camera_row(camera: Camera) -> tuple[float, ...]:
    """Focal length in pixels, height in meters, pitch and roll in degrees."""
    return camera.focal_px(SIZE[1]), camera.height_m, camera.pitch_deg, camera.roll_deg


def render_scene(
    rng: np.random.Generator,
    photos: Sequence[RgbImage] = (),
    views: int = VIEWS,
    *,
    kind: Kind | None = None,
    hfov_deg: float | None = None,
) -> list[PlaceView]:
    """One random scene (of a ``kind``) from several places in it, with a random lens or one."""
    scene = make_scene(rng, kind)
    mujoco = load_mujoco()
    files = {f"{name}.png": png(image) for name, image in _dress(rng, photos).items()}
    xml = scene.room.xml(SIZE[1], SIZE[0]).replace("</worldbody>", f"{scene.sun}</worldbody>")
    model = mujoco.MjModel.from_xml_string(xml, files)
    _light(rng, model, outdoors=scene.outdoors)
    data = mujoco.MjData(model)
    ids = np.array([_ground_id(str(model.geom(i).name)) for i in range(model.ngeom)] + [0])
    renderer = open_renderer(mujoco, model, SIZE)
    found: list[PlaceView] = []
    try:
        for _ in range(views * _TRIES):
            if len(found) == views:
                break
            near = rng.random() < BESIDE_SHARE
            camera = _beside(rng, scene) if near else _place(rng, scene)
            if camera is None:
                continue
            if hfov_deg is not None:
                camera = replace(camera, hfov_deg=hfov_deg)
            _look(mujoco, model, data, camera)
            view = _draw(rng, renderer, data, camera, ids, scene.kind)
            if view is not None:
                found.append(view)
    finally:
        renderer.close()
    return found or render_scene(rng, photos, views, kind=kind, hfov_deg=hfov_deg)


def _draw(
    rng: np.random.Generator,
    renderer: Any,
    data: Any,
    camera: Camera,
    ids: NDArray[np.int64],
    kind: Kind,
) -> PlaceView | None:
    """None where the camera is almost inside something, or sees nothing."""
    renderer.enable_depth_rendering()
    renderer.update_scene(data, camera="eye")
    depth = renderer.render().copy()
    renderer.disable_depth_rendering()
    if np.quantile(depth, 0.02) < NEAREST_M:
        return None
    renderer.enable_segmentation_rendering()
    renderer.update_scene(data, camera="eye")
    part = renderer.render()[:, :, 0].copy()
    renderer.disable_segmentation_rendering()
    sky = part < 0
    if sky.mean() > 0.8:
        return None
    renderer.update_scene(data, camera="eye")
    image = renderer.render().copy()
    if sky.any():
        image[sky] = _sky(rng, image.shape)[sky]
    inverse = np.where(sky, 0.0, 1.0 / np.maximum(depth, NEAREST_M / 2)).astype(np.float32)
    return PlaceView(kind, image, inverse, ids[part].astype(np.uint8), camera)


def _ground_id(name: str) -> int:
    thing = name.partition("/")[0].partition(" ")[0]
    return {"floor": GROUND, "stairs": STAIRS}.get(thing, 0)


def _place(rng: np.random.Generator, scene: PlaceScene) -> Camera | None:
    """A walker's camera: 0.9 to 1.8 m up, a little down, mostly along the way; or None."""
    x0, y0, x1, y1 = scene.free
    if x1 <= x0 or y1 <= y0:
        return None
    x, y = rng.uniform(x0, x1), rng.uniform(y0, y1)
    if scene.kind in ("stairs_down", "stairs_up", "drop"):
        y = max(y0, y1 - abs(rng.normal(0, 1.2)))
    yaw = rng.normal(0, 25) if rng.random() < 0.75 else rng.uniform(-180, 180)
    return _camera(rng, scene, x, y, yaw)


def _beside(rng: np.random.Generator, scene: PlaceScene) -> Camera | None:
    """Almost at a wall or a thing, looking at it: there a false guess does harm; or None."""
    x0, y0, x1, y1 = scene.free
    off = rng.uniform(*BESIDE_M)
    side = int(rng.integers(3))
    if scene.solid and rng.random() < 0.6:
        low, high = scene.solid[int(rng.integers(len(scene.solid)))]
        x, y = rng.uniform(low[0], high[0]), rng.uniform(low[1], high[1])
        if side == 0:
            y, yaw = low[1] - off, 0.0
        elif side == 1:
            x, yaw = low[0] - off, 90.0
        else:
            x, yaw = high[0] + off, -90.0
    elif side == 0:
        x, y, yaw = rng.uniform(x0, x1), y1 + 0.5 - off, 0.0
    else:
        x, yaw = (x0 - 0.25 + off, -90.0) if side == 1 else (x1 + 0.25 - off, 90.0)
        y = rng.uniform(y0, y1)
    if not (x0 - 0.2 < x < x1 + 0.2 and y0 - 0.2 < y < y1 + 0.4):
        return None
    return _camera(rng, scene, x, y, yaw + rng.normal(0, 18))


def _camera(
    rng: np.random.Generator, scene: PlaceScene, x: float, y: float, yaw: float
) -> Camera | None:
    """At a walker's height and tilt; None inside of something."""
    height = rng.uniform(0.9, 1.8)
    for low, high in scene.solid:
        if all(a - 0.15 < v < b + 0.15 for a, v, b in zip(low, (x, y, height), high, strict=True)):
            return None
    return Camera(
        x,
        y,
        height,
        yaw,
        float(np.clip(rng.normal(16, 13), -20, 60)),
        float(np.clip(rng.normal(0, 4), -15, 15)),
        rng.uniform(50, 78) if rng.random() < 0.75 else rng.uniform(78, 105),
    )


def _look(mujoco: ModuleType, model: Any, data: Any, camera: Camera) -> None:
    aim(mujoco, model, camera)
    model.cam_fovy[0] = math.degrees(2 * math.atan(SIZE[0] / 2 / camera.focal_px(SIZE[1])))
    mujoco.mj_forward(model, data)


def _light(rng: np.random.Generator, model: Any, *, outdoors: bool) -> None:
    """Bright, dim or night; a lamp at the camera (headlight) at times."""
    night = rng.random() < 0.15
    ambient = rng.uniform(0.04, 0.15) if night else rng.uniform(0.25, 0.65)
    tint = 1.0 + rng.normal(0, 0.06, 3)
    model.vis.headlight.ambient[:] = ambient * tint
    model.vis.headlight.diffuse[:] = rng.uniform(0.05, 0.4) * tint
    strength = rng.uniform(0.1, 0.5) if night else rng.uniform(0.5, 1.2 if outdoors else 1.5)
    model.light_diffuse[:] *= np.clip(strength * tint, 0, 2)
    model.mat_specular[:] = rng.uniform(0, 0.5, model.nmat) ** 2
    model.mat_shininess[:] = rng.uniform(0, 0.6, model.nmat)


def _dress(rng: np.random.Generator, photos: Sequence[RgbImage]) -> dict[str, RgbImage]:
    """A picture for every material: made up, or a part of a photo."""
    kinds = list(textures.MAKERS)
    dressed: dict[str, RgbImage] = {}
    for name, (usual, colour, _) in MATERIALS.items():
        pick = rng.random()
        if photos and (pick < 0.3 or (name in ("painting", "books") and pick < 0.8)):
            dressed[name] = _patch(rng, photos[int(rng.integers(len(photos)))])
            continue
        kind = usual if rng.random() < 0.5 else str(rng.choice(kinds))
        base = np.array(colour) if rng.random() < 0.55 else rng.uniform(0.08, 0.95, 3)
        grey = base.mean()
        mixed = np.clip(grey + (base - grey) * rng.uniform(0.0, 1.0) ** 1.5, 0.04, 0.97)
        seed = int(rng.integers(2**31))
        rgb = float(mixed[0]), float(mixed[1]), float(mixed[2])
        dressed[name] = textures.make(kind, rgb, seed, TEXTURE_PX)
    return dressed


def _patch(rng: np.random.Generator, photo: RgbImage) -> RgbImage:
    import cv2

    side = int(rng.integers(48, min(photo.shape[:2]) + 1))
    top = int(rng.integers(photo.shape[0] - side + 1))
    left = int(rng.integers(photo.shape[1] - side + 1))
    part = photo[top : top + side, left : left + side]
    resized: RgbImage = cv2.resize(part, (TEXTURE_PX, TEXTURE_PX), interpolation=cv2.INTER_LINEAR)
    return resized


def _sky(rng: np.random.Generator, shape: tuple[int, ...]) -> RgbImage:
    rows = np.linspace(0, 1, shape[0])[:, None, None]
    up = np.array([0.35, 0.55, 0.9]) * rng.uniform(0.1, 1.1)
    down = np.array([0.9, 0.9, 0.92]) * rng.uniform(0.2, 1.1)
    image = np.repeat((1 - rows) * up + rows * down, shape[1], axis=1)
    size = max(shape[:2])
    cloud = textures.fractal(rng, size, 5)[: shape[0], : shape[1], None]
    sky: RgbImage = np.clip((image + rng.uniform(0, 0.4) * cloud) * 255, 0, 255).astype(np.uint8)
    return sky
