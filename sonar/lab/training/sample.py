"""What is learned from: one frame with its inverse depth and labels, of any source."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sonar.types import FloatImage, RgbImage

Kind = Literal["photo", "measured", "rendered", "mujoco"]
Labels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

LABELS = ("ground", "drop", "stairs")  # bit k: it is that; bit k + 3: this is known
KNOWN_SHIFT = len(LABELS)
LOWER_M = 0.12  # ground that lies more than this below the walker's ground is a drop


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One frame.

    Attributes:
        name: unique in its ``source``, which is a scene, folder or pack.
        licence: as stated by the source.
        image: uint8 (H, W, 3), RGB.
        inverse: float (H, W): camera height / Z; 0 beyond all range (sky), NaN unknown. With a
            ``focal`` of 0 it is 1 / Z or relative inverse depth: only its shape counts.
        labels: uint8 (H, W), bits as :data:`LABELS` says; see :func:`label`.
        focal: focal length / longer side of the image, or 0 where scale is not known.
    """

    name: str
    source: str
    kind: Kind
    licence: str
    image: RgbImage
    inverse: NDArray[np.floating]
    labels: Labels
    focal: float

    @property
    def calibrated(self) -> bool:
        """Whether ``inverse`` is camera height / Z."""
        return self.focal > 0


def label(*pairs: tuple[Mask | None, Mask | None]) -> Labels:
    """Bits from (is, known) masks of ground, drop, stairs; None = nowhere known."""
    shape = next(m.shape for pair in pairs for m in pair if m is not None)
    found = np.zeros(shape, np.uint8)
    for bit, (value, known) in enumerate(pairs):
        if value is not None and known is not None:
            found |= (value & known).astype(np.uint8) << bit
            found |= known.astype(np.uint8) << (bit + KNOWN_SHIFT)
    return found


def split_labels(labels: Labels, name: str) -> tuple[Mask, Mask]:
    """(is, known) of one of :data:`LABELS`."""
    bit = LABELS.index(name)
    return (labels >> bit & 1).astype(bool), (labels >> (bit + KNOWN_SHIFT) & 1).astype(bool)


def below_ground_m(
    depth_m: FloatImage,
    camera: tuple[float, float, float, float],
    height_m: float,
    pitch_deg: float,
    roll_deg: float,
) -> FloatImage:
    """How far each pixel's surface lies below the ground plane, meters, float32 (H, W).

    Args:
        depth_m: float32 (H, W), Z.
        camera: fx, fy, cx, cy in pixels; pixel centers are whole numbers.
        roll_deg: positive with the right side of the image lower.
    """
    fx, fy, cx, cy = camera
    x = (np.arange(depth_m.shape[1], dtype=np.float32) - np.float32(cx)) / np.float32(fx)
    y = (np.arange(depth_m.shape[0], dtype=np.float32)[:, None] - np.float32(cy)) / np.float32(fy)
    p, r = np.radians(pitch_deg), np.radians(roll_deg)
    down = (y * np.cos(r) + x * np.sin(r)) * np.cos(p) + np.sin(p)
    below: FloatImage = (depth_m * down - height_m).astype(np.float32)
    return below


def commercial(licence: str) -> bool:
    """Whether a source's stated license allows commercial use; if unclear, it does not."""
    text = licence.lower()
    barred = ("non-commercial", "-nc", "nc ", "research", "none stated", "no licence", "gpl")
    allowed = ("cc0", "cc-by", "cc by", "mit", "bsd", "apache")
    return any(word in text for word in allowed) and not any(word in text for word in barred)
