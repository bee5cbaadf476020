"""Refusing an ONNX file that is not the depth network it should be."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from sonar.depth.backends.onnx import OnnxBackend
from sonar.depth.contract import InputContract
from sonar.depth.engine import NetworkEngine
from sonar.depth.practice import practice_images
from sonar.errors import DepthError, ModelError
from sonar.types import Frame

_PROBE_PX = 64  # where the network leaves the size open; enough for five halvings


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
        if fixed is not None:
            if contract.fixed_hw not in (None, fixed):
                raise ModelError(
                    f"{path.name} takes images of {fixed[0]}x{fixed[1]} (height x width), "
                    f"described are {contract.fixed_hw[0]}x{contract.fixed_hw[1]}"
                )
            contract = replace(contract, fit="exact", fixed_hw=fixed)
        side = -(-_PROBE_PX // contract.multiple) * contract.multiple
        # Two different sides, so that swapped axes show.
        rows, columns = contract.fixed_hw or (side, side + contract.multiple)
        probe = replace(contract, fit="exact", fixed_hw=(rows, columns))
        engine = NetworkEngine(backend, probe, path.name)
        first, second = (
            engine.estimate(Frame(image, id=0, t=0.0)).values
            for image in practice_images(2, rows, columns)
        )
    except DepthError as error:
        raise ModelError(f"{path.name} is no depth network: {error}") from error
    finally:
        backend.close()
    if np.array_equal(first, second):
        raise ModelError(f"{path.name} gives the same map for every image: it is no depth network")
    return contract
