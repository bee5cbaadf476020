"""Reads every source of training frames: rendered packs, RGB-D folders, photos, MuJoCo places.

Held out for ever, never trained on nor tuned on: :data:`HELD_OUT_SCENES`, :data:`HELD_OUT_WALKS`,
:data:`HELD_OUT_PLACES`. :data:`VALIDATION_SCENES` are not trained on either.
"""

import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sonar.errors import SourceError
from sonar.lab.evaluate.data import Dataset
from sonar.lab.evaluate.folder import known_mounts
from sonar.lab.training.sample import LOWER_M, Labels, Sample, below_ground_m, label
from sonar.types import FloatImage

# Stairs, street, platform, site, an interior, a corridor; the walks lie in three of these scenes.
HELD_OUT_SCENES = ("p_stairs3", "p_street2", "p_platform2", "p_site3", "q_kitchen", "p_corr3")
HELD_OUT_WALKS = ("walk_p_stairs3_0drop", "walk_p_street2_0obst", "walk_p_platform2_0drop")
HELD_OUT_PLACES = ("hololens_office", "slambook_diningroom", "nvblox_meeting")
VALIDATION_SCENES = ("p_stairs5", "p_street4", "q_living3")

SIDE = 320  # longer side of what is kept
REACH_M = 65.0
# Steps are marked in these (README of the packs); elsewhere nobody knows what is stairs.
STEPS_MARKED = ("p_", "walk_p_", "d_staircase")
PHOTO_LICENCES = {
    "ade20k_val": "images: non-commercial research",
    "camvid": "CC BY-NC 4.0",
}


def scene_of(pack: str) -> str:
    """The scene that a pack of stills or a walk shows: ``walk_p_corr2_0obst`` -> ``p_corr2``."""
    return pack.removeprefix("walk_").rpartition("_")[0] if pack.startswith("walk_") else pack


def find_packs(path: Path) -> tuple[Path, ...]:
    """The ``.tar`` and ``.tar.gz`` files of a folder, or the file itself.

    Raises SourceError where there is none.
    """
    found = [path] if path.is_file() else sorted([*path.glob("*.tar"), *path.glob("*.tar.gz")])
    if not found:
        raise SourceError(f"{path} holds no .tar or .tar.gz pack.")
    return tuple(found)


def pack_name(path: Path) -> str:
    """``p_corr1`` of ``.../p_corr1.tar.gz``."""
    return path.name.removesuffix(".gz").removesuffix(".tar")


def read_rendered(path: Path) -> Iterator[Sample]:
    """A rendered scene or walk; its README says what the files hold.

    Raises SourceError for a damaged pack.
    """
    files = _tar_files(path)
    name = pack_name(path)
    try:
        meta: Any = json.loads(files["meta.json"])
        views: Mapping[str, Any] = meta.get("pictures") or meta["frames"]
        for key, view in views.items():
            image = _decode(files, f"{key}_rgb.jpg", path, cv2.IMREAD_COLOR)
            raw = _decode(files, f"{key}_depth.png", path, cv2.IMREAD_UNCHANGED)
            marks = _decode(files, f"{key}_label.png", path, cv2.IMREAD_GRAYSCALE)
            depth_m = raw.astype(np.float32) / np.float32(1000.0)
            seen = depth_m > 0
            height_m = np.float32(view["height_m"])
            # Pixel centers are at +0.5 there, and roll turns the other way.
            camera = (view["fx"], view["fy"], view["cx"] - 0.5, view["cy"] - 0.5)
            angles = float(height_m), view["pitch_deg"], -view["roll_deg"]
            below_m = below_ground_m(depth_m, camera, *angles)
            yield Sample(
                key,
                name,
                "rendered",
                str(meta.get("licence", "none stated")),
                np.ascontiguousarray(image[:, :, ::-1]),
                np.where(seen, height_m / np.where(seen, depth_m, np.float32(1)), np.float32(0)),
                rendered_labels(marks, depth_m, below_m, steps=name.startswith(STEPS_MARKED)),
                float(view["fx"]) / max(image.shape[:2]),
            )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise SourceError(f"{path} is not a rendered pack: {error}.") from error


def rendered_labels(
    marks: Labels, depth_m: FloatImage, below_m: FloatImage, *, steps: bool
) -> Labels:
    """Bits from the packs' marks 0..5; steps that lead down are stairs and a drop.

    Sides of drops (mark 0 at a known depth) are not ground; whether they are a drop is left open.
    """
    everywhere = np.ones(marks.shape, bool)
    drop = (marks == 2) | ((marks == 3) & (below_m > LOWER_M))
    open_question = (marks == 0) & (depth_m > 0)
    return label((marks == 1, everywhere), (drop, ~open_question), (marks == 3, everywhere & steps))


def read_measured(dataset: Dataset) -> Iterator[Sample]:
    """An RGB-D folder. Without a known camera height only the shape of its depth counts.

    Ground is what lies on the ground plane; none of these places has a drop.
    """
    k = dataset.intrinsics
    mounts = known_mounts(dataset, k)[0] if k else {}
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
            dataset.licence,
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
    files = _tar_files(path)
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


def _tar_files(path: Path) -> dict[str, bytes]:
    found = {}
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isfile() else None
                if file is not None:
                    found[Path(member.name).name] = file.read()
    except (OSError, EOFError, tarfile.TarError) as error:
        raise SourceError(f"{path} is not a readable tar file: {error}.") from error
    return found


def _decode(files: Mapping[str, bytes], name: str, path: Path, mode: int) -> NDArray[Any]:
    data = files.get(name)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), mode) if data else None
    if image is None:
        raise SourceError(f"{path}: {name} is not an image that can be read.")
    decoded: NDArray[Any] = image
    return decoded
