"""optimise and int8: made where open_engine looks, accurate, and never half-made."""

import numpy as np
import pytest

from sonar.config import EngineConfig
from sonar.depth import open_engine
from sonar.depth.backends.onnx import OnnxBackend
from sonar.depth.contract import BUILTIN_CONTRACT
from sonar.depth.engine import NetworkEngine
from sonar.depth.models import Store
from sonar.depth.models.registry import BUILTIN, BUILTIN_PATH
from sonar.depth.practice import deviation, practice_images
from sonar.depth.select import BUILTIN_INT8_PATH, artefact_path, machine_key
from sonar.errors import MissingExtraError, ModelError, OutputError
from sonar.lab.quantise.artefacts import optimise
from sonar.types import Frame
from tests.depth.models_of_ours import resolved, small_network


@pytest.fixture
def small(tmp_path):
    pytest.importorskip("onnx", reason="optimising needs onnx")
    return resolved(small_network(tmp_path / "small.onnx"))


@pytest.fixture
def store(tmp_path):
    return Store(home=tmp_path / "home")


def test_makes_float_and_int8_where_the_engine_finds_them(small, store):
    said = []
    made = optimise(small, images=practice_images(6, 48, 64), store=store, report=said.append)
    assert [artefact.precision for artefact in made] == ["fp32", "int8"]
    for artefact in made:
        assert artefact.path == artefact_path(store, small, artefact.precision)
        assert artefact.path.name.startswith(small.sha256[:16])
    assert made[0].deviation < 1e-5
    assert 0 < made[1].deviation < 0.1
    assert any("int8 deviates" in sentence for sentence in said)

    frame = Frame(image=next(iter(practice_images(1, 48, 64, seed=7))), id=0, t=0.0)
    float_engine = open_engine(EngineConfig(precision="fp32", threads=1), small, store=store)
    int8_engine = open_engine(EngineConfig(precision="int8", threads=1), small, store=store)
    assert float_engine.backend.precision == "fp32"
    assert int8_engine.backend.precision == "int8"
    expected, found = float_engine.estimate(frame).values, int8_engine.estimate(frame).values
    assert 0 < deviation(expected, found) < 0.1


def test_the_int8_file_holds_quantised_weights(small, store):
    onnx = pytest.importorskip("onnx")
    made = optimise(small, precisions=["int8"], images=practice_images(4, 48, 64), store=store)
    assert [artefact.precision for artefact in made] == ["int8"]
    model = onnx.load(made[0].path)
    types = {item.data_type for item in model.graph.initializer}
    assert onnx.TensorProto.INT8 in types
    assert "QuantizeLinear" in {node.op_type for node in model.graph.node}


def test_without_onnx_the_extra_is_named(small, store, monkeypatch):
    monkeypatch.setattr("sonar.lab.quantise.artefacts.importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"sonar-assist\[midas\]"):
        optimise(small, store=store)


def test_one_image_is_too_few(small, store):
    with pytest.raises(ModelError, match="two images"):
        optimise(small, images=practice_images(1, 48, 64), store=store)


def test_an_unwritable_cache_is_said_and_nothing_is_left(small, tmp_path):
    (tmp_path / "blocked").write_text("a file where the folder should be")
    with pytest.raises(OutputError):
        optimise(small, images=practice_images(2, 48, 64), store=Store(home=tmp_path / "blocked"))
    assert (tmp_path / "blocked").is_file()


def test_a_failed_int8_leaves_the_one_before(small, store, monkeypatch):
    before = optimise(small, images=practice_images(4, 48, 64), store=store)[1]
    content = before.path.read_bytes()

    def fails(*args, **kwargs):
        raise ModelError("scripted")

    monkeypatch.setattr("sonar.lab.quantise.quantise._quantise_static", fails)
    with pytest.raises(ModelError, match="scripted"):
        optimise(small, images=practice_images(4, 48, 64), store=store)
    assert before.path.read_bytes() == content
    assert sorted(p.suffix for p in store.artefacts_dir.iterdir()) == [".onnx", ".onnx"]


def test_the_machines_key_changes_with_the_versions(monkeypatch):
    here = machine_key()
    assert here == machine_key()
    monkeypatch.setattr("sonar.depth.select.installed", lambda package: "0.0.1")
    assert machine_key() != here


def test_practice_images_are_repeatable_and_varied():
    first, second = practice_images(2, 60, 80, seed=3)
    again, _ = practice_images(2, 60, 80, seed=3)
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.uint8
    assert first.shape == (60, 80, 3)
    assert np.abs(first.astype(int) - second).mean() > 10
    for image in practice_images(10, 60, 80):
        assert image.std() > 5


def test_deviation():
    ramp = np.linspace(0, 2, 11, dtype=np.float32)
    assert deviation(ramp, ramp) == 0
    assert deviation(ramp, ramp + 0.1) == pytest.approx(0.05, rel=1e-5)
    assert deviation(np.zeros(3, np.float32), np.ones(3, np.float32)) == np.inf
    assert deviation(ramp, np.full(11, np.nan, np.float32)) == np.inf


class TestPackagedInt8:
    """The built-in model's int8 file, on photos of scikit-image."""

    PATH = BUILTIN_INT8_PATH

    def test_it_was_made_from_the_packaged_model(self):
        import onnxruntime

        session = onnxruntime.InferenceSession(str(self.PATH), providers=["CPUExecutionProvider"])
        assert session.get_modelmeta().custom_metadata_map["source_sha256"] == BUILTIN.sha256
        assert self.PATH.stat().st_size < 8_000_000

    @pytest.mark.parametrize("size", [(480, 640), (640, 480), (480, 480), (272, 640)])
    def test_it_agrees_with_float_on_photos(self, size):
        cv2 = pytest.importorskip("cv2")
        data = pytest.importorskip("skimage.data", reason="photos come with scikit-image")
        engines = [
            NetworkEngine(OnnxBackend(path, threads=1), BUILTIN_CONTRACT, path.name)
            for path in (BUILTIN_PATH, self.PATH)
        ]
        for photo in (data.stereo_motorcycle()[0], data.coffee(), data.astronaut()):
            frame = Frame(image=cv2.resize(photo, size[::-1]), id=0, t=0.0)
            expected, found = (engine.estimate(frame) for engine in engines)
            assert deviation(expected.values, found.values) <= 0.02
            assert np.abs(expected.walkable - found.walkable).mean() <= 0.03
