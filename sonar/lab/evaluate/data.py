"""Folders of color and measured depth: read, checked, in order.

A dataset folder holds ``<id>_rgb.jpg`` (or .png), ``<id>_depth.png`` (16-bit, millimeters, 0 = no
measurement, same size) and ``meta.json``: ``intrinsics`` (fx, fy, cx, cy in pixels), optionally
``frames`` (per id ``height_m``, ``pitch_deg``, ``roll_deg``; pitch positive looking down, roll
positive with the right side lower) and ``rate_hz`` (pairs a second).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sonar.errors import SourceError
from sonar.types import FloatImage, RgbImage

DEPTH_SUFFIX = "_depth.png"
RGB_SUFFIXES = ("_rgb.jpg", "_rgb.jpeg", "_rgb.png")
ASSUMED_HFOV_DEG = 62.0

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Meta(BaseModel):
    # Others write these files and put more in them than is used here.
    model_config = ConfigDict(extra="ignore", frozen=True)


class DatasetIntrinsics(_Meta):
    """Pinhole camera, in pixels of the images of the folder."""

    fx: _Positive
    fy: _Positive
    cx: _Finite
    cy: _Finite


class FrameMount(_Meta):
    """Where the camera was at one frame; None is not known."""

    height_m: Annotated[float, Field(gt=0.05, lt=10)] | None = None
    pitch_deg: Annotated[float, Field(ge=-90, le=90)] | None = None
    roll_deg: Annotated[float, Field(ge=-180, le=180)] | None = None
    gravity_source: str | None = None

    @property
    def complete(self) -> bool:
        """Whether height and both angles are there."""
        return None not in (self.height_m, self.pitch_deg, self.roll_deg)

    @property
    def measured(self) -> bool:
        """Complete, and not itself a fit to the measured depth."""
        return self.complete and "fitted" not in (self.gravity_source or "")


class Meta(_Meta):
    """``meta.json``."""

    intrinsics: DatasetIntrinsics | None = None
    frames: dict[str, FrameMount] = {}
    rate_hz: _Positive | None = None


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
            raise SourceError(
                f"{self.rgb.name} is {_size(color)} but {self.depth.name} is {_size(raw)}:"
                " they must have the same size."
            )
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


def find_datasets(paths: Sequence[Path]) -> tuple[Dataset, ...]:
    """Every dataset in ``paths``: each one a dataset, or a folder of datasets.

    Raises:
        SourceError: no such folder, nothing in it, damaged ``meta.json``, images without depth,
            or two datasets of one name.
    """
    found: list[Dataset] = []
    for path in paths:
        if not path.is_dir():
            raise SourceError(f"{path} is not a folder.")
        if _is_dataset(path):
            found.append(read_dataset(path))
            continue
        inside = sorted(p for p in path.iterdir() if p.is_dir() and _is_dataset(p))
        if not inside:
            raise SourceError(
                f"{path} holds no pairs of NAME_rgb.jpg and NAME_depth.png, and no folder in it"
                " does either."
            )
        found.extend(read_dataset(p) for p in inside)
    if not found:
        raise SourceError("No dataset was given.")
    names = [d.name for d in found]
    for name in names:
        if names.count(name) > 1:
            raise SourceError(f"Two datasets are called {name!r}: give them different names.")
    return tuple(found)


def read_dataset(folder: Path) -> Dataset:
    """One dataset folder. Raises SourceError as :func:`find_datasets` does."""
    pairs = []
    for depth in sorted(folder.glob(f"*{DEPTH_SUFFIX}")):
        key = depth.name.removesuffix(DEPTH_SUFFIX)
        rgb = next((p for s in RGB_SUFFIXES if (p := folder / f"{key}{s}").is_file()), None)
        if rgb is None:
            raise SourceError(f"{depth} has no image {key}_rgb.jpg beside it.")
        pairs.append(Pair(key, rgb, depth))
    if not pairs:
        raise SourceError(f"{folder} holds no NAME_depth.png.")
    meta = _read_meta(folder / "meta.json")
    return Dataset(
        folder.resolve().name, folder, tuple(pairs), meta.intrinsics, meta.frames, meta.rate_hz
    )


def _is_dataset(folder: Path) -> bool:
    return next(folder.glob(f"*{DEPTH_SUFFIX}"), None) is not None


def _read_meta(path: Path) -> Meta:
    if not path.is_file():
        return Meta()
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} is not readable JSON: {error}.") from error
    try:
        return Meta.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SourceError(f"{path}: {where or 'the file'}: {first['msg']}.") from error


def _decode(path: Path, mode: int) -> np.ndarray[Any, Any]:
    import cv2

    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from error
    image = cv2.imdecode(data, mode) if data.size else None
    if image is None:
        raise SourceError(f"{path} is not an image that can be read.")
    decoded: np.ndarray[Any, Any] = image
    return decoded


def _size(image: np.ndarray[Any, Any]) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
