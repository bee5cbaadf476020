"""Weights in the order in which the decoder's machine code reads them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonar.depth.native.steps import LANES, UNIT, aligned, padded
from sonar.depth.native.weights import Convolution, Decoder, Unit

# Kernel transforms: three weights to four (F(2,3)) and to six (F(4,3)) points.
_TRANSFORMS = {
    2: np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]]),
    4: np.array(
        [
            [1 / 4, 0, 0],
            [-1 / 6, -1 / 6, -1 / 6],
            [-1 / 6, 1 / 6, -1 / 6],
            [1 / 24, 1 / 12, 1 / 6],
            [1 / 24, -1 / 12, 1 / 6],
            [0, 0, 1],
        ]
    ),
}
LARGEST_TILED = 128 * 256  # cin * cout; above, F(4,3) weights would not stay in the cache


class Weights:
    """A convolution's weights in the order in which the machine code reads them."""

    def __init__(
        self,
        convolution: Convolution,
        *,
        cin: int,
        lanes: int,
        group: int,
        half: bool = False,
        deep: bool = False,
        unit: int = UNIT,
    ) -> None:
        """``cin``: channels of the map it is given, some of them perhaps zeros. ``half``: in
        bfloat16. ``deep``: for a map of few tiles, where reading the weights takes the time.
        ``unit``: results are filled up to a multiple of it.
        """
        kernel = convolution.kernel
        cout = padded(kernel.shape[0], unit)
        self.cin, self.cout = cin, cout
        self.m = 0
        self.half = half
        self.wide = lanes * group
        if kernel.shape[2] == 1:
            points = kernel[None, :, :, 0, 0].transpose(0, 2, 1)
        else:
            most = LARGEST_TILED * (1 + (half and not deep))
            self.m = 4 if cin * cout <= most else 2
            spread = _TRANSFORMS[self.m].astype(np.float32)
            points = np.einsum("iy,ocyx,jx->ijco", spread, kernel, spread, optimize=True)
            points = points.reshape(-1, *points.shape[2:])
        filled = np.zeros((points.shape[0], cin, cout), np.float32)
        filled[:, : points.shape[1], : points.shape[2]] = points
        if self.half:
            filled = _in_pairs(filled)
        parts = [
            filled[:, :, start : start + self.wide].reshape(len(points), -1)
            for start in range(0, cout, self.wide)
        ]
        self.values = aligned(len(points), filled.shape[1] * cout)
        np.concatenate(parts, axis=1, out=self.values)
        self.bias = aligned(cout)
        self.bias[: kernel.shape[0]] = convolution.bias


def _in_pairs(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """(points, cin, cout) -> (points, cin / 2, cout), each two input channels as bfloat16."""
    bits = points.view(np.uint32)
    rounded = bits + 0x7FFF + (bits >> 16 & 1)  # to the nearest, ties to even
    return (rounded[:, 0::2] >> 16 | rounded[:, 1::2] & 0xFFFF0000).view(np.float32)


@dataclass(frozen=True, slots=True)
class ReadyLevel:
    """A :class:`Level` with weights in the machine code's order."""

    reduce: Weights | None
    unit1: tuple[Weights, Weights] | None
    unit2: tuple[Weights, Weights]
    narrow: Weights


class Ready:
    """A :class:`Decoder` with weights in the machine code's order."""

    def __init__(self, decoder: Decoder, lanes: int, group: int, half: bool = False) -> None:
        def weights(convolution: Convolution, cin: int, deep: bool = False) -> Weights:
            return Weights(convolution, cin=cin, lanes=lanes, group=group, half=half, deep=deep)

        def unit(given: Unit, channels: int, deep: bool = False) -> tuple[Weights, Weights]:
            return weights(given[0], channels, deep), weights(given[1], channels, deep)

        levels = []
        for level in decoder.levels:
            channels = padded(level.unit2[0].kernel.shape[1])
            reduce = None
            if level.reduce is not None:
                reduce = weights(level.reduce, padded(level.reduce.kernel.shape[1], 16))
            unit1 = None if level.unit1 is None else unit(level.unit1, channels)
            levels.append(
                ReadyLevel(
                    reduce,
                    unit1,
                    unit(level.unit2, channels, deep=level is decoder.levels[-1]),
                    weights(level.narrow, channels),
                )
            )
        self.levels = tuple(levels)
        first, second, last = decoder.head
        # Of 16 channels in the built-in model, on the largest map: none is added there.
        before = Weights(
            first, cin=levels[0].narrow.cout, lanes=lanes, group=group, half=half, unit=LANES
        )
        self.head = (before, weights(second, before.cout))
        self.last = aligned(self.head[1].cout + 1)
        self.last[: last.kernel.shape[1]] = last.kernel[0, :, 0, 0]
        self.last[-1] = last.bias[0]
