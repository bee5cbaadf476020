"""ONNX files: one image in, depth out, or refused with the reason."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_files import external_onnx, onnx_bytes

from sonar.depth.contract import InputContract
from sonar.depth.models.registry import BUILTIN, BUILTIN_PATH
from sonar.depth.models.store import check_onnx
from sonar.errors import ModelError

OPEN = InputContract()
GOOD = onnx_bytes()


def check(data: bytes, folder: Path, contract: InputContract = OPEN) -> InputContract:
    path = folder / "net.onnx"
    path.write_bytes(data)
    return check_onnx(path, contract)


@pytest.mark.parametrize("shape", [(1, 3, "h", "w"), ("n", 3, None, None), (None, "c", "h", "w")])
def test_open_sizes_leave_the_contract_as_it_is(tmp_path: Path, shape):
    assert check(onnx_bytes(shape), tmp_path) == OPEN


def test_fixed_size_goes_into_the_contract(tmp_path: Path):
    found = check(onnx_bytes((1, 3, 96, 128)), tmp_path)
    assert (found.fit, found.fixed_hw) == ("exact", (96, 128))
    exact = InputContract(fit="exact", fixed_hw=(96, 128), multiple=1)
    assert check(onnx_bytes((1, 3, 96, 128)), tmp_path, exact) == exact
    with pytest.raises(ModelError, match=r"takes images of 96x128 .* described are 128x96"):
        check(
            onnx_bytes((1, 3, 96, 128)),
            tmp_path,
            InputContract(fit="exact", fixed_hw=(128, 96), multiple=1),
        )


def test_the_builtin_passes():
    assert check_onnx(BUILTIN_PATH, BUILTIN.contract) == BUILTIN.contract


@pytest.mark.parametrize(
    "made,reason",
    [
        ({"inputs": 2}, "has 2 inputs; a depth network has one"),
        ({"shape": None, "body": "whole"}, r"of shape \[\]"),
        ({"shape": (3, "h", "w"), "body": "whole"}, r"of shape \[3, 'h', 'w'\]"),
        ({"shape": (2, 3, "h", "w")}, r"of shape \[2, 3, 'h', 'w'\]"),
        ({"shape": (1, 1, "h", "w")}, r"of shape \[1, 1, 'h', 'w'\]"),
        ({"shape": (1, 3, 64, "w")}, "both sides fixed or none"),
        ({"shape": (1, 3, "h", "w"), "dtype": 10, "body": "whole"}, r"takes tensor\(float16\)"),
        ({"body": "nan"}, "values that are not numbers"),
        ({"body": "constant"}, "the same value everywhere"),
        ({"body": "ignores"}, "the same map for every image"),
        ({"body": "whole"}, r"has shape \(1, 3, 64, 96\)"),
    ],
)
def test_what_is_no_depth_network_is_refused(tmp_path: Path, made: dict, reason: str):
    with pytest.raises(ModelError, match=rf"net\.onnx .*{reason}"):
        check(onnx_bytes(**made), tmp_path)


def test_a_missing_output_is_named(tmp_path: Path):
    with pytest.raises(ModelError, match="no output 'walkable', only depth"):
        check(GOOD, tmp_path, InputContract(walkable_output="walkable"))


def test_a_network_that_cannot_take_the_multiple(tmp_path: Path):
    with pytest.raises(ModelError, match="no depth network: the depth network failed"):
        check(_needs_even_thirds(), tmp_path)


def _needs_even_thirds() -> bytes:
    """Open height and width on paper, but its reshape fits one size only."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Reshape", ["image", "to"], ["r"]),
        helper.make_node("ReduceMean", ["r"], ["depth"], axes=[1], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, "h", "w"))],
        [helper.make_tensor_value_info("depth", TensorProto.FLOAT, None)],
        [helper.make_tensor("to", TensorProto.INT64, [4], [1, 3, 70, 70])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


@settings(max_examples=25, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_cut_off_anywhere_is_refused(tmp_path_factory, share: float):
    folder = tmp_path_factory.mktemp("cut")
    with pytest.raises(ModelError, match=r"net\.onnx"):
        check(GOOD[: int(share * len(GOOD))], folder)


@pytest.mark.parametrize(
    "junk", [b"", b"\x00", b"<html>", b"PK\x03\x04", b"version https://git-lfs"]
)
def test_other_files_are_refused(tmp_path: Path, junk: bytes):
    with pytest.raises(ModelError, match=r"net\.onnx"):
        check(junk, tmp_path)


@pytest.mark.parametrize("location", ["/etc/passwd", "../secret", "a/../../b", "C:\\x", "..\\x"])
def test_weights_from_another_folder_are_refused(tmp_path: Path, location: str):
    folder = tmp_path / "a"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"\x00\x00\x00\x40")
    with pytest.raises(ModelError, match=r"External data path"):
        check_onnx(external_onnx(folder, location), OPEN)


def test_weights_in_a_second_file_are_taken_from_beside_the_model(tmp_path: Path):
    (tmp_path / "gain.bin").write_bytes(b"\x00\x00\x00\x40")
    path = external_onnx(tmp_path, "gain.bin")
    assert check_onnx(path, OPEN) == OPEN
    (tmp_path / "gain.bin").unlink()  # as in the cache, where a model is one file
    with pytest.raises(ModelError, match=r"External data path does not exist"):
        check_onnx(path, OPEN)
