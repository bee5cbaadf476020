"""Channels brought towards one range: int8 has one step for all channels of a tensor.

A channel divided by a factor where a convolution makes it, and multiplied by it in the weights
of the convolution that reads it, leaves the function as it was. M. Nagel et al., "Data-Free
Quantization Through Weight Equalization and Bias Correction", ICCV 2019, section 4.1; the ranges
here are measured on images. Needs ``onnx``.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sonar.lab.quantise.graph import attribute, constants_of, intermediate, set_constant
from sonar.types import FloatImage

# A channel that is seldom large is not stretched further: it might be one day.
LEAST_SHARE = 1 / 256
# 1 would give all channels one range; half of it does not spoil the weights, which have one step
# for all channels that they read.
POWER = 0.5


def equalise(model: Any, tensors: Sequence[FloatImage]) -> int:
    """Rescale the channels between two convolutions, in place; the number of pairs rescaled.

    Only a ReLU and an interpolation may lie between the two, and nothing else reads there: in
    MiDaS these are the residual units and the output head. ``tensors``: network inputs
    (1, 3, H, W) of real images.
    """
    pairs = _pairs(model)
    peaks: dict[str, Any] = {}
    for values in intermediate(model, [second.input[0] for _, second in pairs], tensors):
        for name, value in values.items():
            peaks[name] = np.maximum(np.abs(value).max(axis=(0, 2, 3)), peaks.get(name, 0.0))
    for first, second in pairs:
        constants = constants_of(model)
        peak = peaks[second.input[0]]
        factors = np.maximum(peak / max(peak.max(), 1e-12), LEAST_SHARE) ** POWER
        set_constant(model, first, 1, constants[first.input[1]] / factors[:, None, None, None])
        set_constant(model, first, 2, constants[first.input[2]] / factors)
        set_constant(model, second, 1, constants[second.input[1]] * factors[:, None, None])
    return len(pairs)


def _pairs(model: Any) -> list[tuple[Any, Any]]:
    """Convolutions of which the second alone reads what the first makes."""
    readers: dict[str, list[Any]] = {output.name: [None] for output in model.graph.output}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    pairs = []
    for first in model.graph.node:
        if first.op_type != "Conv" or len(first.input) != 3:
            continue
        reading = readers.get(first.output[0], [])
        while len(reading) == 1 and reading[0] and reading[0].op_type in ("Relu", "Resize"):
            reading = readers.get(reading[0].output[0], [])
        second = reading[0] if len(reading) == 1 else None
        if second and second.op_type == "Conv" and attribute(second, "group", 1) == 1:
            pairs.append((first, second))
    return pairs
