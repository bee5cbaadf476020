"""Rewrites of a graph change how it computes, not what."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="rewriting graphs needs onnx")

from sonar.depth.backends.onnx import OnnxBackend  # noqa: E402
from sonar.depth.models.registry import BUILTIN_PATH  # noqa: E402
from sonar.errors import ModelError  # noqa: E402
from sonar.lab.quantise.graph import (  # noqa: E402
    keep_in_float,
    pads_into_convolutions,
    simplified,
)
from tests.depth.models_of_ours import small_network  # noqa: E402


@pytest.mark.parametrize("made", [small_network, lambda path: BUILTIN_PATH])
def test_the_simplified_model_computes_the_same(tmp_path, made):
    path = made(tmp_path / "small.onnx")
    model = simplified(path, tmp_path)
    assert "Pad" not in {node.op_type for node in model.graph.node}
    read = {name for node in model.graph.node for name in node.input}
    assert {item.name for item in model.graph.initializer} <= read
    onnx.save(model, tmp_path / "simplified.onnx")
    before = OnnxBackend(path, threads=1)
    after = OnnxBackend(tmp_path / "simplified.onnx", threads=1)
    for rows, columns in ((64, 96), (96, 32)):
        x = np.random.default_rng(0).standard_normal((1, 3, rows, columns)).astype(np.float32)
        found = after.run(x)
        for name, expected in before.run(x).items():
            assert expected.max() > 0.1
            np.testing.assert_allclose(found[name], expected, atol=1e-5 * expected.max())


@pytest.mark.parametrize(
    ("change", "count"),
    [("none", 1), ("channels", 0), ("reflect", 0), ("an output", 0)],
)
def test_only_zero_pads_before_convolutions_are_rewritten(tmp_path, change, count):
    model = onnx.load(small_network(tmp_path / "small.onnx"))
    (pad,) = [node for node in model.graph.node if node.op_type == "Pad"]
    if change == "channels":
        (item,) = [item for item in model.graph.initializer if item.name == pad.input[1]]
        amounts = np.array([0, 1, 0, 0, 0, 0, 1, 1], np.int64)
        item.CopyFrom(onnx.numpy_helper.from_array(amounts, item.name))
    elif change == "reflect":
        pad.attribute.append(onnx.helper.make_attribute("mode", "reflect"))
    elif change == "an output":
        shape = [1, 3, "a", "b"]
        model.graph.output.append(
            onnx.helper.make_tensor_value_info(pad.output[0], onnx.TensorProto.FLOAT, shape)
        )
    assert pads_into_convolutions(model) == count


def test_what_stays_in_float(tmp_path):
    model = simplified(small_network(tmp_path / "small.onnx"), tmp_path)
    kinds = {node.name: node.op_type for node in model.graph.node}
    found = keep_in_float(model, "depth", 1)
    assert found[0] == "stem_node"
    assert "mixed_node" in found  # 1x1, and interpolated next
    assert {name for name, kind in kinds.items() if kind == "Resize"} <= set(found)
    assert not {"down_node", "head_node", "last_node"} & set(found)


def test_a_damaged_file_is_a_model_error(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match="cannot be optimized"):
        simplified(tmp_path / "x.onnx", tmp_path)
