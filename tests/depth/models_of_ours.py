"""Small ONNX models made here, with the patterns that real ones have."""

import hashlib
from pathlib import Path

import numpy as np

from sonar.depth.models import InputContract, ResolvedModel

CONTRACT = InputContract(size_px=64, depth_output="depth")


def small_network(path: Path, *, seed: int = 0) -> Path:
    """A stem with a Pad, an upsampled 1x1 convolution, and MiDaS's head; sides times 1/4."""
    import onnx
    from onnx import helper, numpy_helper

    rng = np.random.default_rng(seed)
    constants, nodes = [], []

    def constant(name, value):
        constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def weights(name, *shape):
        scale = np.sqrt(2.0 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
        return constant(name, (scale * rng.standard_normal(shape)).astype(np.float32))

    def node(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], name=f"{output}_node", **attributes))
        return output

    def conv(x, name, out, channels, kernel, pad, stride=1):
        return node(
            "Conv",
            [x, weights(f"{name}_w", out, channels, kernel, kernel), weights(f"{name}_b", out)],
            name,
            kernel_shape=[kernel, kernel],
            pads=[pad] * 4,
            strides=[stride] * 2,
        )

    def double(x, name, **attributes):
        scales = constant(f"{name}_scales", np.array([1, 1, 2, 2], np.float32))
        return node("Resize", [x, "", scales], name, mode="linear", **attributes)

    x = node("Pad", ["image", constant("pads", [0, 0, 0, 0, 0, 0, 1, 1]), ""], "padded")
    x = node("Relu", [conv(x, "stem", 8, 3, 3, 0, stride=2)], "stem_relu")
    x = conv(x, "down", 8, 8, 3, 1, stride=1)
    x = node("Relu", [x], "down_relu")
    x = node("MaxPool", [x], "pooled", kernel_shape=[2, 2], strides=[2, 2])
    x = double(x, "up", coordinate_transformation_mode="align_corners")
    x = conv(x, "mixed", 8, 8, 1, 0)
    x = double(x, "head_up", coordinate_transformation_mode="half_pixel")
    x = node("Relu", [conv(x, "head", 8, 8, 3, 1)], "head_relu")
    x = node("Relu", [conv(x, "last", 1, 8, 1, 0)], "last_relu")
    node("Squeeze", [x, constant("axis", [1])], "depth")
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info("depth", onnx.TensorProto.FLOAT, [1, "h", "w"])],
        initializer=constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def resolved(path: Path, contract: InputContract = CONTRACT) -> ResolvedModel:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return ResolvedModel("small", path, "onnx", contract, sha256)
