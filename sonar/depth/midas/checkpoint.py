"""Torch checkpoints: plain weights of a known network, or refused in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sonar.errors import MissingExtraError, ModelError

SHOWN = 3  # keys in a refusal


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The tensors of a checkpoint by name, on the CPU, in the dtypes of the file.

    torch reads it with ``weights_only``, which runs no code. Weights under ``model`` or
    ``state_dict`` are unwrapped.

    Raises ModelError when the file is missing, damaged, or holds anything but finite tensors;
    MissingExtraError without torch.
    """
    if not path.is_file():
        raise ModelError(f"the model file {path} is missing")
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("midas", f"reading {path.name}") from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, pickle and zip errors share no base class
        raise ModelError(
            f"{path.name} is cut off or damaged, or holds more than plain weights "
            f"({_first_line(error)})"
        ) from error
    for wrapper in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping) or not state:
        raise ModelError(f"{path.name} is no table of weights")
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise ModelError(f"{path.name} holds something that is not a tensor ({name!r})")
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise ModelError(f"{path.name} holds weights that are not numbers ({name})")
    return dict(state)


def architecture_of(state: Mapping[str, Any], label: str) -> str:
    """Which network that sonar knows has these weights. Raises ModelError when none has."""
    if "pretrained.model.cls_token" in state:
        return "dpt_large"
    if "walkable.out.weight" in state:
        return "midas_lite0_walkable"
    first = state.get("scratch.layer1_rn.weight")
    if first is None:
        raise ModelError(f"{label} is a checkpoint of no network that sonar knows")
    return "midas_small" if first.shape[0] == 64 else "midas_lite0"


def fill(network: Any, state: Mapping[str, Any], label: str, architecture: str) -> Any:
    """``network`` in evaluation mode with the weights in float32; every key must fit.

    Raises ModelError naming the first keys that do not.
    """
    expected = network.state_dict()
    wrong = [f"{name} is missing" for name in expected if name not in state]
    wrong += [f"{name} is not known" for name in state if name not in expected]
    wrong += [
        f"{name} is {list(state[name].shape)}, expected {list(value.shape)}"
        for name, value in expected.items()
        if name in state and state[name].shape != value.shape
    ]
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        shown = "; ".join(wrong[:SHOWN])
        raise ModelError(f"{label} is not a checkpoint of {architecture}: {shown}{more}")
    floats = {
        name: value.float() if value.is_floating_point() else value for name, value in state.items()
    }
    network.load_state_dict(floats, strict=True, assign=next(network.parameters()).is_meta)
    network.eval()
    return network


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:160] or type(error).__name__
