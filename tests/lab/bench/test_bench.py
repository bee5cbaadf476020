"""The benchmark's arithmetic, its report, and one small real run."""

import json

import numpy as np
import pytest

from sonar.clock import ManualClock
from sonar.depth.candidates import Candidate
from sonar.depth.models.store import Store
from sonar.errors import ConfigError, DepthError, MissingExtraError, ModelError
from sonar.lab.bench import BenchReport, Result, format_table, run_bench
from sonar.lab.bench.memory import resident_bytes, resident_mb
from sonar.lab.bench.run import _time


def result(**changes):
    fields = {
        "backend": "onnx",
        "precision": "int8",
        "shape": (192, 256),
        "median_ms": 12.5,
        "p95_ms": 14.0,
        "ratio": 8.0,
        "deviation": 0.0061,
        "rss_mb": 151.0,
    }
    return Result(**(fields | changes))


def report(**changes):
    fields = {
        "model": "midas_small",
        "weights": "by rule",
        "threads": 2,
        "cpu": "x",
        "runs": 40,
        "baseline_ms": 100.0,
        "baseline_p95_ms": 120.0,
        "results": (result(),),
        "notes": ("a note",),
    }
    return BenchReport(**(fields | changes))


def test_json_has_the_agreed_keys():
    as_json = json.loads(json.dumps(report().as_dict()))
    assert as_json["baseline_ms"] == 100.0
    assert as_json["results"] == [
        {
            "backend": "onnx",
            "precision": "int8",
            "shape": [192, 256],
            "median_ms": 12.5,
            "p95_ms": 14.0,
            "ratio": 8.0,
            "deviation": 0.0061,
            "rss_mb": 151.0,
        }
    ]


def test_the_table_says_everything():
    table = format_table(report())
    for text in ("eager torch", "100.0 ms", "192x256", "12.5 ms", "8.0x", "0.61%", "151 MB"):
        assert text in table
    assert table.endswith("a note")
    bare = report(baseline_ms=None, results=(result(ratio=None, rss_mb=None),))
    assert "eager" not in format_table(bare)


class Slow:
    """An engine that takes a scripted time on a manual clock."""

    def __init__(self, clock, seconds):
        self.clock, self.seconds, self.order = clock, seconds, []

    def warm_up(self, height, width):
        self.order.append("warm")

    def estimate(self, frame):
        self.clock.advance(self.seconds)
        self.order.append(frame.id)


def test_timing_interleaves_and_counts_only_the_second_of_each_pair():
    from sonar.lab.bench.run import _Line

    clock = ManualClock()
    image = np.zeros((4, 4, 3), np.uint8)
    engines = [Slow(clock, 0.010), Slow(clock, 0.025)]
    lines = [
        _Line(Candidate("onnx", "fp32", None), (32, 32), engine, [image]) for engine in engines
    ]
    base_s = _time(lines, lambda image: clock.advance(0.1), 3, clock, lambda sentence: None)
    assert base_s == pytest.approx([0.1] * 3)
    assert lines[0].spent_s == pytest.approx([0.010] * 3)
    assert lines[1].spent_s == pytest.approx([0.025] * 3)
    assert engines[0].order == ["warm", 0, 0, 1, 1, 2, 2]


@pytest.fixture
def without_torch(monkeypatch):
    import sonar.lab.bench.run as room

    monkeypatch.setattr(room.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(room, "installed", lambda package: None)


def test_the_builtin_model_without_torch(without_torch, tmp_path):
    measured = run_bench(
        "builtin",
        shapes=[(64, 96)],
        runs=3,
        threads=1,
        memory=False,
        store=Store(home=tmp_path),
    )
    assert measured.baseline_ms is None
    assert [(r.backend, r.precision) for r in measured.results] == [
        ("onnx", "fp32"),
        ("onnx", "int8"),
    ]
    first, second = measured.results
    assert first.shape == (64, 96)
    assert first.ratio is None
    assert 0 < first.median_ms <= first.p95_ms
    assert first.deviation == 0
    assert 0 < second.deviation < 0.05
    assert any("baseline needs" in note for note in measured.notes)
    assert any("openvino is not installed" in note for note in measured.notes)


def test_an_unknown_backend_is_an_error(without_torch, tmp_path):
    with pytest.raises(ConfigError, match="one of onnx, openvino, torch, not native"):
        run_bench("builtin", backends=["native"], store=Store(home=tmp_path))


def test_what_was_asked_for_and_is_not_installed_is_an_error(without_torch, tmp_path):
    with pytest.raises(MissingExtraError, match=r"sonar-assist\[openvino\]"):
        run_bench("builtin", backends=["openvino"], store=Store(home=tmp_path))


def test_a_missing_model_is_an_error(tmp_path):
    with pytest.raises(ModelError):
        run_bench("dpt_large", store=Store(home=tmp_path))


def test_memory_of_an_engine_alone(tmp_path):
    assert 10e6 < resident_bytes() < 10e9
    model = Store(home=tmp_path).resolve("builtin")
    alone = resident_mb(Candidate("onnx", "fp32", model.path), model, 1, (48, 64))
    assert 40 < alone < 350
    with pytest.raises(DepthError, match="not measured"):
        resident_mb(Candidate("onnx", "fp32", tmp_path / "none.onnx"), model, 1, (48, 64))


def test_the_baseline_is_the_usual_way():
    torch = pytest.importorskip("torch", reason="the baseline is torch")
    pytest.importorskip("timm")
    from sonar.lab.bench.baseline import eager_torch

    class Mean(torch.nn.Module):
        def as_published(self):
            return self

        def forward(self, image):
            assert image.shape == (1, 3, 256, 256)
            return image.mean(dim=1)

    image = np.zeros((48, 48, 3), np.uint8)
    image[:, 24:] = 255
    depth = eager_torch(Mean(), 1)(image)
    assert depth.shape == (48, 48)
    assert depth.dtype == np.float32
    assert depth[:, :20].max() < depth[:, 28:].min()
