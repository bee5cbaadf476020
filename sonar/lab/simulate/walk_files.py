"""Writes the demo walk: clip, depth, truth."""

import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.config import ZonesConfig
from sonar.demo import MOUNT
from sonar.files import media_path
from sonar.lab.simulate.mujoco_walk import (
    FRAMES,
    RATE_HZ,
    SIZE,
    WalkFrame,
    WalkRenderer,
    nearest_obstacles,
)
from sonar.types import FloatImage

DEPTH_EVERY = 5
TRUTH_EVERY = 25
CRF = "22"
ABOUT = (
    "Once a second: frame, t in s, the camera's pose (metres, degrees; pitch positive looking "
    "down, roll positive with the right side lower, yaw positive to the right) and, per zone, "
    "the nearest thing in a corridor of corridor_width_m up to head_height_m, its horizontal "
    "distance along the heading, null where there is none."
)


def coarse_mm(depth_m: FloatImage) -> NDArray[np.uint16]:
    """Every fourth pixel from the third on, in millimetres: (480, 640) -> (120, 160)."""
    millimetres = np.rint(depth_m[2::4, 2::4].astype(np.float64) * 1000.0)
    return np.clip(millimetres, 0, 65535).astype(np.uint16)


def write_walk(
    folder: Path, progress: Callable[[int, int], None] | None = None
) -> tuple[Path, Path, Path]:
    """Render the walk into ``folder``; returns clip, depth and truth. About two minutes.

    Raises:
        MissingExtraError: without mujoco.
        ConfigError: nothing can be drawn without a screen here.
    """
    import av

    folder.mkdir(parents=True, exist_ok=True)
    clip, depth_file, truth_file = (
        folder / name for name in ("walk.mp4", "walk_depth.npz", "walk_truth.json")
    )
    zones = ZonesConfig()
    depths: list[NDArray[np.uint16]] = []
    seconds: list[dict[str, Any]] = []
    with WalkRenderer() as renderer, av.open(media_path(clip), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(RATE_HZ))
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv420p"
        # One thread, so that the file does not depend on the number of cores.
        stream.options = {"crf": CRF, "preset": "veryslow", "threads": "1", "g": "50"}
        for frame in renderer.frames():
            picture = av.VideoFrame.from_ndarray(frame.image, format="rgb24")
            container.mux(stream.encode(picture))
            if frame.index % DEPTH_EVERY == 0:
                depths.append(coarse_mm(frame.depth_m))
            if frame.index % TRUTH_EVERY == 0:
                seconds.append(_second(frame, renderer, zones))
            if progress is not None:
                progress(frame.index + 1, FRAMES)
        container.mux(stream.encode())
    _write_depth(depth_file, depths)
    _write_truth(truth_file, zones, seconds)
    return clip, depth_file, truth_file


def _second(frame: WalkFrame, renderer: WalkRenderer, zones: ZonesConfig) -> dict[str, Any]:
    """What is true at ``frame``: where the camera is, and what stands nearest on each side."""
    pose = frame.pose
    return {
        "frame": frame.index,
        "t": round(frame.t, 6),
        "x_m": round(pose.x_m, 4),
        "y_m": round(pose.y_m, 4),
        "height_m": round(pose.height_m, 4),
        "yaw_deg": round(pose.yaw_deg, 3),
        "pitch_deg": round(pose.pitch_deg, 3),
        "roll_deg": round(pose.roll_deg, 3),
        "zones": nearest_obstacles(frame, renderer.parts, renderer.obstacles, zones),
    }


def _write_depth(path: Path, maps: Sequence[NDArray[np.uint16]]) -> None:
    stack = np.stack(maps)
    # Differences along rows and columns pack several times better than the values.
    delta = np.diff(np.diff(stack, axis=2, prepend=np.uint16(0)), axis=1, prepend=np.uint16(0))
    np.savez_compressed(
        path,
        frame=np.arange(0, FRAMES, DEPTH_EVERY, dtype=np.int32),
        delta_mm=delta.astype(np.uint16),
    )


def _write_truth(path: Path, zones: ZonesConfig, seconds: Sequence[dict[str, Any]]) -> None:
    mount = MOUNT.model_dump(include={"height_m", "pitch_deg", "roll_deg", "hfov_deg"})
    truth = {
        "about": ABOUT,
        "frames": FRAMES,
        "rate_hz": RATE_HZ,
        "height_px": SIZE[0],
        "width_px": SIZE[1],
        "mount": mount,
        "corridor_width_m": zones.corridor_width_m,
        "head_height_m": zones.head_height_m,
        "center_width_deg": zones.center_width_deg,
        "seconds": seconds,
    }
    path.write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
