"""A quantised encoder's graph becomes layers. Needs the ``onnx`` package: import it lazily.

What is recognised: MiDaS's EfficientNet-lite encoders and heads built from the same layers, in
ONNX Runtime's QDQ format. Everything else is refused, and ONNX Runtime goes on to run it.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper

from sonar.depth.native.encoder import PICTURE, Encoder, Layer, forms
from sonar.lab.quantise.graph_tools import attribute

# (side, stride, zeros on the left) of the depthwise convolutions that int8.h knows
DEPTHWISE = {(3, 1, 1), (3, 2, 0), (3, 2, 1), (5, 1, 2), (5, 2, 1), (5, 2, 2)}
MOST = 255


class UnknownGraph(Exception):
    """The graph has layers or numbers that our machine code does not know."""


def read_encoder(model: Any, cuts: list[str]) -> Encoder:
    """``model``: its outputs are ``cuts``, then others. Raises :class:`UnknownGraph`."""
    try:
        return _Walk(model).encoder(cuts)
    except (KeyError, IndexError, AttributeError, TypeError, ValueError) as error:
        raise UnknownGraph(f"{type(error).__name__} {error}") from error


def _need(condition: object, told: str) -> None:
    if not condition:
        raise UnknownGraph(told)


class _Walk:
    """From the picture on, node by node."""

    def __init__(self, model: Any) -> None:
        self._graph = model.graph
        self._constants = {
            item.name: np.asarray(numpy_helper.to_array(item)) for item in model.graph.initializer
        }
        self._places = {model.graph.input[0].name: PICTURE}  # tensor's number, by name
        self._codes: dict[str, tuple[int, float, int]] = {}  # of uint8: number, scale, zero
        self._layers: list[Layer] = []
        self._makers: dict[int, int] = {}  # layer's place, by tensor
        self._quantised: dict[int, tuple[float, int]] = {}
        self._merged: dict[int, int] = {}  # how many readers became part of a tensor's layer
        self._users: dict[str, int] = {}
        for node in model.graph.node:
            for name in node.input:
                self._users[name] = self._users.get(name, 0) + 1
        for output in model.graph.output:
            self._users[output.name] = self._users.get(output.name, 0) + 1

    def encoder(self, cuts: list[str]) -> Encoder:
        visits = {
            "QuantizeLinear": self._quantise,
            "DequantizeLinear": self._dequantise,
            "Conv": self._convolution,
            "Clip": self._clip,
            "Relu": self._clip,
            "Add": self._add,
            "Resize": self._resize,
            "Sigmoid": self._sigmoid,
            "Squeeze": self._squeeze,
        }
        for node in self._graph.node:
            _need(node.op_type in visits, f"a layer of kind {node.op_type}")
            visits[node.op_type](node)
        outputs = [output.name for output in self._graph.output]
        sides = [side.dim_value for side in self._graph.input[0].type.tensor_type.shape.dim[2:]]
        found = Encoder(
            tuple(self._layers),
            self._quantised,
            tuple(self._places[name] for name in cuts),
            {name: self._places[name] for name in outputs if name not in cuts},
            (sides[0], sides[1]) if all(sides) else None,
        )
        ends = set(found.outputs.values())
        for layer in found.layers:
            _need((layer.kind == "probability") == (layer.target in ends), "another head")
        forms(found)
        return found

    def _at(self, name: str) -> int:
        return self._places[name]

    def _constant(self, name: str) -> NDArray[Any]:
        return self._constants[name]

    def _quantise(self, node: Any) -> None:
        scale, zero = (self._constant(name) for name in node.input[1:3])
        _need(scale.size == 1 and zero.dtype == np.uint8, "another quantisation of a map")
        place = self._at(node.input[0])
        code = (float(scale), int(zero))
        _need(code[0] > 0 and np.isfinite(code[0]), "a scale that is none")
        _need(self._quantised.setdefault(place, code) == code, "a map quantised in two ways")
        self._codes[node.output[0]] = (place, *code)
        maker = self._makers.get(place)
        if maker is not None and code[1] == 0 and self._layers[maker].add is None:
            # The smallest number that the bytes have is 0: a ReLU or Clip was folded into them.
            layer = self._layers[maker]
            if layer.kind not in ("double", "probability"):
                high = min(layer.high, MOST * code[0])
                self._layers[maker] = replace(layer, low=max(layer.low, 0.0), high=high)

    def _dequantise(self, node: Any) -> None:
        scale, zero = (self._constant(name) for name in node.input[1:3])
        if node.input[0] in self._codes:
            place, *code = self._codes[node.input[0]]
            _need(code == [float(scale), int(zero)], "a map that is read in another scale")
            self._places[node.output[0]] = place
            return
        values = self._constant(node.input[0])
        _need(not zero.any() and attribute(node, "axis", 0) == 0, "weights with a zero point")
        self._constants[node.output[0]] = values  # with its scales beside it
        self._constants[f"{node.output[0]} scales"] = np.asarray(scale, np.float32)

    def _weights(self, name: str) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
        values, scales = self._constant(name), self._constants.get(f"{name} scales")
        if scales is None:
            _need(values.dtype == np.float32, "weights of another type")
            return values, None
        if values.dtype == np.int32:
            return values.astype(np.float32) * scales, None
        _need(values.dtype == np.int8, "weights of another type")
        return values, np.broadcast_to(scales, values.shape[:1]).astype(np.float32)

    def _convolution(self, node: Any) -> None:
        kernel, scales = self._weights(node.input[1])
        out, into, side, across = kernel.shape
        bias = np.zeros(out, np.float32)
        if len(node.input) > 2:
            bias = np.asarray(self._weights(node.input[2])[0], np.float32)
        pads = attribute(node, "pads", [0, 0, 0, 0])
        strides = attribute(node, "strides", [1, 1])
        group = attribute(node, "group", 1)
        source = self._at(node.input[0])
        _need(side == across and bias.shape == (out,), "a convolution of another form")
        _need(strides[0] == strides[1], "a convolution of another form")
        _need(attribute(node, "auto_pad", b"NOTSET") == b"NOTSET", "padding by name")
        _need(set(attribute(node, "dilations", [1])) == {1}, "dilation")
        form = (side, strides[0], pads[1])
        if source == PICTURE:
            kind = "stem"
            _need(
                (side, strides[0], into, group) == (3, 2, 3, 1) and max(pads) <= 1, "another stem"
            )
        elif group > 1:
            kind = "depthwise"
            _need(group == out and into == 1 and form in DEPTHWISE, "another depthwise convolution")
            _need(max(pads) <= 2, "another depthwise convolution")
        elif side == 1:
            kind = "pointwise"
            _need(strides[0] == 1 and not any(pads), "another 1x1 convolution")
        else:
            kind = "spatial"
            _need(form == (3, 1, 1) and set(pads) == {1}, "another 3x3 convolution")
        self._made(
            node,
            Layer(
                kind,
                source,
                self._next(),
                kernel=kernel,
                scales=scales,
                bias=bias,
                stride=int(strides[0]),
                pads=(int(pads[0]), int(pads[1]), int(pads[2]), int(pads[3])),
            ),
        )

    def _next(self) -> int:
        return len(self._makers) + 1

    def _made(self, node: Any, layer: Layer) -> None:
        self._makers[layer.target] = len(self._layers)
        self._layers.append(layer)
        self._places[node.output[0]] = layer.target

    def _last_use(self, name: str) -> Layer:
        """The layer that made what one node alone reads, so that this may become part of it."""
        layer = self._layers[self._makers[self._places[name]]]
        names = [other for other, place in self._places.items() if place == layer.target]
        codes = [other for other, (place, *_) in self._codes.items() if place == layer.target]
        uses = sum(self._users.get(other, 0) for other in names + codes)
        # what quantises and what dequantises reads, too
        merged = self._merged.get(layer.target, 0)
        _need(uses - 2 * len(codes) - merged == 1, "a result that is read twice")
        self._merged[layer.target] = merged + 1
        return layer

    def _clip(self, node: Any) -> None:
        layer = self._last_use(node.input[0])
        _need(layer.target not in self._quantised, "bytes that are clipped")
        _need(layer.kind not in ("double", "probability") and layer.add is None, "a clipped sum")
        bounds = [0.0, np.inf]
        if node.op_type == "Clip":
            bounds = [
                float(self._constant(name)) if name else missing
                for name, missing in zip(node.input[1:3], (-np.inf, np.inf), strict=True)
            ]
        low, high = max(layer.low, bounds[0]), min(layer.high, bounds[1])
        self._layers[self._makers[layer.target]] = replace(layer, low=low, high=high)
        self._places[node.output[0]] = layer.target

    def _add(self, node: Any) -> None:
        """Becomes part of the later of the layers whose results are added."""
        names = sorted(node.input, key=lambda name: self._makers[self._places[name]])
        layer, other = self._last_use(names[1]), self._places[names[0]]
        _need(layer.kind in ("pointwise", "double") and layer.add is None, "another sum")
        _need(layer.low == -np.inf and layer.high == np.inf, "a sum of clipped numbers")
        self._quantised.pop(layer.target, None)  # the sum is quantised, not its parts
        self._layers[self._makers[layer.target]] = replace(layer, add=other)
        self._places[node.output[0]] = layer.target

    def _resize(self, node: Any) -> None:
        scales = self._constant(node.input[2]).tolist()
        places = attribute(node, "coordinate_transformation_mode", b"half_pixel")
        _need(attribute(node, "mode", b"") == b"linear", "another resizing")
        _need(places in (b"half_pixel", b"pytorch_half_pixel"), "another resizing")
        _need(scales[:2] == [1, 1] and scales[2] == scales[3], "another resizing")
        maker = self._layers[self._makers[self._at(node.input[0])]]
        if maker.kernel is not None and len(maker.kernel) == 1:
            layer = self._last_use(node.input[0])
            _need(layer.kind == "pointwise" and layer.add is None, "another head")
            _need(scales[2] == int(scales[2]) and 1 < scales[2] <= 8, "another resizing")
            self._quantised.pop(layer.target, None)
            self._layers[self._makers[layer.target]] = replace(
                layer, kind="probability", stride=int(scales[2]), low=-np.inf, high=np.inf
            )
            self._places[node.output[0]] = layer.target
            return
        _need(scales[2] == 2, "another resizing")
        self._made(node, Layer("double", maker.target, self._next()))

    def _sigmoid(self, node: Any) -> None:
        self._end(node)

    def _squeeze(self, node: Any) -> None:
        _need(self._constant(node.input[1]).tolist() == [1], "another squeeze")
        self._end(node)

    def _end(self, node: Any) -> None:
        layer = self._last_use(node.input[0])
        _need(layer.kind == "probability", "another head")
        self._quantised.pop(layer.target, None)
        self._places[node.output[0]] = layer.target
