"""The encoder's weights in the order in which the machine code reads them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.depth.native.encoder import PICTURE, Encoder, Layer, forms, in_bytes
from sonar.depth.native.ready import Weights
from sonar.depth.native.steps import LANES, LINE, UNIT, aligned, aligned_bytes, padded
from sonar.depth.native.weights import Convolution

WIDEST = 3  # blocks of channels that int8.h computes together
FULL = 254.999  # what is clipped above this byte is clipped by being one


class ReadyLayer:
    """A layer's numbers in the machine code's order; what it is read as."""

    def __init__(self, layer: Layer, encoder: Encoder, wanted: set[str], whole: bool, half: bool):
        self.layer, self.wanted, self.whole = layer, wanted, whole
        self.values: Any = None
        self.fields: dict[str, Any] = {}
        self.channels = 0
        if layer.kernel is None:
            return
        kernel, bias = layer.kernel, layer.bias
        assert bias is not None
        self.channels = len(kernel)
        if layer.kind in ("spatial", "probability"):
            if layer.kind == "probability":
                self.values = aligned(padded(kernel.shape[1], LANES) + 1)
                self.values[: kernel.shape[1]] = layer.real_kernel()[0, :, 0, 0]
                self.values[-1] = bias[0]
            return
        factors = np.ones(self.channels)
        offsets: NDArray[np.float64] = bias.astype(np.float64)
        if whole:
            assert layer.scales is not None
            scale, zero = encoder.quantised[layer.source]
            factors = scale * layer.scales.astype(np.float64)
            offsets = offsets - zero * factors * kernel.astype(np.float64).sum(axis=(1, 2, 3))
        low, high = layer.low, layer.high
        real = layer.add is not None or "map" in wanted
        self.fields = {"real": int(real)}
        if wanted - {"map"}:
            scale, zero = encoder.quantised[layer.target]
            self.fields["zero"] = zero
            if real:
                self.fields |= {"inverse": 1 / scale, "offset": zero}
            else:
                factors, offsets = factors / scale, offsets / scale + zero
                low, high = low / scale + zero, high / scale + zero
                low, high = -np.inf if low <= 0 else low, np.inf if high >= FULL else high
        if (low, high) != (-np.inf, np.inf):
            self.fields |= {"clip": 1, "low": low, "high": high}
        self.fields["factors"], self.fields["bias"] = _filled(factors), _filled(offsets)
        if layer.kind == "stem":
            self.values = _stem(layer.real_kernel())
        elif layer.kind == "pointwise":
            self.values = _in_fours(kernel[:, :, 0, 0]) if whole else None
            if not whole:
                convolution = Convolution(layer.real_kernel(), np.zeros(self.channels, np.float32))
                self.values = (convolution, half)
        elif whole:
            self.values = _quad_taps(kernel[:, 0], layer.stride, layer.pads[1])
        else:
            taps = layer.real_kernel()[:, 0].reshape(self.channels, -1)
            self.values = _blocks(taps).transpose(0, 2, 1)
        if isinstance(self.values, np.ndarray):
            self.values = _laid(self.values)


def _filled(values: NDArray[np.float64]) -> NDArray[np.float32]:
    found = aligned(padded(len(values)))
    found[: len(values)] = values
    return found


def _blocks(values: NDArray[Any], unit: int = LANES) -> NDArray[Any]:
    """(channels, ...) -> (blocks, unit, ...), filled up with zeros."""
    filled = np.zeros((padded(len(values), unit), *values.shape[1:]), values.dtype)
    filled[: len(values)] = values
    return filled.reshape(-1, unit, *values.shape[1:])


def _laid(values: NDArray[Any]) -> NDArray[np.uint8]:
    """At a cache line's start, one line longer, for what reads ahead."""
    content = np.ascontiguousarray(values).view(np.uint8).reshape(-1)
    found = aligned_bytes(len(content) + LINE)
    found[: len(content)] = content
    return found


def _stem(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """(out, 3, 3, 3) -> (out / 32, 27, 32)."""
    return _blocks(kernel.reshape(len(kernel), -1), 2 * LANES).transpose(0, 2, 1)


def _in_fours(kernel: NDArray[np.int8]) -> NDArray[np.int8]:
    """(out, in) -> for each three blocks of results: (in / 4, 3, 16, 4), all in one line."""
    out, into = kernel.shape
    filled = np.zeros((padded(out, LANES), padded(into, 4)), np.int8)
    filled[:out, :into] = kernel
    blocks = filled.reshape(-1, LANES, filled.shape[1] // 4, 4).transpose(2, 0, 1, 3)
    groups = [
        blocks[:, start : start + WIDEST].reshape(-1) for start in range(0, blocks.shape[1], WIDEST)
    ]
    return np.concatenate(groups)


def _quad_taps(kernel: NDArray[np.int8], stride: int, left: int) -> NDArray[np.int8]:
    """(channels, k, k) -> (blocks, k * used, 16, 4): as ``depthwise_quads`` in int8.h goes on."""
    side = kernel.shape[1]
    blocks = _blocks(kernel)
    taps = []
    for row in range(side):
        for at in range(-1, 3):
            for result in range(4):
                first = stride * result - left - 4 * at
                if first > 3 or first + side <= 0:
                    continue
                tap = np.zeros((*blocks.shape[:2], 4), np.int8)
                for column in range(side):
                    if 0 <= first + column < 4:
                        tap[:, :, first + column] = blocks[:, :, row, column]
                taps.append(tap)
    return np.stack(taps, axis=1)


class ReadyEncoder:
    """An :class:`Encoder` with weights in the machine code's order."""

    def __init__(self, encoder: Encoder, lanes: int, group: int, half: bool) -> None:
        self.encoder = encoder
        wanted, whole = forms(encoder), in_bytes(encoder)
        self.layers = []
        self._channels = {PICTURE: 3}
        for layer in encoder.layers:
            made = ReadyLayer(
                layer, encoder, wanted.get(layer.target, set()), layer.target in whole, half
            )
            self._channels[layer.target] = made.channels or self._channels[layer.source]
            if isinstance(made.values, tuple) or layer.kind == "spatial":
                assert layer.bias is not None
                convolution = Convolution(layer.real_kernel(), layer.bias)
                if layer.kind == "pointwise":
                    convolution = made.values[0]
                unit = LANES if layer.kind == "pointwise" else UNIT
                made.values = Weights(
                    convolution,
                    cin=padded(self._channels[layer.source], LANES),
                    lanes=lanes, group=group, half=half, unit=unit,
                )  # fmt: skip
            self.layers.append(made)
        self.wanted = wanted

    def channels(self, tensor: int) -> int:
        return self._channels[tensor]
