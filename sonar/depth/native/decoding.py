"""The decoder's steps for maps of given sizes."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sonar.depth.native.ready import Ready, ReadyLevel, Weights
from sonar.depth.native.steps import CONV1, CONV3, DOUBLE, HEAD, LANES, UNIT, Steps, aligned, padded

SCRATCH_FLOATS = 80_000  # of one piece of work: with its weights it stays in a core's own cache
PIXELS = 48  # of a 1x1 convolution, worked on together
FEW_TILES = 18  # so few are worked on together; threads share out the results' channels
LARGEST_VECTOR = 16


class Decoding:
    """Adds steps; a map lies in memory as in layers.h."""

    def __init__(self, steps: Steps, threads: int) -> None:
        self._steps, self._threads = steps, threads

    def decoder(
        self,
        decoder: Ready,
        maps: Sequence[NDArray[np.float32]],
        sizes: Sequence[tuple[int, int]],
    ) -> NDArray[np.float32]:
        """``maps``: the encoder's, the finest first, of ``sizes``. The depth (rows, columns).

        Raises ValueError where a size is not twice the next: of a picture whose sides are no
        multiples of 32.
        """
        if any(fine != (2 * rows, 2 * columns) for fine, (rows, columns) in pairwise(sizes)):
            raise ValueError(f"maps of {', '.join(f'{r}x{c}' for r, c in sizes)} do not fit")
        self._steps.keep(decoder)
        path: NDArray[np.float32] | None = None
        for number in reversed(range(len(maps))):
            path = self._level(decoder.levels[number], maps[number], sizes[number], path)
        assert path is not None
        rows, columns = (2 * side for side in sizes[0])
        path = self.convolve(decoder.head[0], path, (rows, columns))
        second = decoder.head[1]
        depth = aligned(2 * rows, 2 * columns)
        tiles = self._tiles(36, second, rows * columns // 4)
        self._add(HEAD, second, path, depth, (rows, columns), tiles=tiles, last=decoder.last, m=4)
        return depth

    def _level(
        self,
        level: ReadyLevel,
        skip: NDArray[np.float32],
        size: tuple[int, int],
        deeper: NDArray[np.float32] | None,
    ) -> NDArray[np.float32]:
        if level.reduce is not None:
            skip = self.convolve(level.reduce, skip, size)
        if level.unit1 is not None:
            inner = self.convolve(level.unit1[0], skip, size, relu_in=1, relu_out=1)
            skip = self.convolve(level.unit1[1], inner, size, add=skip, add2=deeper)
        inner = self.convolve(level.unit2[0], skip, size, relu_in=1, relu_out=1)
        path = self.convolve(level.unit2[1], inner, size, add=skip)
        narrow = aligned(level.narrow.cout, *size)
        tiles = min(PIXELS, -(-size[0] * size[1] // self._threads))
        self._reserve(tiles * level.narrow.cin)
        self._add(CONV1, level.narrow, path, narrow, size, tiles=tiles)
        doubled = aligned(level.narrow.cout, 2 * size[0], 2 * size[1])
        self._steps.add(
            DOUBLE, cin=level.narrow.cout, cout=level.narrow.cout, rows=size[0], columns=size[1],
            source=narrow, target=doubled,
        )  # fmt: skip
        return doubled

    def convolve(
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
            tiles = padded(tiles, {LANES: 24, UNIT: 12}.get(weights.cout, 6))
        return self._with_room(points, weights, tiles)

    def _with_room(self, points: int, weights: Weights, tiles: int) -> int:
        most_apart = 2 * points * 2 * LARGEST_VECTOR
        self._reserve(tiles * self._room(points, weights) + most_apart)
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
        self._steps.add(
            kind, m=m, cin=weights.cin, cout=weights.cout, rows=size[0], columns=size[1],
            relu_in=relu_in, relu_out=relu_out, tiles=tiles, parts=parts, half=int(weights.half),
            source=source, weights=weights.values, bias=weights.bias, target=target, **others,
        )  # fmt: skip

    def _reserve(self, floats: int) -> None:
        self._steps.scratch = max(self._steps.scratch, floats)
