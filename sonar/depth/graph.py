"""Exact rewrites of an ONNX graph: the same function, less work.

Each takes a model and changes it in place, giving the number of places changed. They find
patterns, not names, so they serve any model; where a pattern does not occur they do nothing.
Needs the ``onnx`` package: import this module lazily.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from sonar.depth.backends.onnx import first_line
from sonar.errors import ModelError

INT64_END = 2**31


def fold(path: Path, folded: Path) -> Any:
    """Constants folded, norms merged into convolutions, dead nodes gone; hardware-independent.

    ONNX Runtime's own "basic" optimisation, written to ``folded`` and loaded back as a
    ``ModelProto``. Raises ModelError for a damaged file.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folded)
    options.log_severity_level = 3
    try:
        ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return onnx.load(str(folded))
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise ModelError(f"{path} cannot be optimised ({first_line(error)})") from error


def simplify(model: Any) -> dict[str, int]:
    """Every rewrite below; how often each applied, by name."""
    counts = {
        "pads_into_convolutions": pads_into_convolutions(model),
        "convolve_before_upsampling": convolve_before_upsampling(model),
        "head_at_half_size": head_at_half_size(model),
    }
    del model.graph.value_info[:]  # describes tensors that are no more
    _drop_unread_constants(model)
    onnx.checker.check_model(model)
    return counts


def pads_into_convolutions(model: Any) -> int:
    """A constant zero Pad of rows and columns becomes the following convolution's own padding."""
    graph = _Graph(model)
    changed = 0
    for pad in graph.nodes("Pad"):
        users = graph.users(pad)
        amounts = graph.constant(pad.input[1]) if len(pad.input) > 1 else None
        value = graph.constant(pad.input[2]) if len(pad.input) > 2 and pad.input[2] else None
        if (
            not users
            or amounts is None
            or amounts.shape != (8,)
            or amounts[[0, 1, 4, 5]].any()
            or (amounts < 0).any()
            or (value is not None and value.any())
            or _attribute(pad, "mode", b"constant") != b"constant"
            or any(
                user.op_type != "Conv"
                or user.input[0] != pad.output[0]
                or _attribute(user, "auto_pad", b"NOTSET") != b"NOTSET"
                for user in users
            )
        ):
            continue
        for conv in users:
            own = np.array(_attribute(conv, "pads", [0, 0, 0, 0]))
            _set_ints(conv, "pads", own + amounts[[2, 3, 6, 7]])
            conv.input[0] = pad.input[0]
        model.graph.node.remove(pad)
        changed += 1
    return changed


def convolve_before_upsampling(model: Any) -> int:
    """Bilinear upsampling then a 1x1 convolution becomes the two in the other order.

    Exact, bias and all, since the weights of bilinear interpolation sum to one; a quarter of the
    multiplications at scale two.
    """
    graph = _Graph(model)
    changed = 0
    for resize in graph.nodes("Resize"):
        users = graph.users(resize)
        scales = graph.constant(resize.input[2]) if len(resize.input) > 2 else None
        if (
            len(users) != 1
            or users[0].op_type != "Conv"
            or scales is None
            or scales.shape != (4,)
            or tuple(scales[:2]) != (1.0, 1.0)
            or (scales < 1).any()
            or _attribute(resize, "mode", b"nearest") != b"linear"
            or _attribute(resize, "coordinate_transformation_mode", b"half_pixel")
            == b"tf_crop_and_resize"
            or _attribute(users[0], "kernel_shape", None) != [1, 1]
            or _attribute(users[0], "strides", [1, 1]) != [1, 1]
            or any(_attribute(users[0], "pads", [0]))
        ):
            continue
        conv = users[0]
        source, between, result = resize.input[0], resize.output[0], conv.output[0]
        conv.input[0], conv.output[0] = source, between
        resize.input[0], resize.output[0] = between, result
        model.graph.node.remove(conv)
        model.graph.node.insert(list(model.graph.node).index(resize), conv)
        changed += 1
    return changed


# Rows: the three rows of the upsampled picture that a 3x3 kernel sees around an even (first
# matrix) or odd row; columns: their shares of the three rows around it before upsampling.
# Bilinear, scale 2, half-pixel centres.
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
    graph = _Graph(model)
    for resize in graph.nodes("Resize"):
        scales = graph.constant(resize.input[2]) if len(resize.input) > 2 else None
        chain = list(graph.follow(resize, 4))
        if (
            scales is None
            or scales.tolist() != [1.0, 1.0, 2.0, 2.0]
            or _attribute(resize, "mode", b"nearest") != b"linear"
            or _attribute(resize, "coordinate_transformation_mode", b"half_pixel")
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
            or _attribute(first, "pads", []) != [1, 1, 1, 1]
            or _attribute(first, "strides", [1, 1]) != [1, 1]
            or _attribute(first, "group", 1) != 1
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


def _half_size_head(graph: "_Graph", resize: Any, first: Any, last: Any, result: str) -> list[Any]:
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

    build = _Builder(graph, "half_size_head")
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
        y = build.node("Resize", y, "", resize.input[2], **_attributes(resize))
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


def _drop_unread_constants(model: Any) -> None:
    read = {name for node in model.graph.node for name in node.input}
    for item in list(model.graph.initializer):
        if item.name not in read:
            model.graph.initializer.remove(item)


class _Graph:
    """Look-ups that the rewrites share."""

    def __init__(self, model: Any) -> None:
        self.proto = model.graph
        self._initialisers = {item.name: item for item in self.proto.initializer}
        self._outputs = {output.name for output in self.proto.output}

    def nodes(self, kind: str) -> list[Any]:
        return [node for node in self.proto.node if node.op_type == kind]

    def users(self, node: Any) -> list[Any]:
        """Who reads the node's first output; nobody where it is also an output of the model."""
        if node.output[0] in self._outputs:
            return []
        return [user for user in self.proto.node if node.output[0] in user.input]

    def follow(self, node: Any, count: int) -> Iterator[Any]:
        """The next ``count`` nodes as long as each is the only user of the one before."""
        for _ in range(count):
            users = self.users(node)
            if len(users) != 1:
                return
            node = users[0]
            yield node

    def constant(self, name: str) -> NDArray[Any] | None:
        item = self._initialisers.get(name)
        return None if item is None else np.asarray(numpy_helper.to_array(item))

    def need(self, name: str) -> NDArray[Any]:
        return np.asarray(numpy_helper.to_array(self._initialisers[name]))


class _Builder:
    """New nodes and constants with names of their own."""

    def __init__(self, graph: _Graph, prefix: str) -> None:
        self.nodes: list[Any] = []
        self._graph = graph
        self._prefix = prefix
        self._constants = 0

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{self._prefix}/{len(self.nodes)}_{kind}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=f"{name}_node", **attributes))
        return name

    def constant(self, value: NDArray[Any]) -> str:
        name = f"{self._prefix}/constant_{self._constants}"
        self._constants += 1
        self._graph.proto.initializer.append(
            numpy_helper.from_array(np.ascontiguousarray(value), name)
        )
        return name

    def slice(self, source: str, start: int, end: int | None, axis: int) -> str:
        numbers = (start, INT64_END if end is None else end, axis)
        return self.node(
            "Slice", source, *(self.constant(np.array([n], np.int64)) for n in numbers)
        )


def _attributes(node: Any) -> dict[str, Any]:
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def _attribute(node: Any, name: str, default: Any) -> Any:
    return _attributes(node).get(name, default)


def _set_ints(node: Any, name: str, values: NDArray[Any]) -> None:
    for item in list(node.attribute):
        if item.name == name:
            node.attribute.remove(item)
    node.attribute.append(helper.make_attribute(name, [int(value) for value in values]))
