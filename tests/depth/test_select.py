"""Which backend and precision is taken, and that it is measured once."""

import json

import pytest

from sonar.clock import ManualClock
from sonar.config.engine import EngineConfig
from sonar.depth import open_engine, select
from sonar.depth.artefacts import artefact_path
from sonar.depth.models.contract import InputContract
from sonar.depth.models.store import Store
from sonar.depth.select import Candidate, Measured, candidates, int8_file, measure
from sonar.errors import ConfigError, MissingExtraError, ModelError
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
    target.parent.mkdir(parents=True)
    return small_network(target, seed=1)


def pretend(monkeypatch, figures):
    """Measured figures by (backend, precision): (median_ms, deviation); counts the measuring."""
    calls = []

    def measured(choices, *args):
        calls.append([(choice.backend, choice.precision) for choice in choices])
        return [
            Measured(choice.backend, choice.precision, *figures[choice.backend, choice.precision])
            for choice in choices
        ]

    monkeypatch.setattr(select, "measure", measured)
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
    config = EngineConfig(backend="onnx", threads=1, tolerance=tolerance)
    assert open_engine(config, small, store=store).backend.precision == expected


def test_it_is_measured_once_and_anew_when_something_changes(small, store, monkeypatch):
    with_int8(small, store)
    calls = pretend(monkeypatch, {("onnx", "fp32"): (20.0, 0.0), ("onnx", "int8"): (10.0, 0.01)})
    said = []
    config = EngineConfig(backend="onnx", threads=1)
    for _ in range(3):
        engine = open_engine(config, small, store=store, tell=said.append)
        assert engine.backend.precision == "int8"
    assert len(calls) == len(said) == 1
    # another tolerance needs no new measurement, other threads do
    strict = open_engine(
        EngineConfig(backend="onnx", threads=1, tolerance=0.001), small, store=store
    )
    assert strict.backend.precision == "fp32"
    assert len(calls) == 1
    open_engine(EngineConfig(backend="onnx", threads=2), small, store=store)
    assert len(calls) == 2


@pytest.mark.parametrize("content", ["", "{", "[]", '[{"other": 1}]'])
def test_a_damaged_memory_is_measured_anew(small, store, monkeypatch, content):
    with_int8(small, store)
    calls = pretend(monkeypatch, {("onnx", "fp32"): (20.0, 0.0), ("onnx", "int8"): (10.0, 0.01)})
    config = EngineConfig(backend="onnx", threads=1)
    open_engine(config, small, store=store)
    (memory,) = store.artefacts_dir.glob("*choice*")
    assert len(json.loads(memory.read_text())) == 2
    memory.write_text(content)
    assert open_engine(config, small, store=store).backend.precision == "int8"
    assert len(calls) == 2


def test_a_cache_that_cannot_be_written_is_no_obstacle(small, store, monkeypatch, tmp_path):
    (tmp_path / "blocked").write_text("a file")
    blocked = Store(home=tmp_path / "blocked")
    pretend(monkeypatch, {("onnx", "fp32"): (20.0, 0.0), ("onnx", "int8"): (10.0, 0.01)})
    packaged = small_network(tmp_path / "packaged.onnx", seed=1)
    monkeypatch.setitem(select.PACKAGED_INT8, small.sha256, packaged)
    said = []
    config = EngineConfig(backend="onnx", threads=1)
    engine = open_engine(config, small, store=blocked, tell=said.append)
    assert engine.backend.precision == "int8"
    assert any("not remembered" in sentence for sentence in said)


def test_measuring_finds_time_and_deviation(small, store):
    other = with_int8(small, store)
    choices = [Candidate("onnx", "fp32", small.path), Candidate("onnx", "int8", other)]
    clock = ManualClock()
    first, second = measure(choices, small, 1, store, clock)
    assert (first.precision, first.deviation) == ("fp32", 0.0)
    assert second.deviation > 0.01  # other weights
    assert first.median_ms == second.median_ms == 0.0  # this clock stands still


def test_a_candidate_that_fails_is_left_out_but_not_the_reference(small, store, tmp_path):
    broken = Candidate("onnx", "int8", tmp_path / "missing.onnx")
    good = Candidate("onnx", "fp32", small.path)
    told: list[str] = []
    (left,) = measure([good, broken], small, 1, store, ManualClock(), told.append)
    assert left.precision == "fp32"
    assert len(told) == 1
    assert told[0].startswith("onnx int8 is left out: ")
    assert "missing.onnx" in told[0]
    with pytest.raises(ModelError):
        measure([broken, good], small, 1, store, ManualClock())


def test_auto_takes_what_is_installed(small, store, monkeypatch):
    with_int8(small, store)
    config = EngineConfig(backend="auto")
    monkeypatch.setattr(select, "installed", lambda package: None)
    names = [(c.backend, c.precision) for c in candidates(config, small, store, silent)]
    assert names == [("onnx", "fp32"), ("onnx", "int8")]
    monkeypatch.setattr(select, "installed", lambda package: "1")
    names = [(c.backend, c.precision) for c in candidates(config, small, store, silent)]
    assert names[2:] == [("openvino", "fp32"), ("openvino", "int8")]


def test_native_still_opens_onnx_and_says_what_to_set(small, store):
    notes: list[str] = []
    config = EngineConfig(backend="native", threads=1)
    engine = open_engine(config, small, store=store, tell=notes.append)
    assert engine.backend.name == "onnx"
    assert ["onnx or openvino" in note for note in notes] == [True]


def test_a_remembered_choice_that_no_longer_opens_is_made_again(small, store, monkeypatch):
    int8 = with_int8(small, store)
    pretend(monkeypatch, {("onnx", "fp32"): (20.0, 0.0), ("onnx", "int8"): (10.0, 0.01)})
    config = EngineConfig(backend="onnx", threads=1)
    notes: list[str] = []
    engine = open_engine(config, small, store=store, tell=notes.append)
    assert engine.backend.precision == "int8"
    assert not any("again" in note for note in notes)
    content = int8.read_bytes()
    int8.write_bytes(bytes(len(content)))  # damaged; the memory of the choice stays valid
    engine = open_engine(config, small, store=store, tell=notes.append)
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
    with pytest.raises(ModelError, match="no torch network"):
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
    assert engine.network_size(480, 640) == (64, 32)


def test_the_packaged_int8_is_found(store):
    builtin = store.resolve("builtin")
    assert int8_file(builtin, store).name == "builtin_int8.onnx"
