"""Torch checkpoints: plain weights of a known network, or refused by name, and nothing is run."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonar.depth.midas.checkpoint import architecture_of, read_checkpoint
from sonar.depth.models.resolved import resolve_path
from sonar.errors import MissingExtraError, ModelError

BUILDS = {
    "midas_small": ("tf_efficientnet_lite3", 64, False),
    "midas_lite0": ("tf_efficientnet_lite0", 32, False),
    "midas_lite0_walkable": ("tf_efficientnet_lite0", 32, True),
}
SHARED = Path(__file__).resolve().parents[4] / "shared"


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def zipped(data: bytes) -> bytes:
    """A pickle where torch's own format keeps it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", "3")
    return buffer.getvalue()


def test_without_torch_the_extra_is_named(tmp_path: Path, monkeypatch):
    path = tmp_path / "weights.pt"
    path.write_bytes(zipped(pickle.dumps({}, 2)))
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'sonar-assist\[midas\]'"):
        read_checkpoint(path)


# --- with torch

torch = pytest.importorskip("torch", reason="needs the extra [midas]")


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("wrap", [bytes, zipped], ids=["bare", "zipped"])
def test_code_is_refused_and_not_run(tmp_path: Path, protocol: int, wrap):
    marker = tmp_path / "ran"
    path = tmp_path / "weights.pt"
    path.write_bytes(wrap(pickle.dumps({"a": Bomb(marker)}, protocol)))
    with pytest.raises(ModelError, match=r"weights\.pt is cut off or damaged, or holds more than"):
        read_checkpoint(path)
    assert not marker.exists()


@pytest.mark.parametrize("junk", [b"", b"\x80", b"<html>", b"hello", b"PK\x03\x04", b"\x80\x02}"])
def test_other_files_are_refused(tmp_path: Path, junk: bytes):
    path = tmp_path / "weights.pt"
    path.write_bytes(junk)
    with pytest.raises(ModelError, match=r"weights\.pt is cut off or damaged"):
        read_checkpoint(path)


def saved(path: Path, state: object, **options: object) -> Path:
    torch.save(state, path, **options)
    return path


def network(name: str):
    """Shapes only: nothing is allocated."""
    pytest.importorskip("timm", reason="needs the extra [midas]")
    from sonar.depth.midas.network import MidasSmall

    backbone, features, walkable = BUILDS[name]
    with torch.device("meta"):
        return MidasSmall(backbone, features, walkable=walkable)


def zeros(name: str) -> dict:
    return {
        key: torch.zeros(value.shape, dtype=value.dtype if "tracked" in key else torch.float16)
        for key, value in network(name).state_dict().items()
    }


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("wrapper", [None, "model", "state_dict"])
def test_plain_weights_are_read(tmp_path: Path, new_format: bool, wrapper: str | None):
    state = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.zeros(4).half()}
    state["c"] = torch.nn.Parameter(torch.ones(2))
    whole = state if wrapper is None else {wrapper: state, "epoch": 3}
    path = saved(tmp_path / "w.pt", whole, _use_new_zipfile_serialization=new_format)
    found = read_checkpoint(path)
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "a.weight": (2, 3),
        "b": (4,),
        "c": (2,),
    }
    assert torch.equal(found["a.weight"], state["a.weight"])


@settings(max_examples=30, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True), new_format=st.booleans())
def test_cut_off_anywhere_is_refused(tmp_path_factory, share: float, new_format: bool):
    folder = tmp_path_factory.mktemp("cut")
    state = {f"layer{k}": torch.ones(50) for k in range(4)}
    path = saved(folder / "w.pt", state, _use_new_zipfile_serialization=new_format)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ModelError, match=r"w\.pt is cut off"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "state,reason",
    [
        ([torch.ones(2)], "no table of weights"),
        ({}, "no table of weights"),
        ({"a": 3}, r"not a tensor \('a'\)"),
        ({1: torch.ones(2)}, "not a tensor"),
        ({"a": torch.tensor([1.0, float("nan")])}, r"not numbers \(a\)"),
        ({"a": torch.tensor([float("inf")])}, "not numbers"),
    ],
)
def test_what_is_no_table_of_finite_tensors_is_refused(tmp_path: Path, state, reason: str):
    with pytest.raises(ModelError, match=rf"w\.pt .*{reason}"):
        read_checkpoint(saved(tmp_path / "w.pt", state))


def test_a_whole_pickled_network_is_refused(tmp_path: Path):
    with pytest.raises(ModelError, match="holds more than plain weights"):
        read_checkpoint(saved(tmp_path / "w.pt", torch.nn.Linear(2, 2)))


@pytest.mark.parametrize("name", list(BUILDS))
def test_architectures_are_told_apart(tmp_path: Path, name: str):
    path = saved(tmp_path / f"{name}.pt", zeros(name))
    resolved = resolve_path(path)
    assert (resolved.format, resolved.architecture) == ("torch", name)
    assert (resolved.contract.walkable_output is not None) == (name == "midas_lite0_walkable")


def test_a_checkpoint_of_another_network_is_refused_with_the_first_keys(tmp_path: Path):
    from sonar.depth.midas.weights import load_midas_small

    state = zeros("midas_lite0")
    with pytest.raises(ModelError, match="of no network that sonar knows"):
        architecture_of({"a": state.popitem()[1]}, "w.pt")
    del state["scratch.output_conv.0.bias"]
    state["extra.weight"] = torch.zeros(3)
    path = saved(tmp_path / "w.pt", state)
    reason = r"a checkpoint of midas_lite0: scratch\.output_conv\.0\.bias is missing; .*extra"
    with pytest.raises(ModelError, match=reason):
        load_midas_small(path)


def test_builtin_checkpoint_is_recognised():
    path = SHARED / "builtin_model" / "builtin.pt"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    assert resolve_path(path).architecture == "midas_lite0_walkable"
