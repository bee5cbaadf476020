"""Which backend and precision is taken, and that it is measured once."""

from dataclasses import replace

import numpy as np
import pytest

from sonar.clock import ManualClock
from sonar.config import EngineConfig
from sonar.depth import open_engine, select
from sonar.depth import select as ways
from sonar.depth.models import InputContract, Store
from sonar.depth.select import (
    Candidate,
    artefact_path,
    candidates,
    missing_precisions,
    model_files,
)
from sonar.errors import ConfigError, DepthError, MissingExtraError, ModelError
from tests.depth.models_of_ours import resolved, small_network


@pytest.fixture
def small(tmp_path):
    pytest.importorskip("onnx", reason="the test's model is made with onnx")
    return resolved(small_network(tmp_path / "small.onnx"))


@pytest.fixture
def store(tmp_path):
    return Store(home=tmp_path / "home")


def silent(sentence):
    pass


def with_int8(small, store):
    """An int8 version; here a float network with other weights, since only its place matters."""
    target = artefact_path(store, small, "int8")
    target.parent.mkdir(parents=True, exist_ok=True)
    return small_network(target, seed=1)


def pretend(monkeypatch, figures):
    """Measured figures by (backend, precision): (seconds, deviation); counts the measuring."""
    calls = []
    ramp = np.linspace(0, 1, 100, dtype=np.float32)

    def run(choice, *args):
        calls.append((choice.backend, choice.precision))
        seconds, apart = figures[choice.backend, choice.precision]
        return [ramp + np.float32(apart)], seconds

    monkeypatch.setattr(select, "_run", run)
    return calls


def test_without_an_int8_file_there_is_nothing_to_measure(small, store, monkeypatch):
    calls = pretend(monkeypatch, {})
    engine = open_engine(EngineConfig(backend="onnx", threads=1), small, store=store)
    assert (engine.backend.name, engine.backend.precision) == ("onnx", "fp32")
    assert calls == []


@pytest.mark.parametrize(
    ("int8", "tolerance", "expected"),
    [
        ((10.0, 0.01), 0.02, "int8"),
        ((10.0, 0.03), 0.02, "fp32"),  # faster, but not the same network any more
        ((10.0, 0.03), 0.05, "int8"),
        ((10.0, float("inf")), 0.05, "fp32"),
        ((30.0, 0.01), 0.02, "fp32"),  # accurate, but slower
    ],
)
def test_the_fastest_within_tolerance_is_taken(
    small, store, monkeypatch, int8, tolerance, expected
):
    with_int8(small, store)
    pretend(monkeypatch, {("onnx", "fp32"): (20.0, 0.0), ("onnx", "int8"): int8})
    config = EngineConfig(backend="onnx", threads=1)
    monkeypatch.setattr(select, "TOLERANCE", tolerance)
    assert open_engine(config, small, store=store).backend.precision == expected


def test_it_is_measured_once_and_anew_when_something_changes(small, store, monkeypatch):
    with_int8(small, store)
    calls = pretend(monkeypatch, {("onnx", "fp32"): (20.0, 0.0), ("onnx", "int8"): (10.0, 0.01)})
    said = []
    config = EngineConfig(backend="onnx", threads=1)
    for _ in range(3):
        engine = open_engine(config, small, store=store, report=said.append)
        assert engine.backend.precision == "int8"
    assert calls == [("onnx", "fp32"), ("onnx", "int8")]
    assert len(said) == 1
    open_engine(EngineConfig(backend="onnx", threads=2), small, store=store)
    assert len(calls) == 4  # other threads are another case


@pytest.mark.parametrize("content", ["", "onnx int4", "\udcff"])
def test_a_damaged_memory_is_measured_anew(small, store, monkeypatch, content):
    with_int8(small, store)
    calls = pretend(monkeypatch, {("onnx", "fp32"): (20.0, 0.0), ("onnx", "int8"): (10.0, 0.01)})
    config = EngineConfig(backend="onnx", threads=1)
    open_engine(config, small, store=store)
    (memory,) = store.artefacts_dir.glob("*choice*")
    assert memory.read_text() == "onnx int8"
    memory.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert open_engine(config, small, store=store).backend.precision == "int8"
    assert len(calls) == 4


def test_a_cache_that_cannot_be_written_is_no_obstacle(small, store, monkeypatch, tmp_path):
    (tmp_path / "blocked").write_text("a file")
    blocked = Store(home=tmp_path / "blocked")
    pretend(monkeypatch, {("onnx", "fp32"): (20.0, 0.0), ("onnx", "int8"): (10.0, 0.01)})
    packaged = small_network(tmp_path / "packaged.onnx", seed=1)
    files = {"fp32": small.path, "int8": packaged}
    monkeypatch.setattr(ways, "model_files", lambda model, store: files)
    said = []
    config = EngineConfig(backend="onnx", threads=1)
    engine = open_engine(config, small, store=blocked, report=said.append)
    assert engine.backend.precision == "int8"
    assert any("not remembered" in sentence for sentence in said)


def test_measuring_finds_time_and_depth(small, store):
    depths, fastest_s = select._run(
        Candidate("onnx", "fp32", small.path), small, 1, store, ManualClock()
    )
    assert [depth.shape for depth in depths] == [(1, 64, 64)] * select.CHECKED_IMAGES
    assert fastest_s == 0.0  # this clock stands still


class Failing:
    """A backend that opens, and then fails at its ``good``-th frame."""

    name, precision, fixed_hw, output_names = "onnx", "int8", None, ("depth",)

    def __init__(self, good):
        self.good, self.closed = good, False

    def run(self, tensor):
        self.good -= 1
        if self.good < 0:
            raise DepthError("the depth network failed (out of memory)")
        return {"depth": tensor[:, 0]}

    def close(self):
        self.closed = True


@pytest.mark.parametrize("good", [0, 2, 5])  # while it is compared, or while it is timed
def test_a_candidate_that_fails_while_it_runs_is_left_out(small, store, monkeypatch, good):
    monkeypatch.setattr(ways, "installed", lambda package: None)
    with_int8(small, store)
    failing, opened = Failing(good), []
    real = select.open_backend

    def open_backend(candidate, *args):
        opened.append(failing if candidate.precision == "int8" else real(candidate, *args))
        return opened[-1]

    monkeypatch.setattr(select, "open_backend", open_backend)
    notes: list[str] = []
    config = EngineConfig(backend="auto", threads=1)
    engine = open_engine(config, small, store=store, report=notes.append)
    assert engine.backend.precision == "fp32"
    assert any("onnx int8 is left out" in note and "out of memory" in note for note in notes)
    assert failing.closed


def slope(path, downwards):
    """A network whose depth is the row number times ``downwards``."""
    onnx = pytest.importorskip("onnx")
    from onnx import helper, numpy_helper

    rows = numpy_helper.from_array(
        np.float32(downwards) * np.arange(256, dtype=np.float32)[None, :, None], "rows"
    )
    axes = numpy_helper.from_array(np.array([1]), "axes")
    few = numpy_helper.from_array(np.float32([1e-3]), "few")
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["image", "axes"], ["gray"], keepdims=0),
            helper.make_node("Mul", ["gray", "few"], ["texture"]),
            helper.make_node("Add", ["texture", "rows"], ["depth"]),
        ],
        "slope",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 3, 256, 256])],
        [helper.make_tensor_value_info("depth", onnx.TensorProto.FLOAT, [1, 256, 256])],
        initializer=[rows, axes, few],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


@pytest.mark.parametrize(
    ("downwards", "suffix", "kind", "warned"),
    [
        (1.0, "", "relative_inverse", None),
        (-1.0, "", "relative_inverse", "#metric"),
        (-1.0, "#metric", "metric", None),
        (1.0, "#metric", "metric", "#relative_inverse"),
        (1.0, "#relative_inverse", "relative_inverse", None),
    ],
)
def test_the_kind_comes_after_the_path_and_a_wrong_one_is_noticed(
    store, tmp_path, downwards, suffix, kind, warned
):
    path = slope(tmp_path / "mine.onnx", downwards)
    notes: list[str] = []
    model = store.resolve(f"{path}{suffix}")
    engine = open_engine(EngineConfig(threads=1), model, store=store, report=notes.append)
    assert engine.contract.kind.value == kind
    assert len(notes) == (warned is not None)
    assert all(f"{path}{warned}" in note for note in notes)


def test_an_unknown_kind_behind_the_path_is_refused_and_a_sharp_in_a_name_is_none(
    small, store, tmp_path
):
    with pytest.raises(ConfigError, match="relative_inverse or metric"):
        store.resolve(f"{small.path}#meters")
    sharp = tmp_path / "take#2.onnx"
    sharp.write_bytes(small.path.read_bytes())
    assert store.resolve(str(sharp)).path == sharp


def test_what_is_not_prepared_is_an_error_that_names_the_command(small, store):
    config = EngineConfig(precision="int8")
    assert missing_precisions(config, small, store) == ["int8"]
    with pytest.raises(ModelError, match=r"run `sonar models optimise .*small\.onnx` once"):
        open_engine(config, small, store=store)
    checkpoint = replace(small, format="torch")
    assert missing_precisions(EngineConfig(), checkpoint, store) == ["fp32"]
    with pytest.raises(
        ModelError, match="fp32 version is not made yet; run `sonar models optimise "
    ):
        open_engine(EngineConfig(), checkpoint, store=store)
    assert missing_precisions(EngineConfig(), small, store) == []
    assert missing_precisions(EngineConfig(backend="torch"), checkpoint, store) == []


def test_auto_takes_what_is_installed(small, store, monkeypatch):
    config = EngineConfig(backend="auto")
    monkeypatch.setattr(ways, "installed", lambda package: None)
    with_int8(small, store)
    names = [(c.backend, c.precision) for c in candidates(config, small, store)]
    assert names == [("onnx", "fp32"), ("onnx", "int8")]
    monkeypatch.setattr(ways, "installed", lambda package: "1")
    with_int8(small, store)
    names = [(c.backend, c.precision) for c in candidates(config, small, store)]
    assert names[2:] == [("openvino", "fp32"), ("openvino", "int8")]


def test_a_remembered_choice_that_no_longer_opens_is_made_again(small, store, monkeypatch):
    int8 = with_int8(small, store)
    pretend(monkeypatch, {("onnx", "fp32"): (20.0, 0.0), ("onnx", "int8"): (10.0, 0.01)})
    config = EngineConfig(backend="onnx", threads=1)
    notes: list[str] = []
    engine = open_engine(config, small, store=store, report=notes.append)
    assert engine.backend.precision == "int8"
    assert not any("again" in note for note in notes)
    content = int8.read_bytes()
    int8.write_bytes(bytes(len(content)))  # damaged; the memory of the choice stays valid
    engine = open_engine(config, small, store=store, report=notes.append)
    assert engine.backend.precision == "fp32"
    assert any("damaged" in note and "again" in note for note in notes)


def test_a_damaged_reference_is_an_error_not_a_reason_to_choose_again(small, store, monkeypatch):
    with_int8(small, store)
    pretend(monkeypatch, {("onnx", "fp32"): (10.0, 0.0), ("onnx", "int8"): (20.0, 0.01)})
    small.path.write_bytes(b"damaged")
    with pytest.raises(ModelError, match="damaged"):
        open_engine(EngineConfig(backend="onnx", threads=1), small, store=store)


def test_torch_runs_checkpoints_in_float_only(small, store):
    with pytest.raises(ConfigError, match="int8"):
        open_engine(EngineConfig(backend="torch", precision="int8"), small, store=store)
    with pytest.raises(ModelError, match="no checkpoint of MiDaS small"):
        open_engine(EngineConfig(backend="torch"), small, store=store)


def test_a_missing_backend_names_its_extra(small, store, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"sonar-assist\[openvino\]"):
        open_engine(EngineConfig(backend="openvino", precision="fp32"), small, store=store)


def test_a_fixed_size_in_the_file_is_honoured(small, store):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(small.path)
    for axis, size in ((2, 64), (3, 32)):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = size
        model.graph.output[0].type.tensor_type.shape.dim[axis - 1].dim_value = size
    onnx.save(model, small.path)
    engine = open_engine(
        EngineConfig(precision="fp32"), resolved(small.path, InputContract()), store=store
    )
    assert engine.contract.fixed_hw == (64, 32)


def test_the_packaged_int8_is_found(store):
    builtin = store.resolve("builtin")
    assert model_files(builtin, store)["int8"].name == "builtin_int8.onnx"
