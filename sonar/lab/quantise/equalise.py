"""Channels brought to one range before quantising: int8 gives a tensor one step for all of them.

Cross-layer equalisation: a channel divided by a factor where it is made, and multiplied by it in
the weights that read it, leaves the network's function as it was. Sums, ReLUs and interpolation
pass such factors on, so all tensors they connect share them. Done where the network goes back up to
full size; a Clip, whose bound is one for all channels, lets no factor through. Needs ``onnx``.

M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV
2019, section 4.1; the ranges here are measured on images, not concluded from the weights.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from sonar.lab.quantise.graph_tools import Graph, attribute, below_resize, drop_unread_constants
from sonar.types import FloatImage

Range = tuple[NDArray[np.float64], NDArray[np.float64]]  # least and greatest value per channel

# A channel that seldom speaks is not stretched further: it might one day.
LEAST_SHARE = 1 / 256
# 1 would give all channels one range; half-way does not spoil the weights, which have one step
# for all channels that they read.
POWER = 0.5
_PASSING = ("Relu", "Resize", "Slice", "Concat", "Add")


def equalise(model: Any, tensors: Sequence[FloatImage]) -> int:
    """Rescale the channels of ``model``, in place; the number of groups of tensors rescaled.

    ``tensors``: network inputs (1, 3, H, W) of real images. The function stays the same up to
    float32's rounding.
    """
    groups = _Groups(model)
    ranges = channel_ranges(model, groups.tensors(), tensors)
    factors: dict[str, NDArray[np.float64]] = {}
    count = 0
    for members in groups.free():
        found = _factors([ranges[name] for name in groups.quantised(members)])
        if found is not None:
            factors.update(dict.fromkeys(members, found))
            count += 1
    _rescale(model, factors)
    return count


def channel_ranges(
    model: Any, names: Sequence[str], tensors: Sequence[FloatImage]
) -> dict[str, Range]:
    """The least and the greatest value of each channel of the named (1, C, H, W) tensors."""
    ranges: dict[str, Range] = {}
    if not names:
        return ranges
    for values in intermediate(model, names, tensors):
        for name, value in values.items():
            low = value.min(axis=(0, 2, 3)).astype(np.float64)
            high = value.max(axis=(0, 2, 3)).astype(np.float64)
            if name in ranges:
                low = np.minimum(low, ranges[name][0])
                high = np.maximum(high, ranges[name][1])
            ranges[name] = low, high
    return ranges


def intermediate(
    model: Any, names: Sequence[str], tensors: Sequence[FloatImage]
) -> Iterator[dict[str, FloatImage]]:
    """What ``model`` computes on the way, by name, one image after the other.

    Without ONNX Runtime's own rewrites, which know nothing of who else reads a tensor.
    """
    import onnx
    import onnxruntime as ort

    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.extend(
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names
    )
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = ort.InferenceSession(
        watched.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    source = session.get_inputs()[0].name
    for tensor in tensors:
        yield dict(zip(names, session.run(list(names), {source: tensor}), strict=True))


def _factors(ranges: Sequence[Range]) -> NDArray[np.float64] | None:
    """One factor per channel, the greatest of them 1; None where there is nothing to gain."""
    if len({len(low) for low, _ in ranges}) != 1:
        return None
    spans = [np.maximum(np.abs(low), np.abs(high)) for low, high in ranges]
    shares = [span / span.max() for span in spans if span.max() > 0]
    if not shares:
        return None
    return np.asarray(np.maximum(np.max(shares, axis=0), LEAST_SHARE) ** POWER)


class _Groups:
    """Tensors that must share their factors; those that can have none are in no group."""

    def __init__(self, model: Any) -> None:
        self._graph = Graph(model)
        self._parent: dict[str, str] = {}
        self._fixed: set[str] = set()
        proto = model.graph
        self._fixed.update(item.name for item in (*proto.input, *proto.output))
        below = below_resize(model)
        # The encoder gains little.
        self._fixed.update({name for node in proto.node for name in node.output} - below)
        for node in proto.node:
            self._visit(node)

    def tensors(self) -> list[str]:
        """Every member of a group."""
        return [name for members in self.free() for name in members]

    def free(self) -> list[list[str]]:
        """The groups."""
        groups: dict[str, list[str]] = {}
        for name in self._parent:
            groups.setdefault(self._root(name), []).append(name)
        fixed = {self._root(name) for name in self._fixed if name in self._parent}
        return [members for root, members in groups.items() if root not in fixed]

    def quantised(self, members: Sequence[str]) -> list[str]:
        """Those that int8 stores: not what a ReLU alone reads, which is one with it."""
        kept = []
        for name in members:
            readers = [node for node in self._graph.proto.node if name in node.input]
            if not (len(readers) == 1 and readers[0].op_type == "Relu"):
                kept.append(name)
        return kept

    def _visit(self, node: Any) -> None:
        if node.op_type == "Conv":
            self._join(node.output[0])
            self._join(node.input[0])
            constants = [self._graph.constant(name) for name in node.input[1:]]
            if any(value is None for value in constants):
                self._fixed.update((node.input[0], node.output[0]))
            return
        inputs = [name for name in node.input if name and self._graph.constant(name) is None]
        self._join(*inputs, *node.output)
        if not self._passes(node, inputs):
            self._fixed.update((*inputs, *node.output))

    def _passes(self, node: Any, inputs: Sequence[str]) -> bool:
        """Whether factors per channel, all positive, go through ``node`` unchanged."""
        if node.op_type not in _PASSING:
            return False
        constants = [self._graph.constant(name) for name in node.input]
        if node.op_type == "Add":
            return len(inputs) == 2
        if node.op_type == "Concat":
            return len(inputs) == len(node.input) and attribute(node, "axis", 1) in (2, 3)
        if node.op_type == "Resize":
            scales = constants[2] if len(constants) == 3 else None
            return scales is not None and scales.shape == (4,) and bool((scales[:2] == 1).all())
        if node.op_type == "Slice":
            axes = constants[3] if len(constants) > 3 else None
            return axes is not None and bool(np.isin(axes, (2, 3)).all())
        return True

    def _join(self, *names: str) -> None:
        for name in names:
            self._parent.setdefault(name, name)
            self._parent[self._root(name)] = self._root(names[0])

    def _root(self, name: str) -> str:
        while self._parent[name] != name:
            name = self._parent[name]
        return name


def _rescale(model: Any, factors: Mapping[str, NDArray[np.float64]]) -> None:
    """Give every convolution weights for what it now reads and writes."""
    constants = {item.name: item for item in model.graph.initializer}

    def replaced(node: Any, place: int, value: NDArray[np.float64]) -> None:
        """A constant of the node's own: who shared it may be rescaled otherwise."""
        name = f"{node.name}/{('', 'weights', 'bias')[place]}_equalised"
        model.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
        node.input[place] = name

    for node in model.graph.node:
        if node.op_type != "Conv":
            continue
        source, result = factors.get(node.input[0]), factors.get(node.output[0])
        if source is None and result is None:
            continue
        kernel = numpy_helper.to_array(constants[node.input[1]]).astype(np.float64)
        if source is not None:
            kernel *= _read_factors(source, kernel.shape[0], attribute(node, "group", 1))
        if result is not None:
            kernel /= result[:, None, None, None]
            if len(node.input) > 2 and node.input[2]:
                bias = numpy_helper.to_array(constants[node.input[2]]).astype(np.float64)
                replaced(node, 2, bias / result)
        replaced(node, 1, kernel)
    drop_unread_constants(model)


def _read_factors(factors: NDArray[np.float64], outputs: int, group: int) -> NDArray[np.float64]:
    """The factors of what each output reads, (outputs or 1, inputs per group, 1, 1)."""
    per_group = factors.reshape(group, -1)
    return np.repeat(per_group, outputs // group, axis=0)[:, :, None, None]
