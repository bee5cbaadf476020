"""The official checkpoint: plain weights of MiDaS small, or refused, and nothing in it is run."""

import os
import pickle
from pathlib import Path

import pytest

from sonar.depth.midas import load_network
from sonar.errors import MissingExtraError, ModelError


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def test_without_torch_the_extra_is_named(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'sonar-assist\[midas\]'"):
        load_network(tmp_path / "weights.pt")


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_code_is_refused_and_not_run(tmp_path: Path, protocol: int):
    pytest.importorskip("timm", reason="needs the extra [midas]")
    path = tmp_path / "weights.pt"
    path.write_bytes(pickle.dumps({"a": Bomb(tmp_path / "ran")}, protocol))
    with pytest.raises(ModelError, match=r"weights\.pt is no checkpoint of MiDaS small"):
        load_network(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", ["junk", "cut", "another network", "a whole module"])
def test_other_files_are_refused(tmp_path: Path, content: str):
    torch = pytest.importorskip("torch", reason="needs the extra [midas]")
    path = tmp_path / "weights.pt"
    module = torch.nn.Linear(9, 9)
    torch.save(module if content == "a whole module" else module.state_dict(), path)
    if content == "junk":
        path.write_bytes(b"<html>")
    elif content == "cut":
        path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(ModelError, match=r"weights\.pt is no checkpoint of MiDaS small"):
        load_network(path)
