"""Renders random places (:mod:`.scenes`) with exact depth and ground masks, offscreen by MuJoCo."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.capture.synthetic import Camera
from sonar.lab.simulate.places.scenes import Kind, PlaceScene, make_scene
from sonar.lab.simulate.scene import textures
from sonar.lab.simulate.scene.builder import MATERIALS
from sonar.lab.simulate.scene.stage import Stage
from sonar.lab.simulate.scene.world import World
from sonar.types import FloatImage, RgbImage

SIZE = (240, 320)
VIEWS = 10
TEXTURE_PX = 256
NEAREST_M = 0.22
BESIDE_SHARE, BESIDE_M = 0.35, (0.3, 1.2)  # of the views are so near to something
GROUND_LABELS = {"floor": 1, "road": 1, "stairs": 2}  # by the first word of a part's name; else 0
LICENCE = "MIT (own)"
_TRIES = 12


@dataclass(frozen=True, slots=True, eq=False)
class PlaceView:
    """One rendered frame.

    Attributes:
        kind: of scene, one of :data:`sonar.lab.simulate.places.scenes.KINDS`.
        image: uint8 (H, W, 3), RGB.
        inverse_m: float32 (H, W), 1 / meters along the optical axis; 0 is the sky.
        ground: uint8 (H, W): 0 not walkable, 1 walkable, 2 stairs.
        camera: where it was taken from.
    """

    kind: Kind
    image: RgbImage
    inverse_m: FloatImage
    ground: NDArray[np.uint8]
    camera: Camera


def render(
    folder: Path,
    scenes: int,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Render ``scenes`` scenes into ``folder``, one file each; those that are there are left alone.

    Args:
        progress: called with (scenes done, scenes in all).

    Raises:
        MissingExtraError: mujoco is not installed.
        ConfigError: it cannot draw without a screen here; says what to install or set.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(scenes):
        target = folder / f"scene_{seed}_{index:05d}.npz"
        if not target.exists():
            views = render_scene(np.random.default_rng([seed, index]))
            lenses = [(v.camera.focal_px(SIZE[1]), v.camera) for v in views]
            cameras = [(f, c.height_m, c.pitch_deg, c.roll_deg) for f, c in lenses]
            part = target.with_suffix(".part")
            with part.open("wb") as file:
                np.savez(
                    file,
                    kind=np.array([v.kind for v in views]),
                    image=np.stack([v.image for v in views]),
                    inverse_m=np.stack([v.inverse_m for v in views]).astype(np.float16),
                    ground=np.stack([v.ground for v in views]),
                    camera=np.array(cameras, np.float32),
                    licence=np.array(LICENCE),
                )
            part.replace(target)
        progress(index + 1, scenes)


def render_scene(
    rng: np.random.Generator, views: int = VIEWS, kind: Kind | None = None
) -> list[PlaceView]:
    """One random scene (of a ``kind``) from several places in it, with random lenses."""
    scene = make_scene(rng, kind)
    world = World(scene.scenario())
    if scene.ceiling_m is None:
        x, y = rng.normal(0, 0.6, 2)
        world.room.lights.append(f'<light directional="true" dir="{x:.3f} {y:.3f} -1"/>')
    found: list[PlaceView] = []
    with Stage(world, SIZE, seed=int(rng.integers(2**31)), surfaces=_dress(rng)) as stage:
        _light(rng, stage.model, outdoors=scene.ceiling_m is None)
        labels = np.array([ground_label(name) for name in stage.parts], np.uint8)
        for _ in range(views * _TRIES):
            if len(found) == views:
                break
            camera = _camera(rng, scene, world)
            if camera is None:
                continue
            seen = stage.render(camera)
            sky = seen.part < 0
            if np.quantile(seen.depth_m, 0.02) < NEAREST_M or sky.mean() > 0.8:
                continue  # almost inside something, or nothing to be seen
            image = np.where(sky[:, :, None], _sky(rng), seen.image)
            inverse = (1.0 / np.maximum(seen.depth_m, NEAREST_M / 2)).astype(np.float32)
            found.append(PlaceView(scene.kind, image, inverse, labels[seen.part], camera))
    return found or render_scene(rng, views, kind)


def ground_label(part: str) -> int:
    """0 not walkable, 1 walkable, 2 stairs."""
    return GROUND_LABELS.get(part.partition(" ")[0], 0)


def _camera(rng: np.random.Generator, scene: PlaceScene, world: World) -> Camera | None:
    """A walker's camera, 0.9 to 1.8 m up, a little down; None where nobody could be.

    Mostly along the way, but often almost at a wall or a thing, looking at it: there a wrong guess
    does harm.
    """
    x = rng.uniform(-scene.half_m, scene.half_m)
    y = rng.uniform(-1.5, min(scene.length_m, 9.0))
    if scene.edge_m is not None and rng.random() < 0.7:
        y = scene.edge_m - 0.15 - abs(rng.normal(0, 1.2))
    yaw = rng.normal(0, 25) if rng.random() < 0.75 else rng.uniform(-180, 180)
    gaps = world.gaps(x, y, BESIDE_M[1])
    if world.drop_at(x, y) or (gaps and gaps[0].distance_m < BESIDE_M[0] / 2):
        return None
    if gaps and rng.random() < BESIDE_SHARE:
        away = gaps[0].away
        yaw = math.degrees(math.atan2(-away[0], -away[1])) + rng.normal(0, 18)
    height = rng.uniform(0.9, 1.8)
    pitch = float(np.clip(rng.normal(16, 13), -20, 60))
    roll = float(np.clip(rng.normal(0, 4), -15, 15))
    lens = rng.uniform(50, 78) if rng.random() < 0.75 else rng.uniform(78, 105)
    return Camera(x, y, height, float(yaw), pitch, roll, lens)


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


def _dress(rng: np.random.Generator) -> dict[str, RgbImage]:
    """A random texture for every material."""
    kinds = list(textures.MAKERS)
    dressed: dict[str, RgbImage] = {}
    for name, (usual, color, _) in MATERIALS.items():
        kind = usual if rng.random() < 0.5 else str(rng.choice(kinds))
        base = np.array(color) if rng.random() < 0.55 else rng.uniform(0.08, 0.95, 3)
        mixed = base.mean() + (base - base.mean()) * rng.uniform(0.0, 1.0) ** 1.5
        r, g, b = np.clip(mixed, 0.04, 0.97)
        dressed[name] = textures.make(kind, (r, g, b), int(rng.integers(2**31)), TEXTURE_PX)
    return dressed


def _sky(rng: np.random.Generator) -> RgbImage:
    rows = np.linspace(0, 1, SIZE[0])[:, None, None]
    up = np.array([0.35, 0.55, 0.9]) * rng.uniform(0.1, 1.1)
    down = np.array([0.9, 0.9, 0.92]) * rng.uniform(0.2, 1.1)
    cloud = textures.fractal(rng, max(SIZE), 5)[: SIZE[0], : SIZE[1], None]
    image = (1 - rows) * up + rows * down + rng.uniform(0, 0.4) * cloud
    sky: RgbImage = np.clip(image * 255, 0, 255).astype(np.uint8)
    return sky
