"""Engine: color order, checks, warm-up; the ONNX backend on the built-in model."""

import numpy as np
import pytest
from fake_backend import FakeBackend

from sonar.config import EngineConfig
from sonar.depth.backends.onnx import OnnxBackend
from sonar.depth.engine import WARM_UP_RUNS, NetworkEngine
from sonar.depth.models import InputContract, Store
from sonar.depth.models.registry import BUILTIN_PATH
from sonar.depth.preprocess import network_size
from sonar.depth.select import open_engine
from sonar.errors import DepthError, ModelError
from sonar.testing.depth import FakeEngine
from sonar.types import DepthKind, DepthMap, Frame


def frame_of(image):
    return Frame(image=np.ascontiguousarray(image), id=0, t=0.0)


@pytest.fixture(scope="module")
def builtin(tmp_path_factory):
    config = EngineConfig(backend="onnx", precision="fp32", threads=1)
    store = Store(home=tmp_path_factory.mktemp("home"))
    engine = open_engine(config, store.resolve("builtin"), store=store)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def photo():
    data = pytest.importorskip("skimage.data", reason="the photo comes with scikit-image")
    return data.astronaut()


def test_builtin_gives_depth_and_walkable(builtin, photo):
    depth = builtin.estimate(frame_of(photo[:384]))
    assert depth.kind is DepthKind.RELATIVE_INVERSE
    assert depth.values.shape == depth.walkable.shape == (192, 256)
    assert depth.stairs is None
    assert depth.values.min() >= 0
    assert depth.walkable.min() >= 0
    assert depth.walkable.max() <= 1
    # the astronaut sits before a backdrop: she is nearer than the upper left corner
    assert np.median(depth.values[90:150, 90:150]) > np.median(depth.values[:30, :30]) + 0.1


@pytest.mark.parametrize("shape", [(1, 1), (33, 400), (400, 33), (64, 64)])
def test_builtin_takes_odd_sizes(builtin, shape):
    noise = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    depth = builtin.estimate(frame_of(noise))
    assert depth.values.shape == network_size(builtin.contract, *shape)


def test_colour_order_matters(builtin, photo):
    """RGB goes in: the network answers otherwise to BGR, so a swap cannot go unnoticed."""
    rgb = builtin.estimate(frame_of(photo)).values
    bgr = builtin.estimate(frame_of(photo[:, :, ::-1])).values
    spread = rgb.max() - rgb.min()
    assert np.abs(rgb - bgr).mean() > 0.01 * spread  # one and the same image gives 0


def test_red_reaches_the_backend_as_channel_zero():
    seen = []

    def compute(tensor):
        seen.append(tensor.mean(axis=(0, 2, 3)))
        return {
            "inverse_depth": np.linspace(0, 1, 192 * 256, dtype=np.float32).reshape(1, 192, 256)
        }

    red = np.zeros((480, 640, 3), np.uint8)
    red[:, :, 0] = 255
    NetworkEngine(FakeBackend(compute), InputContract(), "fake").estimate(frame_of(red))
    np.testing.assert_allclose(
        seen[0], [(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225], atol=1e-4
    )


def test_depth_maps_survive_the_next_frame():
    engine = NetworkEngine(FakeBackend(), InputContract(), "fake")
    rng = np.random.default_rng(2)
    first = engine.estimate(frame_of(rng.integers(0, 99, (48, 64, 3), dtype=np.uint8)))
    kept = first.values.copy()
    engine.estimate(frame_of(rng.integers(99, 255, (48, 64, 3), dtype=np.uint8)))
    np.testing.assert_array_equal(first.values, kept)


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (float("nan"), "not numbers"),
        (float("inf"), "not numbers"),
        (0.5, "same value everywhere"),
        (0.0, "same value everywhere"),
        (DepthError("the runtime threw"), "the runtime threw"),
    ],
)
def test_nonsense_is_a_depth_error_and_the_next_frame_works(failure, message):
    engine = NetworkEngine(FakeBackend(failures={1: failure}), InputContract(), "fake")
    image = np.random.default_rng(3).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    good = engine.estimate(frame_of(image))
    with pytest.raises(DepthError, match=message):
        engine.estimate(frame_of(image))
    np.testing.assert_array_equal(engine.estimate(frame_of(image)).values, good.values)


def test_a_single_nan_is_found():
    def compute(tensor):
        depth = tensor.mean(axis=1)
        depth[0, 5, 7] = np.nan
        return {"inverse_depth": depth}

    image = np.random.default_rng(3).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    with pytest.raises(DepthError, match="not numbers"):
        NetworkEngine(FakeBackend(compute), InputContract(), "fake").estimate(frame_of(image))


def test_nan_in_walkable_is_found_and_probabilities_are_clipped():
    image = np.random.default_rng(3).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    contract = InputContract(depth_output="d", walkable_output="w")

    def engine_with(fill):
        def compute(tensor):
            depth = tensor.mean(axis=1)
            walkable = np.full_like(depth, 0.5)
            walkable[0, 0, 0] = fill
            return {"w": walkable, "d": depth}

        return NetworkEngine(FakeBackend(compute), contract, "fake")

    assert engine_with(1.0001).estimate(frame_of(image)).walkable.max() == 1.0
    with pytest.raises(DepthError, match="not numbers in w"):
        engine_with(np.nan).estimate(frame_of(image))


def test_every_output_of_the_contract_is_in_the_map():
    image = np.random.default_rng(3).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    names = {"walkable": "g", "stairs": "s", "drop": "l", "log_sigma": "u"}
    planes = dict(zip(names.values(), (0.1, 0.2, 0.3, -2.0), strict=True))
    contract = InputContract(
        kind=DepthKind.PER_CAMERA_HEIGHT,
        depth_output="d",
        **{f"{attribute}_output": name for attribute, name in names.items()},
    )

    def compute(tensor):
        depth = tensor.mean(axis=1)
        return {"d": depth} | {name: np.full_like(depth, x) for name, x in planes.items()}

    depth = NetworkEngine(FakeBackend(compute), contract, "fake").estimate(frame_of(image))
    assert depth.kind is DepthKind.PER_CAMERA_HEIGHT
    for attribute, name in names.items():
        assert getattr(depth, attribute).mean() == pytest.approx(planes[name])


def test_other_shapes_and_missing_outputs_are_depth_errors():
    image = np.random.default_rng(3).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    half = NetworkEngine(
        FakeBackend(lambda x: {"depth": x.mean(axis=1)[:, ::2]}), InputContract(), "fake"
    )
    with pytest.raises(DepthError, match="shape"):
        half.estimate(frame_of(image))
    named = NetworkEngine(FakeBackend(), InputContract(depth_output="disparity"), "fake")
    with pytest.raises(DepthError, match="no output 'disparity'"):
        named.estimate(frame_of(image))


def test_warm_up_runs_some_frames_of_the_size_that_comes():
    shapes = []

    def compute(tensor):
        shapes.append(tensor.shape)
        return {"inverse_depth": tensor.mean(axis=1)}

    NetworkEngine(FakeBackend(compute), InputContract(), "fake").warm_up(480, 640)
    assert shapes == [(1, 3, 192, 256)] * WARM_UP_RUNS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is missing"),
        (b"", "damaged"),
        (b"<!doctype html><html></html>", "damaged"),
        ("truncated", "damaged"),
    ],
)
def test_missing_or_damaged_files_are_model_errors(tmp_path, content, message):
    path = tmp_path / "model.onnx"
    if content == "truncated":
        path.write_bytes(BUILTIN_PATH.read_bytes()[: BUILTIN_PATH.stat().st_size // 2])
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        OnnxBackend(path, threads=1)
    assert caught.value.exit_code == 5
    assert "\n" not in str(caught.value)


def test_a_closed_backend_says_so():
    backend = OnnxBackend(BUILTIN_PATH, threads=1)
    backend.close()
    backend.close()
    with pytest.raises(DepthError, match="closed"):
        backend.run(np.zeros((1, 3, 32, 32), np.float32))


def depth_of(value):
    return DepthMap(np.full((2, 2), value, np.float32))


def test_fake_engine_follows_its_script():
    engine = FakeEngine(
        [depth_of(1), depth_of(2)],
        failures={1: DepthError("scripted")},
    )
    frame = frame_of(np.zeros((2, 2, 3), np.uint8))
    assert engine.estimate(frame).values[0, 0] == 1
    with pytest.raises(DepthError, match="scripted"):
        engine.estimate(frame)
    assert engine.estimate(frame).values[0, 0] == 2
    engine.warm_up(480, 640)
    engine.close()
    assert (engine.calls, engine.warmed_up, engine.closed) == (3, [(480, 640)], True)
