"""A MiDaS graph becomes an encoder, which ONNX Runtime runs, and a decoder's weights.

Needs the ``onnx`` package: import this module lazily.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from sonar.depth.native.int8_graph import UnknownGraph, read_encoder
from sonar.depth.native.weights import Convolution, Decoder, Level, save
from sonar.errors import ModelError
from sonar.lab.quantise.graph import pads_into_convolutions
from sonar.lab.quantise.graph_tools import attribute


class _NotMidas(Exception):
    """The graph has another form than MiDaS's decoder."""


def write_split(
    model: Any, target: Path, depth_output: str | None = None, int8: Any | None = None
) -> str | None:
    """Write what :class:`sonar.depth.backends.native.NativeBackend` runs, for a folded graph.

    ``int8``: a quantised version of ``model``, whose encoder is taken in place of the model's.
    Returns why our own machine code cannot run that encoder, None where it can.

    Raises ModelError when the graph does not end in MiDaS's decoder: residual units, fusion with
    doubling, a head that doubles once more; or when ``int8`` has another encoder.
    """
    name = depth_output or model.graph.output[0].name
    try:
        decoder, cuts = _Reader(model).decoder(name)
    except (_NotMidas, KeyError, IndexError) as error:
        raise ModelError("the model does not end in MiDaS's decoder") from error
    if int8 is not None:
        model, cuts = int8, _quantised(int8, cuts)
    encoder = _encoder(model, cuts, drop=name)
    layers, refused = None, None
    if int8 is not None:
        try:
            layers = read_encoder(encoder, cuts)
        except UnknownGraph as error:
            refused = str(error)
    buffer = io.BytesIO()
    onnx.save(encoder, buffer)
    save(target, buffer.getvalue(), decoder, layers)
    return refused


def _quantised(model: Any, cuts: list[str]) -> list[str]:
    """The tensors that stand for ``cuts`` where convolutions and sums write int8."""
    made = {name for node in model.graph.node for name in node.output}
    found = []
    for cut in cuts:
        after = f"{cut}_DequantizeLinear_Output"
        if cut not in made:
            raise ModelError("the int8 version was not made from this model")
        found.append(after if after in made else cut)
    return found


def _need(condition: bool) -> None:
    if not condition:
        raise _NotMidas


class _Reader:
    """Walks a graph from its depth output towards the picture."""

    def __init__(self, model: Any) -> None:
        self._made = {name: node for node in model.graph.node for name in node.output}
        self._users: dict[str, list[Any]] = {}
        for node in model.graph.node:
            for name in node.input:
                self._users.setdefault(name, []).append(node)
        self._constants = {item.name: item for item in model.graph.initializer}

    def decoder(self, output: str) -> tuple[Decoder, list[str]]:
        """Everything of it, and the tensors that come from the encoder, finest level first."""
        squeeze = self._node(output, "Squeeze")
        last = self._node(self._node(squeeze.input[0], "Relu").input[0], "Conv")
        shrink = self._convolution(last, 1)
        second = self._node(self._node(last.input[0], "Relu").input[0], "Conv")
        doubled = self._doubling(second.input[0], aligned=False)
        first = self._node(doubled, "Conv")
        levels: list[Level] = []
        cuts: list[str] = []
        path: str | None = first.input[0]
        while path is not None:
            level, cut, path = self._level(path)
            levels.append(level)
            cuts.append(cut)
        _need(shrink.kernel.shape[0] == 1)
        head = (self._convolution(first, 3), self._convolution(second, 3), shrink)
        return Decoder(output, head, tuple(levels)), cuts

    def _level(self, path: str) -> tuple[Level, str, str | None]:
        if self._made[path].op_type == "Resize":
            narrow = self._node(self._doubling(path, aligned=True), "Conv")
            inner = narrow.input[0]
        else:  # as published: doubled first
            narrow = self._node(path, "Conv")
            inner = self._doubling(narrow.input[0], aligned=True)
        base, unit2 = self._residual(inner)
        deeper, unit1, skip = None, None, base
        if self._made[base].op_type == "Add":
            for side, other in (self._made[base].input, self._made[base].input[::-1]):
                if self._made[other].op_type == "Add":
                    deeper = side
                    skip, unit1 = self._residual(other)
                    break
            _need(deeper is not None)
        conv = self._made[skip]
        reduce, cut = None, skip
        if conv.op_type == "Conv" and len(self._users[skip]) == 2:  # the unit's ReLU and its sum
            reduce, cut = self._convolution(conv, 3), conv.input[0]
        return Level(reduce, unit1, unit2, self._convolution(narrow, 1)), cut, deeper

    def _residual(self, name: str) -> tuple[str, tuple[Convolution, Convolution]]:
        total = self._node(name, "Add")
        for base, side in (total.input, total.input[::-1]):
            second = self._made[side]
            if second.op_type == "Conv" and self._made[second.input[0]].op_type == "Relu":
                first = self._node(self._made[second.input[0]].input[0], "Conv")
                if self._node(first.input[0], "Relu").input[0] == base:
                    return base, (self._convolution(first, 3), self._convolution(second, 3))
        raise _NotMidas

    def _node(self, name: str, kind: str) -> Any:
        node = self._made[name]
        _need(node.op_type == kind)
        return node

    def _doubling(self, name: str, *, aligned: bool) -> str:
        node = self._node(name, "Resize")
        scales = numpy_helper.to_array(self._constants[node.input[2]])
        places = attribute(node, "coordinate_transformation_mode", b"half_pixel")
        expected = (b"align_corners",) if aligned else (b"half_pixel", b"pytorch_half_pixel")
        _need(scales.tolist() == [1, 1, 2, 2] and attribute(node, "mode", b"") == b"linear")
        _need(places in expected)
        return str(node.input[0])

    def _convolution(self, node: Any, side: int) -> Convolution:
        kernel = np.asarray(numpy_helper.to_array(self._constants[node.input[1]]), np.float32)
        _need(kernel.shape[2:] == (side, side) and attribute(node, "group", 1) == 1)
        _need(set(attribute(node, "strides", [1])) == {1})
        _need(set(attribute(node, "dilations", [1])) == {1})
        _need(set(attribute(node, "pads", [0])) == {side // 2})
        bias = np.zeros(kernel.shape[0], np.float32)
        if len(node.input) > 2:
            bias = np.asarray(numpy_helper.to_array(self._constants[node.input[2]]), np.float32)
        return Convolution(kernel, bias)


def _encoder(model: Any, cuts: list[str], drop: str) -> Any:
    """A copy that gives the cut tensors in place of the depth; the other outputs stay."""
    encoder = onnx.ModelProto()
    encoder.CopyFrom(model)
    pads_into_convolutions(encoder)
    kept = [output for output in encoder.graph.output if output.name != drop]
    tensors = [
        onnx.helper.make_tensor_value_info(cut, onnx.TensorProto.FLOAT, [1, None, None, None])
        for cut in cuts
    ]
    del encoder.graph.output[:], encoder.graph.value_info[:]
    encoder.graph.output.extend([*tensors, *kept])
    needed = {output.name for output in encoder.graph.output}
    for node in reversed(list(encoder.graph.node)):
        if needed.isdisjoint(node.output):
            encoder.graph.node.remove(node)
        else:
            needed.update(node.input)
    for item in list(encoder.graph.initializer):
        if item.name not in needed:
            encoder.graph.initializer.remove(item)
    onnx.checker.check_model(encoder)
    return encoder
