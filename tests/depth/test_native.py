"""The decoder in machine code is the same network."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="splitting a model needs onnx")

from sonar.config.engine import EngineConfig  # noqa: E402
from sonar.depth import graph, open_engine  # noqa: E402
from sonar.depth.backends.memory import give_back_memory  # noqa: E402
from sonar.depth.backends.native import NativeBackend  # noqa: E402
from sonar.depth.backends.onnx import OnnxBackend  # noqa: E402
from sonar.depth.native import code  # noqa: E402
from sonar.depth.native.program import _TRANSFORMS  # noqa: E402
from sonar.depth.native.split import write_split  # noqa: E402
from sonar.depth.native.weights import load  # noqa: E402
from sonar.errors import DepthError, ModelError  # noqa: E402
from sonar.models.registry import BUILTIN_PATH  # noqa: E402
from sonar.models.store import Store  # noqa: E402
from sonar.types import Frame  # noqa: E402
from tests.depth.models_of_ours import small_network  # noqa: E402

needs_compiler = pytest.mark.skipif(code.compiler() is None, reason="there is no C compiler here")
SHAPES = ((192, 256), (160, 256), (32, 64), (96, 32))  # rows of tiles that do and do not fill up


def tensor(rows, columns, seed=0):
    return np.random.default_rng(seed).standard_normal((1, 3, rows, columns)).astype(np.float32)


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    folder = tmp_path_factory.mktemp("native")
    write_split(graph.fold(BUILTIN_PATH, folder / "folded.onnx"), folder / "split.zip")
    return folder / "split.zip"


@pytest.fixture(scope="module")
def machine_code(tmp_path_factory):
    if code.compiler() is None:
        pytest.skip("there is no C compiler here")
    return code.machine_code(Store(home=tmp_path_factory.mktemp("home")))


@pytest.fixture
def backend(split, machine_code):
    made = NativeBackend(split, machine_code, threads=2)
    yield made
    made.close()


def assert_same_network(backend):
    reference = OnnxBackend(BUILTIN_PATH, threads=1)
    for rows, columns in SHAPES:
        x = tensor(rows, columns)
        expected, found = reference.run(x), backend.run(x)
        assert list(found) == backend.output_names == ["inverse_depth", "walkable"]
        for name, values in expected.items():
            assert values.max() > 0.1
            assert found[name].shape == values.shape
            np.testing.assert_allclose(found[name], values, atol=2e-5 * np.abs(values).max())


def test_it_gives_what_onnx_runtime_gives(backend):
    assert_same_network(backend)


@needs_compiler
@pytest.mark.parametrize("wide", [("-mavx2", "-mfma"), ()])
def test_so_it_does_on_lesser_processors(split, tmp_path, monkeypatch, wide):
    if not code.X86 or (wide and "avx2" not in Path("/proc/cpuinfo").read_text()):
        pytest.skip("this processor has no AVX2")
    monkeypatch.setattr(code, "WIDE", wide)
    narrow = code.machine_code(Store(home=tmp_path))
    assert narrow.sonar_lanes() == (8 if wide else 4)
    backend = NativeBackend(split, narrow, threads=1)
    assert_same_network(backend)
    backend.close()


@pytest.mark.parametrize("threads", [1, 3, 7])
def test_threads_change_nothing(split, machine_code, backend, threads):
    other = NativeBackend(split, machine_code, threads=threads)
    for seed in range(5):
        x = tensor(64, 96, seed)
        expected = backend.run(x)["inverse_depth"]
        np.testing.assert_allclose(other.run(x)["inverse_depth"], expected, atol=1e-5)
    other.close()


def test_midas_small_with_weights_by_rule(tmp_path, machine_code):
    pytest.importorskip("torch", reason="MiDaS small is made with the extra [midas]")
    pytest.importorskip("timm", reason="MiDaS small is made with the extra [midas]")
    from sonar.depth.export import export_onnx
    from sonar.depth.midas.weights import midas_small_by_rule
    from sonar.models.contract import MIDAS_SMALL_CONTRACT

    export_onnx(midas_small_by_rule(), tmp_path / "midas.onnx", MIDAS_SMALL_CONTRACT)
    folded = graph.fold(tmp_path / "midas.onnx", tmp_path / "folded.onnx")
    write_split(folded, tmp_path / "split.zip")
    backend = NativeBackend(tmp_path / "split.zip", machine_code, threads=2)
    x = tensor(192, 256)
    expected = OnnxBackend(tmp_path / "midas.onnx", threads=1).run(x)["inverse_depth"]
    found = backend.run(x)["inverse_depth"]
    backend.close()
    np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max())


@pytest.mark.parametrize("m", [2, 4])
def test_the_kernel_transform_has_the_points_it_should(m):
    """Each row evaluates the kernel's polynomial at a point; the last is its leading weight."""
    points = {2: (0, 1, -1), 4: (0, 1, -1, 2, -2)}[m]
    for row, point in zip(_TRANSFORMS[m][:-1], points, strict=True):
        assert row[0] != 0
        np.testing.assert_allclose(row / row[0], [1, point, point**2])
    assert _TRANSFORMS[m][-1].tolist() == [0, 0, 1]


def test_a_result_is_not_overwritten_by_the_next(backend):
    first = backend.run(tensor(64, 64, 1))["inverse_depth"]
    kept = first.copy()
    backend.run(tensor(64, 64, 2))
    np.testing.assert_array_equal(first, kept)


def test_what_is_not_a_number_is_not_hidden(backend):
    x = tensor(64, 64)
    x[0, 0, 30, 30] = np.nan
    assert np.isnan(backend.run(x)["inverse_depth"]).any()


def test_a_closed_one_says_so(backend):
    backend.close()
    with pytest.raises(DepthError, match="closed"):
        backend.run(tensor(32, 32))


@needs_compiler
def test_the_engine_takes_it_by_name_and_keeps_what_it_made(tmp_path):
    store = Store(home=tmp_path)
    said = []
    config = EngineConfig(backend="native", threads=1)
    for _ in range(2):
        engine = open_engine(config, store.resolve("builtin"), store=store, tell=said.append)
        assert engine.label == "builtin (native, fp32)"
        image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        assert engine.estimate(Frame(image=image, id=0, t=0.0)).walkable is not None
        engine.close()
    assert len(said) == 1  # split once


def test_another_network_is_refused(tmp_path):
    folded = graph.fold(small_network(tmp_path / "small.onnx"), tmp_path / "folded.onnx")
    with pytest.raises(ModelError, match="MiDaS's decoder"):
        write_split(folded, tmp_path / "split.zip")
    assert not (tmp_path / "split.zip").exists()


@pytest.mark.parametrize("keep", [0, 1000, -1000])
def test_a_damaged_file_is_refused(split, tmp_path, machine_code, keep):
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(split.read_bytes()[:keep])
    with pytest.raises(ModelError, match="damaged"):
        NativeBackend(damaged, machine_code, threads=1)


def test_without_a_compiler_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    store = Store(home=tmp_path)
    assert not code.can_compile(store)
    with pytest.raises(ModelError, match="install gcc"):
        code.machine_code(store)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (subprocess.CalledProcessError(1, "cc", stderr="line 1: wrong\nmore"), "line 1: wrong"),
        (subprocess.TimeoutExpired("cc", 60), "timed out"),
        (OSError("no memory"), "no memory"),
    ],
)
def test_a_compiler_that_fails_leaves_nothing(tmp_path, monkeypatch, fault, told):
    def run(*_, **__):
        raise fault

    monkeypatch.setattr(code, "compiler", lambda: ["cc"])
    monkeypatch.setattr(code.subprocess, "run", run)
    store = Store(home=tmp_path)
    with pytest.raises(ModelError, match=told):
        code.machine_code(store)
    assert not any(store.artefacts_dir.glob("*"))


@needs_compiler
def test_it_is_compiled_once(tmp_path, monkeypatch):
    store = Store(home=tmp_path)
    code.machine_code(store)
    monkeypatch.setattr(code, "compiler", lambda: None)
    assert code.can_compile(store)
    code.machine_code(store)


def test_memory_given_back_is_read_again(tmp_path):
    values = np.arange(1 << 20, dtype=np.int64)
    np.save(tmp_path / "values.npy", values)
    mapped = np.load(tmp_path / "values.npy", mmap_mode="r")
    assert mapped.sum() == values.sum()
    give_back_memory(tmp_path)
    assert mapped.sum() == values.sum()


def test_the_split_keeps_weights_and_names(split):
    encoder, decoder = load(split)
    assert decoder.output == "inverse_depth"
    assert [level.narrow.kernel.shape[:2] for level in decoder.levels] == [
        (32, 32),
        (32, 64),
        (64, 128),
        (128, 256),
    ]
    # the walkable head reads the reduced maps, so the encoder gives them
    assert all(level.reduce is None for level in decoder.levels)
    assert [level.unit1 is None for level in decoder.levels] == [False, False, False, True]
    outputs = [output.name for output in onnx.load_from_string(encoder).graph.output]
    assert outputs[4:] == ["walkable"]
