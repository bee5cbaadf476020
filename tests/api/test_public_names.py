"""The public names: what is exported, that importing is light, and that the examples run."""

import ast
import doctest
import importlib
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

import sonar

ROOT = Path(sonar.__file__).parent
HOMES = ("api.session", "api.stages")
HOMES += ("config", "errors", "records", "types")
PUBLIC = [name for name in sonar.__all__ if name != "__version__"]
ERRORS = {name for name in PUBLIC if name.endswith(("Error", "Lost", "Timeout"))}


def test_importing_loads_nothing_heavy_and_is_quick() -> None:
    code = (
        "import time, sys; began = time.process_time(); import sonar; "
        "spent = time.process_time() - began; "
        "heavy = {'cv2', 'onnxruntime', 'numpy', 'av', 'pydantic'} & set(sys.modules); "
        "print(spent, *heavy)"
    )
    spent_s, *heavy = min(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
        ).stdout.split()
        for _ in range(3)
    )
    assert not heavy
    assert float(spent_s) < 0.1


def test_the_types_alone_load_neither_opencv_nor_a_network() -> None:
    code = "import sys, sonar; sonar.Cue, sonar.Scene, sonar.Mount, sonar.Zones, sonar.open; "
    code += "print({'cv2', 'onnxruntime', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "set()", done.stderr


def test_every_public_name_is_there_and_no_other_is_listed() -> None:
    assert sorted(sonar.__all__) == sorted(set(sonar.__all__)) == dir(sonar)
    for name in PUBLIC:
        assert getattr(sonar, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sonar.nothing  # type: ignore[attr-defined]
    assert (ROOT / "py.typed").exists()


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_says_what_it_is_and_shows_it(name: str) -> None:
    text = getattr(sonar, name).__doc__ or ""
    assert len(text) > 20
    assert ">>>" in text or name in ERRORS - {"SonarError"}


@pytest.mark.parametrize("home", HOMES)
def test_the_examples_run(home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(
        importlib.import_module(f"sonar.{home}"), extraglobs={"np": np, "sonar": sonar}
    )
    assert tried > 0 and failed == 0


def test_no_class_name_is_used_twice() -> None:
    found = defaultdict(list)
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(path.relative_to(ROOT).as_posix())
    twice = {name: places for name, places in found.items() if len(places) > 1}
    assert not twice
