"""The int8 encoder in machine code of our own: its products, and the network as a whole."""

import ctypes
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

onnx = pytest.importorskip("onnx", reason="splitting a model needs onnx")

from sonar.depth.artefacts import PACKAGED_INT8  # noqa: E402
from sonar.depth.backends.native import NativeBackend  # noqa: E402
from sonar.depth.backends.onnx import OnnxBackend  # noqa: E402
from sonar.depth.compare import deviation  # noqa: E402
from sonar.depth.models.registry import BUILTIN, BUILTIN_PATH  # noqa: E402
from sonar.depth.models.store import Store  # noqa: E402
from sonar.depth.native import code  # noqa: E402
from sonar.depth.native.encoder import Encoder, Layer  # noqa: E402
from sonar.depth.native.encoding import Encoding, Tensor  # noqa: E402
from sonar.depth.native.ready_encoder import ReadyEncoder  # noqa: E402
from sonar.depth.native.split import write_split  # noqa: E402
from sonar.depth.native.steps import Step, Steps  # noqa: E402
from sonar.depth.practice import practice_pictures  # noqa: E402
from sonar.depth.preprocess import Preprocessor  # noqa: E402
from sonar.errors import DepthError  # noqa: E402
from sonar.lab.quantise import graph  # noqa: E402

INT8_PATH = PACKAGED_INT8[str(BUILTIN.sha256)]
SHAPES = ((192, 256), (256, 192), (224, 288), (64, 32))
SCALES = {1: 0.02, 2: 0.05, 3: 1.0}  # of tensors, in the little networks below


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    folder = tmp_path_factory.mktemp("native")
    folded = graph.fold(BUILTIN_PATH, folder / "folded.onnx")
    refused = write_split(folded, folder / "split.zip", "inverse_depth", onnx.load(str(INT8_PATH)))
    assert refused is None
    return folder / "split.zip"


@pytest.fixture(scope="module")
def machine_code(tmp_path_factory):
    if code.compiler() is None:
        pytest.skip("there is no C compiler here")
    made = code.machine_code(Store(home=tmp_path_factory.mktemp("home")))
    if not made.sonar_int8():
        pytest.skip("this processor has no AVX512-VNNI")
    return made


class WithoutVnni:
    """The same machine code on a processor that multiplies no bytes."""

    def __init__(self, machine_code):
        self._code = machine_code

    def sonar_int8(self):
        return 0

    def __getattr__(self, name):
        return getattr(self._code, name)


def pictures(rows, columns):
    contract = replace(BUILTIN.contract, fit="exact", fixed_hw=(rows, columns))
    preprocess = Preprocessor(contract)
    return [preprocess(image).copy() for image in practice_pictures(3, 120, 160)]


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_as_near_to_float_as_onnx_runtime_is_with_the_same_file(split, machine_code, shape):
    exact = OnnxBackend(BUILTIN_PATH, threads=1)
    ours = NativeBackend(split, machine_code, threads=2, precision="int8")
    theirs = NativeBackend(split, WithoutVnni(machine_code), threads=1, precision="int8")
    assert (ours.encoder, theirs.encoder) == ("native", "onnx")
    assert ours.output_names == theirs.output_names == exact.output_names
    apart = {"ours": [], "theirs": []}
    for tensor in pictures(*shape):
        a, b, c = (each.run(tensor) for each in (exact, ours, theirs))
        depth = "inverse_depth"
        apart["ours"].append(deviation(a[depth], b[depth]))
        apart["theirs"].append(deviation(a[depth], c[depth]))
        assert {name: values.shape for name, values in b.items()} == {
            name: values.shape for name, values in a.items()
        }
        off = [np.abs(each["walkable"] - a["walkable"]) for each in (b, c)]
        assert off[0].mean() <= off[1].mean()  # whose second head is int8 throughout
        assert off[0].max() < 0.1
    ours.close()
    theirs.close()
    means = {name: float(np.mean(values)) for name, values in apart.items()}
    assert 1e-4 < means["ours"] < 1.25 * means["theirs"] + 1e-3


@pytest.mark.parametrize("threads", [1, 3, 4])
def test_threads_change_nothing(split, machine_code, threads):
    one, other = (
        NativeBackend(split, machine_code, threads=count, precision="int8")
        for count in (2, threads)
    )
    for tensor in pictures(96, 160):
        expected, found = one.run(tensor), other.run(tensor)
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, atol=1e-6)
    one.close()
    other.close()


def test_another_size_makes_another_program(split, machine_code):
    backend = NativeBackend(split, machine_code, threads=2, precision="int8")
    (first, *_), (second, *_) = pictures(64, 96), pictures(96, 64)
    expected = backend.run(first)["inverse_depth"]
    assert backend.run(second)["inverse_depth"].shape == (1, 96, 64)
    np.testing.assert_array_equal(backend.run(first)["inverse_depth"], expected)
    with pytest.raises(DepthError, match="do not fit"):
        backend.run(np.zeros((1, 3, 40, 40), np.float32))
    backend.close()
    with pytest.raises(DepthError, match="closed"):
        backend.run(first)


def test_a_processor_without_it_has_the_encoder_in_onnx_runtime(split, tmp_path, monkeypatch):
    if not code.X86 or "avx2" not in Path("/proc/cpuinfo").read_text() or not code.compiler():
        pytest.skip("this processor has no AVX2, or there is no C compiler here")
    monkeypatch.setattr(code, "WIDE", ("-mavx2", "-mfma"))
    narrow = code.machine_code(Store(home=tmp_path))
    assert not narrow.sonar_int8()
    backend = NativeBackend(split, narrow, threads=1, precision="int8")
    assert backend.encoder == "onnx"
    (tensor, *_) = pictures(64, 96)
    exact = OnnxBackend(BUILTIN_PATH, threads=1).run(tensor)["inverse_depth"]
    assert 1e-5 < deviation(exact, backend.run(tensor)["inverse_depth"]) < 0.1
    backend.close()


def stem(channels, target=1):
    kernel = np.zeros((channels, 3, 3, 3), np.float32)
    return Layer(
        "stem", 0, target, kernel=kernel, bias=np.zeros(channels, np.float32), stride=2,
        pads=(0, 0, 1, 1),
    )  # fmt: skip


def layer(rng, kind, source, target, shape, **others):
    """Weights of all sizes, some rows of them the largest there are."""
    kernel = rng.integers(-128, 128, shape, dtype=np.int8)
    kernel[rng.random(len(kernel)) < 0.2] = rng.choice(np.array([-128, 127], np.int8))
    scales = rng.uniform(1e-5, 4e-4, len(kernel)).astype(np.float32)
    bias = rng.uniform(-5, 5, len(kernel)).astype(np.float32)
    return Layer(kind, source, target, kernel=kernel, scales=scales, bias=bias, **others)


def run_second(machine_code, layers, zeros, size, fill, cuts=(), threads=1):
    """Lays out all layers, puts bytes into the first one's result, and runs the second alone.

    ``fill``: (tensor) -> None. Gives the tensors.
    """
    quantised = {number: (SCALES[number], zero) for number, zero in zeros.items()}
    encoder = Encoder(tuple(layers), quantised, cuts, {})
    ready = ReadyEncoder(encoder, machine_code.sonar_lanes(), machine_code.sonar_group(), False)
    steps = Steps()
    encoding = Encoding(ready, steps, threads)
    encoding._tensors[0] = Tensor(2 * size[0], 2 * size[1])
    for each in ready.layers:
        encoding._layer(each)
    fill(encoding._tensors[1])
    pool = machine_code.sonar_open(threads, 4 * steps.scratch + 64)
    machine_code.sonar_run(pool, ctypes.byref(steps.list[1]), 1)
    machine_code.sonar_close(pool)
    return encoding._tensors


def from_pixels(tensor, channels):
    """(channels, rows, columns) of int8.h's order."""
    blocks = len(tensor.pixels)
    kept = tensor.pixels[:, : tensor.rows * tensor.across * 64]
    values = kept.reshape(blocks, tensor.rows, 4 * tensor.across, 16).transpose(0, 3, 1, 2)
    return values.reshape(16 * blocks, tensor.rows, -1)[:channels, :, : tensor.columns]


def into_pixels(tensor, values):
    for channel, plane in enumerate(values):
        kept = tensor.pixels[channel // 16, : tensor.rows * tensor.across * 64]
        kept.reshape(tensor.rows, -1, 16)[:, : tensor.columns, channel % 16] = plane


def as_rows(tensor):
    """The quads with their margins, writable: (blocks, rows, quads, 16, 4)."""
    return tensor.quads.reshape(*tensor.quads.shape[:2], -1, 16, 4)


def assert_bytes(found, real, scale, zero):
    """Rounded to the nearest byte, saturated; ties, and floats' last bits, may go either way."""
    expected = np.clip(real / scale + zero, 0, 255)
    assert np.abs(found.astype(float) - expected).max() <= 0.5 + 1e-3


def reals(sums, layer, scale):
    return sums * (layer.scales * scale)[:, None, None] + layer.bias[:, None, None]


sizes = st.tuples(st.integers(1, 6), st.integers(1, 13))
quick = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@given(
    seed=st.integers(0, 10_000), cin=st.integers(1, 70), cout=st.integers(2, 120), size=sizes,
    zero_in=st.integers(0, 255), zero_out=st.integers(0, 255), bounded=st.booleans(),
)  # fmt: skip
@quick
def test_a_product_over_channels(machine_code, seed, cin, cout, size, zero_in, zero_out, bounded):
    rng = np.random.default_rng(seed)
    given_bytes = rng.choice([0, 255, 7, 130], (cin, *size)).astype(np.uint8)
    bounds = {"low": -1.0, "high": 2.0} if bounded else {}
    one = layer(rng, "pointwise", 1, 2, (cout, cin, 1, 1), **bounds)
    reader = layer(rng, "depthwise", 2, 3, (cout, 1, 3, 3), pads=(1, 1, 1, 1))
    last = layer(rng, "pointwise", 3, 4, (16, cout, 1, 1))
    tensors = run_second(
        machine_code,
        [stem(cin), one, reader, last],
        {1: zero_in, 2: zero_out, 3: 0},
        size,
        lambda tensor: into_pixels(tensor, given_bytes),
        cuts=(4,),
    )
    sums = np.tensordot(
        one.kernel[:, :, 0, 0].astype(int), given_bytes.astype(int) - zero_in, axes=1
    )
    real = reals(sums, one, SCALES[1])
    if bounded:
        real = np.clip(real, -1, 2)
    made = tensors[2]
    quads = as_rows(made)
    inner = quads[:, 1:-1, 1:-2].transpose(0, 3, 1, 2, 4)
    inner = inner.reshape(-1, size[0], 4 * made.across)[:cout]
    assert_bytes(inner[:, :, : size[1]], real, SCALES[2], zero_out)
    assert (inner[:, :, size[1] :] == zero_out).all()  # beyond the border
    for margin in (quads[:, 0], quads[:, -1], quads[:, :, 0], quads[:, :, -2:]):
        assert (margin == zero_out).all()


@given(
    seed=st.integers(0, 10_000), channels=st.integers(2, 40), size=sizes,
    form=st.sampled_from([(3, 1, 1, 1), (3, 2, 0, 1), (3, 2, 1, 1), (5, 1, 2, 2), (5, 2, 1, 2),
                          (5, 2, 2, 2)]),
    zero_in=st.integers(0, 255), zero_out=st.integers(0, 255),
)  # fmt: skip
@quick
def test_a_depthwise_product(machine_code, seed, channels, size, form, zero_in, zero_out):
    side, stride, before, after = form
    size = tuple(stride * count for count in size)
    rng = np.random.default_rng(seed)
    given_bytes = rng.choice([0, 255, 9, 140], (channels, *size)).astype(np.uint8)
    one = layer(
        rng, "depthwise", 1, 2, (channels, 1, side, side), stride=stride,
        pads=(before, before, after, after),
    )  # fmt: skip
    last = layer(rng, "pointwise", 2, 3, (16, channels, 1, 1))

    def fill(tensor):
        rows = as_rows(tensor)
        for channel, plane in enumerate(given_bytes):
            padded = np.full((size[0], 4 * tensor.across), zero_in, np.uint8)
            padded[:, : size[1]] = plane
            inner = rows[channel // 16, before : before + size[0], 1 : 1 + tensor.across]
            inner[:, :, channel % 16] = padded.reshape(size[0], -1, 4)

    tensors = run_second(
        machine_code, [stem(channels), one, last], {1: zero_in, 2: zero_out}, size, fill, cuts=(3,)
    )
    real_in = np.pad(given_bytes.astype(int) - zero_in, ((0, 0), (before, after), (before, after)))
    windows = np.lib.stride_tricks.sliding_window_view(real_in, (side, side), axis=(1, 2))
    sums = np.einsum("cyxij,cij->cyx", windows[:, ::stride, ::stride], one.kernel[:, 0].astype(int))
    made = tensors[2]
    assert sums.shape[1:] == (made.rows, made.columns)
    found = from_pixels(made, channels)
    assert_bytes(found, reals(sums, one, SCALES[1]), SCALES[2], zero_out)


@given(seed=st.integers(0, 10_000), channels=st.integers(2, 50), size=sizes)
@quick
def test_a_sum_is_added_in_floats_and_then_made_bytes(machine_code, seed, channels, size):
    rng = np.random.default_rng(seed)
    given_bytes = rng.integers(0, 256, (channels, *size), dtype=np.uint8)
    base = rng.uniform(-4, 4, (channels, *size)).astype(np.float32)
    one = layer(rng, "pointwise", 1, 2, (channels, channels, 1, 1), add=1)
    last = layer(rng, "pointwise", 2, 3, (16, channels, 1, 1))

    def fill(tensor):
        into_pixels(tensor, given_bytes)
        for channel, plane in enumerate(base):
            tensor.map.reshape(-1, *size, 16)[channel // 16, :, :, channel % 16] = plane

    tensors = run_second(
        machine_code, [stem(channels), one, last], {1: 100, 2: 120}, size, fill, cuts=(2, 3),
        threads=2,
    )  # fmt: skip
    sums = np.tensordot(one.kernel[:, :, 0, 0].astype(int), given_bytes.astype(int) - 100, axes=1)
    real = reals(sums, one, SCALES[1]) + base
    found = tensors[2].map.reshape(-1, *size, 16).transpose(0, 3, 1, 2)
    found = found.reshape(-1, *size)[:channels]
    np.testing.assert_allclose(found, real, atol=1e-4)
    assert_bytes(from_pixels(tensors[2], channels), real, SCALES[2], 120)


def test_steps_are_as_large_here_as_there(machine_code):
    assert ctypes.sizeof(Step) == machine_code.sonar_step_bytes()
