"""Tiny ONNX networks, good and bad, for the tests of checking."""

from collections.abc import Sequence
from pathlib import Path

import pytest

Dims = Sequence[int | str | None] | None


def onnx_bytes(
    shape: Dims = (1, 3, "h", "w"),
    *,
    body: str = "mean",
    inputs: int = 1,
    dtype: int = 1,
    output: str = "depth",
    salt: str = "",
) -> bytes:
    """A network of one or two operations.

    Args:
        shape: of the input; None = not even its rank is known.
        body: ``mean`` over the channels (a depth of sorts), ``nan``, ``constant``, ``ignores``
            (a ramp whatever the image), ``whole`` (all channels come out).
        inputs: how many.
        dtype: ONNX element type of the inputs (1 = float32).
        output: its name.
        salt: makes files differ.
    """
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    names = [f"x{k}" if k else "image" for k in range(inputs)]
    values = [helper.make_tensor_value_info(name, dtype, shape) for name in names]
    constants = [helper.make_tensor("axes", TensorProto.INT64, [1], [1])]
    if body == "mean":
        nodes = [helper.make_node("ReduceMean", ["image"], [output], axes=[1], keepdims=0)]
    elif body == "nan":
        nodes = [
            helper.make_node("ReduceMean", ["image"], ["m"], axes=[1], keepdims=0),
            helper.make_node("Sub", ["m", "m"], ["zero"]),
            helper.make_node("Div", ["zero", "zero"], [output]),
        ]
    elif body == "constant":
        nodes = [
            helper.make_node("ReduceMean", ["image"], ["m"], axes=[1], keepdims=0),
            helper.make_node("Sub", ["m", "m"], [output]),
        ]
    elif body == "ignores":
        constants.append(helper.make_tensor("ramp", TensorProto.FLOAT, [1], [1.0]))
        nodes = [
            helper.make_node("ReduceMean", ["image"], ["m"], axes=[1], keepdims=0),
            helper.make_node("Sub", ["m", "m"], ["zero"]),
            helper.make_node("Add", ["zero", "ramp"], ["ones"]),
            helper.make_node("CumSum", ["ones", "axis"], [output]),
        ]
        constants.append(helper.make_tensor("axis", TensorProto.INT64, [], [1]))
    else:
        nodes = [helper.make_node("Relu", ["image"], [output])]
    nodes += [helper.make_node("Identity", [name], [f"{name}_out"]) for name in names[1:]]
    outputs = [helper.make_tensor_value_info(output, dtype, None)]
    outputs += [helper.make_tensor_value_info(f"{n}_out", dtype, None) for n in names[1:]]
    graph = helper.make_graph(nodes, "g", values, outputs, constants, doc_string=salt)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert onnx is not None
    return model.SerializeToString()


def external_onnx(folder: Path, location: str) -> Path:
    """A network that keeps a tensor in the file ``location``."""
    pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    tensor = helper.make_tensor("gain", TensorProto.FLOAT, [1], [2.0])
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "4")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["m"], axes=[1], keepdims=0),
        helper.make_node("Mul", ["m", "gain"], ["depth"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, "h", "w"))
    depth = helper.make_tensor_value_info("depth", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [image], [depth], [tensor])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "external.onnx"
    path.write_bytes(model.SerializeToString())
    return path
