"""Which int8 encoders are recognised, and what happens to the others."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="splitting a model needs onnx")
from onnx import helper, numpy_helper  # noqa: E402

from sonar.config.engine import EngineConfig  # noqa: E402
from sonar.depth.artefacts import PACKAGED_INT8  # noqa: E402
from sonar.depth.backends.native import NativeBackend  # noqa: E402
from sonar.depth.models.registry import BUILTIN, BUILTIN_PATH  # noqa: E402
from sonar.depth.models.store import Store  # noqa: E402
from sonar.depth.native import code  # noqa: E402
from sonar.depth.native.encoder import forms, in_bytes  # noqa: E402
from sonar.depth.native.int8_graph import UnknownGraph, read_encoder  # noqa: E402
from sonar.depth.native.split import write_split  # noqa: E402
from sonar.depth.native.weights import load  # noqa: E402
from sonar.depth.select import candidates  # noqa: E402
from sonar.lab.quantise import graph, optimise  # noqa: E402
from tests.depth.models_of_ours import resolved, small_network  # noqa: E402

INT8_PATH = PACKAGED_INT8[str(BUILTIN.sha256)]


@pytest.fixture(scope="module")
def folded(tmp_path_factory):
    return graph.fold(BUILTIN_PATH, tmp_path_factory.mktemp("folded") / "folded.onnx")


@pytest.fixture(scope="module")
def written(folded, tmp_path_factory):
    """The encoder's graph as it is cut, the names of the cuts, and its layers from the file."""
    target = tmp_path_factory.mktemp("split") / "split.zip"
    assert write_split(folded, target, "inverse_depth", onnx.load(str(INT8_PATH))) is None
    content, _, layers = load(target)
    cut = onnx.load_from_string(content)
    return cut, [output.name for output in cut.graph.output[:4]], layers


@pytest.fixture
def changed(written):
    """A copy of the encoder's graph, to be spoiled."""
    copy = onnx.ModelProto()
    copy.CopyFrom(written[0])
    return copy


def test_the_builtin_model_is_recognised_and_kept(written):
    cut, cuts, layers = written
    again = read_encoder(cut, cuts)
    assert (again.quantised, again.cuts, again.outputs) == (
        layers.quantised,
        layers.cuts,
        layers.outputs,
    )
    for a, b in zip(again.layers, layers.layers, strict=True):
        assert (a.kind, a.source, a.target, a.add, a.stride, a.pads, a.low, a.high) == (
            *(b.kind, b.source, b.target, b.add, b.stride, b.pads, b.low, b.high),
        )
        for name in ("kernel", "scales", "bias"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    kinds = [layer.kind for layer in layers.layers]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        **{"stem": 1, "depthwise": 16 + 3, "pointwise": 31 + 7, "spatial": 4, "double": 3},
        "probability": 1,
    }
    # three convolutions were left in float; what the second head reads exists as floats
    assert len(in_bytes(layers)) == 15 + 30
    assert layers.layers[0].high == 6 and layers.layers[0].low == 0
    assert list(layers.outputs) == ["walkable"]
    for number in layers.cuts:
        assert "map" in forms(layers)[number]


def node_of(model, kind, number=0):
    return [node for node in model.graph.node if node.op_type == kind][number]


def constant_of(model, name):
    return next(item for item in model.graph.initializer if item.name == name)


def another_kind(model):
    node_of(model, "Sigmoid").op_type = "HardSigmoid"


def weights_with_a_zero_point(model):
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear":
            zero = constant_of(model, node.input[2])
            values = numpy_helper.to_array(zero)
            if values.dtype == np.int8:
                zero.CopyFrom(numpy_helper.from_array(values + np.int8(1), zero.name))
                return


def weights_along_the_other_axis(model):
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.attribute:
            node.attribute[0].i = 1


def signed_bytes(model):
    zero = constant_of(model, node_of(model, "QuantizeLinear").input[2])
    zero.CopyFrom(numpy_helper.from_array(np.array(0, np.int8), zero.name))


def a_map_in_two_scales(model):
    node = node_of(model, "QuantizeLinear", 5)
    model.graph.initializer.append(numpy_helper.from_array(np.array(0.5, np.float32), "half"))
    model.graph.node.append(
        helper.make_node("QuantizeLinear", [node.input[0], "half", node.input[2]], ["twice"])
    )


def uneven_strides(model):
    strides = next(a for a in node_of(model, "Conv", 4).attribute if a.name == "strides")
    strides.ints[1] = 3


def dilated(model):
    dilations = next(a for a in node_of(model, "Conv", 4).attribute if a.name == "dilations")
    dilations.ints[:] = [2, 2]


def far_padding(model):
    depthwise = [
        node
        for node in model.graph.node
        if node.op_type == "Conv" and any(a.name == "group" and a.i > 1 for a in node.attribute)
    ]
    next(a for a in depthwise[5].attribute if a.name == "pads").ints[:] = [3, 3, 3, 3]


def nearest_neighbours(model):
    next(a for a in node_of(model, "Resize").attribute if a.name == "mode").s = b"nearest"


def a_missing_constant(model):
    model.graph.initializer.remove(constant_of(model, node_of(model, "Resize").input[2]))


@pytest.mark.parametrize(
    "spoil",
    [
        another_kind, weights_with_a_zero_point, weights_along_the_other_axis, signed_bytes,
        a_map_in_two_scales, uneven_strides, dilated, far_padding, nearest_neighbours,
        a_missing_constant,
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused(written, changed, spoil):
    spoil(changed)
    with pytest.raises(UnknownGraph):
        read_encoder(changed, written[1])


def test_an_unknown_encoder_stays_in_onnx_runtime(folded, tmp_path, monkeypatch):
    if code.compiler() is None:
        pytest.skip("there is no C compiler here")
    int8 = onnx.load(str(INT8_PATH))
    another_kind(int8)
    refused = write_split(folded, tmp_path / "split.zip", "inverse_depth", int8)
    assert "HardSigmoid" in refused
    assert load(tmp_path / "split.zip")[2] is None
    machine_code = code.machine_code(Store(home=tmp_path))
    backend = NativeBackend(tmp_path / "split.zip", machine_code, threads=1, precision="int8")
    x = np.random.default_rng(0).standard_normal((1, 3, 32, 64)).astype(np.float32)
    found = backend.run(x)
    backend.close()
    assert backend.encoder == "onnx"
    assert list(found) == ["inverse_depth", "walkable"]
    assert found["inverse_depth"].max() > 0.1


def test_it_is_said_that_an_encoder_stays_there(tmp_path, monkeypatch):
    store, said = Store(home=tmp_path), []
    monkeypatch.setattr(optimise, "native_path", lambda *_: tmp_path / "split.zip")
    int8 = onnx.load(str(INT8_PATH))
    another_kind(int8)
    onnx.save(int8, str(tmp_path / "other.onnx"))
    optimise.make_native(store.resolve("builtin"), store, said.append, tmp_path / "other.onnx")
    assert "stays in ONNX Runtime (a layer of kind HardSigmoid)" in said[-1]


def test_auto_says_why_it_does_not_consider_native(tmp_path):
    if code.compiler() is None:
        pytest.skip("there is no C compiler here")
    model, said = resolved(small_network(tmp_path / "small.onnx")), []
    config = EngineConfig(backend="auto", precision="fp32")
    found = candidates(config, model, Store(home=tmp_path / "home"), said.append)
    assert {candidate.backend for candidate in found} <= {"onnx", "openvino"}
    assert [told for told in said if "not considering the native backend" in told] == [
        "small: not considering the native backend (the model does not end in MiDaS's decoder)"
    ]
