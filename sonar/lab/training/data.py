"""Training pictures: photos with depth labels, RGB-D folders, rendered scenes.

All become a :class:`Sample`. Formats:

* a pack of photos: ``NAME.tar`` or a folder, with ``NAME.jpg``, ``NAME.png`` (8 bit: relative
  inverse depth ``2 * (v / 255) ** 2``) and optionally ``NAME_ground.png`` (0 not walkable,
  1 walkable, 2 stairs, 255 unknown);
* RGB-D folders as :mod:`sonar.lab.evaluate.data` reads them;
* what :mod:`sonar.lab.training.rendered` wrote.
"""

import hashlib
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sonar.errors import SourceError
from sonar.lab.evaluate.data import Dataset, FrameMount, Intrinsics, find_datasets
from sonar.lab.evaluate.run import known_mounts
from sonar.lab.evaluate.truth import rays
from sonar.types import FloatImage, RgbImage

HELD_OUT_SHARE = 0.06
GROUND, STAIRS, UNKNOWN = 1, 2, 255
# What the built-in's level means on ground: height / Z = 0.8 * level - 0.024 (the line that the
# zones expect of it before they see any floor). Metres become levels by it, so that the
# level stays what it was.
LEVEL_GAIN, LEVEL_SHIFT = 1.0 / 0.8, 0.024 / 0.8
USUAL_HEIGHT_M = 1.4
# The network that labelled the photos hardly tells near from nearer: a model taught by it alone
# gives near things half their level (docs/decisions/0009). Beyond this its labels are bounds, but
# on the ground.
SURE_LEVEL = 0.55
HIGHEST_LEVEL = 3.0  # about 0.6 m; nearer things may be as near as the network likes

Kind = Literal["photo", "measured", "rendered"]
Mask = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One picture with its depth.

    Attributes:
        name: unique in its source; the held-out split goes by it.
        source: folder, pack, or kind of scene.
        kind: ``photo`` (labelled by another network), ``measured`` or ``rendered``.
        image: uint8 (H, W, 3), RGB.
        level: float32 (h, w), the aspect of ``image``: relative inverse depth on the network's
            level; NaN where unknown.
        ground: uint8 of the shape of ``level``: 0, 1, 2, 255 as in the module's text.
    """

    name: str
    source: str
    kind: Kind
    image: RgbImage
    level: FloatImage
    ground: Mask


def held_out(name: str, share: float = HELD_OUT_SHARE) -> bool:
    """Whether a photo is kept from training; by its name alone, the same for ever."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:4], "big") < share * 2**32


def read_photos(paths: Sequence[Path]) -> list[Sample]:
    """Every photo of the packs in ``paths`` (tar files, folders, or folders of tar files).

    Raises:
        SourceError: nothing there, a photo without its label, or one that cannot be read.
    """
    samples = [sample for path in paths for pack in _packs(path) for sample in _read_pack(pack)]
    if not samples:
        raise SourceError("No photo with a depth label was found.")
    return samples


def read_measured(paths: Sequence[Path], *, ground: bool = True) -> list[Sample]:
    """RGB-D folders; ``1 / Z`` becomes a level with the camera's height where it is known.

    Ground is the floor's plane (given or fitted) in the measured depth: 1 on it, 0 well above
    it, 255 between and where nothing is known.
    """
    found = []
    for dataset in find_datasets(paths):
        mounts = known_mounts(dataset, dataset.intrinsics)[0] if dataset.intrinsics else {}
        found += [_measured(dataset, i, mounts.get(p.id)) for i, p in enumerate(dataset.pairs)]
    return found


def read_rendered(folder: Path, limit: int | None = None) -> list[Sample]:
    """What :func:`sonar.lab.training.rendered.render` wrote, up to ``limit`` scenes.

    Raises:
        SourceError: nothing there, or a damaged file.
    """
    files = sorted(folder.glob("scene_*.npz"))[:limit]
    if not files:
        raise SourceError(f"{folder} holds no rendered scenes: make them with 'render' first.")
    return [sample for file in files for sample in _read_scene(file)]


def split(samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """(for training, held out), by name."""
    train = [s for s in samples if not held_out(s.name)]
    return train, [s for s in samples if held_out(s.name)]


def metres_to_level(inverse_m: FloatImage, height_m: float | None) -> FloatImage:
    """``1 / Z`` in 1/m to the built-in's level; the sky (0) comes out slightly above 0."""
    height = USUAL_HEIGHT_M if height_m is None else height_m
    level: FloatImage = (LEVEL_GAIN * height * inverse_m + LEVEL_SHIFT).astype(np.float32)
    return level


def _packs(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise SourceError(f"{path} is not there.")
    return sorted(path.glob("*.tar")) or [path]


def _read_pack(path: Path) -> Iterator[Sample]:
    files = dict(_tar_files(path) if path.is_file() else _folder_files(path))
    for name in sorted(files):
        if not name.endswith(".jpg"):
            continue
        key = name.removesuffix(".jpg")
        label = files.get(f"{key}.png")
        if label is None:
            raise SourceError(f"{path}: {name} has no depth label {key}.png beside it.")
        depth = _decode(label, grey=True, what=f"{path}: {key}.png")
        level = (2.0 * (depth.astype(np.float32) / 255.0) ** 2).astype(np.float32)
        ground = np.full(level.shape, UNKNOWN, np.uint8)
        mask = files.get(f"{key}_ground.png")
        if mask is not None:
            ground = _shrink(_decode(mask, grey=True, what=f"{path}: {key}_ground.png"), ground)
        image = _decode(files[name], grey=False, what=f"{path}: {name}")
        yield Sample(key, path.stem, "photo", image, level, ground)


def _tar_files(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isfile() else None
                if file is not None:
                    yield Path(member.name).name, file.read()
    except (OSError, tarfile.TarError) as error:
        raise SourceError(f"{path} is not a readable tar file: {error}.") from error


def _folder_files(path: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(path.iterdir()):
        if file.suffix in (".jpg", ".png"):
            yield file.name, file.read_bytes()


def _measured(dataset: Dataset, index: int, mount: FrameMount | None) -> Sample:
    import cv2

    pair = dataset.pairs[index]
    image, depth_m = pair.load()
    height_m = None if mount is None else mount.height_m
    ground = np.full(depth_m.shape, UNKNOWN, np.uint8)
    if mount is not None and dataset.intrinsics is not None:
        ground = floor_mask(depth_m, dataset.intrinsics, mount)
    size = (320, round(320 * image.shape[0] / image.shape[1]))
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    # Nearest neighbours: a mean over an edge would be a depth that is nowhere.
    depth_m = cv2.resize(depth_m, size, interpolation=cv2.INTER_NEAREST)
    ground = cv2.resize(ground, size, interpolation=cv2.INTER_NEAREST)
    level = metres_to_level(1.0 / np.maximum(depth_m, 0.1), height_m)
    return Sample(f"{dataset.name}/{pair.id}", dataset.name, "measured", image, level, ground)


def floor_mask(depth_m: FloatImage, k: Intrinsics, mount: FrameMount) -> Mask:
    """uint8 (H, W): 1 on the floor's plane, 0 more than 12 cm above it, 255 elsewhere.

    ``mount`` is complete. Margins grow by 2 cm a metre (errors of the sensor and the angles).
    """
    assert mount.pitch_deg is not None and mount.roll_deg is not None and mount.height_m is not None
    x, y = rays((depth_m.shape[0], depth_m.shape[1]), k)
    p, r = np.radians(mount.pitch_deg), np.radians(mount.roll_deg)
    down = (y * np.cos(r) + x * np.sin(r)) * np.cos(p) + np.sin(p)
    metres = np.where(np.isfinite(depth_m), depth_m, 0.0)
    up = mount.height_m - down * metres
    margin = 0.02 * metres
    mask = np.full(depth_m.shape, UNKNOWN, np.uint8)
    known = metres > 0.05
    mask[known & (up > 0.12 + margin)] = 0
    mask[known & (np.abs(up) < 0.04 + margin)] = GROUND
    return mask


def _read_scene(file: Path) -> Iterator[Sample]:
    try:
        with np.load(file, allow_pickle=False) as data:
            arrays = [data[name] for name in ("kind", "image", "inverse_m", "ground", "height_m")]
    except (OSError, ValueError, KeyError) as error:
        raise SourceError(f"{file} is not a rendered scene: {error}.") from error
    for k, (kind, image, inverse_m, ground, height_m) in enumerate(zip(*arrays, strict=True)):
        level = metres_to_level(inverse_m.astype(np.float32), float(height_m))
        yield Sample(f"{file.stem}/{k}", str(kind), "rendered", image, level, ground)


def _shrink(mask: Mask, like: Mask) -> Mask:
    import cv2

    small: Mask = cv2.resize(mask, like.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return small


def _decode(data: bytes, *, grey: bool, what: str) -> NDArray[np.uint8]:
    import cv2

    mode = cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR
    image = cv2.imdecode(np.frombuffer(data, np.uint8), mode) if data else None
    if image is None:
        raise SourceError(f"{what} is not a picture that can be read.")
    return np.ascontiguousarray(image if grey else image[:, :, ::-1])
