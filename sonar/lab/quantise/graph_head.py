"""MiDaS's output head at half size; see :func:`head_at_half_size`. Needs ``onnx``."""

from typing import Any

import numpy as np

from sonar.lab.quantise.graph_tools import Builder, Graph, attribute, attributes

# Rows: the three rows of the upsampled image that a 3x3 kernel sees around an even (first
# matrix) or odd row; columns: their shares of the three rows around it before upsampling.
# Bilinear, scale 2, half-pixel centers.
_SHARES = np.array(
    [
        [[0.75, 0.25, 0.0], [0.25, 0.75, 0.0], [0.0, 0.75, 0.25]],
        [[0.25, 0.75, 0.0], [0.0, 0.75, 0.25], [0.0, 0.25, 0.75]],
    ]
)


def head_at_half_size(model: Any) -> int:
    """MiDaS's output head computed before upsampling: one kernel for each of the four phases.

    Bilinear x2, 3x3 convolution, ReLU, 1x1 convolution to one channel, ReLU becomes a 3x3
    convolution to four times the channels at half the size, and a shuffle of the four results
    into place. As many multiplications, but no upsampled tensor to write and read. Upsampling
    clamps at the border and the convolution pads with zeros, so the outer two pixels on each
    side are computed as before, from strips.
    """
    graph = Graph(model)
    for resize in graph.nodes("Resize"):
        scales = graph.constant(resize.input[2]) if len(resize.input) > 2 else None
        chain = list(graph.follow(resize, 4))
        if (
            scales is None
            or scales.tolist() != [1.0, 1.0, 2.0, 2.0]
            or attribute(resize, "mode", b"nearest") != b"linear"
            or attribute(resize, "coordinate_transformation_mode", b"half_pixel")
            not in (b"half_pixel", b"pytorch_half_pixel")
            or [node.op_type for node in chain] != ["Conv", "Relu", "Conv", "Relu"]
        ):
            continue
        first, _, last, end = chain
        kernel, shrink = graph.constant(first.input[1]), graph.constant(last.input[1])
        if (
            kernel is None
            or shrink is None
            or len(first.input) != 3
            or len(last.input) != 3
            or kernel.shape[2:] != (3, 3)
            or shrink.shape != (1, kernel.shape[0], 1, 1)
            or attribute(first, "pads", []) != [1, 1, 1, 1]
            or attribute(first, "strides", [1, 1]) != [1, 1]
            or attribute(first, "group", 1) != 1
        ):
            continue
        new = _half_size_head(graph, resize, first, last, end.output[0])
        place = list(model.graph.node).index(resize)
        for node in (resize, *chain):
            model.graph.node.remove(node)
        for offset, node in enumerate(new):
            model.graph.node.insert(place + offset, node)
        return 1
    return 0


def _half_size_head(graph: "Graph", resize: Any, first: Any, last: Any, result: str) -> list[Any]:
    kernel = graph.need(first.input[1]).astype(np.float64)
    bias, shrink = graph.need(first.input[2]), graph.need(last.input[1])
    count = kernel.shape[0]
    phases = [
        np.einsum("ocyx,yi,xj->ocij", kernel, _SHARES[row], _SHARES[column])
        for row in (0, 1)
        for column in (0, 1)
    ]
    shrink_all = np.zeros((4, 4 * count, 1, 1), np.float32)
    for phase in range(4):
        shrink_all[phase, phase * count : (phase + 1) * count] = shrink[0]

    build = Builder(graph, "half_size_head")
    source = resize.input[0]
    one_by_one = {"kernel_shape": [1, 1], "strides": [1, 1], "pads": [0, 0, 0, 0]}
    three = {"kernel_shape": [3, 3], "strides": [1, 1]}

    x = build.node(
        "Conv",
        source,
        build.constant(np.concatenate(phases).astype(np.float32)),
        build.constant(np.tile(bias, 4)),
        pads=[1, 1, 1, 1],
        **three,
    )
    x = build.node("Relu", x)
    x = build.node(
        "Conv",
        x,
        build.constant(shrink_all),
        build.constant(np.tile(graph.need(last.input[2]), 4)),
        **one_by_one,
    )
    inner = build.node("DepthToSpace", build.node("Relu", x), blocksize=2)

    def strip(axis: int, *, at_start: bool) -> str:
        y = build.slice(source, 0, 2, axis) if at_start else build.slice(source, -2, None, axis)
        y = build.node("Resize", y, "", resize.input[2], **attributes(resize))
        y = build.slice(y, 0, 3, axis) if at_start else build.slice(y, -3, None, axis)
        pads = [1, 1, 1, 1]
        pads[axis - 2 + (2 if at_start else 0)] = 0  # the strip goes on there
        y = build.node("Relu", build.node("Conv", y, *first.input[1:], pads=pads, **three))
        return build.node("Relu", build.node("Conv", y, *last.input[1:], **one_by_one))

    top, bottom = strip(2, at_start=True), strip(2, at_start=False)
    left, right = strip(3, at_start=True), strip(3, at_start=False)
    middle = build.node(
        "Concat",
        build.slice(left, 2, -2, 2),
        build.slice(build.slice(inner, 2, -2, 2), 2, -2, 3),
        build.slice(right, 2, -2, 2),
        axis=3,
    )
    build.node("Concat", top, middle, bottom, axis=2)
    build.nodes[-1].output[0] = result
    return build.nodes
