"""Rewrites of a graph change how it computes, not what."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="rewriting graphs needs onnx")

from sonar.depth.backends.onnx import OnnxBackend  # noqa: E402
from sonar.depth.models.registry import BUILTIN_PATH  # noqa: E402
from sonar.errors import ModelError  # noqa: E402
from sonar.lab.quantise import graph  # noqa: E402
from tests.depth.models_of_ours import small_network  # noqa: E402


def tensor(rows, columns, seed=0):
    return np.random.default_rng(seed).standard_normal((1, 3, rows, columns)).astype(np.float32)


def kinds(model):
    return [node.op_type for node in model.graph.node]


@pytest.fixture
def folded(tmp_path):
    path = small_network(tmp_path / "small.onnx")
    return path, graph.fold(path, tmp_path / "folded.onnx")


@pytest.mark.parametrize(
    "rewrite",
    [graph.pads_into_convolutions, graph.convolve_before_upsampling, graph.head_at_half_size],
)
def test_each_rewrite_applies_once_and_is_exact(folded, tmp_path, rewrite):
    path, model = folded
    assert rewrite(model) == 1
    assert rewrite(model) == 0
    del model.graph.value_info[:]
    onnx.checker.check_model(model)
    onnx.save(model, tmp_path / "rewritten.onnx")
    before = OnnxBackend(path, threads=1)
    after = OnnxBackend(tmp_path / "rewritten.onnx", threads=1)
    for rows, columns in ((32, 32), (64, 96), (96, 32)):
        x = tensor(rows, columns)
        expected, found = before.run(x)["depth"], after.run(x)["depth"]
        assert expected.shape == (1, rows, columns)
        assert expected.max() > 0.1
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_simplify_does_all_and_leaves_nothing_over(folded):
    _, model = folded
    assert graph.simplify(model) == {
        "pads_into_convolutions": 1,
        "convolve_before_upsampling": 1,
        "head_at_half_size": 1,
    }
    assert "Pad" not in kinds(model)
    read = {name for node in model.graph.node for name in node.input}
    assert {item.name for item in model.graph.initializer} <= read


def test_patterns_that_only_look_alike_are_left(folded):
    _, model = folded
    for node in model.graph.node:
        if node.op_type == "Resize":
            for attribute in node.attribute:
                if attribute.name == "mode":
                    attribute.s = b"nearest"
        if node.op_type == "Pad":
            for item in model.graph.initializer:
                if item.name == node.input[1]:
                    item.CopyFrom(
                        onnx.numpy_helper.from_array(
                            np.array([0, 1, 0, 0, 0, 0, 1, 1], np.int64), item.name
                        )
                    )
    before = kinds(model)
    assert graph.pads_into_convolutions(model) == 0
    assert graph.convolve_before_upsampling(model) == 0
    assert graph.head_at_half_size(model) == 0
    assert kinds(model) == before


def test_an_output_in_the_middle_is_not_rewritten_away(folded):
    _, model = folded
    model.graph.output.append(
        onnx.helper.make_tensor_value_info("up", onnx.TensorProto.FLOAT, [1, 8, "a", "b"])
    )
    assert graph.convolve_before_upsampling(model) == 0


def test_the_builtin_model_stays_the_same(tmp_path):
    model = graph.fold(BUILTIN_PATH, tmp_path / "folded.onnx")
    counts = graph.simplify(model)
    assert counts == {
        "pads_into_convolutions": 5,
        "convolve_before_upsampling": 0,  # it was exported that way
        "head_at_half_size": 1,
    }
    onnx.save(model, tmp_path / "simplified.onnx")
    x = tensor(96, 128)
    expected = OnnxBackend(BUILTIN_PATH, threads=1).run(x)
    found = OnnxBackend(tmp_path / "simplified.onnx", threads=1).run(x)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-5 * values.max())


def test_a_damaged_file_is_a_model_error(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match="cannot be optimised"):
        graph.fold(tmp_path / "x.onnx", tmp_path / "folded.onnx")
