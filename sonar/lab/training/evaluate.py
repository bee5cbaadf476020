"""How good a model file is: per source, never pooled.

For RGB-D folders, after the best affine alignment of each picture's inverse depth to the truth
(least squares; nobody has the truth while walking, so this judges the shape alone):

* ``abs_rel``: mean of |Z' - Z| / Z; ``delta_off``: share of pixels off by more than 25 %;
* ``correlation`` of inverse depth;
* ``walkable_iou`` against the floor's plane, at 0.5;
* ``near_level``: level told over the level meant (:func:`sonar.lab.training.data.metres_to_level`,
  not aligned), median of the pixels nearer than about 1.3 camera heights: below 1, what is near is
  told too far.

For held-out photos: ``label_error`` (mean difference from the label), ``shape_error`` (after
alignment, relative), ``walkable_iou``. Flicker: mean relative change of aligned depth between
pictures of one still scene that differ by noise and a pixel of shift, as a shaking hand gives.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from sonar.depth.backends.onnx import OnnxBackend
from sonar.depth.models.contract import BUILTIN_CONTRACT
from sonar.depth.preprocess import Preprocessor
from sonar.lab.evaluate.data import Dataset
from sonar.lab.evaluate.run import known_mounts
from sonar.lab.training.data import (
    GROUND,
    HIGHEST_LEVEL,
    LEVEL_GAIN,
    LEVEL_SHIFT,
    USUAL_HEIGHT_M,
    Mask,
    Sample,
    floor_mask,
    metres_to_level,
)
from sonar.types import FloatImage, RgbImage

FARTHEST = 4.0  # times the farthest true depth: no aligned depth counts as farther
FLOOR_SHARE = 0.15  # as in the losses
NEAR_LEVEL = 1.0
NEAR_PIXELS = 500
FAR_M = 20.0  # in made-up places: measured depth ends sooner
OFF = 1.25
SHIFTS_PX = ((0.0, 0.0), (0.6, 0.3), (-0.4, 0.7), (0.8, -0.5))
NOISE = 3.0  # of 255


class Model:
    """A model file by the built-in's contract: pictures in, depth and ground out."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._backend = OnnxBackend(path, threads=threads)
        self._preprocess = Preprocessor(BUILTIN_CONTRACT)

    def __call__(self, image: RgbImage) -> tuple[FloatImage, FloatImage]:
        """(inverse depth, walkable), each float32 (H, W) of the picture's own size."""
        out = self._backend.run(self._preprocess(np.ascontiguousarray(image)))
        size = image.shape[1], image.shape[0]
        names = BUILTIN_CONTRACT.depth_output, BUILTIN_CONTRACT.walkable_output
        depth, walkable = (
            cv2.resize(out[str(name)][0], size, interpolation=cv2.INTER_LINEAR) for name in names
        )
        return depth, walkable


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


@dataclass(frozen=True, slots=True)
class MeasuredFigures:
    """One RGB-D folder; None where it cannot be told."""

    pictures: int
    abs_rel: float
    delta_off: float
    correlation: float
    walkable_iou: float | None
    near_level: float | None

    def line(self) -> str:
        """One line for people."""
        return (
            f"AbsRel {self.abs_rel:.3f}  off by 25 % {self.delta_off:.1%}"
            f"  correlation {self.correlation:.2f}  walkable IoU {_share(self.walkable_iou)}"
            f"  near level {_share(self.near_level)}  ({self.pictures} pictures)"
        )


@dataclass(frozen=True, slots=True)
class PhotoFigures:
    """Held-out photos of one pack."""

    pictures: int
    label_error: float
    shape_error: float
    walkable_iou: float | None

    def line(self) -> str:
        """One line for people."""
        return (
            f"label error {self.label_error:.3f}  shape error {self.shape_error:.3f}"
            f"  walkable IoU {_share(self.walkable_iou)}  ({self.pictures} pictures)"
        )


def align(predicted: FloatImage, inverse: FloatImage) -> tuple[float, float]:
    """(s, t) that bring ``s * predicted + t`` nearest to ``inverse``; both 1-D."""
    a = np.stack([predicted, np.ones_like(predicted)], axis=1).astype(np.float64)
    (s, t), *_ = np.linalg.lstsq(a, inverse.astype(np.float64), rcond=None)
    return float(s), float(t)


def aligned_metres(predicted: FloatImage, truth: FloatImage) -> FloatImage:
    """The prediction as metres after :func:`align` to the true metres; both 1-D."""
    s, t = align(predicted, 1.0 / truth)
    lowest = 1.0 / (FARTHEST * float(truth.max()))
    metres: FloatImage = 1.0 / np.maximum(s * predicted + t, lowest)
    return metres


def relative_error(predicted: FloatImage, truth: FloatImage) -> float:
    """Mean of |aligned - true| / true (AbsRel) over known pixels; both 1-D, ``truth`` in metres."""
    return float(np.mean(np.abs(aligned_metres(predicted, truth) - truth) / truth))


def measured(model: Model, dataset: Dataset, pictures: int | None = None) -> MeasuredFigures:
    """Figures of one RGB-D folder, of all pictures or of so many evenly spread ones."""
    pairs = dataset.pairs
    if pictures is not None and pictures < len(pairs):
        pairs = tuple(
            pairs[i] for i in np.linspace(0, len(pairs) - 1, pictures).round().astype(int)
        )
    mounts = known_mounts(dataset, dataset.intrinsics)[0] if dataset.intrinsics else {}
    rows: list[tuple[float, float, float]] = []
    overlap, near = Overlap(), NearLevel()
    for pair in pairs:
        image, depth_m = pair.load()
        predicted, walkable = model(image)
        known = np.isfinite(depth_m)
        if np.count_nonzero(known) < 100:
            continue
        rows.append(_errors(predicted[known], depth_m[known]))
        mount = mounts.get(pair.id)
        if mount is not None and dataset.intrinsics is not None:
            overlap.add(walkable, floor_mask(depth_m, dataset.intrinsics, mount))
            inverse_m = np.reciprocal(np.maximum(depth_m, 0.1), dtype=np.float32)
            near.add(predicted, metres_to_level(inverse_m, mount.height_m))
    return _figures(rows, overlap, near)


def rendered(model: Model, samples: Iterable[Sample]) -> MeasuredFigures:
    """The same figures of made-up places, up to ``FAR_M``; walkable against their own ground."""
    rows = []
    overlap, near = Overlap(), NearLevel()
    for sample in samples:
        predicted, walkable = model(sample.image)
        inverse = (sample.level - LEVEL_SHIFT) / LEVEL_GAIN / USUAL_HEIGHT_M
        known = inverse > 1.0 / FAR_M
        rows.append(_errors(predicted[known], 1.0 / inverse[known]))
        overlap.add(walkable, sample.ground)
        near.add(predicted, sample.level)
    return _figures(rows, overlap, near)


def _errors(predicted: FloatImage, truth: FloatImage) -> tuple[float, float, float]:
    """(AbsRel, share off by more than 25 %, correlation) of known pixels; ``truth`` in metres."""
    guess = aligned_metres(predicted, truth)
    ratio = np.maximum(guess / truth, truth / guess)
    return (
        float(np.mean(np.abs(guess - truth) / truth)),
        float(np.mean(ratio > OFF)),
        float(np.corrcoef(predicted, 1.0 / truth)[0, 1]),
    )


def _figures(
    rows: Sequence[tuple[float, float, float]], overlap: "Overlap", near: "NearLevel"
) -> MeasuredFigures:
    abs_rel, off, correlation = (float(value) for value in np.mean(rows, axis=0))
    return MeasuredFigures(len(rows), abs_rel, off, correlation, overlap.iou, near.median)


def photos(model: Model, samples: Iterable[Sample]) -> PhotoFigures:
    """Figures of photos of one pack."""
    label, shape = [], []
    overlap = Overlap()
    for sample in samples:
        depth, walkable = model(sample.image)
        size = sample.level.shape[1], sample.level.shape[0]
        depth = cv2.resize(depth, size, interpolation=cv2.INTER_AREA)
        label.append(float(np.abs(depth - sample.level).mean()))
        flat = sample.level.ravel()
        shape.append(_shape_error(depth.ravel(), flat))
        overlap.add(cv2.resize(walkable, size), sample.ground)
    return PhotoFigures(len(label), float(np.mean(label)), float(np.mean(shape)), overlap.iou)


class Overlap:
    """Intersection over union of walkable ground, over all pictures added."""

    def __init__(self) -> None:
        self._both = self._either = 0

    def add(self, walkable: FloatImage, ground: Mask) -> None:
        """``ground`` as :class:`sonar.lab.training.data.Sample`, without stairs and unknown."""
        known = (ground == 0) | (ground == GROUND)
        said, true = walkable > 0.5, ground == GROUND
        self._both += int(np.count_nonzero(said & true & known))
        self._either += int(np.count_nonzero((said | true) & known))

    @property
    def iou(self) -> float | None:
        """In [0, 1], or None where there was no ground."""
        return self._both / self._either if self._either else None


class NearLevel:
    """Level told over level meant where something is near, over all pictures added."""

    def __init__(self) -> None:
        self._shares: list[FloatImage] = []

    def add(self, predicted: FloatImage, level: FloatImage) -> None:
        """Both of one shape; ``level`` is NaN where nothing is known."""
        near = (level > NEAR_LEVEL) & (level < HIGHEST_LEVEL)
        self._shares.append(predicted[near] / level[near])

    @property
    def median(self) -> float | None:
        """1 is right; None where hardly anything was near."""
        shares = np.concatenate(self._shares) if self._shares else np.empty(0)
        return float(np.median(shares)) if shares.size >= NEAR_PIXELS else None


def flicker(model: Model, images: Sequence[RgbImage], seed: int = 0) -> float:
    """Mean change of depth (relative, after alignment) from one picture of a still to the next."""
    changes = []
    for number, image in enumerate(images):
        rng = np.random.default_rng([seed, number])
        before: FloatImage | None = None
        for dx, dy in SHIFTS_PX:
            shift = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
            moved = cv2.warpAffine(
                image, shift, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101
            )
            noisy = moved + rng.normal(0, NOISE, image.shape)
            depth, _ = model(np.clip(noisy, 0, 255).astype(np.uint8))
            flat = depth.ravel()
            if before is not None:
                changes.append(_shape_error(flat, before))
            before = flat
    return float(np.mean(changes))


def _shape_error(level: FloatImage, other: FloatImage) -> float:
    """Mean difference after alignment, relative to ``other`` plus a share of its mean."""
    s, t = align(level, other)
    floor = FLOOR_SHARE * float(other.mean()) + 1e-3
    return float(np.mean(np.abs(s * level + t - other) / (other + floor)))


def as_dict(figures: MeasuredFigures | PhotoFigures) -> dict[str, float | int | None]:
    """For JSON."""
    return asdict(figures)
