"""Exact rewrites of an ONNX graph: the same function, less work.

Each takes a model and changes it in place, giving the number of places changed. They find
patterns, not names, so they serve any model; where a pattern does not occur they do nothing.
Needs the ``onnx`` package: import this module lazily.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx

from sonar.depth.backends.onnx import first_line
from sonar.errors import ModelError
from sonar.lab.quantise.graph_head import head_at_half_size
from sonar.lab.quantise.graph_tools import Graph, attribute, drop_unread_constants, set_ints


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
    drop_unread_constants(model)
    onnx.checker.check_model(model)
    return counts


def pads_into_convolutions(model: Any) -> int:
    """A constant zero Pad of rows and columns becomes the following convolution's own padding."""
    graph = Graph(model)
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
            or attribute(pad, "mode", b"constant") != b"constant"
            or any(
                user.op_type != "Conv"
                or user.input[0] != pad.output[0]
                or attribute(user, "auto_pad", b"NOTSET") != b"NOTSET"
                for user in users
            )
        ):
            continue
        for conv in users:
            own = np.array(attribute(conv, "pads", [0, 0, 0, 0]))
            set_ints(conv, "pads", own + amounts[[2, 3, 6, 7]])
            conv.input[0] = pad.input[0]
        model.graph.node.remove(pad)
        changed += 1
    return changed


def convolve_before_upsampling(model: Any) -> int:
    """Bilinear upsampling then a 1x1 convolution becomes the two in the other order.

    Exact, bias and all, since the weights of bilinear interpolation sum to one; a quarter of the
    multiplications at scale two.
    """
    graph = Graph(model)
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
            or attribute(resize, "mode", b"nearest") != b"linear"
            or attribute(resize, "coordinate_transformation_mode", b"half_pixel")
            == b"tf_crop_and_resize"
            or attribute(users[0], "kernel_shape", None) != [1, 1]
            or attribute(users[0], "strides", [1, 1]) != [1, 1]
            or any(attribute(users[0], "pads", [0]))
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
