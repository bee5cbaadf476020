"""Image in, depth out."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sonar.depth.contract import InputContract
from sonar.depth.preprocess import Preprocessor
from sonar.errors import DepthError
from sonar.ports import DepthBackend
from sonar.types import DepthMap, FloatImage, Frame

WARM_UP_RUNS = 5


class NetworkEngine:
    """Preprocessing by a contract, a backend, and checks of what comes out.

    Implements :class:`sonar.ports.Engine`. One thread at a time.
    """

    def __init__(
        self,
        backend: DepthBackend,
        contract: InputContract,
        label: str,
        *,
        model: str = "",
    ) -> None:
        """``label`` names model, backend and precision for people and logs; ``model`` is the name
        of the model that each depth map carries."""
        self.label = label
        self.model = model
        self.backend = backend
        self.contract = contract
        self._preprocess = Preprocessor(contract)

    def warm_up(self, height: int, width: int) -> None:
        """Run some times on made-up frames of this size: the first ones take longer.

        Raises DepthError as :meth:`estimate` does.
        """
        # Noise, since a real network may well give a constant for an even gray.
        image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        for number in range(WARM_UP_RUNS):
            self.estimate(Frame(image=image, id=number, t=0.0))

    def estimate(self, frame: Frame) -> DepthMap:
        """Depth of one frame at the network's resolution; its arrays are new, nobody's buffers.

        Raises DepthError when the network fails, or gives another shape, NaN, infinity or a
        constant.
        """
        tensor = self._preprocess(frame.image)
        outputs = self.backend.run(tensor)
        contract, shape = self.contract, tensor.shape[2:]
        depth = self._plane(outputs, contract.depth_output or next(iter(outputs)), shape)
        low, high = float(depth.min()), float(depth.max())
        if high - low <= 1e-6 * max(abs(low), abs(high)):
            raise DepthError(f"{self.label} gave the same value everywhere")
        walkable, stairs, drop = (
            None if name is None else np.clip(self._plane(outputs, name, shape), 0.0, 1.0)
            for name in (contract.walkable_output, contract.stairs_output, contract.drop_output)
        )
        sigma = contract.log_sigma_output
        log_sigma = None if sigma is None else self._plane(outputs, sigma, shape)
        return DepthMap(depth, contract.kind, walkable, stairs, drop, log_sigma, self.model)

    def close(self) -> None:
        self.backend.close()

    def _plane(
        self, outputs: Mapping[str, NDArray[np.float32]], name: str, shape: tuple[int, ...]
    ) -> FloatImage:
        """One output without its batch and channel axes. Raises DepthError."""
        if name not in outputs:
            raise DepthError(f"the model has no output {name!r}, only {', '.join(outputs)}")
        values = outputs[name]
        if values.shape not in ((1, *shape), (1, 1, *shape)):
            raise DepthError(
                f"the model's output {name!r} has shape {values.shape}, not {(1, *shape)}"
            )
        if not (np.isfinite(values.min()) and np.isfinite(values.max())):
            raise DepthError(f"{self.label} gave values that are not numbers in {name}")
        return np.ascontiguousarray(values.reshape(shape), np.float32)
