"""Say which depth plane of a photo is in focus, and which should be.

python examples/autofocus.py photo.jpg --at 0.5,0.5
"""

import argparse

import cv2
import numpy as np

import sonar

PLANES = 5


def planes_of(step: sonar.Step) -> np.ndarray:
    """The plane of each pixel, int (H, W): 0 the farthest, PLANES - 1 the nearest."""
    assert step.depth is not None, "the depth network failed"
    values = step.depth.values
    if step.depth.kind is sonar.DepthKind.METRIC:
        values = -values
    height, width = step.frame.image.shape[:2]
    values = cv2.resize(values, (width, height))
    edges = np.quantile(values, np.arange(1, PLANES) / PLANES)
    return np.searchsorted(edges, values)


def sharpness_of(image: np.ndarray, planes: np.ndarray) -> list[float]:
    """The 90th percentile of local contrast in each plane; contrast is what blur takes first."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    contrast = np.abs(cv2.Laplacian(gray, cv2.CV_32F)) / (cv2.blur(gray, (9, 9)) + 16.0)
    return [float(np.percentile(contrast[planes == plane], 90)) for plane in range(PLANES)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo")
    parser.add_argument("--at", default="0.5,0.5", help="the subject, as shares of width, height")
    asked = parser.parse_args()

    step = sonar.look(asked.photo)
    planes = planes_of(step)
    x, y = (float(word) for word in asked.at.split(","))
    height, width = planes.shape
    wanted = int(planes[min(int(y * height), height - 1), min(int(x * width), width - 1)])
    sharpness = sharpness_of(step.frame.image, planes)
    sharp = int(np.argmax(sharpness))
    for plane in reversed(range(PLANES)):
        marks = [" in focus"] * (plane == sharp) + [" subject"] * (plane == wanted)
        print(f"plane {plane + 1} of {PLANES}: sharpness {sharpness[plane]:.2f}{','.join(marks)}")
    advice = "nearer" if wanted > sharp else "farther"
    print("The subject is in focus." if wanted == sharp else f"Focus {advice}.")


if __name__ == "__main__":
    main()
