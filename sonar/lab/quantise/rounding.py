"""Weights put on int8's steps together: one's error is spread over the others. Needs ``onnx``.

Rounding each weight to the nearest step ignores what the weights are multiplied with. Here they
are rounded one after the other, and the error each makes in the convolution's output, as real
images would show it, is spread over those not yet rounded (E. Frantar et al., "GPTQ", ICLR 2023,
after Hassibi's optimal brain surgeon); what stays of it on average goes into the bias (M. Nagel et
al., ICCV 2019, section 4.2). The graph stays in float: quantising finds weights that fit already.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.lab.quantise.graph import attribute, constants_of, intermediate, set_constant
from sonar.types import FloatImage

POSITIONS = 128  # places of each image that a convolution is looked at
DAMPING = 0.01  # of the mean variance: what keeps weights still that the images say nothing of
BLOCK = 128  # weights rounded before the rest is corrected: one large product, not many small


def round_weights(
    model: Any, names: Sequence[str], tensors: Sequence[FloatImage], steps: int, seed: int = 0
) -> None:
    """Put the weights of the convolutions ``names`` on steps of 1/``steps`` of their greatest.

    In place; the greatest weight of each output channel stays, so that the channel's scale does.
    ``tensors``: network inputs (1, 3, H, W) of real images. ``seed``: of the places looked at.
    """
    constants = constants_of(model)
    nodes = [node for node in model.graph.node if node.name in set(names)]
    seen = [_Inputs(node, constants[node.input[1]].shape) for node in nodes]
    rng = np.random.default_rng(seed)
    for values in intermediate(model, sorted({node.input[0] for node in nodes}), tensors):
        for node, inputs in zip(nodes, seen, strict=True):
            inputs.add(values[node.input[0]], rng)
    for node in nodes:
        inputs = seen.pop(0)
        kernel = constants[node.input[1]].astype(np.float64)
        mean, covariance = inputs.moments()
        flat = kernel.reshape(inputs.groups, -1, mean.shape[1])  # (group, output, input)
        rounded = _rounded(flat, covariance, steps)
        shift = np.einsum("goi,gi->go", flat - rounded, mean).ravel()
        set_constant(model, node, 1, rounded.reshape(kernel.shape))
        bias = constants[node.input[2]] if len(node.input) > 2 else 0.0
        set_constant(model, node, 2, shift + bias)


class _Inputs:
    """Mean and covariance of what a convolution multiplies its weights with."""

    def __init__(self, node: Any, shape: tuple[int, ...]) -> None:
        self.groups = int(attribute(node, "group", 1))
        self._kernel = shape[2:]
        self._pads = attribute(node, "pads", [0, 0, 0, 0])
        self._strides = attribute(node, "strides", [1, 1])
        self._dilations = attribute(node, "dilations", [1, 1])
        size = shape[1] * shape[2] * shape[3]
        self._count = 0
        self._sum = np.zeros((self.groups, size))
        self._products = np.zeros((self.groups, size, size), np.float32)

    def add(self, value: FloatImage, rng: np.random.Generator) -> None:
        """``value``: the input, (1, C, H, W)."""
        top, left, bottom, right = self._pads
        padded = np.pad(value[0], ((0, 0), (top, bottom), (left, right)))
        spans = [(k - 1) * d + 1 for k, d in zip(self._kernel, self._dilations, strict=True)]
        windows = np.lib.stride_tricks.sliding_window_view(padded, spans, axis=(1, 2))
        windows = windows[:, :: self._strides[0], :: self._strides[1]]
        windows = windows[..., :: self._dilations[0], :: self._dilations[1]]
        rows, columns = windows.shape[1:3]
        places = rng.permutation(rows * columns)[:POSITIONS]
        found = windows[:, places // columns, places % columns]  # (C, places, k, k)
        found = found.reshape(self.groups, -1, *found.shape[1:]).transpose(0, 2, 1, 3, 4)
        found = np.ascontiguousarray(found).reshape(self.groups, len(places), -1)
        self._count += len(places)
        self._sum += found.sum(axis=1, dtype=np.float64)
        self._products += found.transpose(0, 2, 1) @ found

    def moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean (groups, n) and covariance (groups, n, n)."""
        mean = self._sum / self._count
        covariance = self._products / self._count - mean[:, :, None] * mean[:, None, :]
        return mean, covariance


def _rounded(
    weights: NDArray[np.float64], covariance: NDArray[np.float64], steps: int
) -> NDArray[np.float64]:
    """``weights`` (groups, outputs, n) on their steps, for inputs that vary by ``covariance``.

    ``covariance``: (groups, n, n).
    """
    peaks = np.abs(weights).max(axis=2, keepdims=True)
    is_peak = np.arange(weights.shape[2]) == np.abs(weights).argmax(axis=2)[..., None]
    scale = np.where(peaks > 0, peaks, 1.0) / steps
    size = weights.shape[2]
    variance = np.diagonal(covariance, axis1=1, axis2=2).mean(axis=1)
    damped = covariance + np.eye(size) * np.maximum(DAMPING * variance, 1e-12)[:, None, None]
    # upper, so that the inverse is spread^T spread
    spread = np.linalg.cholesky(np.linalg.inv(damped)).transpose(0, 2, 1)
    left = weights / scale
    result = np.empty_like(left)
    for start in range(0, size, BLOCK):
        end = min(start + BLOCK, size)
        errors = np.empty((*left.shape[:2], end - start))
        for column in range(start, end):
            value = np.clip(np.round(left[..., column]), -steps, steps)
            value = np.where(is_peak[..., column], steps * np.sign(weights[..., column]), value)
            result[..., column] = value
            error = (left[..., column] - value) / spread[:, None, column, column]
            left[..., column:end] -= error[..., None] * spread[:, None, column, column:end]
            errors[..., column - start] = error
        left[..., end:] -= errors @ spread[:, start:end, end:]
    return result * scale
