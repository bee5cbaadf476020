"""Folders of color and measured depth: read, checked, in order.

A dataset folder holds ``<id>_rgb.jpg`` (or .png), ``<id>_depth.png`` (16-bit, millimeters, 0 = no
measurement, same size) and ``meta.json``: ``intrinsics`` (fx, fy, cx, cy in pixels), optionally
``frames`` (per id ``height_m``, ``pitch_deg``, ``roll_deg``; pitch positive looking down, roll
positive with the right side lower) and ``rate_hz`` (pairs a second).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from sonar.errors import SourceError
from sonar.types import FloatImage, RgbImage

DEPTH_SUFFIX = "_depth.png"
RGB_SUFFIXES = ("_rgb.jpg", "_rgb.jpeg", "_rgb.png")

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Finite = Annotated[float, Field(allow_inf_nan=False)]


class DatasetIntrinsics(BaseModel, frozen=True):
    """Pinhole camera, in pixels of the images of the folder."""

    fx: _Positive
    fy: _Positive
    cx: _Finite
    cy: _Finite


class FrameMount(BaseModel, frozen=True):
    """Where the camera was at one frame; None is not known."""

    height_m: Annotated[float, Field(gt=0.05, lt=10)] | None = None
    pitch_deg: Annotated[float, Field(ge=-90, le=90)] | None = None
    roll_deg: Annotated[float, Field(ge=-180, le=180)] | None = None
    gravity_source: str | None = None

    @property
    def complete(self) -> bool:
        """Whether height and both angles are there."""
        return None not in (self.height_m, self.pitch_deg, self.roll_deg)


class Meta(BaseModel, frozen=True):
    """``meta.json``. Others write these files and put more in them than is used here."""

    intrinsics: DatasetIntrinsics | None = None
    frames: dict[str, FrameMount] = {}
    rate_hz: _Positive | None = None
    licence: str = "none stated"


@dataclass(frozen=True, slots=True)
class Pair:
    """One image and its measured depth."""

    id: str
    rgb: Path
    depth: Path

    def load(self) -> tuple[RgbImage, FloatImage]:
        """RGB uint8 (H, W, 3) and float32 (H, W) meters, NaN where nothing was measured.

        Raises:
            SourceError: unreadable, not 16-bit, or of different sizes.
        """
        import cv2

        color = _decode(self.rgb, cv2.IMREAD_COLOR)
        raw = _decode(self.depth, cv2.IMREAD_UNCHANGED)
        if raw.dtype != np.uint16 or raw.ndim != 2:
            raise SourceError(f"{self.depth} is not a 16-bit depth image with one channel.")
        if raw.shape != color.shape[:2]:
            raise SourceError(f"{self.rgb} and {self.depth.name} must have the same size.")
        meters = raw.astype(np.float32) / np.float32(1000.0)
        meters[raw == 0] = np.nan
        return np.ascontiguousarray(color[:, :, ::-1]), meters


@dataclass(frozen=True, slots=True)
class Dataset:
    """One folder.

    Attributes:
        name: for the report; the folder's.
        intrinsics: as ``meta.json`` says, or None where it does not.
        mounts: per id; ids without an entry have none.
        rate_hz: pairs a second where stated.
    """

    name: str
    folder: Path
    pairs: tuple[Pair, ...]
    intrinsics: DatasetIntrinsics | None
    mounts: Mapping[str, FrameMount]
    rate_hz: float | None
    licence: str


def find_datasets(paths: Sequence[Path]) -> tuple[Dataset, ...]:
    """Every dataset in ``paths``: each one a dataset, or a folder of datasets.

    Raises:
        SourceError: no such folder, nothing in it, damaged ``meta.json``, images without depth,
            or two datasets of one name.
    """
    found: dict[str, Dataset] = {}
    for path in paths:
        if not path.is_dir():
            raise SourceError(f"{path} is not a folder.")
        inside = [path] if _is_dataset(path) else sorted(p for p in path.iterdir() if p.is_dir())
        folders = [folder for folder in inside if _is_dataset(folder)]
        if not folders:
            raise SourceError(
                f"{path} holds no pairs of NAME_rgb.jpg and NAME_depth.png, and no folder in it"
                " does either."
            )
        for dataset in map(read_dataset, folders):
            if dataset.name in found:
                raise SourceError(
                    f"Two datasets are called {dataset.name!r}: give them different names."
                )
            found[dataset.name] = dataset
    if not found:
        raise SourceError("No dataset was given.")
    return tuple(found.values())


def read_dataset(folder: Path) -> Dataset:
    """One dataset folder. Raises SourceError as :func:`find_datasets` does."""
    pairs = []
    for depth in sorted(folder.glob(f"*{DEPTH_SUFFIX}")):
        key = depth.name.removesuffix(DEPTH_SUFFIX)
        rgb = next((p for s in RGB_SUFFIXES if (p := folder / f"{key}{s}").is_file()), None)
        if rgb is None:
            raise SourceError(f"{depth} has no image {key}_rgb.jpg beside it.")
        pairs.append(Pair(key, rgb, depth))
    meta = _read_meta(folder / "meta.json")
    known = (meta.intrinsics, meta.frames, meta.rate_hz, meta.licence)
    return Dataset(folder.resolve().name, folder, tuple(pairs), *known)


def _is_dataset(folder: Path) -> bool:
    return next(folder.glob(f"*{DEPTH_SUFFIX}"), None) is not None


def _read_meta(path: Path) -> Meta:
    try:
        return Meta.model_validate_json(path.read_bytes()) if path.is_file() else Meta()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SourceError(f"{path}: {where or 'the file'}: {first['msg']}.") from error


def _decode(path: Path, mode: int) -> np.ndarray[Any, Any]:
    import cv2

    data = np.fromfile(path, np.uint8) if path.is_file() else np.empty(0, np.uint8)
    image = cv2.imdecode(data, mode) if data.size else None
    if image is None:
        raise SourceError(f"{path} is not an image that can be read.")
    decoded: np.ndarray[Any, Any] = image
    return decoded
