"""int8: weights that fit its steps, and a file that stays close to float32."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="quantizing needs onnx")
from onnx import numpy_helper  # noqa: E402

from sonar.depth.practice import deviation  # noqa: E402
from sonar.lab.quantise.equalise import equalise  # noqa: E402
from sonar.lab.quantise.graph import intermediate, simplified  # noqa: E402
from sonar.lab.quantise.quantise import FLOAT_CONVOLUTIONS, quantise  # noqa: E402
from sonar.lab.quantise.rounding import round_weights  # noqa: E402
from tests.depth.models_of_ours import small_network  # noqa: E402


def images(count, rows=64, columns=96, seed=0):
    """Network inputs that, like photos, vary slowly from pixel to pixel."""
    rng = np.random.default_rng(seed)
    coarse = rng.standard_normal((count, 1, 3, rows // 8, columns // 8)).astype(np.float32)
    smooth = coarse.repeat(8, axis=3).repeat(8, axis=4)
    return list(smooth + 0.2 * rng.standard_normal(smooth.shape).astype(np.float32))


@pytest.fixture
def small(tmp_path):
    return simplified(small_network(tmp_path / "small.onnx"), tmp_path)


def copied(model):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def run(model, tensors, name):
    return [values[name] for values in intermediate(model, [name], tensors)]


def test_equalized_channels_compute_the_same_and_differ_less(small):
    fitted = copied(small)
    assert equalise(fitted, images(2)) == 3  # stem to down, mixed to head, head to last
    onnx.checker.check_model(fitted)
    (before,), (after,) = (run(m, images(1, seed=5), "depth") for m in (small, fitted))
    assert deviation(before, after) < 1e-5
    peaks = [np.abs(run(m, images(2), "head_relu")[0]).max(axis=(0, 2, 3)) for m in (small, fitted)]
    assert peaks[1].max() / peaks[1].mean() < peaks[0].max() / peaks[0].mean()


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
        target = tmp_path / "int8.onnx"
        quantise(small, target, images(4), depth_output="depth")
        found = {
            item.name: numpy_helper.to_array(item) for item in onnx.load(target).graph.initializer
        }
        assert len(fitted) == 2
        for name, kernel in fitted.items():
            scale = found[f"{name}_scale"].reshape(-1, 1, 1, 1)
            stored = found[f"{name}_quantized"]
            assert stored.dtype == np.int8
            assert np.abs(stored).max() == (64 if reduced else 127)
            np.testing.assert_allclose(stored * scale, kernel, atol=1e-5 * np.abs(kernel).max())


def test_int8_stays_close_and_the_first_convolutions_stay_in_float(small, tmp_path):
    target = tmp_path / "int8.onnx"
    assert 0.0 < quantise(small, target, images(4)) < 0.1
    written = onnx.load(target).graph
    names = {item.name for item in written.initializer}
    in_float = [node.op_type == "Conv" and node.input[1] in names for node in written.node]
    assert sum(in_float) >= FLOAT_CONVOLUTIONS  # not read through a DequantizeLinear
