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
from sonar.errors import DepthError


class TorchBackend:
    """Traces the network anew when the image shape changes; any size in multiples of 32."""

    name = "torch"
    precision = "fp32"
    fixed_hw = None
    output_names = ("inverse_depth",)

    def __init__(self, network: Any, *, threads: int) -> None:
        """``network``: a torch module in evaluation mode. ``threads`` holds for all of torch."""
        import torch

        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        self._torch = torch
        self._network: Any = network.to(memory_format=torch.channels_last)
        self._frozen: Any = None
        self._shape: tuple[int, ...] = ()

    def run(self, tensor: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """``tensor`` float32 (1, 3, H, W) -> the depth by name, batch kept. Raises DepthError."""
        if self._network is None:
            raise DepthError("the depth network was closed")
        torch = self._torch
        try:
            image = torch.from_numpy(tensor).contiguous(memory_format=torch.channels_last)
            with torch.inference_mode():
                if tensor.shape != self._shape:
                    self._freeze(image)
                depth = self._frozen(image)
        except RuntimeError as error:
            raise DepthError(f"the depth network failed ({first_line(error)})") from error
        return {self.output_names[0]: depth.contiguous().numpy()}

    def close(self) -> None:
        self._network = self._frozen = None

    def _freeze(self, image: Any) -> None:
        jit = self._torch.jit
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript is deprecated, and fastest here
            self._frozen = jit.optimize_for_inference(jit.freeze(jit.trace(self._network, image)))
        self._shape = tuple(image.shape)
