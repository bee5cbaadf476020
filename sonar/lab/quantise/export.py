"""torch checkpoints become ONNX files. Needs the ``midas`` extra."""

import warnings
from pathlib import Path
from typing import Any

from sonar.depth.models.contract import InputContract
from sonar.depth.models.resolved import ResolvedModel
from sonar.errors import MissingExtraError, ModelError

OPSET = 17


def load_network(model: ResolvedModel) -> Any:
    """The checkpoint as a torch module ready to run.

    Raises ModelError for a damaged file or an unknown architecture, MissingExtraError without
    torch and timm.
    """
    if model.format != "torch":
        raise ModelError(f"{model.name} is an ONNX model; there is no torch network for it")
    if model.architecture == "dpt_large":
        try:
            from sonar.depth.midas.dpt import load_dpt_large
        except ImportError as error:
            raise MissingExtraError("midas", f"converting {model.name}") from error
        return load_dpt_large(model.path)
    from sonar.depth.midas.weights import load_midas_small

    return load_midas_small(model.path)


def export_onnx(network: Any, target: Path, contract: InputContract) -> None:
    """Write ``network`` as ONNX, opset 17, for pictures of any size in multiples of 32.

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


def output_names(contract: InputContract) -> list[str]:
    """Names for a torch network's outputs, in its order."""
    names = [contract.depth_output or "inverse_depth"]
    return names + ([contract.walkable_output] if contract.walkable_output else [])
