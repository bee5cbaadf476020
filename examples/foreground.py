"""Cut out the foreground: near by depth, and inside a segmentation mask or a box.

python examples/foreground.py photo.jpg out.png --box 40,60,200,300 (or --mask person.png)
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

import sonar


def near_mask(step: sonar.Step, share: float) -> np.ndarray:
    """True for the nearest ``share`` of the depth range; bool (H, W)."""
    values = step.depth.values  # None if the network failed
    if step.depth.kind is sonar.DepthKind.METRIC:
        values = 1.0 / np.maximum(values, 0.1)
    low, high = np.percentile(values, (2, 98))
    height, width = step.frame.image.shape[:2]
    return cv2.resize(values, (width, height)) >= high - share * (high - low)


def box_mask(image: np.ndarray, box: str) -> np.ndarray:
    """The object in a box ``x,y,width,height`` (pixels), by OpenCV's GrabCut; bool (H, W)."""
    mask = np.zeros(image.shape[:2], np.uint8)
    corners = tuple(int(word) for word in box.split(","))
    cv2.grabCut(image[:, :, ::-1].copy(), mask, corners, None, None, 4, cv2.GC_INIT_WITH_RECT)
    return (mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo")
    parser.add_argument("out", help="a .png file; the background is transparent")
    parser.add_argument("--near", type=float, default=0.5, help="share of the depth range")
    parser.add_argument("--mask", help="an image of the photo's shape; white is the object")
    parser.add_argument("--box", help="x,y,width,height in pixels")
    asked = parser.parse_args()

    step = sonar.look(asked.photo)
    image, chosen = step.frame.image, near_mask(step, asked.near)
    if asked.mask:
        mask = cv2.imread(asked.mask, cv2.IMREAD_GRAYSCALE)
        if mask is None or mask.shape != chosen.shape:
            parser.error(f"{asked.mask} is no mask of {chosen.shape[1]}x{chosen.shape[0]} pixels")
        chosen &= mask > 127
    if asked.box:
        chosen &= box_mask(image, asked.box)
    if Path(asked.out).resolve() == Path(asked.photo).resolve():
        parser.error(f"{asked.out} is the photo; name another file")
    alpha = 255 * chosen.astype(np.uint8)
    if not cv2.imwrite(asked.out, np.dstack([image[:, :, ::-1], alpha])):
        parser.error(f"{asked.out} cannot be written")
    print(f"{asked.out}: {chosen.mean():.0%} of the photo is foreground")


if __name__ == "__main__":
    main()
