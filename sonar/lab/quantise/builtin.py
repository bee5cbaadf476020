"""Make sonar/depth/models/builtin/builtin_int8.onnx from builtin.onnx. For developers.

Needs [dev], [midas] and [sim]. Calibrated with frames of sonar's own demo, made-up images and
places, and photos in the public domain or under CC0 that scikit-image ships; only ranges of
activations go into the file. Without the made-up places, where things are at arm's length, what is
nearer than in any of the photos would be cut off.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import onnx

from sonar import demo
from sonar.depth.candidates import BUILTIN_INT8_PATH
from sonar.depth.models.registry import BUILTIN, BUILTIN_PATH
from sonar.depth.practice import practice_images
from sonar.depth.preprocess import Preprocessor
from sonar.lab.quantise.graph import simplified
from sonar.lab.quantise.quantise import quantise
from sonar.lab.simulate.places import render_scene
from sonar.types import RgbImage

SOURCE_KEY = "source_sha256"  # metadata: the sum of the model that it was made from
PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")
PLACES, PLACES_SEED = 10, 9  # not the seeds of docs/training.md


def images() -> Iterator[RgbImage]:
    """Images that calibrate, each followed in place by its like for checking."""
    import av
    import skimage.data

    for name in PHOTOS:
        photo = getattr(skimage.data, name)()
        rows, columns = photo.shape[:2]
        close = photo[rows // 4 : -rows // 4, columns // 4 : -columns // 4]
        yield from (photo[:, ::-1], photo, close[:, ::-1], close)
    with av.open(os.fspath(demo.CLIP)) as clip:
        frames = [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]
    for index in np.linspace(1, len(frames) - 1, 12).astype(int):
        yield from (frames[index - 1], frames[index])
    yield from practice_images(24)
    for index in range(PLACES):
        views = render_scene(np.random.default_rng([PLACES_SEED, index]))
        for view in views[: len(views) // 2 * 2]:
            yield view.image


def main() -> None:
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    cv2.setNumThreads(1)
    preprocess = Preprocessor(BUILTIN.contract)
    tensors = [preprocess(np.ascontiguousarray(image)).copy() for image in images()]
    target = BUILTIN_INT8_PATH
    with tempfile.TemporaryDirectory() as folder:
        model = simplified(BUILTIN_PATH, Path(folder))
    apart = quantise(model, target, tensors, depth_output=BUILTIN.contract.depth_output)
    small = onnx.load(target)
    onnx.helper.set_model_props(small, {SOURCE_KEY: str(BUILTIN.sha256)})
    onnx.save(small, target)
    print(
        f"{target}: {target.stat().st_size / 1e6:.1f} MB, "
        f"mean deviation {apart:.2%} on {len(tensors) // 2} images not calibrated with"
    )
