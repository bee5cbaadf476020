"""The encoder's steps for one size of picture."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.depth.native.decoding import Decoding
from sonar.depth.native.encoder import PICTURE, Layer
from sonar.depth.native.ready_encoder import WIDEST, ReadyEncoder, ReadyLayer
from sonar.depth.native.steps import (
    DEPTHWISE,
    DOUBLE,
    FLOAT_DEPTHWISE,
    FLOAT_POINTWISE,
    LANES,
    LAST,
    LINE,
    POINTWISE,
    PROBABILITY,
    STEM,
    Steps,
    aligned,
    aligned_bytes,
    padded,
)

MARGINS = 3  # quads beside each row
PIECES = 8  # for each thread, where there is as much to do
NEAR_BYTES = 8192  # of factors, to be read again from the nearest cache
FEW_WEIGHTS = 24_576  # bytes that stay there beside them
LEAST_ITEM = 2000  # instructions that are worth being shared out


@dataclass(slots=True)
class Tensor:
    """A map in the forms in which it is read."""

    rows: int
    columns: int
    map: NDArray[np.float32] | None = None
    pixels: NDArray[np.uint8] | None = None
    quads: NDArray[np.uint8] | None = None
    above: int = 0  # rows of zeros in `quads`

    @property
    def across(self) -> int:
        return -(-self.columns // 4)


class Encoding:
    """Adds the encoder's steps."""

    def __init__(self, ready: ReadyEncoder, steps: Steps, threads: int) -> None:
        self._ready, self._steps, self._threads = ready, steps, threads
        self._decoding = Decoding(steps, threads)
        self._tensors: dict[int, Tensor] = {}

    def encoder(
        self, size: tuple[int, int]
    ) -> tuple[list[NDArray[np.float32]], list[tuple[int, int]], dict[str, NDArray[np.float32]]]:
        """The cut maps as layers.h has them, their sizes, and the other outputs by name.

        The first step reads the picture, (3, *size).
        """
        self._tensors[PICTURE] = Tensor(*size)
        self._steps.keep(self._ready)
        results = {}
        for ready in self._ready.layers:
            self._layer(ready)
        encoder = self._ready.encoder
        cuts = [self._tensors[cut] for cut in encoder.cuts]
        maps = []
        for cut in cuts:
            assert cut.map is not None
            maps.append(cut.map)
        for name, tensor in encoder.outputs.items():
            found = self._tensors[tensor].map
            assert found is not None
            results[name] = found
        return maps, [(cut.rows, cut.columns) for cut in cuts], results

    def _layer(self, ready: ReadyLayer) -> None:
        layer, source = ready.layer, self._tensors[ready.layer.source]
        if layer.kind == "spatial":
            size = (source.rows, source.columns)
            assert source.map is not None
            found = self._decoding.convolve(ready.values, source.map, size)
            self._tensors[layer.target] = Tensor(*size, map=found)
        elif layer.kind == "double":
            self._double(layer, source)
        elif layer.kind == "probability":
            self._probability(ready, source)
        else:
            self._convolution(ready, source)

    def _map(self, tensor: int | None) -> NDArray[np.float32] | None:
        return None if tensor is None else self._tensors[tensor].map

    def _double(self, layer: Layer, source: Tensor) -> None:
        channels = padded(self._ready.channels(layer.source))
        made = Tensor(2 * source.rows, 2 * source.columns)
        made.map = aligned(channels, made.rows, made.columns)
        self._tensors[layer.target] = made
        self._steps.add(
            DOUBLE, cin=channels, cout=channels, rows=source.rows, columns=source.columns,
            centred=1, source=source.map, target=made.map, add=self._map(layer.add),
        )  # fmt: skip

    def _probability(self, ready: ReadyLayer, source: Tensor) -> None:
        small = aligned(source.rows, source.columns)
        self._steps.add(
            LAST, cin=len(ready.values) - 1, rows=source.rows, columns=source.columns,
            out_rows=source.rows, source=source.map, last=ready.values, target=small,
        )  # fmt: skip
        times = ready.layer.stride
        made = Tensor(times * source.rows, times * source.columns)
        made.map = aligned(made.rows, made.columns)
        self._tensors[ready.layer.target] = made
        self._reserve(3 * (source.columns + 4 * LANES))
        self._steps.add(
            PROBABILITY, m=times, rows=source.rows, columns=source.columns, out_rows=made.rows,
            source=small, target=made.map,
        )  # fmt: skip

    def _convolution(self, ready: ReadyLayer, source: Tensor) -> None:
        layer = ready.layer
        made = self._target(ready, source)
        cin = self._ready.channels(layer.source)
        assert layer.kernel is not None
        side = layer.kernel.shape[2]
        values: dict[str, Any] = {
            **ready.fields,
            **{"cin": padded(cin, LANES), "cout": padded(ready.channels, LANES), "m": side},
            **{"rows": source.rows, "columns": source.columns, "stride": layer.stride},
            **{"top": layer.pads[0], "left": layer.pads[1]},
            **{"out_rows": made.rows, "out_columns": made.columns, "tiles": 1, "parts": 1},
            **{"weights": ready.values, "add": self._map(layer.add)},
            **{"target": made.map, "pixels": made.pixels, "quads": made.quads},
            "below": made.above,
        }
        if made.quads is not None:
            values |= {"to_plane": made.quads.strides[0], "to_line": made.quads.strides[1]}
        elif made.pixels is not None:
            values["to_plane"] = made.pixels.strides[0]
        if layer.kind == "stem":
            wide = 4 * (made.across + 2) * layer.stride + 8
            self._reserve(9 * wide)
            self._steps.add(STEM, **values | {"cout": padded(ready.channels, 2 * LANES)})
        elif layer.kind == "pointwise" and ready.whole:
            self._pointwise(values, source, made, padded(cin, 4))
        elif layer.kind == "pointwise":
            weights = ready.values
            values |= {"weights": weights.values, "source": source.map}
            values |= {"half": int(weights.half), "parts": values["cout"] // LANES}
            self._reserve(weights.cin * source.columns + weights.cout * 4 * made.across)
            self._steps.add(FLOAT_POINTWISE, **values | {"cout": weights.cout})
        elif ready.whole:
            self._depthwise(values, source, made)
        else:
            self._steps.add(FLOAT_DEPTHWISE, **values | {"source": source.map})

    def _pointwise(self, values: dict[str, Any], source: Tensor, made: Tensor, cin: int) -> None:
        assert source.pixels is not None
        everything = made.rows * made.across
        groups = -(-values["cout"] // (WIDEST * LANES))
        parts, tiles = groups, everything
        if cin * values["cout"] <= FEW_WEIGHTS:
            parts, tiles = 1, min(everything, max(2, padded(NEAR_BYTES // (4 * cin), 2)))
        while parts * -(-everything // tiles) < PIECES * self._threads and tiles > 2:
            if 3 * cin * tiles * (groups // parts) < 2 * LEAST_ITEM:
                break
            tiles = padded(-(-tiles // 2), 2)
        self._steps.add(
            POINTWISE,
            **values
            | {"cin": cin, "source": source.pixels, "plane": source.pixels.strides[0]}
            | {"tiles": tiles, "parts": parts},
        )

    def _depthwise(self, values: dict[str, Any], source: Tensor, made: Tensor) -> None:
        assert source.quads is not None
        blocks = values["cout"] // LANES
        each = made.across * (values["m"] * (6 if values["m"] == 3 else 8) + 16)  # of one row
        parts, tiles = 1, made.rows
        while (
            blocks * -(-made.rows // tiles) < PIECES * self._threads and each * tiles > LEAST_ITEM
        ):
            tiles = -(-tiles // 2)
        if tiles == made.rows:
            parts = max(1, min(LEAST_ITEM // (each * tiles), blocks // (PIECES * self._threads)))
        skipped = (source.above - values["top"]) * source.quads.strides[1]
        address = source.quads.ctypes.data + skipped
        self._steps.keep(source.quads)
        self._steps.add(
            DEPTHWISE,
            **values
            | {"source": address, "tiles": tiles, "parts": parts}
            | {"plane": source.quads.strides[0], "line": source.quads.strides[1]},
        )

    def _target(self, ready: ReadyLayer, source: Tensor) -> Tensor:
        """Memory for a convolution's results."""
        layer = ready.layer
        assert layer.kernel is not None
        side, (top, left, bottom, right) = layer.kernel.shape[2], layer.pads
        made = Tensor(
            (source.rows + top + bottom - side) // layer.stride + 1,
            (source.columns + left + right - side) // layer.stride + 1,
        )
        blocks = padded(ready.channels, 2 * LANES) // LANES
        if "map" in ready.wanted:
            made.map = aligned(blocks * LANES, made.rows, made.columns)
        if "pixels" in ready.wanted:
            made.pixels = aligned_bytes(blocks, _odd(made.rows * made.across * LINE))
        if "quads" in ready.wanted:
            readers = [
                item.layer for item in self._ready.layers if item.layer.source == layer.target
            ]
            made.above = max(reader.pads[0] for reader in readers)
            rows = made.above + made.rows + max(reader.pads[2] for reader in readers)
            line = (made.across + MARGINS) * LINE
            whole = aligned_bytes(blocks, _odd(rows * line))
            whole[:] = self._ready.encoder.quantised[layer.target][1]
            made.quads = np.lib.stride_tricks.as_strided(
                whole, (blocks, rows, line), (whole.strides[0], line, 1)
            )
            self._steps.keep(whole)
        self._tensors[layer.target] = made
        return made

    def _reserve(self, floats: int) -> None:
        self._steps.scratch = max(self._steps.scratch, floats)


def _odd(count: int) -> int:
    """Bytes from one block to the next: an odd number of lines, lest blocks share their sets."""
    return (-(-count // LINE) | 1) * LINE
