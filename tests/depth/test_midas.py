"""MiDaS small in torch is the published network, and what is made from it stays the same."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the network in torch needs the extra [midas]")
pytest.importorskip("timm", reason="the network in torch needs the extra [midas]")

from sonar.config import EngineConfig  # noqa: E402
from sonar.depth import open_engine  # noqa: E402
from sonar.depth.backends.torch import TorchBackend  # noqa: E402
from sonar.depth.compare import deviation  # noqa: E402
from sonar.depth.midas.weights import (  # noqa: E402
    load_midas_small,
    midas_small_by_rule,
    rule_weight,
)
from sonar.depth.models.resolved import resolve_path  # noqa: E402
from sonar.depth.models.store import Store  # noqa: E402
from sonar.depth.practice import practice_images  # noqa: E402
from sonar.errors import DepthError, ModelError  # noqa: E402
from sonar.lab.quantise.optimise import optimise  # noqa: E402
from sonar.types import Frame  # noqa: E402

SHARED = Path(__file__).parents[3] / "shared"
PARITY = SHARED / "midas_small_parity"
BUILTIN_PT = SHARED / "builtin_model" / "builtin.pt"
GOLDEN = Path(__file__).parents[1] / "golden" / "midas_small_by_rule.npz"


@pytest.fixture(scope="module")
def published():
    torch.set_num_threads(1)
    return midas_small_by_rule()


def run(network, tensor):
    with torch.inference_mode():
        values = network(torch.from_numpy(tensor))
    return [v.numpy() for v in values] if isinstance(values, tuple) else values.numpy()


def relative(found, expected):
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.skipif(not PARITY.is_dir(), reason=f"reference vectors not at {PARITY}")
def test_weights_rule_and_names_of_the_reference(published):
    listed = json.loads((PARITY / "state_dict_shapes.json").read_text())
    shapes = {name: list(value.shape) for name, value in published.state_dict().items()}
    assert shapes == listed


@pytest.mark.skipif(not PARITY.is_dir(), reason=f"reference vectors not at {PARITY}")
@pytest.mark.parametrize("case", ["640x480", "wide"])
def test_equals_the_reference_network(published, case):
    expected = np.load(PARITY / "expected.npz")
    found = run(published, expected[f"{case}_network_input"])
    assert relative(found, expected[f"{case}_network_output"]) < 1e-4


def test_equals_our_own_reference_numbers(published):
    """Recorded when the network was proven against MiDaS's own code."""
    tensor = np.random.default_rng(20).standard_normal((1, 3, 64, 96)).astype(np.float32)
    golden = np.load(GOLDEN)
    assert relative(run(published, tensor), golden["midas_small"]) < 1e-4
    depth, walkable = run(midas_small_by_rule("midas_lite0_walkable"), tensor)
    assert relative(depth, golden["midas_lite0_walkable_depth"]) < 1e-4
    np.testing.assert_allclose(walkable, golden["midas_lite0_walkable_walkable"], atol=1e-4)


def test_the_weights_rule():
    assert rule_weight("a.num_batches_tracked", ()).dtype == np.int64
    assert rule_weight("a.running_var", (50,)).min() >= 1
    assert abs(rule_weight("a.running_mean", (50,)).mean()) < 0.05
    kernel = rule_weight("a.weight", (64, 8, 3, 3))
    assert kernel.std() == pytest.approx(np.sqrt(2 / 72), rel=0.05)
    assert rule_weight("a.weight", (500,)).mean() == pytest.approx(1, abs=0.02)
    assert rule_weight("a.bias", (500,)).mean() == pytest.approx(0.05, abs=0.01)
    np.testing.assert_array_equal(rule_weight("a.bias", (5,)), rule_weight("a.bias", (5,)))
    assert (rule_weight("a.bias", (5,)) != rule_weight("b.bias", (5,))).all()


@pytest.mark.skipif(not BUILTIN_PT.is_file(), reason=f"no checkpoint at {BUILTIN_PT}")
def test_a_builtin_checkpoint_equals_its_onnx():
    from sonar.depth.backends.onnx import OnnxBackend

    tensor = np.random.default_rng(21).standard_normal((1, 3, 96, 128)).astype(np.float32)
    expected = OnnxBackend(BUILTIN_PT.with_suffix(".onnx"), threads=1).run(tensor)
    depth, walkable = run(load_midas_small(BUILTIN_PT), tensor)
    # the checkpoint holds float16
    assert deviation(expected["inverse_depth"], depth) < 2e-3
    assert np.abs(walkable - expected["walkable"]).mean() < 2e-3


def test_a_checkpoint_is_loaded_strictly(tmp_path):
    network = midas_small_by_rule("midas_lite0")
    state = network.state_dict()
    path = tmp_path / "lite0.pt"
    torch.save(
        {
            name: value.half() if value.is_floating_point() else value
            for name, value in state.items()
        },
        path,
    )
    tensor = np.random.default_rng(22).standard_normal((1, 3, 32, 32)).astype(np.float32)
    assert relative(run(load_midas_small(path), tensor), run(network, tensor)) < 0.02

    name = "scratch.refinenet1.out_conv.bias"
    torch.save({key: value for key, value in state.items() if key != name}, path)
    with pytest.raises(ModelError, match=r"lite0\.pt is not a checkpoint"):
        load_midas_small(path)
    torch.save({**state, "extra.weight": torch.zeros(3)}, path)
    with pytest.raises(ModelError, match=r"lite0\.pt is not a checkpoint"):
        load_midas_small(path)
    torch.save({**state, name: torch.zeros(7)}, path)
    with pytest.raises(ModelError, match=name):
        load_midas_small(path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ModelError, match=r"damaged|cut off"):
        load_midas_small(path)
    with pytest.raises(ModelError, match="missing"):
        load_midas_small(tmp_path / "none.pt")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    torch.save(midas_small_by_rule("midas_lite0_walkable").state_dict(), folder / "ours.pt")
    model = resolve_path(folder / "ours.pt")
    small = dataclasses.replace(model.contract, size_px=64)  # quick to run
    return dataclasses.replace(model, contract=small), Store(home=folder / "home")


def test_a_checkpoint_runs_on_every_backend_alike(checkpoint):
    """Converted for ONNX Runtime and OpenVINO; frozen TorchScript for torch."""
    pytest.importorskip("onnx", reason="converting needs onnx")
    model, store = checkpoint
    frames = [
        Frame(image=image, id=0, t=0.0)
        for size in ((96, 192), (192, 96))
        for image in practice_images(1, *size)
    ]
    optimise(model, precisions=["fp32"], images=practice_images(2, 96, 192), store=store)
    backends = ["onnx", "torch"]
    try:
        import openvino  # noqa: F401

        backends.append("openvino")
    except ImportError:
        pass
    found = {}
    for name in backends:
        config = EngineConfig(backend=name, precision="fp32", threads=1)
        engine = open_engine(config, model, store=store)
        found[name] = [engine.estimate(frame) for frame in frames]
        engine.close()
        with pytest.raises(DepthError, match="closed"):
            engine.estimate(frames[0])
    assert found["onnx"][0].values.shape == (32, 64)
    assert found["onnx"][1].values.shape == (64, 32)
    for name in backends[1:]:
        for expected, depth in zip(found["onnx"], found[name], strict=True):
            assert deviation(expected.values, depth.values) < 1e-4
            np.testing.assert_allclose(expected.walkable, depth.walkable, atol=1e-3)


def test_torch_says_what_failed():
    def network(image):
        raise RuntimeError("scripted\nsecond line")

    network.to = lambda memory_format: network
    backend = TorchBackend(network, ["inverse_depth"], threads=1)
    with pytest.raises(DepthError, match="failed"):
        backend.run(np.zeros((1, 3, 32, 32), np.float32))
