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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from sonar.depth.backends.onnx import OnnxBackend
from sonar.depth.models.contract import BUILTIN_CONTRACT
from sonar.depth.preprocess import Preprocessor
from sonar.lab.training.network import FOCAL, OUTPUTS, CalibratedNetwork
from sonar.lab.training.sample import LABELS, Sample, split_labels
from sonar.types import FloatImage, RgbImage

FARTHEST = 4.0  # times the farthest true depth: no aligned depth counts as farther
FAR_M = 20.0
HEIGHT_M = 1.4  # stands for the unknown height where limits in meters are applied
NEAR_M = 2.0
LEAST = HEIGHT_M / (FARTHEST * FAR_M)  # inverse depth of the farthest distance that counts
OFF = 1.25
ONE_SIGMA = 0.683
FEWEST = 100  # known pixels
SHIFTS_PX = ((0.0, 0.0), (0.6, 0.3), (-0.4, 0.7), (0.8, -0.5))
NOISE = 3.0  # of 255

Outputs = Mapping[str, FloatImage]
Model = Callable[[RgbImage], Outputs]


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


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """Of one source; the module's text says what they are."""

    frames: int
    aligned: float | None
    off: float | None
    abs_rel: float | None = None
    bias: float | None = None
    near_bias: float | None = None
    within_sigma: float | None = None
    sigma_scale: float | None = None
    ground_iou: float | None = None
    drop_recall: float | None = None
    drop_precision: float | None = None
    stairs_recall: float | None = None
    stairs_precision: float | None = None

    def line(self) -> str:
        """One line for people."""
        parts = [
            f"{name} {value:.3f}"
            for name, value in asdict(self).items()
            if value is not None and name != "frames"
        ]
        return "  ".join([*parts, f"({self.frames} frames)"])


@dataclass(slots=True)
class _Tally:
    """What adds up over frames."""

    aligned: list[float] = field(default_factory=list)
    off: list[float] = field(default_factory=list)
    abs_rel: list[float] = field(default_factory=list)
    errors: list[FloatImage] = field(default_factory=list)
    near: list[FloatImage] = field(default_factory=list)
    in_sigmas: list[FloatImage] = field(default_factory=list)
    pixels: dict[str, NDArray[np.int64]] = field(
        default_factory=lambda: {name: np.zeros(3, np.int64) for name in LABELS}
    )  # right, said, true


def figures(model: Model, samples: Sequence[Sample]) -> SourceFigures:
    """Figures of ``model`` on the samples of one source."""
    tally = _Tally()
    for sample in samples:
        outputs = model(np.asarray(sample.image))
        _add_depth(tally, sample, outputs)
        for name in LABELS:
            said = outputs.get("walkable" if name == "ground" and name not in outputs else name)
            if said is not None:
                value, known = split_labels(np.asarray(sample.labels), name)
                yes = _resize(said, value.shape) > 0.5
                counts = (yes & value & known, yes & known, value & known)
                tally.pixels[name] += np.array([np.count_nonzero(c) for c in counts])
    errors = np.concatenate(tally.errors) if tally.errors else None
    near = np.concatenate(tally.near) if tally.near else None
    sigmas = np.concatenate(tally.in_sigmas) if tally.in_sigmas else None
    right, said_, true = tally.pixels["ground"]
    return SourceFigures(
        len(samples),
        _mean(tally.aligned),
        _mean(tally.off),
        _mean(tally.abs_rel),
        None if errors is None else float(np.median(errors)),
        None if near is None or near.size < FEWEST else float(np.median(near)),
        None if sigmas is None else float(np.mean(sigmas <= 1.0)),
        None if sigmas is None else float(np.quantile(sigmas, ONE_SIGMA)),
        _share(right, said_ + true - right),
        *(
            _share(tally.pixels[name][0], tally.pixels[name][of])
            for name in ("drop", "stairs")
            for of in (2, 1)
        ),
    )


def per_source(model: Model, samples: Sequence[Sample]) -> dict[str, SourceFigures]:
    """:func:`figures` of each source of ``samples``."""
    names = sorted({s.source for s in samples})
    return {name: figures(model, [s for s in samples if s.source == name]) for name in names}


def _add_depth(tally: _Tally, sample: Sample, outputs: Outputs) -> None:
    truth = np.asarray(sample.inverse, np.float32)
    known = truth > HEIGHT_M / FAR_M if sample.calibrated else truth > 1.0 / FAR_M
    if np.count_nonzero(known) < FEWEST:
        return
    predicted = _resize(outputs["inverse_depth"], truth.shape)[known]
    z = 1.0 / truth[known]
    guess = aligned_distance(predicted, z)
    tally.aligned.append(float(np.mean(np.abs(guess - z) / z)))
    tally.off.append(float(np.mean(np.maximum(guess / z, z / guess) > OFF)))
    if "log_sigma" not in outputs or not sample.calibrated:
        return
    inverse = np.maximum(predicted * np.float32(FOCAL / sample.focal), LEAST)
    error = -np.log(inverse * z)  # log(Z' / Z)
    tally.abs_rel.append(float(np.mean(np.abs(np.exp(error) - 1.0))))
    tally.errors.append(error[::4])
    tally.near.append(error[z < NEAR_M / HEIGHT_M][::4])
    sigma = np.exp(_resize(outputs["log_sigma"], truth.shape)[known])
    tally.in_sigmas.append((np.abs(error) / sigma)[::4])


def align(predicted: FloatImage, inverse: FloatImage) -> tuple[float, float]:
    """(s, t) that bring ``s * predicted + t`` nearest to ``inverse``; both 1-D."""
    a = np.stack([predicted, np.ones_like(predicted)], axis=1).astype(np.float64)
    (s, t), *_ = np.linalg.lstsq(a, inverse.astype(np.float64), rcond=None)
    return float(s), float(t)


def aligned_distance(predicted: FloatImage, truth: FloatImage) -> FloatImage:
    """Inverse depth as distance after :func:`align` to the true distance; both 1-D."""
    s, t = align(predicted, 1.0 / truth)
    lowest = 1.0 / (FARTHEST * float(truth.max()))
    distance: FloatImage = 1.0 / np.maximum(s * predicted + t, lowest)
    return distance


def flicker(model: Model, images: Sequence[RgbImage], seed: int = 0) -> float:
    """Mean relative change of aligned inverse depth between frames of a still scene that differ
    by noise and a shift of about a pixel, as a shaking hand gives."""
    changes = []
    for number, image in enumerate(images):
        rng = np.random.default_rng([seed, number])
        before: FloatImage | None = None
        for dx, dy in SHIFTS_PX:
            shift = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
            moved = cv2.warpAffine(
                np.asarray(image), shift, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101
            )
            noisy = np.clip(moved + rng.normal(0, NOISE, image.shape), 0, 255).astype(np.uint8)
            flat = model(noisy)["inverse_depth"].ravel()
            if before is not None:
                s, t = align(flat, before)
                floor = 0.15 * float(before.mean()) + 1e-3
                changes.append(float(np.mean(np.abs(s * flat + t - before) / (before + floor))))
            before = flat
    return float(np.mean(changes))


def _resize(values: FloatImage, shape: tuple[int, ...]) -> FloatImage:
    size = (shape[1], shape[0])
    resized: FloatImage = cv2.resize(values, size, interpolation=cv2.INTER_LINEAR)
    return resized


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _share(part: np.int64, whole: np.int64) -> float | None:
    return float(part / whole) if whole else None
