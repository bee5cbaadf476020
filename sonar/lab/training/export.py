"""A trained state becomes ONNX: float32, checked against torch, and int8 by ``lab/quantise``."""

import datetime
import math
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
import torch

from sonar.depth.backends.onnx import OnnxBackend
from sonar.depth.contract import BUILTIN_CONTRACT
from sonar.depth.preprocess import Preprocessor
from sonar.errors import ModelError
from sonar.lab.quantise.export import OPSET
from sonar.lab.quantise.graph import simplified
from sonar.lab.quantise.quantise import quantise
from sonar.lab.training.network import FOCAL, OUTPUTS, CalibratedNetwork
from sonar.lab.training.sample import Sample
from sonar.lab.training.train import averaged_network

CHECK_SIZES = ((192, 256), (256, 192), (96, 256), (256, 256))
MOST_APART = 2e-3
CALIBRATION_FRAMES = 96  # every other one only checks


def export(
    state: Path, target: Path, sources: Sequence[str] = (), sigma_scale: float = 1.0
) -> float:
    """Write the averaged weights of ``state`` as float32 ONNX, and check it.

    Input and outputs as :class:`CalibratedNetwork`; the file's metadata says what they mean.

    Args:
        sources: names of what it was trained on, for the metadata.
        sigma_scale: the stated deviations are multiplied by it; `evaluate` measures it on the
            validation scenes.

    Returns:
        The greatest difference between the file in ONNX Runtime and torch, over several sizes.

    Raises:
        ModelError: a damaged state, or a file that computes something else.
    """
    network, step = averaged_network(state)
    assert network.walkable is not None
    with torch.no_grad():
        network.walkable.out.bias[3] += math.log(sigma_scale)
    sides = {0: "batch", 1: "height", 2: "width"}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # about the legacy exporter and its traces
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, 256, 320),),
            str(target),
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=list(OUTPUTS),
            dynamic_axes={
                "image": {0: "batch", 2: "height", 3: "width"},
                **{name: sides for name in OUTPUTS},
            },
        )
    model = onnx.load(str(target))
    onnx.helper.set_model_props(
        model,
        {
            "sonar.kind": "per_camera_height",
            "sonar.outputs": ",".join(OUTPUTS),
            "sonar.focal": str(FOCAL),
            "sonar.encoder": network.encoder,
            "sonar.step": str(step),
            "sonar.sigma_scale": f"{sigma_scale:.4f}",
            "sonar.sources": ",".join(sources),
            "sonar.date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        },
    )
    onnx.save(model, str(target))
    apart = _apart(network, target)
    if apart > MOST_APART:
        raise ModelError(f"{target} differs from the network it was made from by {apart:.4f}.")
    return apart


def export_int8(source: Path, target: Path, samples: Sequence[Sample]) -> float:
    """The int8 version of a float32 file, calibrated with evenly spread samples.

    Returns the mean deviation of its depth from float32's. Raises ModelError.
    """
    cv2.setNumThreads(1)
    chosen = np.linspace(0, len(samples) - 1, min(CALIBRATION_FRAMES, len(samples))).astype(int)
    preprocess = Preprocessor(BUILTIN_CONTRACT)
    tensors = [preprocess(np.ascontiguousarray(samples[i].image)).copy() for i in chosen]
    with tempfile.TemporaryDirectory() as folder:
        model = simplified(source, Path(folder))
    apart = quantise(model, target, tensors, depth_output=OUTPUTS[0])
    small = onnx.load(str(target))
    props = {item.key: item.value for item in onnx.load(str(source)).metadata_props}
    onnx.helper.set_model_props(small, props)
    onnx.save(small, str(target))
    return apart


def _apart(network: CalibratedNetwork, path: Path) -> float:
    backend = OnnxBackend(path, threads=1)
    rng = np.random.default_rng(0)
    worst = 0.0
    for rows, columns in CHECK_SIZES:
        image = rng.normal(0, 1, (1, 3, rows, columns)).astype(np.float32)
        found = backend.run(image)
        with torch.inference_mode():
            wanted = network(torch.from_numpy(image))
        for name, value in zip(OUTPUTS, wanted, strict=True):
            worst = max(worst, float(np.abs(found[name] - value.numpy()).max()))
    return worst
