"""Surfaces for rendered rooms, made from seeded noise: nothing is copied from a photo.

A maker takes a color, RGB from 0 to 1, and gives a texture, uint8 (size, size, 3) RGB.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sonar.types import RgbImage

Gray = NDArray[np.float64]
Rgb = tuple[float, float, float]


def fractal(
    rng: np.random.Generator, size: int, octaves: int = 5, stretch: tuple[int, int] = (1, 1)
) -> Gray:
    """Tileable noise of shape (size, size), mean 0, within about +-1.

    ``stretch`` multiplies the number of waves along (rows, columns): (8, 1) makes grain that
    runs along the columns' direction.
    """
    total = np.zeros((size, size))
    for octave in range(octaves):
        grid = rng.standard_normal([2 ** (octave + 1) * s for s in stretch])
        for axis in (0, 1):  # periodic smooth interpolation
            at = np.arange(size) * grid.shape[axis] / size
            low = at.astype(int)
            f = at - low
            f = (f * f * (3 - 2 * f)).reshape((-1, 1) if axis == 0 else (1, -1))
            a, b = np.take(grid, low, axis), np.take(grid, (low + 1) % grid.shape[axis], axis)
            grid = a * (1 - f) + b * f
        total += 0.55**octave * grid
    scaled: Gray = total / (np.abs(total).max() + 1e-9)
    return scaled


def _colored(gray: Gray, color: Rgb) -> RgbImage:
    image = np.array(color)[None, None, :] * gray[:, :, None] * 255.0
    return np.clip(image, 0, 255).astype(np.uint8)


def planks(rng: np.random.Generator, size: int, color: Rgb) -> RgbImage:
    """A wooden floor: eight boards across, grain along the rows' direction, staggered joints."""
    grain = fractal(rng, size, 4, (2, 32)) * 0.12 + fractal(rng, size, 5) * 0.08
    gray = 1.0 + grain
    board = size // 8
    for index in range(8):
        tone = 1.0 + 0.14 * rng.standard_normal()
        cols = slice(index * board, (index + 1) * board)
        joint = int(rng.integers(0, size))
        gray[:, cols] = np.roll(gray[:, cols], int(rng.integers(0, size)), axis=0) * tone
        gray[joint : joint + 3, cols] *= 0.45
        gray[:, index * board : index * board + 2] *= 0.45
    return _colored(gray, color)


def grain(rng: np.random.Generator, size: int, color: Rgb) -> RgbImage:
    """Wood of one piece, grain running up and down."""
    rings = np.sin(18 * (np.linspace(0, 1, size)[None, :] + 0.12 * fractal(rng, size, 3, (1, 3))))
    return _colored(1.0 + 0.07 * rings + 0.10 * fractal(rng, size, 4, (1, 24)), color)


def plaster(rng: np.random.Generator, size: int, color: Rgb) -> RgbImage:
    """Painted plaster: faint blotches and fine roughness."""
    rough = 0.025 * rng.standard_normal((size, size))
    return _colored(1.0 + 0.06 * fractal(rng, size, 4) + rough, color)


def wallpaper(rng: np.random.Generator, size: int, color: Rgb) -> RgbImage:
    """Blurred stripes with a small motif."""
    u = np.linspace(0, 2 * np.pi, size, endpoint=False)
    stripes = 0.05 * np.sign(np.sin(8 * u))[None, :]
    motif = 0.09 * ((np.cos(8 * u)[None, :] * np.cos(8 * u)[:, None]) > 0.86)
    return _colored(1.0 + stripes - motif + 0.05 * fractal(rng, size, 4), color)


def tiles(rng: np.random.Generator, size: int, color: Rgb) -> RgbImage:
    """Four by four tiles with joints."""
    gray = 1.0 + 0.05 * fractal(rng, size, 5)
    step = size // 4
    for i in range(4):
        for j in range(4):
            block = (slice(i * step, (i + 1) * step), slice(j * step, (j + 1) * step))
            gray[block] *= 1.0 + 0.07 * rng.standard_normal()
        gray[i * step : i * step + 4, :] = 0.62
        gray[:, i * step : i * step + 4] = 0.62
    return _colored(gray, color)


def cloth(rng: np.random.Generator, size: int, color: Rgb) -> RgbImage:
    """A weave with wear and folds."""
    u = np.arange(size)
    weave = 0.06 * (((u[:, None] // 3) + (u[None, :] // 3)) % 2)
    return _colored(0.95 + weave + 0.18 * fractal(rng, size, 4, (1, 2)), color)


MAKERS: dict[str, Callable[[np.random.Generator, int, Rgb], RgbImage]] = {
    "planks": planks,
    "grain": grain,
    "plaster": plaster,
    "wallpaper": wallpaper,
    "tiles": tiles,
    "cloth": cloth,
}


def make(kind: str, color: Rgb, seed: int, size: int = 512) -> RgbImage:
    """One texture, uint8 (size, size, 3), RGB; the same for the same arguments."""
    return MAKERS[kind](np.random.default_rng(seed), size, color)
