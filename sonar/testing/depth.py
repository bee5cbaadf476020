"""An engine without a network, for tests and for trying a set-up."""

from collections.abc import Callable, Mapping, Sequence

from sonar.types import DepthMap, Frame


class FakeEngine:
    """Gives depth maps by script. Implements :class:`sonar.ports.Engine`.

    Attributes:
        calls: how many times ``estimate`` was called.
        warmed_up: (height, width) of every ``warm_up``.
        closed: whether ``close`` was called.

    >>> import numpy as np
    >>> from sonar.errors import DepthError
    >>> from sonar.types import DepthMap, Frame
    >>> ground = np.repeat(np.linspace(0.0, 1.0, 48, dtype=np.float32)[:, None], 64, axis=1)
    >>> engine = FakeEngine(DepthMap(ground), failures={1: DepthError("NaN")})
    >>> frame = Frame(np.zeros((48, 64, 3), np.uint8), id=0, t=0.0)
    >>> engine.estimate(frame).values.shape
    (48, 64)
    >>> engine.estimate(frame)
    Traceback (most recent call last):
    sonar.errors.DepthError: NaN
    """

    def __init__(
        self,
        depth: DepthMap | Sequence[DepthMap] | Callable[[Frame], DepthMap],
        *,
        failures: Mapping[int, Exception] | None = None,
        label: str = "fake",
    ) -> None:
        """``depth``: one map for ever, a sequence (the last one repeats) or a function, which may
        sleep on a clock. ``failures`` by call, 0 first, are raised."""
        self.label = label
        self.calls, self.closed = 0, False
        self.warmed_up: list[tuple[int, int]] = []
        self._depth, self._failures = depth, dict(failures or {})

    def warm_up(self, height: int, width: int) -> None:
        self.warmed_up.append((height, width))

    def estimate(self, frame: Frame) -> DepthMap:
        call, self.calls = self.calls, self.calls + 1
        if call in self._failures:
            raise self._failures[call]
        if isinstance(self._depth, DepthMap):
            return self._depth
        if isinstance(self._depth, Sequence):
            return self._depth[min(call, len(self._depth) - 1)]
        return self._depth(frame)

    def close(self) -> None:
        self.closed = True
