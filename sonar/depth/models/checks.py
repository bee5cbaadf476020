"""Refusing a file that is not the depth network it should be."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from sonar.depth.backends.onnx import OnnxBackend
from sonar.depth.engine import NetworkEngine
from sonar.depth.models.contract import InputContract
from sonar.depth.models.registry import ModelEntry
from sonar.errors import DepthError, ModelError
from sonar.types import Frame, RgbImage

_PROBE_PX = 64  # where the network leaves the size open; enough for five halvings


def check_file(path: Path, entry: ModelEntry) -> InputContract:
    """Check that ``path`` can be the model ``entry``; its sum is the caller's to compare.

    An ONNX file is opened and tried. A checkpoint is proven by its published sum; torch reads it
    as plain weights only when it is converted.

    Returns the contract, a fixed input size filled in. Raises ModelError naming what is wrong.
    """
    size = path.stat().st_size
    if entry.size_bytes not in (None, size):
        raise ModelError(f"{entry.name}: {size} bytes, expected {entry.size_bytes}")
    return check_onnx(path, entry.contract) if entry.format == "onnx" else entry.contract


def check_onnx(path: Path, contract: InputContract) -> InputContract:
    """Open an ONNX file, compare it with ``contract`` and try it on two small images.

    Weights in other files are taken from the file's own folder only; ONNX Runtime refuses others.

    Returns ``contract``, with the model's fixed size filled in where it has one and ``contract``
    leaves it open. Raises ModelError for anything else than a float32 image-to-depth network
    whose output depends on its input, is finite and not constant.
    """
    backend = OnnxBackend(path, threads=1)
    try:
        fixed = backend.fixed_hw
        if fixed is not None and contract.fixed_hw not in (None, fixed):
            raise ModelError(
                f"{path.name} takes images of {fixed[0]}x{fixed[1]} (height x width), described "
                f"are {contract.fixed_hw[0]}x{contract.fixed_hw[1]}"
            )
        for wanted in (contract.depth_output, contract.walkable_output, contract.stairs_output):
            if wanted is not None and wanted not in backend.output_names:
                names = ", ".join(backend.output_names)
                raise ModelError(f"{path.name} has no output {wanted!r}; it has {names}")
        if fixed is not None:
            contract = replace(contract, fit="exact", fixed_hw=fixed)
        _try(backend, contract, path.name)
    finally:
        backend.close()
    return contract


def _try(backend: OnnxBackend, contract: InputContract, label: str) -> None:
    """Two images must give two different finite maps."""
    rows, columns = contract.fixed_hw or _probe_size(contract)
    engine = NetworkEngine(backend, replace(contract, fit="exact", fixed_hw=(rows, columns)), label)
    try:
        first, second = (
            engine.estimate(Frame(_probe_image(rows, columns, seed), id=seed, t=0.0)).values
            for seed in (0, 1)
        )
    except DepthError as error:
        raise ModelError(f"{label} is no depth network: {error}") from error
    if np.array_equal(first, second):
        raise ModelError(f"{label} gives the same map for every image: it is no depth network")


def _probe_size(contract: InputContract) -> tuple[int, int]:
    """Small, and with two different sides, so that swapped axes show."""
    units = -(-_PROBE_PX // contract.multiple)
    return units * contract.multiple, (units + 1) * contract.multiple


def _probe_image(rows: int, columns: int, seed: int) -> RgbImage:
    """A ramp, a block and some grain; uint8 (rows, columns, 3) RGB."""
    random = np.random.default_rng(seed)
    ramp = np.linspace(25, 180, rows)[:: -1 if seed else 1, None, None]
    image = ramp + random.uniform(-12, 12, (rows, columns, 3))
    top, left = rows // 4, columns // 4 if seed else columns // 2
    image[top : top + rows // 3, left : left + columns // 4] = (230, 150, 75)
    return np.asarray(np.clip(image, 0, 255), np.uint8)
