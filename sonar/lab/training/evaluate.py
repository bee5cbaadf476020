"""How good a model is: per source, never pooled.

Figures of one source, over known pixels up to ``FAR_M`` (all are means over frames but the shares):

* ``aligned``: mean |Z' - Z| / Z after the best affine alignment of each frame's inverse depth to
  the truth; ``off``: share of pixels then off by more than 25 %. Nobody has the truth while
  walking: they judge the shape alone, and let relative models be compared;
* ``abs_rel``: mean |Z' - Z| / Z without any alignment, by the camera's known height alone;
* ``bias``: median of log(Z' / Z): below 0 is too near; ``near_bias``: of what is nearer than 2 m;
* ``within_sigma``: share of pixels whose log error is at most the stated deviation, and
  ``sigma_scale``: what the deviation must be multiplied by for this to be 68.3 %;
* ``ground_iou``, ``drop_recall``, ``drop_precision``, ``stairs_recall``, ``stairs_precision``: by
  pixel at a probability of 0.5, over all frames.

None where a model or source has nothing to say.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from sonar.depth.backends.onnx import OnnxBackend
from sonar.depth.contract import BUILTIN_CONTRACT
from sonar.depth.preprocess import Preprocessor
from sonar.lab.evaluate import maps
from sonar.lab.training.network import FOCAL, OUTPUTS, CalibratedNetwork
from sonar.lab.training.sample import LABELS, Sample, split_labels
from sonar.types import FloatImage, RgbImage

FARTHEST = 4.0  # times the farthest true depth: no aligned depth counts as farther
FAR_M = 20.0
HEIGHT_M = 1.4  # taken for the unknown height where limits in meters are applied
NEAR_M = 2.0
LEAST = HEIGHT_M / (FARTHEST * FAR_M)  # inverse depth of the farthest distance that counts
OFF = 1.25
ONE_SIGMA = 0.683
FEWEST = 100  # known pixels

Outputs = Mapping[str, FloatImage]
Model = Callable[[RgbImage], Outputs]
Figures = dict[str, float | None]


def onnx_model(path: Path, threads: int = 1) -> Model:
    """A model file with the built-in's input: image -> its outputs by name, each (h, w).

    Raises ModelError for a file that cannot be run.
    """
    backend = OnnxBackend(path, threads=threads)
    preprocess = Preprocessor(BUILTIN_CONTRACT)

    def run(image: RgbImage) -> Outputs:
        found = backend.run(preprocess(np.ascontiguousarray(image)))
        return {name: np.asarray(value[0]) for name, value in found.items()}

    return run


def network_model(network: CalibratedNetwork) -> Model:
    """A network in torch, on the CPU, as :func:`onnx_model`."""
    preprocess = Preprocessor(BUILTIN_CONTRACT)

    def run(image: RgbImage) -> Outputs:
        tensor = torch.from_numpy(preprocess(np.ascontiguousarray(image)))
        with torch.inference_mode():
            values = network(tensor.contiguous(memory_format=torch.channels_last))
        return {name: v[0].numpy() for name, v in zip(OUTPUTS, values, strict=True)}

    return run


def figures(model: Model, samples: Sequence[Sample]) -> Figures:
    """Figures of ``model`` on the samples of one source, in the order of the module's text."""
    sums: dict[str, list[Any]] = defaultdict(list)
    for sample in samples:
        outputs = model(np.asarray(sample.image))
        _add_depth(sums, sample, outputs)
        for name in LABELS:
            said = outputs.get("walkable" if name == "ground" and name not in outputs else name)
            if said is not None:
                value, known = split_labels(np.asarray(sample.labels), name)
                yes = _resize(said, value.shape) > 0.5
                counts = (yes & value & known, yes & known, value & known)
                sums[name].append([np.count_nonzero(count) for count in counts])
    found: Figures = {
        name: float(np.mean(sums[name])) if sums[name] else None
        for name in ("aligned", "off", "abs_rel")
    }
    error, near, sigmas = (np.concatenate(sums[n] or [[]]) for n in ("error", "near", "sigmas"))
    found["bias"] = float(np.median(error)) if error.size else None
    found["near_bias"] = float(np.median(near)) if near.size >= FEWEST else None
    found["within_sigma"] = float(np.mean(sigmas <= 1.0)) if sigmas.size else None
    found["sigma_scale"] = float(np.quantile(sigmas, ONE_SIGMA)) if sigmas.size else None
    right, said_, true = np.sum(sums["ground"] or [[0, 0, 0]], axis=0)
    found["ground_iou"] = _share(right, said_ + true - right)
    for name in ("drop", "stairs"):
        right, said_, true = np.sum(sums[name] or [[0, 0, 0]], axis=0)
        found[f"{name}_recall"], found[f"{name}_precision"] = (
            _share(right, true),
            _share(right, said_),
        )
    return found


def line(found: Figures) -> str:
    """One line for people."""
    return "  ".join(f"{name} {v:.3f}" for name, v in found.items() if v is not None)


def per_source(model: Model, samples: Sequence[Sample]) -> dict[str, Figures]:
    """:func:`figures` of each source of ``samples``."""
    names = sorted({s.source for s in samples})
    return {name: figures(model, [s for s in samples if s.source == name]) for name in names}


def _add_depth(sums: dict[str, list[Any]], sample: Sample, outputs: Outputs) -> None:
    truth = np.asarray(sample.inverse, np.float32)
    known = truth > HEIGHT_M / FAR_M if sample.calibrated else truth > 1.0 / FAR_M
    if np.count_nonzero(known) < FEWEST:
        return
    predicted = _resize(outputs["inverse_depth"], truth.shape)[known]
    z = 1.0 / truth[known]
    guess = aligned_distance(predicted, z)
    sums["aligned"].append(float(np.mean(np.abs(guess - z) / z)))
    sums["off"].append(float(np.mean(np.maximum(guess / z, z / guess) > OFF)))
    if "log_sigma" not in outputs or not sample.calibrated:
        return
    inverse = np.maximum(predicted * np.float32(FOCAL / sample.focal), LEAST)
    error = -np.log(inverse * z)  # log(Z' / Z)
    sums["abs_rel"].append(float(np.mean(np.abs(np.exp(error) - 1.0))))
    sums["error"].append(error[::4])
    sums["near"].append(error[z < NEAR_M / HEIGHT_M][::4])
    sigma = np.exp(_resize(outputs["log_sigma"], truth.shape)[known])
    sums["sigmas"].append((np.abs(error) / sigma)[::4])


def aligned_distance(predicted: FloatImage, truth: FloatImage) -> FloatImage:
    """Inverse depth as distance after ``maps.align`` to the true distance; both 1-D."""
    s, t = maps.align(predicted, 1.0 / truth)
    lowest = 1.0 / (FARTHEST * float(truth.max()))
    distance: FloatImage = 1.0 / np.maximum(s * predicted + t, lowest)
    return distance


def flicker(model: Model, images: Sequence[RgbImage], seed: int = 0) -> float:
    """Mean over ``images`` of :func:`sonar.lab.evaluate.maps.flicker`."""
    run = partial(_inverse_depth, model)
    each = [maps.flicker(run, image, [seed, number]) for number, image in enumerate(images)]
    return float(np.mean(each))


def _inverse_depth(model: Model, image: RgbImage) -> FloatImage:
    return model(image)["inverse_depth"]


def _resize(values: FloatImage, shape: tuple[int, ...]) -> FloatImage:
    size = (shape[1], shape[0])
    resized: FloatImage = cv2.resize(values, size, interpolation=cv2.INTER_LINEAR)
    return resized


def _share(part: np.int64, whole: np.int64) -> float | None:
    return float(part / whole) if whole else None
