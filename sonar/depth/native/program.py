"""What the decoder's machine code is given: transformed weights and a list of steps."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.depth.native.weights import Convolution, Decoder, Unit
from sonar.types import FloatImage

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
UNIT = 32  # channels are filled up to a multiple
LARGEST_TILED = 128 * 256  # cin * cout; above, F(4,3) weights would not stay in the cache
SCRATCH_FLOATS = 80_000  # of one piece of work: with its weights it stays in a core's own cache
PIECES = 6  # at least, for each thread, where there is as much to do
ALIGNED = 64
PIXELS = 48  # of a 1x1 convolution, worked on together
FEW_TILES = 18  # so few are worked on together; threads share out the results' channels
LARGEST_VECTOR = 16


class Step(ctypes.Structure):
    """As in decoder.c."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("kind", "m", "cin", "cout", "rows", "columns")),
        *((name, ctypes.c_int32) for name in ("relu_in", "relu_out", "tiles", "parts", "half")),
        *((name, ctypes.c_void_p) for name in ("source", "weights", "bias", "add", "add2")),
        *((name, ctypes.c_void_p) for name in ("target", "last")),
    )


PACK, CONV3, CONV1, DOUBLE, HEAD = range(5)


def aligned(*shape: int) -> NDArray[np.float32]:
    """Zeros at a cache line's start."""
    count = int(np.prod(shape))
    room = np.zeros(count + ALIGNED // 4, np.float32)
    start = -(room.ctypes.data % ALIGNED) % ALIGNED // 4
    return room[start : start + count].reshape(shape)


def padded(channels: int, unit: int = UNIT) -> int:
    return -(-channels // unit) * unit


class Weights:
    """A convolution's weights in the order in which the machine code reads them."""

    def __init__(
        self, convolution: Convolution, *, cin: int, lanes: int, group: int, half: bool = False
    ) -> None:
        """``cin``: channels of the map it is given, some of them perhaps zeros. ``half``: in
        bfloat16.
        """
        kernel = convolution.kernel
        cout = padded(kernel.shape[0])
        self.cin, self.cout = cin, cout
        self.m = 0
        self.half = half
        self.wide = lanes * group
        if kernel.shape[2] == 1:
            points = kernel[None, :, :, 0, 0].transpose(0, 2, 1)
        else:
            self.m = 4 if cin * cout <= LARGEST_TILED * (1 + half) else 2
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


class Program:
    """Steps and buffers for maps of given sizes, and their running."""

    def __init__(
        self, code: Any, decoder: "Ready", maps: Sequence[FloatImage], threads: int
    ) -> None:
        """``maps``: float32 (1, channels, rows, columns), the finest first."""
        self._code, self._threads = code, threads
        self._kept: list[Any] = [decoder]
        self._steps: list[Step] = []
        self._scratch = 0
        self._places: list[int] = []  # of the steps that read the encoder's maps
        self._sizes = [(item.shape[2], item.shape[3]) for item in maps]
        path: NDArray[np.float32] | None = None
        for number in reversed(range(len(maps))):
            path = self._level(decoder.levels[number], maps[number], path)
        assert path is not None
        rows, columns = (2 * side for side in self._sizes[0])
        path = self._convolve(decoder.head[0], path, (rows, columns))
        second = decoder.head[1]
        self.depth = aligned(2 * rows, 2 * columns)
        tiles = self._tiles(36, second, rows * columns // 4)
        self._add(
            HEAD, second, path, self.depth, (rows, columns), tiles=tiles, last=decoder.last, m=4
        )
        self._list = (Step * len(self._steps))(*self._steps)
        self._pool = code.sonar_open(threads, 4 * self._scratch)
        if not self._pool:
            raise MemoryError("no memory or threads for the decoder")

    def run(self, maps: Sequence[FloatImage]) -> FloatImage:
        """The depth, float32 (rows, columns); a new array."""
        kept = [np.ascontiguousarray(item, np.float32) for item in maps]
        for place, item in zip(self._places, reversed(kept), strict=True):
            self._list[place].source = item.ctypes.data
        self._code.sonar_run(self._pool, self._list, len(self._list))
        return self.depth.copy()

    def close(self) -> None:
        if self._pool:
            self._code.sonar_close(self._pool)
            self._pool = None

    def _level(
        self, level: "ReadyLevel", given: FloatImage, deeper: NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        size = (given.shape[2], given.shape[3])
        channels = level.reduce.cin if level.reduce else level.unit2[0].cin
        skip = aligned(channels, *size)
        self._places.append(len(self._steps))
        self._steps.append(
            Step(
                PACK, 0, given.shape[1], channels, *size, parts=1, tiles=1, target=skip.ctypes.data
            )
        )
        self._kept.append(skip)
        if level.reduce is not None:
            skip = self._convolve(level.reduce, skip, size)
        if level.unit1 is not None:
            inner = self._convolve(level.unit1[0], skip, size, relu_in=1, relu_out=1)
            skip = self._convolve(level.unit1[1], inner, size, add=skip, add2=deeper)
        inner = self._convolve(level.unit2[0], skip, size, relu_in=1, relu_out=1)
        path = self._convolve(level.unit2[1], inner, size, add=skip)
        narrow = aligned(level.narrow.cout, *size)
        tiles = min(PIXELS, -(-size[0] * size[1] // self._threads))
        self._scratch = max(self._scratch, tiles * level.narrow.cin)
        self._add(CONV1, level.narrow, path, narrow, size, tiles=tiles)
        doubled = aligned(level.narrow.cout, 2 * size[0], 2 * size[1])
        self._steps.append(
            Step(
                DOUBLE, 0, level.narrow.cout, level.narrow.cout, *size, tiles=1, parts=1,
                source=narrow.ctypes.data, target=doubled.ctypes.data,
            )
        )  # fmt: skip
        self._kept += [doubled]
        return doubled

    def _convolve(
        self,
        weights: Weights,
        source: NDArray[np.float32],
        size: tuple[int, int],
        *,
        relu_in: int = 0,
        relu_out: int = 0,
        add: NDArray[np.float32] | None = None,
        add2: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        target = aligned(weights.cout, *size)
        count = -(-size[0] // weights.m) * -(-size[1] // weights.m)
        points, parts = (weights.m + 2) ** 2, 1
        if count <= FEW_TILES and weights.cout % (self._threads * weights.wide) == 0:
            parts = self._threads  # each reads weights of its own
            tiles = self._with_room(points, weights, count)
        else:
            tiles = self._tiles(points, weights, count)
        self._add(
            CONV3, weights, source, target, size, tiles=tiles, parts=parts, m=weights.m,
            relu_in=relu_in, relu_out=relu_out, add=add, add2=add2,
        )  # fmt: skip
        return target

    def _tiles(self, points: int, weights: Weights, count: int) -> int:
        """Tiles for one piece of work: small enough for the cache, and for all threads."""
        each = self._room(points, weights)
        most = max(6, SCRATCH_FLOATS // each)
        pieces = max(self._threads, -(-count // most))
        if pieces > self._threads:
            pieces = padded(pieces, self._threads)
        tiles = -(-count // pieces)
        if tiles > 12:
            tiles = padded(tiles, 12 if weights.cout == UNIT else 6)
        return self._with_room(points, weights, tiles)

    def _with_room(self, points: int, weights: Weights, tiles: int) -> int:
        most_apart = 2 * points * 2 * LARGEST_VECTOR
        self._scratch = max(self._scratch, tiles * self._room(points, weights) + most_apart)
        return tiles

    @staticmethod
    def _room(points: int, weights: Weights) -> int:
        """Floats that the factors and results of one tile take."""
        return points * ((weights.cin >> weights.half) + weights.cout)

    def _add(
        self,
        kind: int,
        weights: Weights,
        source: NDArray[np.float32],
        target: NDArray[np.float32],
        size: tuple[int, int],
        *,
        tiles: int,
        parts: int = 1,
        m: int = 0,
        relu_in: int = 0,
        relu_out: int = 0,
        **others: NDArray[np.float32] | None,
    ) -> None:
        self._kept += [source, target]
        places = {name: array.ctypes.data for name, array in others.items() if array is not None}
        self._steps.append(
            Step(
                kind, m, weights.cin, weights.cout, *size, relu_in, relu_out, tiles,
                parts, int(weights.half), source=source.ctypes.data,
                weights=weights.values.ctypes.data, bias=weights.bias.ctypes.data,
                target=target.ctypes.data, **places,
            )
        )  # fmt: skip


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
        def weights(convolution: Convolution, cin: int) -> Weights:
            return Weights(convolution, cin=cin, lanes=lanes, group=group, half=half)

        def unit(given: Unit, channels: int) -> tuple[Weights, Weights]:
            return weights(given[0], channels), weights(given[1], channels)

        levels = []
        for level in decoder.levels:
            channels = padded(level.unit2[0].kernel.shape[1])
            reduce = None
            if level.reduce is not None:
                reduce = weights(level.reduce, padded(level.reduce.kernel.shape[1], 16))
            unit1 = None if level.unit1 is None else unit(level.unit1, channels)
            levels.append(
                ReadyLevel(
                    reduce, unit1, unit(level.unit2, channels), weights(level.narrow, channels)
                )
            )
        self.levels = tuple(levels)
        first, second, last = decoder.head
        before = weights(first, levels[0].narrow.cout)
        self.head = (before, weights(second, before.cout))
        self.last = aligned(self.head[1].cout + 1)
        self.last[: last.kernel.shape[1]] = last.kernel[0, :, 0, 0]
        self.last[-1] = last.bias[0]
