"""ONNX files: one picture in, depth out, and something sensible when tried."""

import mmap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.depth.models.contract import InputContract
from sonar.errors import ModelError

_PROBE_PX = 64  # where the network leaves the size open; enough for five halvings
# protobuf: StringStringEntryProto.key = "location", then the tag of its value
_EXTERNAL = b"\n\x08location\x12"


def check_onnx(path: Path, contract: InputContract, *, alone: bool = True) -> InputContract:
    """Open an ONNX file, compare it with ``contract`` and try it on two small pictures.

    Args:
        path: the file.
        contract: how it is said to be fed.
        alone: it must not keep weights in other files (it is about to be copied into the cache);
            otherwise they may lie in its own folder.

    Returns:
        ``contract``, with the model's fixed size filled in where it has one and ``contract``
        leaves it open.

    Raises ModelError for anything else than a float32 picture-to-depth network whose output
    depends on its input and is finite.
    """
    _check_external(path, alone)
    session = _open(path)
    contract = _match_input(session, contract, path.name)
    _match_outputs(session, contract, path.name)
    _probe(session, contract, path.name)
    return contract


def _open(path: Path) -> Any:
    import onnxruntime as ort

    if not path.is_file():
        raise ModelError(f"the model file {path} is missing")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise ModelError(
            f"{path.name} is cut off, damaged, or no ONNX model ({_first_line(error)})"
        ) from error


def _check_external(path: Path, alone: bool) -> None:
    for location in _external_files(path):
        windows = PureWindowsPath(location)
        elsewhere = (
            PurePosixPath(location).is_absolute()
            or bool(windows.drive or windows.root)
            or ".." in windows.parts
        )
        if elsewhere:
            raise ModelError(
                f"{path.name} is refused: it reads its weights from another folder ({location})"
            )
        if alone:
            raise ModelError(
                f"{path.name} keeps its weights in a second file ({location}); "
                "only models in one file are taken, save it as one"
            )


def _external_files(path: Path) -> Iterator[str]:
    """Names of the files that hold tensors of this model outside it."""
    try:
        size = path.stat().st_size
        if size == 0:
            raise ModelError(f"{path.name} is empty")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found, at = set(), data.find(_EXTERNAL)
            while at >= 0:
                start = at + len(_EXTERNAL) + 1
                length = data[start - 1] if start <= size else 0
                if length < 0x80:  # longer names have no business here; the session refuses them
                    name = bytes(data[start : start + length]).decode("utf-8", "replace")
                    if name and name.isprintable() and name not in found:
                        found.add(name)
                        yield name
                at = data.find(_EXTERNAL, at + 1)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror or error})") from error


def _match_input(session: Any, contract: InputContract, label: str) -> InputContract:
    inputs = session.get_inputs()
    if len(inputs) != 1:
        raise ModelError(f"{label} has {len(inputs)} inputs; a depth network takes one picture")
    shape = list(inputs[0].shape or ())
    if len(shape) != 4:
        shown = f"{len(shape)} dimensions" if shape else "no fixed number of dimensions"
        raise ModelError(f"{label} takes an input of {shown}; a picture has (1, 3, height, width)")
    if inputs[0].type != "tensor(float)":
        raise ModelError(f"{label} takes {inputs[0].type}; only float32 pictures are given")
    batch, channels, *hw = shape
    if batch not in (1, None) and not isinstance(batch, str):
        raise ModelError(f"{label} takes {batch} pictures at once; only one is given")
    if channels != 3 and not isinstance(channels, str | None):
        raise ModelError(f"{label} takes {channels} channels; a picture has 3 (R, G, B)")
    static = tuple(side for side in hw if isinstance(side, int) and side > 0)
    if len(static) == 1:
        raise ModelError(f"{label} fixes only one side of the picture ({shape}); fix both or none")
    if len(static) == 2:
        if contract.fixed_hw is None:
            return replace(contract, fit="exact", fixed_hw=(static[0], static[1]))
        if contract.fixed_hw != static:
            raise ModelError(
                f"{label} takes pictures of {static[0]}x{static[1]} (height x width), described "
                f"are {contract.fixed_hw[0]}x{contract.fixed_hw[1]}"
            )
    return contract


def _match_outputs(session: Any, contract: InputContract, label: str) -> None:
    names = [output.name for output in session.get_outputs()]
    for wanted in (contract.depth_output, contract.walkable_output, contract.stairs_output):
        if wanted is not None and wanted not in names:
            raise ModelError(f"{label} has no output {wanted!r}; it has {', '.join(names)}")


def _probe(session: Any, contract: InputContract, label: str) -> None:
    """Two pictures, two different finite maps."""
    height, width = contract.fixed_hw or _probe_size(contract)
    name = session.get_inputs()[0].name
    depth_name = contract.depth_output or session.get_outputs()[0].name
    maps: list[NDArray[np.float32]] = []
    for seed in (0, 1):
        picture = _picture(height, width, seed)
        mean = np.asarray(contract.mean, np.float32)[:, None, None]
        std = np.asarray(contract.std, np.float32)[:, None, None]
        try:
            values = session.run([depth_name], {name: ((picture - mean) / std)[None]})[0]
        except Exception as error:  # onnxruntime's exceptions share no base class
            raise ModelError(
                f"{label} fails on a picture of {height}x{width} ({_first_line(error)})"
            ) from error
        maps.append(_as_map(values, (height, width), label))
    for values in maps:
        low, high = float(values.min()), float(values.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ModelError(f"{label} gives values that are not numbers")
        if high - low <= 1e-6 * max(abs(low), abs(high), 1e-30):
            raise ModelError(f"{label} gives the same value everywhere: that is no depth")
    if np.array_equal(maps[0], maps[1]):
        raise ModelError(f"{label} gives the same map whatever it sees: that is no depth")


def _as_map(values: object, hw: tuple[int, int], label: str) -> NDArray[np.float32]:
    if not isinstance(values, np.ndarray) or values.dtype != np.float32:
        raise ModelError(f"{label} gives something else than float32 numbers")
    if values.shape not in ((1, *hw), (1, 1, *hw)):
        raise ModelError(
            f"{label} gives {list(values.shape)} for a picture of {hw[0]}x{hw[1]}; "
            f"a depth map would be [1, {hw[0]}, {hw[1]}]"
        )
    return values


def _probe_size(contract: InputContract) -> tuple[int, int]:
    """Small, and with two different sides, so that swapped axes show."""
    units = -(-_PROBE_PX // contract.multiple)
    return units * contract.multiple, (units + 1) * contract.multiple


def _picture(height: int, width: int, seed: int) -> NDArray[np.float32]:
    """A made-up picture in [0, 1], shape (3, H, W): a ramp, a block and some grain."""
    random = np.random.default_rng(seed)
    ramp = np.linspace(0.1, 0.7, height, dtype=np.float32)[:: -1 if seed else 1, None]
    picture = np.repeat(np.broadcast_to(ramp, (height, width))[None], 3, axis=0)
    top, left = height // 4, width // 4 if seed else width // 2
    picture[:, top : top + height // 3, left : left + width // 4] = [[[0.9]], [[0.6]], [[0.3]]]
    grain = random.random((3, height, width), dtype=np.float32)
    clipped: NDArray[np.float32] = np.clip(picture + 0.1 * (grain - 0.5), 0.0, 1.0)
    return clipped


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:160] or type(error).__name__
