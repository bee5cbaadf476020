"""An ONNX graph with less work in it, and what leads to its depth. Needs ``onnx``."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from sonar.depth.backends.onnx import first_line
from sonar.errors import ModelError
from sonar.types import FloatImage


def simplified(path: Path, work: Path) -> Any:
    """The model of ``path`` as a ``ModelProto`` that computes the same with less work.

    Constants are folded, norms merged into convolutions, zero paddings made the convolutions'
    own. ``work``: a folder for ONNX Runtime, which does the first two ("basic" optimization).
    Raises ModelError for a damaged file.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(work / "folded.onnx")
    options.log_severity_level = 3
    try:
        ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        model = onnx.load(options.optimized_model_filepath)
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise ModelError(f"{path} cannot be optimized ({first_line(error)})") from error
    pads_into_convolutions(model)
    del model.graph.value_info[:]  # describes tensors that are no more
    drop_unread_constants(model)
    onnx.checker.check_model(model)
    return model


def pads_into_convolutions(model: Any) -> int:
    """Make each constant zero Pad of rows and columns the next convolution's own padding.

    In place; returns how many. TensorFlow's padding of strided convolutions, one pixel more on
    one side, comes as such a Pad.
    """
    constants = constants_of(model)
    changed = 0
    for pad in [node for node in model.graph.node if node.op_type == "Pad"]:
        users = [user for user in model.graph.node if pad.output[0] in user.input]
        amounts = constants.get(pad.input[1]) if len(pad.input) > 1 else None
        value = constants.get(pad.input[2]) if len(pad.input) > 2 else None
        if (
            amounts is None
            or amounts.shape != (8,)
            or amounts[[0, 1, 4, 5]].any()
            or (value is not None and value.any())
            or attribute(pad, "mode", b"constant") != b"constant"
            or pad.output[0] in {output.name for output in model.graph.output}
            or any(
                user.op_type != "Conv" or attribute(user, "auto_pad", b"NOTSET") != b"NOTSET"
                for user in users
            )
        ):
            continue
        for conv in users:
            pads = amounts[[2, 3, 6, 7]] + attribute(conv, "pads", [0, 0, 0, 0])
            for item in [item for item in conv.attribute if item.name == "pads"]:
                conv.attribute.remove(item)
            conv.attribute.append(helper.make_attribute("pads", pads.tolist()))
            conv.input[0] = pad.input[0]
        model.graph.node.remove(pad)
        changed += 1
    return changed


def constants_of(model: Any) -> dict[str, NDArray[Any]]:
    """The initializers by name."""
    return {item.name: np.asarray(numpy_helper.to_array(item)) for item in model.graph.initializer}


def attribute(node: Any, name: str, default: Any) -> Any:
    """One attribute, or ``default`` where the node does not have it."""
    found = [item for item in node.attribute if item.name == name]
    return helper.get_attribute_value(found[0]) if found else default


def set_constant(model: Any, node: Any, place: int, value: NDArray[Any]) -> None:
    """Give a node's input a float32 constant of its own; others may read the one it had."""
    name = f"{node.name}/constant_{place}"
    for item in [item for item in model.graph.initializer if item.name == name]:
        model.graph.initializer.remove(item)
    model.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
    if place < len(node.input):
        node.input[place] = name
    else:
        node.input.append(name)


def intermediate(
    model: Any, names: Sequence[str], tensors: Sequence[FloatImage]
) -> Iterator[dict[str, FloatImage]]:
    """What ``model`` computes on the way, by name, one image after the other.

    Without ONNX Runtime's own rewrites, which know nothing of who else reads a tensor.
    """
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


def drop_unread_constants(model: Any) -> None:
    """Take out the initializers that no node reads, in place."""
    read = {name for node in model.graph.node for name in node.input}
    for item in list(model.graph.initializer):
        if item.name not in read:
            model.graph.initializer.remove(item)


def keep_in_float(model: Any, depth_output: str, first: int) -> list[str]:
    """The nodes that cost little in float32 and much accuracy in int8, by name.

    The ``first`` convolutions, whose few channels differ most in range; and in the decoder, which
    begins with the first interpolation, what only sums or moves channels on the way to the depth,
    or mixes them pixel by pixel: there each step of 1/255 goes straight into the depth. The last
    convolution, at full size, would cost too much.
    """
    nodes = list(model.graph.node)
    leading = {depth_output}
    for node in reversed(nodes):
        if not leading.isdisjoint(node.output):
            leading.update(node.input)
    below = set[str]()
    for node in nodes:
        if node.op_type == "Resize" or not below.isdisjoint(node.input):
            below.update(node.output)
    decoder = below | {node.input[0] for node in nodes if node.op_type == "Resize"}
    constants = constants_of(model)
    convolutions = [node for node in nodes if node.op_type == "Conv"]
    last = [node.name for node in convolutions if node.output[0] in leading][-1:]
    found = [node.name for node in convolutions[:first]]
    for node in nodes:
        if node.output[0] not in leading & decoder or node.name in last:
            continue
        pointwise = node.op_type == "Conv" and constants[node.input[1]].shape[2:] == (1, 1)
        if pointwise or node.op_type in ("Add", "Resize", "Squeeze", "Concat", "Slice"):
            found.append(node.name)
    return found
