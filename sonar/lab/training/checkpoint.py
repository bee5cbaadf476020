"""Checkpoints of the built-in model. Loaded as data only: a file cannot run anything."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sonar.depth.midas.network import MidasSmall
from sonar.errors import ModelError
from sonar.lab.training.from_onnx import read_onnx


def new_network() -> MidasSmall:
    """The built-in's layout, untrained."""
    return MidasSmall("tf_efficientnet_lite0", 32, walkable=True)


def load_weights(path: Path) -> dict[str, Tensor]:
    """A checkpoint's weights as float32.

    Raises:
        ModelError: not there, not a checkpoint, or of another layout.
    """
    try:
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for damaged files
        raise ModelError(f"{path} is not a checkpoint that can be read: {error}.") from error
    if isinstance(loaded, dict) and "averaged" in loaded:
        loaded = loaded["averaged"]
    if not isinstance(loaded, dict):
        raise ModelError(f"{path} is not a checkpoint of the built-in model.")
    return {str(k): v.float() if v.is_floating_point() else v for k, v in loaded.items()}


def network_from(path: Path) -> MidasSmall:
    """The network with the weights of a checkpoint, or of an ONNX file made from one, in
    evaluation mode. Raises ModelError."""
    network = new_network()
    network.eval()
    try:
        onnx = path.suffix == ".onnx"
        network.load_state_dict(read_onnx(path, network) if onnx else load_weights(path))
    except (RuntimeError, AttributeError) as error:
        raise ModelError(f"{path} does not fit the built-in model's layout.") from error
    return network


def mean(first: Path, second: Path, target: Path) -> None:
    """Write the mean of two turns' weights, halfway between what each is good at.

    Source: M. Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022.
    Raises ModelError.
    """
    one, other = (network_from(path).state_dict() for path in (first, second))
    torch.save(
        {k: v.lerp(other[k], 0.5) if v.is_floating_point() else v for k, v in one.items()}, target
    )
