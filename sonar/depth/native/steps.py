"""The list of steps that the machine code works through, and the memory they use."""

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNIT = 32  # channels of the decoder are filled up to a multiple
LANES = 16  # channels of one block of the encoder
LINE = 64  # bytes of a cache line, and of four pixels of a block


class Step(ctypes.Structure):
    """As in step.h."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("kind", "m", "cin", "cout", "rows", "columns")),
        *((name, ctypes.c_int32) for name in ("relu_in", "relu_out", "tiles", "parts", "half")),
        *((name, ctypes.c_int32) for name in ("stride", "top", "left", "out_rows", "out_columns")),
        *((name, ctypes.c_int32) for name in ("centred", "clip", "real", "zero", "below")),
        ("first", ctypes.c_int32),
        *((name, ctypes.c_float) for name in ("low", "high", "inverse", "offset")),
        *((name, ctypes.c_void_p) for name in ("source", "weights", "bias", "add", "add2")),
        *((name, ctypes.c_void_p) for name in ("target", "last", "factors", "pixels", "quads")),
        *((name, ctypes.c_size_t) for name in ("plane", "line", "to_plane", "to_line")),
    )


PACK, CONV3, CONV1, DOUBLE, HEAD = range(5)
STEM, POINTWISE, DEPTHWISE, FLOAT_POINTWISE, FLOAT_DEPTHWISE, LAST, PROBABILITY = range(5, 12)


def aligned(*shape: int) -> NDArray[np.float32]:
    """Zeros at a cache line's start."""
    return aligned_bytes(*shape[:-1], 4 * shape[-1]).view(np.float32)


def aligned_bytes(*shape: int) -> NDArray[np.uint8]:
    count = int(np.prod(shape))
    room = np.zeros(count + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + count].reshape(shape)


def padded(count: int, unit: int = UNIT) -> int:
    return -(-count // unit) * unit


class Steps:
    """Steps in their order; keeps alive what they point to."""

    def __init__(self) -> None:
        self.list: list[Step] = []
        self.scratch = 0  # floats for each thread
        self._kept: list[Any] = []

    def keep(self, *arrays: Any) -> None:
        self._kept.extend(arrays)

    def add(self, kind: int, **values: Any) -> Step:
        """Arrays become their addresses, and are kept; None a null pointer."""
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                self.keep(value)
                values[name] = value.ctypes.data
        step = Step(kind=kind, **values)
        self.list.append(step)
        return step
