"""The embedded clip: a walk past obstacles, rendered by MuJoCo with the first edition of sonar.

``walk.mp4``: H.264, 640x480, 25 frames a second. ``walk_depth.npz``: exact depth of every fifth
frame at 120x160, see :func:`sonar.demo.depth`. ``walk_truth.json``: mount, path and the nearest
obstacles, once a second. The three files stay as they are.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from sonar.config import MountConfig
from sonar.types import FloatImage

CLIP = Path(__file__).with_name("walk.mp4")
DEPTH = Path(__file__).with_name("walk_depth.npz")
TRUTH = Path(__file__).with_name("walk_truth.json")
MOUNT = MountConfig(height_m=1.35, pitch_deg=10.0, roll_deg=0.0, hfov_deg=62.0)


def truth() -> dict[str, Any]:
    """What is really there, once a second; see the file's own ``about``."""
    loaded: dict[str, Any] = json.loads(TRUTH.read_text(encoding="utf-8"))
    return loaded


def depth() -> dict[int, FloatImage]:
    """Frame number -> exact meters along the optical axis, float32 (120, 160).

    Pixel (row, col) belongs to pixel (4 row + 2, 4 col + 2) of the frame. Rounded to
    millimeters.
    """
    with np.load(DEPTH) as stored:
        columns = np.cumsum(stored["delta_mm"], axis=1, dtype=np.uint16)
        frames = np.cumsum(columns, axis=2, dtype=np.uint16)
        return {
            int(index): (mm.astype(np.float32) / np.float32(1000.0))
            for index, mm in zip(stored["frame"], frames, strict=True)
        }
