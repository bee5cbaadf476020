"""The MiDaS networks in torch: v2.1 small and DPT-Large. Needs the ``midas`` extra when used."""

from typing import Any

from sonar.depth.models.contract import InputContract
from sonar.depth.models.resolved import ResolvedModel
from sonar.errors import MissingExtraError, ModelError

__all__ = ["load_network", "output_names"]


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


def output_names(contract: InputContract) -> list[str]:
    """Names for a torch network's outputs, in its order."""
    names = [contract.depth_output or "inverse_depth"]
    return names + ([contract.walkable_output] if contract.walkable_output else [])
