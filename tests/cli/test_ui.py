"""What commands share: the depth model is prepared before it is opened."""

import pytest

from sonar.cli.ui import prepare
from sonar.config import SonarConfig
from sonar.depth.models import Store
from sonar.depth.select import artefact_path
from tests.depth.models_of_ours import small_network


def config(model, precision):
    return SonarConfig.model_validate({"engine": {"model": str(model), "precision": precision}})


def test_what_is_missing_is_made_once(tmp_path, monkeypatch, capsys):
    pytest.importorskip("onnx", reason="the test's model is made with onnx")
    monkeypatch.setenv("SONAR_HOME", str(tmp_path / "home"))
    small = small_network(tmp_path / "small.onnx")
    prepare(config(small, "int8"))
    made = artefact_path(Store(), Store().resolve(str(small)), "int8")
    assert made.is_file()
    assert "int8" in capsys.readouterr().err
    prepare(config(small, "int8"))
    assert capsys.readouterr().err == ""


def test_what_is_ready_needs_nothing(tmp_path, monkeypatch, capsys):
    pytest.importorskip("onnx", reason="the test's model is made with onnx")
    monkeypatch.setenv("SONAR_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(__import__("sys").modules, "sonar.lab.quantise.artefacts", None)
    prepare(config("builtin", "int8"))
    prepare(config(small_network(tmp_path / "small.onnx"), "auto"))
    assert capsys.readouterr().err == ""
