"""A trained checkpoint becomes the packaged ONNX file."""

import warnings
from pathlib import Path

import numpy as np
import torch

from sonar.depth.backends.onnx import OnnxBackend
from sonar.depth.models.contract import BUILTIN_CONTRACT
from sonar.errors import ModelError
from sonar.lab.quantise.export import OPSET
from sonar.lab.training.checkpoint import network_from

CHECK_SIZES = ((192, 256), (256, 192), (96, 256), (256, 256))
MOST_APART = 2e-3


def export(checkpoint: Path, target: Path) -> float:
    """Write ``checkpoint`` as float32 ONNX by the built-in's contract, and check it.

    Input ``image`` (batch, 3, height, width), outputs ``inverse_depth`` and ``walkable``
    (batch, height, width).

    Returns:
        The greatest difference between the file in ONNX Runtime and torch, over several sizes.

    Raises:
        ModelError: a damaged checkpoint, or a file that computes something else.
    """
    network = network_from(checkpoint)
    names = [str(BUILTIN_CONTRACT.depth_output), str(BUILTIN_CONTRACT.walkable_output)]
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
            output_names=names,
            dynamic_axes={
                "image": {0: "batch", 2: "height", 3: "width"},
                **{name: sides for name in names},
            },
        )
    apart = _apart(network, target, names)
    if apart > MOST_APART:
        raise ModelError(f"{target} differs from the network it was made from by {apart:.4f}.")
    return apart


def halve(checkpoint: Path, target: Path) -> None:
    """Keep a checkpoint's (averaged) weights as float16: half the size, for starting from."""
    state = network_from(checkpoint).state_dict()
    torch.save(
        {name: v.half() if v.is_floating_point() else v for name, v in state.items()}, target
    )


def _apart(network: torch.nn.Module, path: Path, names: list[str]) -> float:
    backend = OnnxBackend(path, threads=1)
    rng = np.random.default_rng(0)
    worst = 0.0
    for rows, columns in CHECK_SIZES:
        image = rng.normal(0, 1, (1, 3, rows, columns)).astype(np.float32)
        found = backend.run(image)
        with torch.inference_mode():
            wanted = network(torch.from_numpy(image))
        for name, value in zip(names, wanted, strict=True):
            worst = max(worst, float(np.abs(found[name] - value.numpy()).max()))
    return worst
