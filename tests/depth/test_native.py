"""The decoder in machine code is the same network."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="splitting a model needs onnx")

from sonar.config.engine import EngineConfig  # noqa: E402
from sonar.depth import open_engine  # noqa: E402
from sonar.depth.backends.memory import give_back_memory  # noqa: E402
from sonar.depth.backends.native import NativeBackend  # noqa: E402
from sonar.depth.backends.onnx import OnnxBackend  # noqa: E402
from sonar.depth.compare import deviation  # noqa: E402
from sonar.depth.models.registry import BUILTIN_PATH  # noqa: E402
from sonar.depth.models.store import Store  # noqa: E402
from sonar.depth.native import code  # noqa: E402
from sonar.depth.native.ready import _TRANSFORMS, _in_pairs  # noqa: E402
from sonar.depth.native.split import write_split  # noqa: E402
from sonar.depth.native.weights import load  # noqa: E402
from sonar.depth.practice import practice_pictures  # noqa: E402
from sonar.errors import DepthError, ModelError  # noqa: E402
from sonar.lab.quantise import graph  # noqa: E402
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


def assert_same_network(backend, tolerance=2e-5):
    reference = OnnxBackend(BUILTIN_PATH, threads=1)
    for rows, columns in SHAPES:
        x = tensor(rows, columns)
        expected, found = reference.run(x), backend.run(x)
        assert list(found) == backend.output_names == ["inverse_depth", "walkable"]
        for name, values in expected.items():
            assert values.max() > 0.1
            assert found[name].shape == values.shape
            np.testing.assert_allclose(found[name], values, atol=tolerance * np.abs(values).max())


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
    assert not narrow.sonar_half()
    for precision in ("fp32", "int8"):
        backend = NativeBackend(split, narrow, threads=1, precision=precision)
        assert (backend.precision, backend.decoder_precision) == (precision, "fp32")
        assert_same_network(backend)
        backend.close()


def test_a_decoder_in_bfloat16_is_nearly_the_same(split, machine_code):
    if not machine_code.sonar_half():
        pytest.skip("this processor has no AVX512-BF16")
    backend = NativeBackend(split, machine_code, threads=2, precision="int8")
    assert backend.decoder_precision == "bf16"
    assert_same_network(backend, tolerance=0.04)
    exact = NativeBackend(split, machine_code, threads=2)
    for rows, columns in SHAPES:
        x = tensor(rows, columns)
        a, b = (each.run(x)["inverse_depth"] for each in (exact, backend))
        assert 1e-5 < deviation(a, b) < 0.02  # of noise, whose depth has little range
    backend.close()
    exact.close()


def test_bfloat16_pairs_are_rounded_to_the_nearest():
    exact = np.array([1.0, -2.5, 0.0, 3.0e38, 1 + 2**-7, -0.15625], np.float32)
    between = np.float32(1 + 2**-8)  # halfway: to the even one, 1
    above = np.nextafter(between, np.float32(2))
    first = np.append(exact, [between, above]).astype(np.float32)
    first[3] = 2.0**127
    second = first[::-1]
    pairs = _in_pairs(np.stack([first, second])[None])
    assert pairs.shape == (1, 1, 8)
    bits = pairs.view(np.uint32)[0, 0]
    low, high = (
        part.astype(np.uint32).view(np.float32) for part in (bits << 16, bits & 0xFFFF0000)
    )
    expected = np.append(first[:6], [1.0, 1 + 2**-7])
    np.testing.assert_array_equal(low, expected)
    np.testing.assert_array_equal(high, expected[::-1])


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("threads", [1, 3, 4, 7])
def test_threads_change_nothing(split, machine_code, threads, precision):
    one, other = (
        NativeBackend(split, machine_code, threads=count, precision=precision)
        for count in (2, threads)
    )
    for seed in range(5):
        x = tensor(64, 96, seed)
        expected = one.run(x)["inverse_depth"]
        # the encoder's sums may differ in their last bits, which bfloat16 makes more of
        atol = 1e-5 if one.decoder_precision == "fp32" else 1e-2 * expected.max()
        np.testing.assert_allclose(other.run(x)["inverse_depth"], expected, atol=atol)
    one.close()
    other.close()


def test_midas_small_with_weights_by_rule(tmp_path, machine_code):
    pytest.importorskip("torch", reason="MiDaS small is made with the extra [midas]")
    pytest.importorskip("timm", reason="MiDaS small is made with the extra [midas]")
    from sonar.depth.midas.weights import midas_small_by_rule
    from sonar.depth.models.contract import MIDAS_SMALL_CONTRACT
    from sonar.lab.quantise.export import export_onnx

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
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_engine_takes_it_by_name_and_keeps_what_it_made(tmp_path, precision):
    store = Store(home=tmp_path)
    said = []
    config = EngineConfig(backend="native", precision=precision, threads=1)
    for _ in range(2):
        engine = open_engine(config, store.resolve("builtin"), store=store, tell=said.append)
        assert engine.label == f"builtin (native, {precision})"
        image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        assert engine.estimate(Frame(image=image, id=0, t=0.0)).walkable is not None
        engine.close()
    assert len(said) == 1  # split once


@needs_compiler
def test_int8_is_the_same_network_within_two_percent(tmp_path):
    store = Store(home=tmp_path)
    builtin = store.resolve("builtin")
    exact, fast = (
        open_engine(EngineConfig(backend=name, precision=precision), builtin, store=store)
        for name, precision in (("onnx", "fp32"), ("native", "int8"))
    )
    apart = []
    for number, image in enumerate(practice_pictures(3, 120, 160)):
        frame = Frame(image=image, id=number, t=0.0)
        a, b = exact.estimate(frame), fast.estimate(frame)
        apart.append(deviation(a.values, b.values))
        np.testing.assert_allclose(b.walkable, a.walkable, atol=0.2)
    exact.close()
    fast.close()
    assert 1e-4 < np.mean(apart) < 0.02


def test_an_int8_version_of_another_model_is_refused(tmp_path):
    folded = graph.fold(BUILTIN_PATH, tmp_path / "folded.onnx")
    other = onnx.load(small_network(tmp_path / "small.onnx"))
    with pytest.raises(ModelError, match="not made from this model"):
        write_split(folded, tmp_path / "split.zip", int8=other)
    assert not (tmp_path / "split.zip").exists()


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
    encoder, decoder, layers = load(split)
    assert layers is None  # it was not made from an int8 version
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
