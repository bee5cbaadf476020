"""Torch checkpoints: plain weights of a known network, or refused by name, and nothing is run."""

import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonar.depth.models.checks import check_file
from sonar.depth.models.checks_torch import (
    architecture_of,
    check_layout,
    check_pickle,
    load_checkpoint,
    shapes_of,
)
from sonar.depth.models.layouts import ARCHITECTURES, midas_small
from sonar.depth.models.registry import MIDAS_SMALL
from sonar.depth.models.resolved import resolve_path
from sonar.errors import MissingExtraError, ModelError

SHARED = Path(__file__).resolve().parents[3] / "shared"


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


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("wrap", [bytes, zipped], ids=["bare", "zipped"])
def test_code_is_refused_by_name_and_not_run(tmp_path: Path, protocol: int, wrap):
    marker = tmp_path / "ran"
    path = tmp_path / "weights.pt"
    path.write_bytes(wrap(pickle.dumps({"a": Bomb(marker)}, protocol)))
    # protocols 0 and 1 have no header: as bare files they are no checkpoint at all
    reason = r"(posix|nt|os)\.system" if protocol >= 2 or wrap is zipped else "neither a zip"
    with pytest.raises(ModelError, match=rf"weights\.pt .*{reason}"):
        check_pickle(path)
    with pytest.raises(ModelError, match=r"weights\.pt"):
        load_checkpoint(path)
    assert not marker.exists()


def test_code_behind_a_decoy_is_refused(tmp_path: Path):
    # a pickle machine sees os.system here; the last two texts are a harmless name
    data = (
        b"\x80\x04\x8c\x02os\x8c\x06system\x8c\x0bcollections\x8c\x0bOrderedDict00"
        b"\x93\x8c\x04true\x85R."
    )
    path = tmp_path / "weights.pt"
    path.write_bytes(zipped(data))
    with pytest.raises(ModelError, match=r"run code while loading \(.*named indirectly"):
        check_pickle(path)


@pytest.mark.parametrize("junk", [b"", b"\x80", b"<html>", b"hello", b"PK\x03\x04", b"\x80\x02}"])
def test_other_files_are_refused(tmp_path: Path, junk: bytes):
    path = tmp_path / "weights.pt"
    path.write_bytes(junk)
    with pytest.raises(
        ModelError, match=r"weights\.pt is cut off, damaged, or no torch checkpoint"
    ):
        check_pickle(path)


def test_without_torch_the_extra_is_named(tmp_path: Path, monkeypatch):
    path = tmp_path / "weights.pt"
    path.write_bytes(zipped(pickle.dumps({}, 2)))
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'sonar-assist\[midas\]'"):
        load_checkpoint(path)


# --- with torch

torch = pytest.importorskip("torch", reason="needs the extra [midas]")


def saved(path: Path, state: object, **options: object) -> Path:
    torch.save(state, path, **options)
    return path


def zeros(name: str) -> dict:
    return {
        key: torch.zeros(shape, dtype=torch.int64 if key.endswith("tracked") else torch.float16)
        for key, shape in ARCHITECTURES[name].items()
    }


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("wrapper", [None, "model", "state_dict"])
def test_plain_weights_are_read(tmp_path: Path, new_format: bool, wrapper: str | None):
    state = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.zeros(4).half()}
    state["c"] = torch.nn.Parameter(torch.ones(2))
    whole = state if wrapper is None else {wrapper: state, "epoch": 3}
    path = saved(tmp_path / "w.pt", whole, _use_new_zipfile_serialization=new_format)
    found = load_checkpoint(path)
    assert shapes_of(found) == {"a.weight": (2, 3), "b": (4,), "c": (2,)}
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
        load_checkpoint(path)


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
        load_checkpoint(saved(tmp_path / "w.pt", state))


def test_a_whole_pickled_network_is_refused(tmp_path: Path):
    with pytest.raises(ModelError, match=r"run code while loading \(torch\.nn\.modules\.linear"):
        load_checkpoint(saved(tmp_path / "w.pt", torch.nn.Linear(2, 2)))


def test_architectures_are_told_apart_by_their_keys(tmp_path: Path):
    for name in ("midas_lite0", "midas_lite0_walkable"):
        path = saved(tmp_path / f"{name}.pt", zeros(name))
        assert architecture_of(shapes_of(load_checkpoint(path)), path.name) == name
    resolved = resolve_path(path)
    assert resolved.architecture == "midas_lite0_walkable"
    assert (resolved.format, resolved.contract.walkable_output) == ("torch", "walkable")


def test_wrong_architecture_is_refused_with_the_first_keys(tmp_path: Path):
    shapes = dict(midas_small())
    del shapes["scratch.output_conv.4.bias"]
    shapes["extra.weight"] = (3,)
    shapes["scratch.output_conv.0.weight"] = (32, 65, 3, 3)
    with pytest.raises(ModelError) as caught:
        check_layout(shapes, "midas_small", "w.pt")
    assert str(caught.value) == (
        "w.pt is not a checkpoint of midas_small: 1 of other shape: "
        "scratch.output_conv.0.weight is [32, 65, 3, 3], expected [32, 64, 3, 3]; "
        "1 missing: scratch.output_conv.4.bias; 1 not known: extra.weight"
    )
    with pytest.raises(ModelError, match="is not a checkpoint of midas_small"):
        architecture_of(shapes, "w.pt")
    path = saved(tmp_path / "w.pt", zeros("midas_lite0"))
    import dataclasses

    entry = dataclasses.replace(MIDAS_SMALL, size_bytes=None)
    with pytest.raises(ModelError, match=r"277 of other shape: .* and 274 more"):
        check_file(path, entry)


# --- the layouts, against networks and published tables


@pytest.mark.parametrize(
    "name,arguments",
    [
        ("midas_small", {}),
        ("midas_lite0", {"backbone": "tf_efficientnet_lite0", "features": 32}),
        (
            "midas_lite0_walkable",
            {"backbone": "tf_efficientnet_lite0", "features": 32, "walkable": True},
        ),
    ],
)
def test_layouts_are_those_of_the_networks(name: str, arguments: dict):
    pytest.importorskip("timm", reason="needs the extra [midas]")
    from sonar.depth.midas.network import MidasSmall

    with torch.device("meta"):
        network = MidasSmall(**arguments)
    assert shapes_of(network.state_dict()) == ARCHITECTURES[name]


def test_official_layout_is_the_published_one():
    table = SHARED / "midas_small_parity" / "state_dict_shapes.json"
    if not table.exists():
        pytest.skip(f"{table} is not here")
    published = {name: tuple(shape) for name, shape in json.loads(table.read_text()).items()}
    assert midas_small() == published


def test_builtin_checkpoint_is_recognised():
    path = SHARED / "builtin_model" / "builtin.pt"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    assert resolve_path(path).architecture == "midas_lite0_walkable"
