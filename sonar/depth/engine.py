"""Image in, depth out."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sonar.clock import SystemClock
from sonar.depth.models.contract import InputContract
from sonar.depth.preprocess import Preprocessor
from sonar.errors import DepthError
from sonar.ports import Clock, DepthBackend
from sonar.types import DepthMap, FloatImage, Frame

WARM_UP_RUNS = (3, 40)  # at least, at most
WARM_UP_LIMIT_S = 2.0
SETTLED = 1.25  # the last three runs lie within this of the fastest


class NetworkEngine:
    """Preprocessing by a contract, a backend, and checks of what comes out.

    Implements :class:`sonar.ports.Engine`. One thread at a time.
    """

    def __init__(
        self,
        backend: DepthBackend,
        contract: InputContract,
        label: str,
        clock: Clock | None = None,
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
        self._clock = clock or SystemClock()

    def warm_up(self, height: int, width: int) -> None:
        """Run on made-up images of this size until timings settle; at most about 2 s.

        Raises DepthError as :meth:`estimate` does.
        """
        # Noise, since a real network may well give a constant for an even gray.
        image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        frame = Frame(image=image, id=0, t=0.0)
        began_s = self._clock.now()
        spent_s: list[float] = []
        least, most = WARM_UP_RUNS
        while len(spent_s) < most:
            before_s = self._clock.now()
            self.estimate(frame)
            after_s = self._clock.now()
            spent_s.append(after_s - before_s)
            settled = max(spent_s[-3:]) <= SETTLED * min(spent_s)
            if len(spent_s) >= least and (settled or after_s - began_s > WARM_UP_LIMIT_S):
                break

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
