"""The benchmark's arithmetic, its report, and one small real run."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from sonar.clock import ManualClock
from sonar.depth.models import Store
from sonar.errors import ModelError
from sonar.lab.bench import BenchReport, Result, format_table, run_bench
from sonar.lab.bench import run as module
from sonar.types import Frame

REPORT = BenchReport(
    model="midas_small",
    threads=2,
    runs=40,
    shape=(192, 256),
    baseline_ms=100.0,
    results=(Result("onnx", "int8", 12.5, 14.0, 8.0, 0.0061),),
)


def test_the_table_says_everything():
    table = format_table(REPORT)
    for text in ("eager torch", "100.0 ms", "192x256", "12.5 ms", "8.0x", "0.61%"):
        assert text in table
    bare = BenchReport("m", 2, 40, (192, 256), None, (Result("onnx", "fp32", 1, 1, None, 0),))
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
    clock = ManualClock()
    frames = [Frame(np.zeros((4, 4, 3), np.uint8), n, 0.0) for n in range(2)]
    engines = [Slow(clock, 0.010), Slow(clock, 0.025)]
    lines = [module._Line("onnx", "fp32", engine) for engine in engines]
    base_s = module._time(lines, frames, lambda image: clock.advance(0.1), 3, clock)
    assert base_s == pytest.approx([0.1] * 3)
    assert lines[0].spent_s == pytest.approx([0.010] * 3)
    assert lines[1].spent_s == pytest.approx([0.025] * 3)
    assert engines[0].order == ["warm", 0, 0, 1, 1, 0, 0]


def test_the_builtin_model_without_torch_and_openvino(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "installed", lambda package: None)
    monkeypatch.setattr(module, "SHAPE", (64, 96))
    notes = []
    measured = run_bench(runs=3, threads=1, store=Store(home=tmp_path), report=notes.append)
    assert measured.baseline_ms is None
    assert [(r.backend, r.precision) for r in measured.results] == [
        ("onnx", "fp32"),
        ("onnx", "int8"),
    ]
    first, second = measured.results
    assert measured.shape == (64, 96)
    assert first.ratio is None
    assert 0 < first.median_ms <= first.p95_ms
    assert first.deviation == 0
    assert 0 < second.deviation < 0.05
    assert any("baseline needs" in note for note in notes)
    assert any("openvino is not installed" in note for note in notes)
    assert json.loads(json.dumps(asdict(measured)))["results"][1]["backend"] == "onnx"


def test_a_missing_model_is_an_error(tmp_path):
    with pytest.raises(ModelError):
        run_bench("midas_small", store=Store(home=tmp_path))


def test_the_baseline_is_the_usual_way(monkeypatch):
    torch = pytest.importorskip("torch", reason="the baseline is torch")
    pytest.importorskip("timm")
    from sonar.depth.midas import network

    class Mean(torch.nn.Module):
        def forward(self, image):
            assert image.shape == (1, 3, 256, 256)
            return image.mean(dim=1)

    monkeypatch.setattr(network, "MidasSmall", Mean)
    image = np.zeros((48, 48, 3), np.uint8)
    image[:, 24:] = 255
    depth = module.eager_torch(1)(image)
    assert depth.shape == (48, 48)
    assert depth.dtype == np.float32
    assert depth[:, :20].max() < depth[:, 28:].min()
