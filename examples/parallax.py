"""Animate a photo: what is near moves more than what is far.

python examples/parallax.py photo.jpg out.mp4
"""

import argparse
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

import sonar

RATE_HZ, SECONDS = 25, 2.0


def nearness(step: sonar.Step) -> np.ndarray:
    """How near each pixel is, float32 (H, W): 0 the farthest, 1 the nearest."""
    assert step.depth is not None, "the depth network failed"
    values = step.depth.values
    if step.depth.kind is sonar.DepthKind.METRIC:
        values = 1.0 / np.maximum(values, 0.1)
    low, high = np.percentile(values, (2, 98))
    near = np.clip((values - low) / (high - low), 0.0, 1.0)
    height, width = step.frame.image.shape[:2]
    return cv2.resize(near, (width, height), interpolation=cv2.INTER_CUBIC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo")
    parser.add_argument("out", help="an .mp4 file")
    parser.add_argument("--shift", type=float, default=0.02, help="share of the width")
    asked = parser.parse_args()

    if Path(asked.out).resolve() == Path(asked.photo).resolve():
        parser.error(f"{asked.out} is the photo; name another file")
    step = sonar.look(asked.photo)
    even = tuple(size // 2 * 2 for size in step.frame.image.shape[:2])  # as H.264 wants it
    image, near = step.frame.image[: even[0], : even[1]], nearness(step)[: even[0], : even[1]]
    rows, columns = np.indices(even, np.float32)
    count = round(RATE_HZ * SECONDS)
    with av.open(asked.out, "w") as video:
        stream = video.add_stream("libx264", RATE_HZ)
        stream.height, stream.width = even
        stream.pix_fmt, stream.time_base = "yuv420p", Fraction(1, RATE_HZ)
        for number in range(count):
            swing = np.sin(2.0 * np.pi * number / count) * asked.shift * even[1]
            moved = (columns - swing * (near - 0.5)).astype(np.float32)
            shown = cv2.remap(image, moved, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            video.mux(stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
        video.mux(stream.encode(None))
    print(f"{asked.out}: {count} frames, {even[1]}x{even[0]}")


if __name__ == "__main__":
    main()
