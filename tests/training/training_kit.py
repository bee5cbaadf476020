"""A small rendered pack, as ../shared/rendered holds them, on a known plane."""

import io
import json
import tarfile
from pathlib import Path

import cv2
import numpy as np

ROWS, COLUMNS, FOCAL_PX, HEIGHT_M, PITCH_DEG, ROLL_DEG = 96, 128, 100.0, 1.4, 15.0, 3.0


def ground_inverse_m() -> np.ndarray:
    """1 / Z of the ground at every pixel, at most 0 above the horizon; by the packs' README."""
    x = (np.arange(COLUMNS) + 0.5 - COLUMNS / 2) / FOCAL_PX
    y = (np.arange(ROWS)[:, None] + 0.5 - ROWS / 2) / FOCAL_PX
    p, r = np.radians(PITCH_DEG), np.radians(ROLL_DEG)
    return (np.sin(p) + np.cos(p) * (np.cos(r) * y - np.sin(r) * x)) / HEIGHT_M


def write_pack(folder: Path, name: str, licence: str = "CC0", frames: int = 2) -> Path:
    """Ground, a sky, a box 1 m ahead at the right, ground 0.5 m lower at the left."""
    inverse_m = ground_inverse_m()
    depth_m = np.where(inverse_m > 1 / 60, 1 / np.maximum(inverse_m, 1 / 60), 0.0)
    marks = np.where(depth_m > 0, 1, 0).astype(np.uint8)
    depth_m[20:, 100:], marks[20:, 100:] = 1.0, 4
    lower = np.zeros(marks.shape, bool)
    lower[60:, :20] = True
    depth_m[lower] *= (HEIGHT_M + 0.5) / HEIGHT_M
    marks[60:80, :20], marks[80:, :20] = 2, 3
    rng = np.random.default_rng(len(name))
    view = {
        "w": COLUMNS, "h": ROWS, "fx": FOCAL_PX, "fy": FOCAL_PX, "cx": COLUMNS / 2,
        "cy": ROWS / 2, "height_m": HEIGHT_M, "pitch_deg": PITCH_DEG, "roll_deg": ROLL_DEG,
    }  # fmt: skip
    keys = [f"{name}_{k:05d}" for k in range(frames)]
    views = "frames" if name.startswith("walk_") else "pictures"
    meta = {"scene": name, "licence": licence, views: {key: view for key in keys}}
    files = {"meta.json": json.dumps(meta).encode()}
    for key in keys:
        noise = rng.integers(0, 30, (ROWS, COLUMNS, 3))
        image = np.clip(np.minimum(200 / np.maximum(depth_m, 1), 220)[..., None] + noise, 0, 255)
        files[f"{key}_rgb.jpg"] = cv2.imencode(".jpg", image.astype(np.uint8))[1].tobytes()
        millimeters = (1000 * depth_m).astype(np.uint16)
        files[f"{key}_depth.png"] = cv2.imencode(".png", millimeters)[1].tobytes()
        files[f"{key}_label.png"] = cv2.imencode(".png", marks)[1].tobytes()
    path = folder / f"{name}.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for file, data in files.items():
            info = tarfile.TarInfo(f"{name}/{file}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path
