"""What is done to a graph before int8: the same function, in a form that int8 fits better."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="quantising needs onnx")
from onnx import numpy_helper  # noqa: E402

from sonar.depth.compare import deviation  # noqa: E402
from sonar.depth.models.registry import BUILTIN_PATH  # noqa: E402
from sonar.lab.quantise import graph  # noqa: E402
from sonar.lab.quantise import quantise as quantise_room  # noqa: E402
from sonar.lab.quantise.equalise import channel_ranges, equalise, intermediate  # noqa: E402
from sonar.lab.quantise.precise import SEGMENTS, depth_in_segments, stay_float  # noqa: E402
from sonar.lab.quantise.quantise import outputs, quantise  # noqa: E402
from sonar.lab.quantise.rounding import round_weights  # noqa: E402
from tests.depth.models_of_ours import small_network  # noqa: E402


def images(count, rows=64, columns=96, seed=0):
    """Network inputs that, like photos, vary slowly from pixel to pixel."""
    rng = np.random.default_rng(seed)
    coarse = rng.standard_normal((count, 1, 3, rows // 8, columns // 8)).astype(np.float32)
    smooth = coarse.repeat(8, axis=3).repeat(8, axis=4)
    return list(smooth + 0.2 * rng.standard_normal(smooth.shape).astype(np.float32))


def simplified(path, tmp_path):
    model = graph.fold(path, tmp_path / "folded.onnx")
    graph.simplify(model)
    return model


@pytest.fixture
def small(tmp_path):
    return simplified(small_network(tmp_path / "small.onnx"), tmp_path)


def copied(model):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def run(model, tensors, name):
    return [values[name] for values in intermediate(model, [name], tensors)]


def spread(found):
    """The greatest channel's reach, in means over the channels."""
    reach = np.maximum(-found[0], found[1])
    return reach.max() / reach.mean()


class TestEqualise:
    def test_the_builtin_model_stays_the_function_it_was(self, tmp_path):
        model = simplified(BUILTIN_PATH, tmp_path)
        fitted = copied(model)
        assert equalise(fitted, images(2)) > 8
        onnx.checker.check_model(fitted)
        unseen = images(2, seed=5)
        for name in ("inverse_depth", "walkable"):
            before, after = run(model, unseen, name), run(fitted, unseen, name)
            for one, other in zip(before, after, strict=True):
                assert deviation(one, other) < 1e-5

        stored = ("/output_conv/output_conv.0/Conv_output_0", "half_size_head/1_Relu")
        before, after = (channel_ranges(m, stored, images(2)) for m in (model, fitted))
        for name in stored:
            assert spread(after[name]) < 0.8 * spread(before[name])

    def test_the_encoder_gives_what_it_gave(self, tmp_path):
        model = simplified(BUILTIN_PATH, tmp_path)
        fitted = copied(model)
        equalise(fitted, images(2))
        for level in (1, 2, 3, 4):
            name = f"/layer{level}_rn/Conv_output_0"
            (before,), (after,) = (run(m, images(1, seed=5), name) for m in (model, fitted))
            np.testing.assert_array_equal(before, after)

    def test_convolutions_that_shared_weights_stay_right(self, small):
        strips = [n for n in small.graph.node if n.op_type == "Conv" and "head_w" in n.input]
        assert len(strips) == 4
        fitted = copied(small)
        assert equalise(fitted, images(2)) > 0
        assert not any("head_w" in node.input for node in fitted.graph.node)
        (before,), (after,) = (run(m, images(1, seed=5), "depth") for m in (small, fitted))
        assert deviation(before, after) < 1e-6


class TestRounding:
    def test_on_steps_with_the_greatest_kept(self, small):
        fitted = copied(small)
        names = [node.name for node in small.graph.node if node.op_type == "Conv"]
        round_weights(fitted, names, images(4), 127)
        before, after = (
            {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
            for model in (small, fitted)
        )
        for old, new in zip(small.graph.node, fitted.graph.node, strict=True):
            if old.op_type != "Conv":
                continue
            one, other = (
                kernels[node.input[1]].reshape(len(kernels[node.input[1]]), -1)
                for node, kernels in ((old, before), (new, after))
            )
            peak = np.abs(one).max(axis=1, keepdims=True)
            np.testing.assert_allclose(np.abs(other).max(axis=1, keepdims=True), peak, rtol=1e-6)
            steps = np.where(peak > 0, other / np.where(peak > 0, peak, 1) * 127, 0)
            assert np.abs(steps - np.round(steps)).max() < 1e-3
            assert np.abs(one - other).max() > 0

    def test_the_depth_moves_less_than_with_nearest_steps(self, small):
        names = [node.name for node in small.graph.node if node.op_type == "Conv"]
        fitted, nearest = copied(small), copied(small)
        round_weights(fitted, names, images(8), 15)  # few steps, so that they show
        for item in nearest.graph.initializer:
            kernel = numpy_helper.to_array(item)
            if kernel.ndim == 4:
                scale = np.abs(kernel).max(axis=(1, 2, 3), keepdims=True) / 15
                scale[scale == 0] = 1
                on_steps = (np.round(kernel / scale) * scale).astype(np.float32)
                item.CopyFrom(numpy_helper.from_array(on_steps, item.name))
        unseen = images(8, seed=5)
        expected = run(small, unseen, "depth")
        errors = [
            np.mean(
                [deviation(a, b) for a, b in zip(expected, run(m, unseen, "depth"), strict=True)]
            )
            for m in (fitted, nearest)
        ]
        assert errors[0] < 0.7 * errors[1]

    @pytest.mark.parametrize("reduced", [False, True])
    def test_int8_finds_weights_that_fit(self, small, tmp_path, monkeypatch, reduced):
        fitted = {}

        def watched(model, names, *others):
            round_weights(model, names, *others)
            constants = {item.name: item for item in model.graph.initializer}
            for node in model.graph.node:
                if node.name in names:
                    fitted[node.input[1]] = numpy_helper.to_array(constants[node.input[1]])

        monkeypatch.setattr("sonar.lab.quantise.quantise.round_weights", watched)
        monkeypatch.setattr("sonar.lab.quantise.quantise._saturates", lambda: reduced)
        # All in int8: which is nearer to float32 depends on the processor.
        monkeypatch.setattr("sonar.lab.quantise.quantise.FLOAT_CONVOLUTIONS", 0)
        target = tmp_path / "int8.onnx"
        quantise(small, target, images(4), depth_output="depth")
        found = {
            item.name: numpy_helper.to_array(item) for item in onnx.load(target).graph.initializer
        }
        assert len(fitted) > 3
        for name, kernel in fitted.items():
            scale = found[f"{name}_scale"].reshape(-1, 1, 1, 1)
            stored = found[f"{name}_quantized"]
            assert stored.dtype == np.int8
            assert np.abs(stored).max() == (64 if reduced else 127)
            np.testing.assert_allclose(stored * scale, kernel, atol=1e-5 * np.abs(kernel).max())


class TestPrecise:
    def test_segments_add_up_to_the_depth(self, small):
        fitted = copied(small)
        tensors = images(4)
        sums = depth_in_segments(fitted, tensors, "depth")
        onnx.checker.check_model(fitted)
        assert len(sums) == 5  # the inner part and four strips
        for one, other in zip(
            run(small, tensors, "depth"), run(fitted, tensors, "depth"), strict=True
        ):
            np.testing.assert_allclose(one, other, atol=1e-5 * one.max())

    def test_int8_gives_more_depths_than_its_255_steps(self, small, tmp_path):
        target = tmp_path / "int8.onnx"
        tensors = images(6)
        _, apart = quantise(small, target, tensors, depth_output="depth")
        found = np.unique(np.concatenate([d.ravel() for d in outputs(target, tensors, "depth")]))
        assert 255 < len(found) < 1.01 * 5 * 255 * SEGMENTS
        assert apart < 0.02

    def test_what_stays_in_float(self, small):
        kinds = {node.name: node.op_type for node in small.graph.node}
        found = stay_float(small, "depth")
        assert "mixed_node" in found  # 1x1, and interpolated next
        assert {name for name, kind in kinds.items() if kind == "Resize"} <= set(found)
        assert not {"stem_node", "down_node", "half_size_head/2_Conv_node"} & set(found)


@pytest.mark.parametrize(("close", "near_best", "in_float"), [(1.0, 1.1, 0), (0.0, 0.0, 3)])
def test_the_first_convolutions_stay_in_float_where_int8_is_not_close(
    small, tmp_path, monkeypatch, close, near_best, in_float
):
    monkeypatch.setattr(quantise_room, "CLOSE", close)
    monkeypatch.setattr(quantise_room, "NEAR_BEST", near_best)
    target = tmp_path / "int8.onnx"
    count, apart = quantise(small, target, images(4))
    assert count == in_float and 0.0 < apart < 0.2
    written = onnx.load(target).graph
    first = next(node for node in written.node if node.op_type == "Conv")
    names = {item.name for item in written.initializer}
    assert (first.input[1] in names) == (in_float > 0)  # not read through a DequantizeLinear
