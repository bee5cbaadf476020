"""Things pasted into a picture's way, with the depth that they would have there.

A small network learns how rooms usually look, and leaves out what stands in them where its colours
are those behind it. Flat things of any look, on the ground or hanging, at places where nothing
usually is, teach it to trust edges instead.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from sonar.lab.training.data import GROUND, HIGHEST_LEVEL, LEVEL_SHIFT
from sonar.types import FloatImage, RgbImage

_NEARER = (1.25, 3.5)  # how much nearer a hanging thing is than what it hides
_NEAREST = 2.5  # times nearer than the lowest ground that is seen

Mask = NDArray[np.bool_]


def paste(
    rng: np.random.Generator,
    image: RgbImage,
    level: FloatImage,
    ground: NDArray[np.uint8],
    skin: RgbImage,
) -> tuple[RgbImage, FloatImage, NDArray[np.uint8]]:
    """(image, level, ground) with one thing more, where there is room for it; else unchanged.

    Args:
        image, level, ground: uint8 (H, W, 3), float32 (H, W), uint8 (H, W).
        skin: what it looks like, uint8 (h, w, 3); a part of it is stretched over the thing.
    """
    pick = rng.random()
    if pick < 0.35:
        placed = _hanging(rng, level)
    elif pick < 0.65:
        placed = _before_the_feet(rng, level, ground)
    else:
        placed = _standing(rng, level, ground)
    if placed is None:
        return image, level, ground
    mask, thing_level = placed
    if mask.sum() < 0.002 * mask.size:
        return image, level, ground
    paint = _paint(rng, mask, image if rng.random() < 0.3 else skin)
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.6)[..., None]
    mixed: RgbImage = np.clip(image * (1.0 - soft) + paint * soft, 0, 255).astype(np.uint8)
    return (
        mixed,
        np.where(mask, np.float32(thing_level), level).astype(np.float32),
        np.where(mask, np.uint8(0), ground).astype(np.uint8),
    )


def _standing(
    rng: np.random.Generator, level: FloatImage, ground: NDArray[np.uint8]
) -> tuple[Mask, float] | None:
    """On walkable ground: as near as the ground is where it stands, all of it."""
    rows, columns = level.shape
    on = np.argwhere((ground == GROUND) & np.isfinite(level))
    if len(on) < 0.02 * level.size:
        return None
    foot, centre = (int(v) for v in on[int(rng.integers(len(on)))])
    here = float(level[foot, centre])
    near = max(here - LEVEL_SHIFT, 0.02)
    # Sizes follow the distance: about 0.2 to 2.2 m high and 0.1 to 1.4 m wide.
    high = rows * near * rng.uniform(0.13, 1.4)
    wide = columns * near * rng.uniform(0.04, 0.66)
    mask = _shape(rng, (rows, columns), foot - high, foot, centre - wide / 2, centre + wide / 2)
    behind = ~(level > here * 1.05)  # what is nearer hides it; unknown is taken to be behind
    return mask & behind, here


def _before_the_feet(
    rng: np.random.Generator, level: FloatImage, ground: NDArray[np.uint8]
) -> tuple[Mask, float] | None:
    """So near that the ground where it stands lies below the picture: it stops whoever walks."""
    rows, columns = level.shape
    lowest = level[-3:][(ground[-3:] == GROUND) & np.isfinite(level[-3:])]
    if lowest.size < 0.3 * columns:
        return None
    here = float(np.median(lowest))
    if here <= LEVEL_SHIFT:
        return None
    thing = LEVEL_SHIFT + (here - LEVEL_SHIFT) * rng.uniform(1.05, _NEAREST)
    if thing > HIGHEST_LEVEL:
        return None
    near = thing - LEVEL_SHIFT
    top = rows * (1.0 - min(near * rng.uniform(0.1, 0.9), rng.uniform(0.3, 1.3)))
    wide = columns * near * rng.uniform(0.1, 0.8)
    centre = rng.uniform(0.0, columns)
    box = (top, rows + 0.2 * rows, centre - wide / 2, centre + wide / 2)
    return _shape(rng, (rows, columns), *box) & ~(level > thing), thing


def _hanging(rng: np.random.Generator, level: FloatImage) -> tuple[Mask, float] | None:
    """Across the upper half, nearer than all that it hides."""
    rows, columns = level.shape
    top = rng.uniform(-0.1, 0.4) * rows
    bottom = top + rng.uniform(0.03, 0.25) * rows
    left = rng.uniform(-0.2, 0.7) * columns
    right = left + rng.uniform(0.2, 1.2) * columns
    mask = _shape(rng, (rows, columns), top, bottom, left, right)
    hidden = level[mask & np.isfinite(level)]
    if hidden.size < 20:
        return None
    behind = float(np.quantile(hidden, 0.9))
    thing = LEVEL_SHIFT + (behind - LEVEL_SHIFT) * rng.uniform(*_NEARER)
    if thing > HIGHEST_LEVEL:
        return None
    return mask & ~(level > thing), thing


def _shape(
    rng: np.random.Generator,
    size: tuple[int, int],
    top: float,
    bottom: float,
    left: float,
    right: float,
) -> Mask:
    """A box, a rounded one or a slanted one."""
    canvas = np.zeros(size, np.uint8)
    pick = rng.random()
    if pick < 0.25:
        middle = int((left + right) / 2), int((top + bottom) / 2)
        half = max(int((right - left) / 2), 1), max(int((bottom - top) / 2), 1)
        cv2.ellipse(canvas, middle, half, 0, 0, 360, 1, -1)
    else:
        slant = rng.normal(0, 0.06 * (right - left), 4) if pick < 0.6 else np.zeros(4)
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        moved = [(x, y + s) for (x, y), s in zip(corners, slant, strict=True)]
        cv2.fillPoly(canvas, [np.round(moved).astype(np.int32)], 1)
    return canvas.astype(bool)


def _paint(rng: np.random.Generator, mask: Mask, skin: RgbImage) -> FloatImage:
    """A part of ``skin`` over the mask's box, or its mean colour; float32 (H, W, 3)."""
    ys, xs = np.nonzero(mask)
    low, high, left, right = ys.min(), ys.max() + 1, xs.min(), xs.max() + 1
    h, w = skin.shape[:2]
    part_h, part_w = (max(int(v * rng.uniform(0.1, 0.6)), 2) for v in (h, w))
    y, x = int(rng.integers(h - part_h + 1)), int(rng.integers(w - part_w + 1))
    part = skin[y : y + part_h, x : x + part_w].astype(np.float32)
    if rng.random() < 0.4:
        part = np.broadcast_to(part.mean((0, 1)), part.shape)
    paint = np.zeros((*mask.shape, 3), np.float32)
    box = (int(right - left), int(high - low))
    shade = np.linspace(1.0, rng.uniform(0.7, 1.1), box[1], dtype=np.float32)[:, None, None]
    stretched = cv2.resize(np.ascontiguousarray(part), box, interpolation=cv2.INTER_LINEAR)
    paint[low:high, left:right] = stretched.reshape(box[1], box[0], 3) * shade
    return paint * np.float32(rng.uniform(0.75, 1.25))
