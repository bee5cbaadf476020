"""Places with known depth: folders of color and measured depth, and packs of rendered frames.

A dataset folder holds ``<id>_rgb.jpg`` (or .png), ``<id>_depth.png`` (16-bit, millimeters, 0 = no
measurement, same size) and ``meta.json``: ``intrinsics`` (fx, fy, cx, cy in pixels), optionally
``frames`` (per id ``height_m``, ``pitch_deg``, ``roll_deg``; pitch positive looking down, roll
positive with the right side lower) and ``rate_hz`` (pairs a second).

A rendered pack is a ``NAME.tar`` or ``NAME.tar.gz`` with ``<id>_rgb.jpg``, ``<id>_depth.png`` (0 =
nothing within range), ``<id>_label.png`` and ``meta.json``: ``licence`` and, per id, the camera
with its height and angles (pixel centers at +0.5, roll positive with the left side lower), under
``pictures`` for unrelated views, or under ``frames`` with ``hz`` and ``kind`` for a walk. Walks of
kind ``drop`` state the distance to the edge, ``target_dist_m``.
"""

import tarfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AliasChoices, BaseModel, Field, ValidationError

from sonar.errors import SourceError
from sonar.types import FloatImage, RgbImage

DEPTH_SUFFIX = "_depth.png"
RGB_SUFFIXES = ("_rgb.jpg", "_rgb.jpeg", "_rgb.png")
PACK_SUFFIXES = (".tar", ".tar.gz")

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Finite = Annotated[float, Field(allow_inf_nan=False)]


class DatasetIntrinsics(BaseModel, frozen=True):
    """Pinhole camera, in pixels of the images."""

    fx: _Positive
    fy: _Positive
    cx: _Finite
    cy: _Finite


class FrameMount(BaseModel, frozen=True):
    """Where the camera was at one frame, and what it was where frames differ; None is not known."""

    height_m: Annotated[float, Field(gt=0.05, lt=10)] | None = None
    pitch_deg: Annotated[float, Field(ge=-90, le=90)] | None = None
    roll_deg: Annotated[float, Field(ge=-180, le=180)] | None = None
    gravity_source: str | None = None
    fx: _Positive | None = None
    fy: _Positive | None = None
    cx: _Finite | None = None
    cy: _Finite | None = None
    target_dist_m: _Finite | None = None

    @property
    def complete(self) -> bool:
        """Whether height and both angles are there."""
        return None not in (self.height_m, self.pitch_deg, self.roll_deg)


class Meta(BaseModel, frozen=True):
    """``meta.json``. Others write these files and put more in them than is used here."""

    intrinsics: DatasetIntrinsics | None = None
    frames: Annotated[
        dict[str, FrameMount], Field(validation_alias=AliasChoices("frames", "pictures"))
    ] = {}
    rate_hz: Annotated[_Positive | None, Field(validation_alias=AliasChoices("rate_hz", "hz"))] = (
        None
    )
    licence: str = "none stated"
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """One image and its depth: the names of two files of ``folder``, and how to read a file."""

    id: str
    rgb: str
    depth: str
    folder: Path
    read: Callable[[str], bytes]
    beyond_m: float = float("nan")  # what a stored 0 means

    def load(self) -> tuple[RgbImage, FloatImage]:
        """RGB uint8 (H, W, 3) and float32 (H, W) meters.

        NaN where nothing was measured, infinite where nothing is.

        Raises:
            SourceError: unreadable, not 16-bit, or of different sizes.
        """
        color = self.image(self.rgb)
        raw = self.image(self.depth)
        if raw.dtype != np.uint16 or raw.ndim != 2:
            raise SourceError(f"{self.folder / self.depth} is not a 16-bit depth image.")
        if color.ndim != 3 or raw.shape != color.shape[:2]:
            raise SourceError(f"{self.folder / self.rgb} and {self.depth} must have the same size.")
        meters = raw.astype(np.float32) / np.float32(1000.0)
        meters[raw == 0] = self.beyond_m
        return np.ascontiguousarray(color[:, :, ::-1]), meters

    def image(self, name: str) -> NDArray[Any]:
        """A file of the folder, decoded: color in BGR, all else as it is. Raises SourceError."""
        import cv2

        data = np.frombuffer(self.read(name), np.uint8)
        mode = cv2.IMREAD_COLOR if name == self.rgb else cv2.IMREAD_UNCHANGED
        image = cv2.imdecode(data, mode) if data.size else None
        if image is None:
            raise SourceError(f"{self.folder / name} is not an image that can be read.")
        decoded: NDArray[Any] = image
        return decoded


@dataclass(frozen=True, slots=True)
class Dataset:
    """One place: a folder or a pack.

    Attributes:
        name: for the report; the folder's or the pack's.
        mounts: per id; ids without an entry have none.
        related: whether the pairs follow one another, as they do but in packs of views.
    """

    name: str
    folder: Path
    pairs: tuple[Pair, ...]
    meta: Meta
    mounts: Mapping[str, FrameMount]
    related: bool = True

    def camera(self, pair: Pair) -> DatasetIntrinsics:
        """The camera of a frame. Raises SourceError where none is stated."""
        own = self.mounts.get(pair.id, FrameMount())
        if own.fx is not None and own.fy is not None and own.cx is not None and own.cy is not None:
            return DatasetIntrinsics(fx=own.fx, fy=own.fy, cx=own.cx, cy=own.cy)
        if self.meta.intrinsics is None:
            raise SourceError(f"{self.folder / 'meta.json'} states no intrinsics.")
        return self.meta.intrinsics


def find_datasets(paths: Sequence[Path]) -> tuple[Dataset, ...]:
    """Every place in ``paths``: each one a dataset folder, a pack, or a folder of these.

    Raises:
        SourceError: no such folder, nothing in it, a damaged ``meta.json`` or pack, images without
            depth, or two datasets of one name.
    """
    found: dict[str, Dataset] = {}
    for path in paths:
        here = holds_places(path)
        if not here:
            raise SourceError(
                f"{path} holds no pairs of NAME_rgb.jpg and NAME_depth.png, no pack of rendered"
                " frames, and no folder in it holds such pairs either."
                if path.is_dir()
                else f"{path} is not a folder."
            )
        for dataset in (read_dataset(p) if p.is_dir() else read_pack(p) for p in here):
            if dataset.name in found:
                raise SourceError(
                    f"Two datasets are called {dataset.name!r}: give them different names."
                )
            found[dataset.name] = dataset
    if not found:
        raise SourceError("No dataset was given.")
    return tuple(found.values())


def holds_places(path: Path) -> list[Path]:
    """The dataset folders and packs that ``path`` is or holds."""
    if _is_place(path):
        return [path]
    return (
        [inside for inside in sorted(path.iterdir()) if _is_place(inside)] if path.is_dir() else []
    )


def pack_name(path: Path) -> str:
    """``p_corr1`` of ``.../p_corr1.tar.gz``."""
    return path.name.removesuffix(".gz").removesuffix(".tar")


@lru_cache(maxsize=2)
def pack_files(path: Path) -> dict[str, bytes]:
    """What a tar file holds, by the files' own names. Raises SourceError."""
    found = {}
    try:
        with tarfile.open(path, "r:gz" if path.suffix == ".gz" else "r:") as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isfile() else None
                if file is not None:
                    found[Path(member.name).name] = file.read()
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise SourceError(f"{path} is not a readable tar file: {error}.") from error
    return found


def read_pack(path: Path) -> Dataset:
    """One rendered pack. Raises SourceError as :func:`find_datasets` does."""

    def read(name: str) -> bytes:
        if (found := pack_files(path).get(name)) is None:
            raise SourceError(f"{path} holds no {name}.")
        return found

    meta = _meta(read("meta.json"), path / "meta.json")
    if not meta.frames:
        raise SourceError(f"{path} holds no frames.")
    mounts = {}
    for key, mount in meta.frames.items():
        ours = {n: v - 0.5 for n in ("cx", "cy") if (v := getattr(mount, n)) is not None}
        ours["roll_deg"] = -(mount.roll_deg or 0.0)
        mounts[key] = mount.model_copy(update=ours)
    names = ((key, f"{key}_rgb.jpg", f"{key}{DEPTH_SUFFIX}") for key in meta.frames)
    pairs = tuple(Pair(*name, path, read, float("inf")) for name in names)
    return Dataset(pack_name(path), path, pairs, meta, mounts, meta.rate_hz is not None)


def read_dataset(folder: Path) -> Dataset:
    """One dataset folder. Raises SourceError as :func:`find_datasets` does."""

    def read(name: str) -> bytes:
        try:
            return (folder / name).read_bytes()
        except OSError as error:
            raise SourceError(f"{folder / name} cannot be read: {error.strerror}.") from error

    pairs = []
    for depth in sorted(folder.glob(f"*{DEPTH_SUFFIX}")):
        key = depth.name.removesuffix(DEPTH_SUFFIX)
        rgb = next((key + s for s in RGB_SUFFIXES if (folder / f"{key}{s}").is_file()), None)
        if rgb is None:
            raise SourceError(f"{depth} has no image {key}_rgb.jpg beside it.")
        pairs.append(Pair(key, rgb, depth.name, folder, read))
    path = folder / "meta.json"
    meta = _meta(read(path.name), path) if path.is_file() else Meta()
    return Dataset(folder.resolve().name, folder, tuple(pairs), meta, meta.frames)


def _is_place(path: Path) -> bool:
    if path.is_dir():
        return next(path.glob(f"*{DEPTH_SUFFIX}"), None) is not None
    return path.name.endswith(PACK_SUFFIXES) and path.is_file()


def _meta(data: bytes, path: Path) -> Meta:
    try:
        return Meta.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SourceError(f"{path}: {where or 'the file'}: {first['msg']}.") from error
