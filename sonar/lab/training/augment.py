"""Pictures as a walker's camera would have taken them.

Geometry: downward crops, roll, wide lenses, mirror images, one resampling in all. Light: dark,
noisy, tinted, blurred by motion, badly compressed. Seeded: the same generator, the same picture.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sonar.depth.models.contract import IMAGENET_MEAN, IMAGENET_STD
from sonar.lab.training.data import UNKNOWN, Sample
from sonar.types import FloatImage, RgbImage

SIZES = (
    *((192, 256),) * 4,
    *((160, 256),) * 2,
    *((256, 192), (256, 256), (128, 256), (96, 256), (160, 192)),
)
_MEAN = np.array(IMAGENET_MEAN, np.float32)
_STD = np.array(IMAGENET_STD, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """What the network is trained on.

    Attributes:
        image: float32 (3, H, W), normalised.
        level: float32 (H, W), NaN where unknown.
        ground: uint8 (H, W).
    """

    image: FloatImage
    level: FloatImage
    ground: NDArray[np.uint8]


def example(rng: np.random.Generator, sample: Sample, size: tuple[int, int]) -> Example:
    """A random view of ``sample`` at ``size`` (rows, columns)."""
    view, level, ground = geometry(rng, sample, size)
    return Example(tensor(light(rng, view)), level, ground)


def plain(sample: Sample, size: tuple[int, int]) -> Example:
    """The whole picture, as it is."""
    image = cv2.resize(sample.image, size[::-1], interpolation=cv2.INTER_AREA)
    level = cv2.resize(sample.level, size[::-1], interpolation=_depth_rule(sample))
    ground = cv2.resize(sample.ground, size[::-1], interpolation=cv2.INTER_NEAREST)
    return Example(tensor(image), level, ground)


def tensor(image: RgbImage) -> FloatImage:
    """uint8 (H, W, 3) RGB -> float32 (3, H, W), normalised."""
    scaled = (image.astype(np.float32) / np.float32(255.0) - _MEAN) / _STD
    planes: FloatImage = np.ascontiguousarray(scaled.transpose(2, 0, 1))
    return planes


def geometry(
    rng: np.random.Generator, sample: Sample, size: tuple[int, int]
) -> tuple[RgbImage, FloatImage, NDArray[np.uint8]]:
    """(image, level, ground) of a random part of ``sample``, all of ``size``."""
    rows, columns = size
    height, width = sample.image.shape[:2]
    share = rng.uniform(0.62, 1.0) if rng.random() < 0.7 else 1.0
    roll = np.radians(rng.normal(0, 6) if rng.random() < 0.4 else 0.0)
    lens = rng.uniform(0.05, 0.35) if rng.random() < 0.2 else 0.0
    # The largest part of the wanted aspect, then its share.
    wide = min(width, height * columns / rows) * share
    high = wide * rows / columns
    centre_x = width / 2 + rng.uniform(-0.5, 0.5) * (width - wide)
    low = rng.random() ** 0.6  # more often the lower part: what a camera on the chest sees
    centre_y = high / 2 + low * (height - high)
    x = (np.arange(columns, dtype=np.float32) + 0.5) / columns - 0.5
    y = (np.arange(rows, dtype=np.float32) + 0.5) / rows - 0.5
    u, v = np.meshgrid(x * wide, y * high)
    if lens:
        radius2 = (u * u + v * v) / (0.25 * (wide * wide + high * high))
        bend = (1.0 + lens * radius2) / (1.0 + lens)
        u, v = u * bend, v * bend
    if rng.random() < 0.5:
        u = -u
    c, s = np.cos(roll), np.sin(roll)
    at_x, at_y = centre_x + c * u - s * v, centre_y + s * u + c * v
    image_map = (at_x - 0.5).astype(np.float32), (at_y - 0.5).astype(np.float32)
    image = cv2.remap(
        sample.image, *image_map, interpolation=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    ratio_y, ratio_x = sample.level.shape[0] / height, sample.level.shape[1] / width
    depth_map = (
        (at_x * ratio_x - 0.5).astype(np.float32),
        (at_y * ratio_y - 0.5).astype(np.float32),
    )
    level = cv2.remap(
        sample.level, *depth_map, interpolation=_depth_rule(sample), borderValue=float("nan")
    )
    ground = cv2.remap(
        sample.ground, *depth_map, interpolation=cv2.INTER_NEAREST, borderValue=UNKNOWN
    )
    return image, level, ground


def light(rng: np.random.Generator, image: RgbImage) -> RgbImage:
    """Another light, another camera: colour, brightness, noise, blur; same shape."""
    x = image.astype(np.float32) / 255.0
    x = x ** np.float32(rng.uniform(0.7, 1.4))
    x = x * rng.uniform(0.85, 1.15, 3).astype(np.float32) * np.float32(rng.uniform(0.7, 1.25))
    x = (x - 0.5) * np.float32(rng.uniform(0.75, 1.2)) + 0.5
    if rng.random() < 0.15:
        x = np.repeat(x.mean(2, keepdims=True), 3, axis=2)
    if rng.random() < 0.2:  # night: dark, and the noise with it
        x = np.clip(x, 0, 1) * np.float32(rng.uniform(0.12, 0.5))
        x = x + rng.normal(0, rng.uniform(0.01, 0.05), x.shape).astype(np.float32)
    pick = rng.random()
    if pick < 0.2:
        x = _motion_blur(rng, x)
    elif pick < 0.35:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 1.5))
    if rng.random() < 0.4:
        x = x + rng.normal(0, rng.uniform(0.005, 0.03), x.shape).astype(np.float32)
    out: RgbImage = (np.clip(x, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.2:
        quality = int(rng.integers(20, 70))
        ok, data = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])
        again = cv2.imdecode(data, cv2.IMREAD_COLOR) if ok else None
        out = out if again is None else again.astype(np.uint8)
    return out


def _motion_blur(rng: np.random.Generator, x: FloatImage) -> FloatImage:
    length = int(rng.integers(3, 12))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    half = (length - 1) / 2
    for t in np.linspace(-half, half, 4 * length):
        kernel[round(half + t * np.sin(angle)), round(half + t * np.cos(angle))] = 1.0
    blurred: FloatImage = cv2.filter2D(x, -1, kernel / kernel.sum())
    return blurred


def _depth_rule(sample: Sample) -> int:
    """Photos' labels are smooth; measured and rendered depth must not be mixed over an edge."""
    rule: int = cv2.INTER_LINEAR if sample.kind == "photo" else cv2.INTER_NEAREST
    return rule
