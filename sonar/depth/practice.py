"""What networks are tried with where there are no photos: made-up images, and a comparison."""

from collections.abc import Iterator

import cv2
import numpy as np

from sonar.types import FloatImage, RgbImage


def practice_images(
    count: int, height: int = 480, width: int = 640, seed: int = 0
) -> Iterator[RgbImage]:
    """``count`` images, uint8 (height, width, 3) RGB: a floor, a wall, boxes, texture, light.

    The textures have a photo's spectrum (amplitude falling with frequency), and brightness and
    contrast vary as widely as a walk's do, since calibration is about ranges.
    """
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield _image(rng, height, width)


def _image(rng: np.random.Generator, height: int, width: int) -> RgbImage:
    image = np.empty((height, width, 3), np.float32)
    horizon = int(height * rng.uniform(0.25, 0.6))
    image[:horizon] = rng.uniform(0.2, 0.95, 3)
    image[horizon:] = rng.uniform(0.1, 0.8, 3)
    image[horizon:] *= np.linspace(0.6, 1.1, height - horizon, dtype=np.float32)[:, None, None]
    for nearness in np.sort(rng.uniform(0.05, 1.0, rng.integers(2, 9))):  # far ones first
        tall, wide = nearness * rng.uniform(0.15, 1.0), nearness * rng.uniform(0.1, 0.6)
        bottom = horizon + int(nearness * (height - horizon))
        top = max(0, bottom - max(2, int(tall * height)))
        left = int(rng.uniform(-0.2, 1.0) * width)
        right = left + max(2, int(wide * width))
        color = rng.uniform(0.0, 1.0, 3) ** rng.uniform(0.3, 3.0)  # also deep and glaring ones
        image[top:bottom, max(0, left) : max(0, right)] = color
    if rng.random() < 0.4:  # something at arm's length, rounded, sharp before a blurred rest
        image = cv2.GaussianBlur(image, (0, 0), 4.0)
        center = (int(rng.uniform(0.2, 0.8) * width), int(rng.uniform(0.5, 1.0) * height))
        axes = (int(rng.uniform(0.2, 0.7) * width), int(rng.uniform(0.3, 0.9) * height))
        color = rng.uniform(0.1, 0.9, 3)
        for shrink in np.linspace(1.0, 0.1, 12):  # shaded towards the middle
            inner = (max(1, int(axes[0] * shrink)), max(1, int(axes[1] * shrink)))
            shade = tuple(float(c) for c in color * (1.3 - 0.6 * shrink))
            cv2.ellipse(image, center, inner, 0, 0, 360, shade, -1)
    tint = rng.uniform(0.3, 1.0, 3)
    image += rng.uniform(0.05, 0.5) * _texture(rng, height, width)[:, :, None] * tint
    for _ in range(rng.integers(0, 3)):  # lamps, windows, the sun
        center = (int(rng.uniform(0, width)), int(rng.uniform(0, horizon)))
        cv2.circle(image, center, int(rng.uniform(0.01, 0.15) * width), (1.5, 1.5, 1.5), -1)
    image += rng.uniform(0.0, 0.08) * rng.standard_normal(image.shape, np.float32)
    image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.5)))
    light = np.linspace(rng.uniform(0.4, 1.0), rng.uniform(0.4, 1.2), width, dtype=np.float32)
    image *= light[None, :, None]
    gamma = float(rng.uniform(0.6, 1.8))
    return np.asarray(np.clip(image, 0.0, 1.0) ** gamma * 255, np.uint8)


def _texture(rng: np.random.Generator, height: int, width: int) -> FloatImage:
    """Noise of standard deviation 1 whose amplitude falls as 1/frequency."""
    rows = np.fft.fftfreq(height)[:, None]
    columns = np.fft.rfftfreq(width)[None, :]
    amplitude = 1.0 / np.maximum(np.hypot(rows, columns), 1.0 / max(height, width))
    phase = np.exp(2j * np.pi * rng.random(amplitude.shape))
    noise = np.fft.irfft2(amplitude * phase, s=(height, width))
    return np.asarray((noise - noise.mean()) / noise.std(), np.float32)


def deviation(reference: FloatImage, other: FloatImage) -> float:
    """Mean absolute difference as a share of the reference's range; inf where it has none.

    Both float32, any shape, the same. NaN in either gives inf.
    """
    span = float(reference.max()) - float(reference.min())
    distance = float(np.abs(reference - other).mean())
    if not (np.isfinite(span) and np.isfinite(distance)) or span <= 0.0:
        return float("inf")
    return distance / span
