"""Made-up places as RGB-D folders, which `sonar evaluate` and the zones' fits read.

Measured depth hardly ever shows what is at arm's length, or an edge; here both are, exactly.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from sonar.lab.simulate.places.render import SIZE, PlaceView, render_scene
from sonar.lab.simulate.places.things import Kind
from sonar.types import RgbImage

FOLDERS: Mapping[str, tuple[Kind, ...]] = {
    "rendered_indoors": ("room", "corridor"),
    "rendered_street": ("street",),
    "rendered_edges": ("stairs_down", "drop", "stairs_up"),
}
VIEWS = 4
HFOV_DEG = 66.0  # one lens: a folder has one set of intrinsics
FARTHEST_M = 50.0


def write(
    folder: Path,
    scenes: int,
    *,
    seed: int = 0,
    photos: Sequence[RgbImage] = (),
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """``scenes`` scenes for each of :data:`FOLDERS`, ``VIEWS`` pictures of each scene.

    Args:
        photos, progress: as :func:`sonar.lab.simulate.places.render.render` takes them.

    Raises:
        MissingExtraError, ConfigError: it cannot be drawn here.
    """
    done = 0
    for name, kinds in FOLDERS.items():
        target = folder / name
        target.mkdir(parents=True, exist_ok=True)
        frames: dict[str, dict[str, float]] = {}
        for index in range(scenes):
            rng = np.random.default_rng([seed, index])
            kind = kinds[index % len(kinds)]
            for number, view in enumerate(
                render_scene(rng, photos, VIEWS, kind=kind, hfov_deg=HFOV_DEG)
            ):
                frame = f"{index:03d}_{number}"
                _write_pair(target, frame, view)
                frames[frame] = {
                    "height_m": round(view.camera.height_m, 3),
                    "pitch_deg": round(view.camera.pitch_deg, 2),
                    "roll_deg": round(view.camera.roll_deg, 2),
                }
                focal_px = view.camera.focal_px(SIZE[1])
            done += 1
            if progress is not None:
                progress(done, scenes * len(FOLDERS))
        lens = {"fx": focal_px, "fy": focal_px, "cx": (SIZE[1] - 1) / 2, "cy": (SIZE[0] - 1) / 2}
        meta = {"intrinsics": lens, "frames": frames}
        (target / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def _write_pair(folder: Path, frame: str, view: PlaceView) -> None:
    seen = view.inverse_m > 1.0 / FARTHEST_M
    millimetres = np.where(seen, 1000.0 / np.maximum(view.inverse_m, 1.0 / FARTHEST_M), 0.0)
    picture = np.ascontiguousarray(view.image[:, :, ::-1])
    cv2.imwrite(str(folder / f"{frame}_rgb.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
    cv2.imwrite(str(folder / f"{frame}_depth.png"), millimetres.astype(np.uint16))
