"""torch: frozen TorchScript, channels last. Needs the ``midas`` extra.

Slower than the other backends and heavy in memory; for checkpoints before they are converted,
and for comparison.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.depth.backends.onnx import first_line
from sonar.errors import DepthError, MissingExtraError


class TorchBackend:
    """Traces the network anew when the image shape changes.

    Attributes:
        name: "torch".
        precision: "fp32".
        fixed_hw: None: any size in multiples of 32.
        output_names: as given.
    """

    name = "torch"
    precision = "fp32"
    fixed_hw = None

    def __init__(self, network: Any, output_names: list[str], *, threads: int) -> None:
        """``network``: a torch module in evaluation mode. ``threads`` holds for all of torch."""
        try:
            import torch
        except ImportError as error:
            raise MissingExtraError("midas", "the torch backend") from error
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        self.output_names = output_names
        self._torch = torch
        self._network: Any = network.to(memory_format=torch.channels_last)
        self._frozen: Any = None
        self._shape: tuple[int, ...] = ()

    def run(self, tensor: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """``tensor`` float32 (1, 3, H, W) -> outputs by name, batch kept. Raises DepthError."""
        if self._network is None:
            raise DepthError("the depth network was closed")
        torch = self._torch
        try:
            image = torch.from_numpy(tensor).contiguous(memory_format=torch.channels_last)
            with torch.inference_mode():
                if tensor.shape != self._shape:
                    self._freeze(image)
                values = self._frozen(image)
        except RuntimeError as error:
            raise DepthError(f"the depth network failed ({first_line(error)})") from error
        several = values if isinstance(values, tuple) else (values,)
        return {
            name: value.contiguous().numpy()
            for name, value in zip(self.output_names, several, strict=True)
        }

    def close(self) -> None:
        self._network = self._frozen = None

    def _freeze(self, image: Any) -> None:
        jit = self._torch.jit
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript is deprecated, and fastest here
            self._frozen = jit.optimize_for_inference(jit.freeze(jit.trace(self._network, image)))
        self._shape = tuple(image.shape)
