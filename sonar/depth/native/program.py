"""Everything that one picture needs, as steps for the machine code, and their running."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.depth.native.decoding import Decoding
from sonar.depth.native.encoding import Encoding
from sonar.depth.native.ready import Ready
from sonar.depth.native.ready_encoder import ReadyEncoder
from sonar.depth.native.steps import PACK, Step, Steps, aligned
from sonar.types import FloatImage


class Program:
    """Steps and buffers for pictures of one size."""

    def __init__(self, code: Any, threads: int) -> None:
        self._code, self._threads = code, threads
        self._steps = Steps()
        self._given: list[int] = []  # of the steps that read what `run` is given
        self._results: dict[str, NDArray[np.float32]] = {}
        self._pool: Any = None

    @classmethod
    def decoding(
        cls, code: Any, decoder: Ready, name: str, maps: Sequence[FloatImage], threads: int
    ) -> "Program":
        """To be given ``maps``: float32 (1, channels, rows, columns), the finest first. ``name``:
        the depth's.
        """
        made = cls(code, threads)
        packed, sizes = [], []
        for level, item in zip(decoder.levels, maps, strict=True):
            size = (item.shape[2], item.shape[3])
            channels = level.reduce.cin if level.reduce else level.unit2[0].cin
            packed.append(aligned(channels, *size))
            sizes.append(size)
            made._given.append(len(made._steps.list))
            made._steps.add(
                PACK, cin=item.shape[1], cout=channels, rows=size[0], columns=size[1],
                target=packed[-1],
            )  # fmt: skip
        depth = Decoding(made._steps, threads).decoder(decoder, packed, sizes)
        made._open({name: depth})
        return made

    @classmethod
    def whole(
        cls,
        code: Any,
        encoder: ReadyEncoder,
        decoder: Ready,
        name: str,
        size: tuple[int, int],
        threads: int,
    ) -> "Program":
        """To be given a picture: float32 (1, 3, *size)."""
        made = cls(code, threads)
        encoding = Encoding(encoder, made._steps, threads)
        maps, sizes, others = encoding.encoder(size)
        made._given.append(0)
        depth = Decoding(made._steps, threads).decoder(decoder, maps, sizes)
        made._open({name: depth, **others})
        return made

    def _open(self, results: dict[str, NDArray[np.float32]]) -> None:
        self._results = results
        self._list = (Step * len(self._steps.list))(*self._steps.list)
        self._pool = self._code.sonar_open(self._threads, 4 * self._steps.scratch)
        if not self._pool:
            raise MemoryError("no memory or threads for the decoder")

    def run(self, given: Sequence[FloatImage]) -> Mapping[str, FloatImage]:
        """Each result float32 (1, rows, columns), by name; new arrays."""
        kept = [np.ascontiguousarray(item, np.float32) for item in given]
        for place, item in zip(self._given, kept, strict=True):
            self._list[place].source = item.ctypes.data
        self._code.sonar_run(self._pool, self._list, len(self._list))
        return {name: values[None].copy() for name, values in self._results.items()}

    def close(self) -> None:
        if self._pool:
            self._code.sonar_close(self._pool)
            self._pool = None
