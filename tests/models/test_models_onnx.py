"""ONNX files: one picture in, depth out, or refused with the reason."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_files import external_onnx, onnx_bytes

from sonar.depth.models.checks_onnx import check_onnx
from sonar.depth.models.contract import InputContract
from sonar.depth.models.registry import BUILTIN, BUILTIN_PATH
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
    with pytest.raises(ModelError, match=r"takes pictures of 96x128 .* described are 128x96"):
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
        ({"inputs": 2}, "has 2 inputs; a depth network takes one picture"),
        ({"shape": None, "body": "whole"}, "no fixed number of dimensions"),
        ({"shape": (3, "h", "w"), "body": "whole"}, "an input of 3 dimensions"),
        ({"shape": (2, 3, "h", "w")}, "takes 2 pictures at once"),
        ({"shape": (1, 1, "h", "w")}, "takes 1 channels"),
        ({"shape": (1, 3, 64, "w")}, "fixes only one side"),
        ({"shape": (1, 3, "h", "w"), "dtype": 10, "body": "whole"}, r"takes tensor\(float16\)"),
        ({"body": "nan"}, "values that are not numbers"),
        ({"body": "constant"}, "the same value everywhere"),
        ({"body": "ignores"}, "the same map whatever it sees"),
        ({"body": "whole"}, r"gives \[1, 3, 64, 96\] for a picture of 64x96"),
    ],
)
def test_what_is_no_depth_network_is_refused(tmp_path: Path, made: dict, reason: str):
    with pytest.raises(ModelError, match=rf"net\.onnx .*{reason}"):
        check(onnx_bytes(**made), tmp_path)


def test_a_missing_output_is_named(tmp_path: Path):
    with pytest.raises(ModelError, match="has no output 'walkable'; it has depth"):
        check(GOOD, tmp_path, InputContract(walkable_output="walkable"))


def test_a_network_that_cannot_take_the_multiple(tmp_path: Path):
    with pytest.raises(ModelError, match="fails on a picture of 64x96"):
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
    with pytest.raises(ModelError, match="is refused: it reads its weights from another folder"):
        check_onnx(external_onnx(tmp_path, location), OPEN, alone=False)


def test_weights_in_a_second_file(tmp_path: Path):
    (tmp_path / "gain.bin").write_bytes(b"\x00\x00\x00\x40")
    path = external_onnx(tmp_path, "gain.bin")
    assert check_onnx(path, OPEN, alone=False) == OPEN
    with pytest.raises(ModelError, match=r"keeps its weights in a second file \(gain\.bin\)"):
        check_onnx(path, OPEN)
