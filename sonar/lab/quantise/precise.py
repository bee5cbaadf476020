"""Where int8's steps would show in the depth, the graph is made for finer ones. Needs ``onnx``.

Going back up to full size, MiDaS sums what its levels say. There each step of 1/255 goes straight
into the depth, and an image of far things uses few of the 255.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from onnx import helper, numpy_helper

from sonar.lab.quantise.equalise import channel_ranges
from sonar.lab.quantise.graph_tools import Graph, attribute, below_resize
from sonar.types import FloatImage

SEGMENTS = 4  # times 255 steps for the depth
HEADROOM = 1.25  # how much nearer than in any image seen a thing may come before it is cut off
_MOVING = ("Squeeze", "Concat", "Slice", "DepthToSpace", "Resize")  # nothing is computed but means


def stay_float(model: Any, depth_output: str) -> list[str]:
    """The nodes that are cheap in float32 and dear in int8, by name.

    Those that lead to the depth, follow an interpolation (or feed one), and only sum, move or mix
    channels pixel by pixel.
    """
    nodes = list(model.graph.node)
    constants = {item.name: item for item in model.graph.initializer}
    leading = _ancestors(nodes, depth_output)
    below = below_resize(model)
    interpolated = {node.input[0] for node in nodes if node.op_type == "Resize"}
    summed = set(_depth_convolutions(model, depth_output))
    found = []
    for node in nodes:
        name = node.output[0]
        if name not in leading or not (name in below or name in interpolated):
            continue
        if node.op_type == "Conv":
            pointwise = tuple(constants[node.input[1]].dims[2:]) == (1, 1)
            if pointwise and node.name not in summed:
                found.append(node.name)
        elif node.op_type == "Add" or node.op_type in _MOVING:
            found.append(node.name)
    return found


def depth_in_segments(model: Any, tensors: Sequence[FloatImage], depth_output: str) -> list[str]:
    """Split what the last convolutions give, in place; the names of the nodes that put it together.

    A convolution and its ReLU whose values are the depth becomes one of :data:`SEGMENTS` times the
    channels: each takes its own part of the range, above which it is full and below which it is
    zero, so that int8 has its 255 steps for each part. Their sum is the depth. ``tensors``:
    network inputs (1, 3, H, W) that give the range. The names are to stay in float.
    """
    graph = Graph(model)
    last = [node for node in graph.nodes("Conv") if node.name in
            _depth_convolutions(model, depth_output)]  # fmt: skip
    tops = channel_ranges(model, [node.output[0] for node in last], tensors)
    sums = []
    for node in last:
        (relu,) = graph.users(node)
        span = HEADROOM * max(float(tops[node.output[0]][1].max()), 1e-6) / SEGMENTS
        kernel = graph.need(node.input[1])
        bias = graph.need(node.input[2])
        starts = np.arange(SEGMENTS, dtype=np.float32) * np.float32(span)

        def constant(value: Any, what: str, of: str = node.name) -> str:
            name = f"{of}/{what}"
            model.graph.initializer.append(numpy_helper.from_array(value, name))
            return name

        outputs = len(kernel)
        total = np.zeros((outputs, SEGMENTS * outputs, 1, 1), np.float32)
        for channel in range(outputs):
            total[channel, channel::outputs] = 1.0
        node.input[1] = constant(np.tile(kernel, (SEGMENTS, 1, 1, 1)), "segments_weights")
        node.input[2] = constant(
            (bias[None] - starts[:, None]).ravel().astype(np.float32), "segments_bias"
        )
        parts, name = f"{node.name}/segments", f"{node.name}/sum"
        clip = helper.make_node(
            "Clip",
            [
                node.output[0],
                constant(np.float32(0).reshape(()), "segments_low"),
                constant(np.float32(span).reshape(()), "segments_high"),
            ],
            [parts],
            name=f"{parts}_clip",
        )
        add = helper.make_node(
            "Conv",
            [parts, constant(total, "sum_weights")],
            [relu.output[0]],
            name=name,
            kernel_shape=[1, 1],
        )
        place = list(model.graph.node).index(relu)
        model.graph.node.remove(relu)
        model.graph.node.insert(place, add)
        model.graph.node.insert(place, clip)
        sums.append(name)
    return sums


def _depth_convolutions(model: Any, depth_output: str) -> list[str]:
    """The convolutions, each with a ReLU of its own, whose values are the depth."""
    made = {name: node for node in model.graph.node for name in node.output}
    graph = Graph(model)
    constants = {item.name for item in model.graph.initializer}
    found: list[str] = []
    waiting, seen = [depth_output], set()
    while waiting:
        name = waiting.pop()
        node = made.get(name)
        if node is None or name in seen:
            continue
        seen.add(name)
        if node.op_type == "Relu":
            before = made.get(node.input[0])
            if (
                before is not None
                and before.op_type == "Conv"
                and len(graph.users(before)) == 1
                and len(before.input) == 3
                and constants.issuperset(before.input[1:])
                and attribute(before, "group", 1) == 1
            ):
                found.append(before.name)
        elif node.op_type in _MOVING:
            waiting.extend(item for item in node.input if item)
    return found


def _ancestors(nodes: Sequence[Any], name: str) -> set[str]:
    """Every tensor that ``name`` depends on, itself too."""
    needed = {name}
    for node in reversed(nodes):
        if not needed.isdisjoint(node.output):
            needed.update(_named(node.input))
    return needed


def _named(names: Iterable[str]) -> list[str]:
    return [name for name in names if name]
