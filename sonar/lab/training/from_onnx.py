"""The built-in's weights out of its ONNX file: where a new turn of training starts.

The exporter folds each normalisation into the convolution before it. Here it is unfolded into a
convolution of usual size and a normalisation whose variance scales it back, which computes the
same and trains well: a step of the optimiser is about the same share of every weight.
"""

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from sonar.depth.midas.network import MidasSmall
from sonar.errors import ModelError

SIZES = 1e-4, 10.0  # the variance stays a number, and above 0


def read_onnx(path: Path, network: MidasSmall) -> dict[str, Tensor]:
    """A state of ``network``'s layout with the weights of the ONNX file that was made from it.

    Convolutions are matched in the order in which they run.

    Raises:
        ModelError: no ONNX file, or of another network.
    """
    try:
        graph = onnx.load(str(path)).graph
    except Exception as error:  # protobuf's own kinds
        raise ModelError(f"{path} is not an ONNX file that can be read: {error}.") from error
    arrays = {item.name: numpy_helper.to_array(item).copy() for item in graph.initializer}
    for node in graph.node:  # equal arrays are kept once
        if node.op_type == "Identity" and node.input[0] in arrays:
            arrays[node.output[0]] = arrays[node.input[0]]
    found = [
        [torch.from_numpy(arrays[name]) for name in node.input[1:] if name in arrays]
        for node in graph.node
        if node.op_type == "Conv"
    ]
    state: dict[str, Tensor] = network.state_dict()
    pairs = _in_order(network)
    if len(pairs) != len(found):
        raise ModelError(f"{path} is of another network than the built-in model.")
    for (conv, norm), parts in zip(pairs, found, strict=True):
        biased = norm is not None or f"{conv}.bias" in state
        if len(parts) != 1 + biased or parts[0].shape != state[f"{conv}.weight"].shape:
            raise ModelError(f"{path} is of another network than the built-in model.")
        weight = parts[0]
        if norm is not None:
            module = network.get_submodule(norm)
            assert isinstance(module, nn.BatchNorm2d)
            weight = _unfold(state, module, norm, weight, parts[1])
        elif biased:
            state[f"{conv}.bias"] = parts[1]
        state[f"{conv}.weight"] = weight
    return state


def _unfold(
    state: dict[str, Tensor], module: nn.BatchNorm2d, name: str, weight: Tensor, bias: Tensor
) -> Tensor:
    """The convolution's weight; its normalisation goes into ``state``."""
    usual = (2.0 / weight[0].numel()) ** 0.5  # He et al. 2015
    size = (weight.flatten(1).square().mean(1).sqrt() / usual).clamp(*SIZES)
    state[f"{name}.weight"], state[f"{name}.bias"] = torch.ones_like(bias), bias
    state[f"{name}.running_mean"] = torch.zeros_like(bias)
    state[f"{name}.running_var"] = size**-2 - module.eps
    return weight / size[:, None, None, None]


def _in_order(network: MidasSmall) -> list[tuple[str, str | None]]:
    """(convolution, the normalisation right behind it or None), as they run."""
    ran: list[tuple[str, str | None]] = []
    hooks = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            hooks.append(module.register_forward_hook(lambda *_, n=name: ran.append((n, None))))
        elif isinstance(module, nn.BatchNorm2d):
            hooks.append(
                module.register_forward_hook(
                    lambda *_, n=name: ran.__setitem__(-1, (ran[-1][0], n))
                )
            )
    try:
        with torch.inference_mode():
            network(torch.zeros(1, 3, 64, 64))
    finally:
        for hook in hooks:
            hook.remove()
    return ran
