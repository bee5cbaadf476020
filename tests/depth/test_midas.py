"""MiDaS small in torch is the published network, and what is made from it stays the same."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the network in torch needs the extra [midas]")
pytest.importorskip("timm", reason="the network in torch needs the extra [midas]")

from sonar.config import EngineConfig  # noqa: E402
from sonar.depth import open_engine  # noqa: E402
from sonar.depth.backends.torch import TorchBackend  # noqa: E402
from sonar.depth.midas import load_network  # noqa: E402
from sonar.depth.midas.network import MidasSmall  # noqa: E402
from sonar.depth.models import InputContract, ResolvedModel, Store  # noqa: E402
from sonar.depth.practice import deviation, practice_images  # noqa: E402
from sonar.errors import DepthError  # noqa: E402
from sonar.files import sha256_of  # noqa: E402
from sonar.lab.quantise import optimise  # noqa: E402
from sonar.lab.training.network import WalkableNetwork  # noqa: E402
from sonar.types import Frame  # noqa: E402

SHARED = Path(__file__).parents[3] / "shared"
PARITY = SHARED / "midas_small_parity"
GOLDEN = Path(__file__).parents[1] / "golden" / "midas_small_by_rule.npz"


def rule_weight(name, shape):
    """A deterministic parameter: the same network without any file. See the parity folder."""
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    n = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith("running_var"):
        value = 1 + 0.1 * np.abs(n)
    elif name.endswith("running_mean"):
        value = 0.05 * n
    elif len(shape) >= 2:
        value = n * np.sqrt(2 / np.prod(shape[1:]))
    elif name.endswith(".weight"):
        value = 1 + 0.1 * n
    else:
        value = 0.05 * n + 0.05
    return np.asarray(value, np.float32)


def by_rule(network):
    state = {
        name: torch.from_numpy(np.asarray(rule_weight(name, tuple(value.shape))))
        for name, value in network.state_dict().items()
    }
    network.load_state_dict(state, strict=True)
    return network.eval()


@pytest.fixture(scope="module")
def published():
    torch.set_num_threads(1)
    return by_rule(MidasSmall())


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
    depth, walkable = run(by_rule(WalkableNetwork()), tensor)
    assert relative(depth, golden["midas_lite0_walkable_depth"]) < 1e-4
    np.testing.assert_allclose(walkable, golden["midas_lite0_walkable_walkable"], atol=1e-4)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, published):
    folder = tmp_path_factory.mktemp("checkpoint")
    path = folder / "ours.pt"
    torch.save(published.state_dict(), path)
    contract = InputContract(size_px=64)  # quick to run
    model = ResolvedModel("ours", path, "torch", contract, sha256_of(path))
    return model, Store(home=folder / "home")


def test_a_checkpoint_is_loaded_as_it_was(checkpoint, published):
    tensor = np.random.default_rng(22).standard_normal((1, 3, 32, 32)).astype(np.float32)
    assert relative(run(load_network(checkpoint[0].path), tensor), run(published, tensor)) == 0


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


def test_torch_reports_what_failed():
    def network(image):
        raise RuntimeError("scripted\nsecond line")

    network.to = lambda memory_format: network
    backend = TorchBackend(network, threads=1)
    with pytest.raises(DepthError, match="failed"):
        backend.run(np.zeros((1, 3, 32, 32), np.float32))
