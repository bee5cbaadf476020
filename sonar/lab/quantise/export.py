"""torch checkpoints become ONNX files. Needs the ``midas`` extra."""

import warnings
from pathlib import Path
from typing import Any

from sonar.depth.midas import output_names
from sonar.depth.models.contract import InputContract

OPSET = 17


def export_onnx(network: Any, target: Path, contract: InputContract) -> None:
    """Write ``network`` as ONNX, opset 17, for images of any size in multiples of 32.

    Outputs are named as the contract names them ("inverse_depth" where it names none), in
    MidasSmall's order: depth, then walkable. One file serves every aspect ratio: a fixed size was
    measured no faster in ONNX Runtime, and OpenVINO fixes it when it compiles.
    """
    import torch

    names = output_names(contract)
    sides = {1: "height", 2: "width"}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # about the legacy exporter and its traces
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, 256, 320),),
            str(target),
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=names,
            dynamic_axes={"image": {2: "height", 3: "width"}, **{name: sides for name in names}},
        )
