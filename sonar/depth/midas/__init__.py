"""MiDaS v2.1 small in torch, from the official checkpoint. Needs the ``midas`` extra when used."""

from pathlib import Path
from typing import Any

from sonar.errors import MissingExtraError, ModelError

__all__ = ["load_network"]


def load_network(path: Path) -> Any:
    """The official checkpoint as a torch module ready to run, in float32.

    torch reads the file as plain weights only, so that no code in it runs. Raises ModelError when
    it is damaged or of another network, MissingExtraError without torch and timm.
    """
    try:
        import torch

        from sonar.depth.midas.network import MidasSmall
    except ImportError as error:
        raise MissingExtraError("midas", "running MiDaS in torch") from error
    network = MidasSmall()
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch's, pickle's and zip's errors share no base class
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{path} is no checkpoint of MiDaS small ({reason})") from error
    return network.eval()
