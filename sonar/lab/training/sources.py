"""Reads every source of training frames: rendered packs, RGB-D folders, photos, MuJoCo places."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sonar.errors import SourceError
from sonar.lab.evaluate.data import Dataset, pack_files, pack_name
from sonar.lab.evaluate.play import known_mounts
from sonar.lab.training.sample import LOWER_M, Labels, Sample, below_ground_m, label
from sonar.types import FloatImage

SIDE = 320  # longer side of what is kept
REACH_M = 65.0
# Steps are marked in these (README of the packs); elsewhere nobody knows what is stairs.
STEPS_MARKED = ("p_", "walk_p_", "d_staircase")
PHOTO_LICENCES = {
    "ade20k_val": "images: non-commercial research",
    "camvid": "CC BY-NC 4.0",
}


def read_rendered(dataset: Dataset) -> Iterator[Sample]:
    """A rendered scene or walk. Raises SourceError for a damaged pack."""
    for pair in dataset.pairs:
        image, depth_m = pair.load()
        marks = pair.image(f"{pair.id}_label.png")
        if marks.shape != depth_m.shape or marks.dtype != np.uint8:
            raise SourceError(f"{dataset.folder}: {pair.id}_label.png does not fit its image.")
        mount, k = dataset.mounts[pair.id], dataset.camera(pair)
        if mount.height_m is None or mount.pitch_deg is None or mount.roll_deg is None:
            raise SourceError(f"{dataset.folder} does not state the camera of {pair.id}.")
        angles = mount.height_m, mount.pitch_deg, mount.roll_deg
        below_m = below_ground_m(depth_m, (k.fx, k.fy, k.cx, k.cy), *angles)
        steps = dataset.name.startswith(STEPS_MARKED)
        yield Sample(
            pair.id,
            dataset.name,
            "rendered",
            dataset.meta.licence,
            image,
            np.float32(mount.height_m) / depth_m,
            rendered_labels(marks, depth_m, below_m, steps=steps),
            k.fx / max(image.shape[:2]),
        )


def rendered_labels(
    marks: Labels, depth_m: FloatImage, below_m: FloatImage, *, steps: bool
) -> Labels:
    """Bits from the packs' marks 0..5; steps that lead down are stairs and a drop.

    Sides of drops (mark 0 at a known depth) are not ground; whether they are a drop is left open.
    """
    everywhere = np.ones(marks.shape, bool)
    drop = (marks == 2) | ((marks == 3) & (below_m > LOWER_M))
    open_question = (marks == 0) & np.isfinite(depth_m)
    return label((marks == 1, everywhere), (drop, ~open_question), (marks == 3, everywhere & steps))


def read_measured(dataset: Dataset) -> Iterator[Sample]:
    """An RGB-D folder. Without a known camera height only the shape of its depth counts.

    Ground is what lies on the ground plane; none of these places has a drop.
    """
    k = dataset.meta.intrinsics
    mounts = known_mounts(dataset)[0] if k else {}
    for pair in dataset.pairs:
        image, depth_m = pair.load()
        mount = mounts.get(pair.id)
        labels = np.zeros(depth_m.shape, np.uint8)
        inverse = 1.0 / np.maximum(depth_m, np.float32(0.1))
        focal = 0.0
        if k is not None and mount is not None and mount.height_m is not None:
            assert mount.pitch_deg is not None and mount.roll_deg is not None
            angles = mount.height_m, mount.pitch_deg, mount.roll_deg
            below_m = below_ground_m(depth_m, (k.fx, k.fy, k.cx, k.cy), *angles)
            labels = _measured_labels(depth_m, below_m)
            inverse = inverse * np.float32(mount.height_m)
            focal = k.fx / max(image.shape[:2])
        # Nearest neighbors for depth: a mean over an edge would be a depth that is nowhere.
        yield Sample(
            pair.id,
            dataset.name,
            "measured",
            dataset.meta.licence,
            _small(image, image, cv2.INTER_AREA),
            _small(inverse.astype(np.float32), image, cv2.INTER_NEAREST),
            _small(labels, image, cv2.INTER_NEAREST),
            focal,
        )


def _measured_labels(depth_m: FloatImage, below_m: FloatImage) -> Labels:
    """Margins grow by 2 cm per meter: errors of the sensor and of the angles."""
    measured = np.isfinite(depth_m) & (depth_m > 0.05)
    margin = 0.02 * np.where(measured, depth_m, np.float32(0.0))
    on = measured & (np.abs(below_m) < 0.04 + margin)
    above = measured & (-below_m > LOWER_M + margin)
    nowhere = np.zeros(depth_m.shape, bool)
    return label((on, on | above), (nowhere, on | above), (None, None))


def read_photos(path: Path) -> Iterator[Sample]:
    """A pack of photos whose depth another network labeled: only its shape counts."""
    files = pack_files(path)
    name = pack_name(path)
    for key in sorted(file.removesuffix(".jpg") for file in files if file.endswith(".jpg")):
        image = _decode(files, f"{key}.jpg", path, cv2.IMREAD_COLOR)
        depth = _decode(files, f"{key}.png", path, cv2.IMREAD_GRAYSCALE)
        relative = 2.0 * (depth.astype(np.float32) / np.float32(255.0)) ** 2
        small = np.ascontiguousarray(_small(image, image, cv2.INTER_AREA)[:, :, ::-1])
        labels = np.zeros(small.shape[:2], np.uint8)
        if f"{key}_ground.png" in files:
            mask = _decode(files, f"{key}_ground.png", path, cv2.IMREAD_GRAYSCALE)
            mask = _small(mask, image, cv2.INTER_NEAREST)
            known = mask <= 2
            labels = label((mask == 1, known), (None, None), (mask == 2, known))
        licence = PHOTO_LICENCES.get(name, "none stated")
        relative = _small(relative, image, cv2.INTER_LINEAR)
        yield Sample(key, name, "photo", licence, small, relative, labels, 0.0)


def read_mujoco(folder: Path) -> Iterator[Sample]:
    """What :func:`sonar.lab.simulate.places.render` wrote. Raises SourceError."""
    files = sorted(folder.glob("scene_*.npz"))
    if not files:
        raise SourceError(f"{folder} holds no MuJoCo places: make them with 'render' first.")
    for file in files:
        try:
            with np.load(file, allow_pickle=False) as data:
                arrays = [data[n] for n in ("kind", "image", "inverse_m", "ground", "camera")]
                licence = str(data["licence"]) if "licence" in data else "none stated"
        except (OSError, ValueError, KeyError) as error:
            raise SourceError(f"{file} is not a MuJoCo place: {error}.") from error
        for number, (kind, image, inverse, ground, row) in enumerate(zip(*arrays, strict=True)):
            focal_px, height_m, pitch_deg, roll_deg = (float(v) for v in row)
            rows, columns = inverse.shape
            camera = (focal_px, focal_px, (columns - 1) / 2, (rows - 1) / 2)
            inverse_m = inverse.astype(np.float32)
            seen = inverse_m > 1.0 / REACH_M
            depth_m = np.where(seen, 1.0 / np.maximum(inverse_m, 1.0 / REACH_M), np.float32(0.0))
            below_m = below_ground_m(depth_m, camera, height_m, pitch_deg, roll_deg)
            everywhere = np.ones(inverse.shape, bool)
            lower = seen & (below_m > LOWER_M)
            stairs = (ground == 2, everywhere)
            yield Sample(
                f"{file.stem}_{number}",
                f"mujoco_{kind}",
                "mujoco",
                licence,
                image,
                np.where(seen, inverse_m * np.float32(height_m), np.float32(0.0)),
                label(((ground == 1) & ~lower, everywhere), (lower, everywhere), stairs),
                focal_px / max(inverse.shape),
            )


def _small(array: NDArray[Any], image: NDArray[Any], rule: int) -> NDArray[Any]:
    """``array`` at the size to which ``image`` is brought: its longer side SIDE pixels."""
    rows, columns = image.shape[:2]
    scale = SIDE / max(rows, columns)
    size = round(columns * scale), round(rows * scale)
    small: NDArray[Any] = cv2.resize(array, size, interpolation=rule).astype(array.dtype)
    return small


def _decode(files: Mapping[str, bytes], name: str, path: Path, mode: int) -> NDArray[Any]:
    data = files.get(name)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), mode) if data else None
    if image is None:
        raise SourceError(f"{path}: {name} is not an image that can be read.")
    decoded: NDArray[Any] = image
    return decoded
