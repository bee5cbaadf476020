"""Views of samples as a walker's camera would take them: cropped, rolled, mirrored, in any light.

:class:`Batches` draws them: by kind, then source, then sample.

A crop changes the focal length; the target follows it (:data:`sonar.lab.training.network.FOCAL`).
Seeded: the same generator gives the same view.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sonar.depth.contract import IMAGENET_MEAN, IMAGENET_STD
from sonar.errors import ModelError
from sonar.lab.training.network import FOCAL
from sonar.lab.training.sample import Kind, Labels, Sample, split_labels
from sonar.types import FloatImage, RgbImage

SIZES = (*((192, 256),) * 5, *((160, 256),) * 2, (256, 192))
# Most steps at the full learning rate are smaller: more views in the same time.
SMALL_SIZES = (*((128, 160),) * 5, *((128, 192),) * 3, *((160, 128),) * 2, *SIZES[3:])
SMALLEST_SHARE = 0.5  # of the image that a crop shows
CUT_SHARE, CUT = 0.3, (0.8, 4.0)  # views that cut a near obstacle; its camera height / Z
ROOT_OF = 8  # a source of n samples is drawn sqrt(n / 8) times as often as one of 8
_MEAN = np.array(IMAGENET_MEAN, np.float32)
_STD = np.array(IMAGENET_STD, np.float32)


class SampleView(NamedTuple):
    """What the network is given for one sample.

    ``image`` is uint8 (H, W, 3) RGB; ``target`` float32 (H, W), the network's inverse depth, 0
    beyond all range, NaN unknown; ``labels`` uint8 (H, W) as in :class:`Sample`.
    """

    image: RgbImage
    target: FloatImage
    labels: Labels


def tensor(image: RgbImage) -> FloatImage:
    """uint8 (H, W, 3) RGB -> float32 (3, H, W), normalized."""
    scaled = (image.astype(np.float32) / np.float32(255.0) - _MEAN) / _STD
    planes: FloatImage = np.ascontiguousarray(scaled.transpose(2, 0, 1))
    return planes


def random_view(rng: np.random.Generator, sample: Sample, size: tuple[int, int]) -> SampleView:
    """A random part of ``sample`` at ``size`` (rows, columns); light is for :func:`relight`."""
    height, width = sample.labels.shape
    rows, columns = size
    widest = min(width, height * columns / rows)
    share = rng.uniform(SMALLEST_SHARE, 1.0) if rng.random() < 0.75 else 1.0
    center = None
    if sample.calibrated and rng.random() < CUT_SHARE:
        share = rng.uniform(SMALLEST_SHARE, 0.85)
        center = _cutting(rng, sample, share * widest, share * widest * rows / columns)
    wide = share * widest
    high = wide * rows / columns
    if center is None:
        low = rng.random() ** 0.6  # more often the lower part: what a camera on the chest sees
        center = (
            width / 2 + rng.uniform(-0.5, 0.5) * (width - wide),
            high / 2 + low * (height - high),
        )
    roll = np.radians(rng.normal(0, 5)) if rng.random() < 0.4 else 0.0
    return _look(sample, size, center, wide, float(roll), rng.random() < 0.5)


def _cutting(
    rng: np.random.Generator, sample: Sample, wide: float, high: float
) -> tuple[float, float] | None:
    """The center of a window whose border cuts a near obstacle's lower end or side; or None."""
    ground, known = split_labels(sample.labels, "ground")
    inverse = np.nan_to_num(np.asarray(sample.inverse, np.float32))
    near = known & ~ground & (inverse > CUT[0]) & (inverse < CUT[1])
    if np.count_nonzero(near) < 0.01 * near.size:
        return None
    spots = np.flatnonzero(near)
    y, x = divmod(int(spots[int(rng.integers(spots.size))]), near.shape[1])
    across, down = rng.uniform(0.2, 0.8), rng.uniform(0.25, 0.75)
    if rng.random() < 0.5:
        down = rng.uniform(0.8, 0.97)
    else:
        across = rng.uniform(0.03, 0.15) if rng.random() < 0.5 else rng.uniform(0.85, 0.97)
    height, width = near.shape
    return (
        float(np.clip(x + (0.5 - across) * wide, wide / 2, max(width - wide / 2, wide / 2))),
        float(np.clip(y + (0.5 - down) * high, high / 2, max(height - high / 2, high / 2))),
    )


def _look(
    sample: Sample,
    size: tuple[int, int],
    center: tuple[float, float],
    wide: float,
    roll: float,
    mirror: bool,
) -> SampleView:
    """The part ``wide`` pixels wide about ``center``, rolled by ``roll`` radians."""
    rows, columns = size
    x = (np.arange(columns, dtype=np.float32) + 0.5) / columns - 0.5
    y = (np.arange(rows, dtype=np.float32) + 0.5) / rows - 0.5
    u, v = np.meshgrid(x * wide, y * wide * rows / columns)
    if mirror:
        u = -u
    c, s = np.cos(roll), np.sin(roll)
    at = (
        (center[0] + c * u - s * v - 0.5).astype(np.float32),
        (center[1] + s * u + c * v - 0.5).astype(np.float32),
    )
    image = cv2.remap(
        np.asarray(sample.image), *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    # Depth must not be mixed over an edge; photos' labels are smooth.
    rule = cv2.INTER_NEAREST if sample.calibrated else cv2.INTER_LINEAR
    inverse = cv2.remap(np.asarray(sample.inverse, np.float32), *at, rule, borderValue=float("nan"))
    labels = cv2.remap(np.asarray(sample.labels), *at, cv2.INTER_NEAREST, borderValue=0)
    gain = 1.0
    if sample.calibrated:
        focal_px = sample.focal * max(sample.labels.shape) * columns / wide
        gain = focal_px / max(size) / FOCAL
    return SampleView(
        image.astype(np.uint8),
        (inverse * np.float32(gain)).astype(np.float32),
        labels.astype(np.uint8),
    )


def relight(rng: np.random.Generator, image: RgbImage) -> RgbImage:
    """Another light, another camera: color, brightness, noise, blur; same shape."""
    x = image.astype(np.float32) / 255.0
    x = x ** np.float32(rng.uniform(0.7, 1.4))
    x = x * rng.uniform(0.85, 1.15, 3).astype(np.float32) * np.float32(rng.uniform(0.7, 1.25))
    x = (x - 0.5) * np.float32(rng.uniform(0.75, 1.2)) + 0.5
    if rng.random() < 0.07:
        x = np.repeat(x.mean(2, keepdims=True), 3, axis=2)
    if rng.random() < 0.1:  # night: dark, and the noise with it
        x = np.clip(x, 0, 1) * np.float32(rng.uniform(0.12, 0.5))
        x = x + _noise(rng, x.shape, rng.uniform(0.01, 0.05))
    pick = rng.random()
    if pick < 0.1:
        length = int(rng.integers(3, 12))  # of a motion across or down
        x = cv2.blur(x, (length, 1) if rng.random() < 0.5 else (1, length))
    elif pick < 0.2:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 1.5))
    if rng.random() < 0.25:
        x = x + _noise(rng, x.shape, rng.uniform(0.005, 0.03))
    out: RgbImage = (np.clip(x, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.12:
        quality = int(rng.integers(20, 70))
        ok, data = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])
        again = cv2.imdecode(data, cv2.IMREAD_COLOR) if ok else None
        out = out if again is None else again.astype(np.uint8)
    return out


def _noise(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> FloatImage:
    drawn: NDArray[np.float32] = rng.standard_normal(shape, np.float32)
    return drawn * np.float32(sigma)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Views of one size; the first ones come twice, in another light (twins).

    Attributes:
        kinds: one for each view.
        calibrated: bool (B,), whether the target has a scale.
        images: float32 (B, 3, H, W), normalized.
        target: float32 (B, H, W); 0 beyond all range, NaN unknown.
        labels: uint8 (B, H, W), bits as :class:`sonar.lab.training.sample.Sample`.
    """

    kinds: tuple[Kind, ...]
    calibrated: Tensor
    images: Tensor
    target: Tensor
    labels: Tensor

    def to(self, device: str) -> "Batch":
        """On another device."""
        moved = (self.calibrated, self.images, self.target, self.labels)
        return Batch(self.kinds, *(each.to(device, non_blocking=True) for each in moved))


class Batches:
    """Draws batches.

    Args:
        samples: of every kind in ``shares`` at least one, or that kind is left out.
        shares: how many of each kind make a batch, relative.

    Raises:
        ModelError: there is nothing of the kinds asked for.
    """

    def __init__(self, samples: Sequence[Sample], shares: Mapping[Kind, float]) -> None:
        self._pools: dict[Kind, list[list[Sample]]] = {}
        for kind, share in shares.items():
            by_source: dict[str, list[Sample]] = {}
            for sample in samples:
                if sample.kind == kind and share > 0:
                    by_source.setdefault(sample.source, []).append(sample)
            pool = [
                group
                for group in by_source.values()
                for _ in range(max(1, round(math.sqrt(len(group) / ROOT_OF))))
            ]
            if pool:
                self._pools[kind] = pool
        if not self._pools:
            raise ModelError("There is no sample of the kinds that the plan asks for.")
        self.kinds = tuple(self._pools)
        weights = np.array([shares[kind] for kind in self.kinds])
        self._weights = weights / weights.sum()

    def draw(
        self, rng: np.random.Generator, size: tuple[int, int], count: int, twins: int
    ) -> Batch:
        """``count`` views of ``size`` (rows, columns), the first ``twins`` of them twice."""
        kinds: list[Kind] = []
        calibrated, images, targets, labels = [], [], [], []
        for index in range(count):
            sample = self._one(rng)
            view = random_view(rng, sample, size)
            for _ in range(2 if index < twins else 1):
                kinds.append(sample.kind)
                calibrated.append(sample.calibrated)
                images.append(tensor(relight(rng, view.image)))
                targets.append(view.target)
                labels.append(view.labels)
        return Batch(
            tuple(kinds),
            torch.tensor(calibrated),
            torch.from_numpy(np.stack(images)).contiguous(memory_format=torch.channels_last),
            torch.from_numpy(np.stack(targets)),
            torch.from_numpy(np.stack(labels)),
        )

    def _one(self, rng: np.random.Generator) -> Sample:
        pool = self._pools[self.kinds[int(rng.choice(len(self.kinds), p=self._weights))]]
        source = pool[int(rng.integers(len(pool)))]
        return source[int(rng.integers(len(source)))]
