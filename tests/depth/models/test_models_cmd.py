"""``sonar models``: plain text, JSON, exit codes."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from model_files import onnx_bytes
from model_server import Server, answer
from typer.testing import CliRunner

from sonar.cli.root import app
from sonar.depth.models.registry import BUILTIN
from sonar.errors import SonarError

GOOD = onnx_bytes()


@pytest.fixture
def sonar(server: Server, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("SONAR_HOME", str(tmp_path / "home"))
    server.payload = GOOD
    config = tmp_path / "sonar.yaml"
    config.write_text(
        f"models:\n  mine:\n    url: {server.url}\n"
        f"    sha256: {hashlib.sha256(GOOD).hexdigest()}\n    licence: MIT\n"
    )

    def run(*words: str):
        return CliRunner().invoke(app, ["--config", str(config), *words])

    return run


def test_list(sonar):
    lines = sonar("models", "list").stdout.splitlines()
    assert lines[0] == "builtin: here, part of sonar, 22.4 MiB"
    assert "midas_small: not here, 81.8 MiB" in lines
    assert lines[-3:] == [
        "mine: not here",
        "    described in the configuration",
        "    licence: MIT",
    ]
    rows = json.loads(sonar("--json", "models", "list").stdout)
    assert [row["name"] for row in rows][-1] == "mine"
    assert rows[0]["status"] == "packaged" and rows[0]["sha256"] == BUILTIN.sha256
    assert all("licence" in row and "urls" in row for row in rows)


def test_fetch_and_remove(sonar, tmp_path: Path):
    result = sonar("models", "fetch", "mine")
    assert result.exit_code == 0
    assert "mine is here: " in result.stdout
    assert "fetching mine: 100 %" in result.stderr
    assert (tmp_path / "home" / "models" / "mine" / "mine.onnx").is_file()
    assert sonar("models", "remove", "mine").stdout == "mine: removed\n"
    assert sonar("models", "remove", "mine").stdout == "mine: was not installed\n"


def test_import(sonar, tmp_path: Path):
    file = tmp_path / "brought.onnx"
    file.write_bytes(GOOD)
    result = json.loads(sonar("--json", "models", "import", str(file)).stdout)
    assert result["name"] == "mine" and Path(result["path"]).read_bytes() == GOOD


@pytest.mark.parametrize(
    "words,code",
    [
        (("models", "fetch", "nothing"), 2),
        (("models", "remove", "builtin"), 5),
        (("models", "import", "/no/such/file"), 5),
    ],
)
def test_errors_carry_their_exit_code(sonar, words, code: int):
    error = sonar(*words).exception
    assert isinstance(error, SonarError) and error.exit_code == code


def test_failed_fetch_is_an_error(sonar, server: Server):
    server.always = answer(404)
    error = sonar("models", "fetch", "mine").exception
    assert isinstance(error, SonarError) and "404" in str(error) and error.exit_code == 5


def test_optimise_hands_over_model_images_and_precision(sonar, tmp_path: Path, monkeypatch):
    import cv2

    from sonar.lab.quantise import artefacts

    for k in range(3):
        cv2.imwrite(str(tmp_path / f"{k}.png"), np.full((48, 64, 3), 40 * k, np.uint8))
    seen = {}

    def spy(model, *, precisions, images, store, report):
        seen.update(name=model.name, precisions=list(precisions), home=store.artefacts_dir)
        seen["levels"] = [int(image.mean()) for image in images]
        return [artefacts.Artefact("int8", tmp_path / "made.onnx", 0.0123)]

    monkeypatch.setattr(artefacts, "optimise", spy)
    words = ("models", "optimise", "builtin", "--images", str(tmp_path))
    assert sonar(*words).stdout == f"builtin int8: 1.23% off float32, {tmp_path / 'made.onnx'}\n"
    assert seen == {
        "name": "builtin",
        "precisions": ["fp32", "int8"],
        "home": tmp_path / "home" / "artefacts",
        "levels": [0, 40, 80],
    }
    assert json.loads(sonar("--json", *words).stdout)[0]["deviation"] == 0.0123
