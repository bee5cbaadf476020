"""The decoder's weights as the model has them, and the file they and the encoder lie in."""

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.depth.native.encoder import Encoder, load_encoder, save_encoder


@dataclass(frozen=True, slots=True)
class Convolution:
    """``kernel`` float32 (out, in, k, k) and ``bias`` float32 (out,)."""

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]


Unit = tuple[Convolution, Convolution]  # x + second(relu(first(relu(x))))


@dataclass(frozen=True, slots=True)
class Level:
    """A fusion block: unit2(unit1(reduce(map)) + deeper), narrowed by 1x1, doubled.

    ``reduce`` is None where the encoder gives the reduced map; ``unit1`` at the deepest level.
    """

    reduce: Convolution | None
    unit1: Unit | None
    unit2: Unit
    narrow: Convolution


@dataclass(frozen=True, slots=True)
class Decoder:
    """``head``: 3x3 before doubling, 3x3 after it, 1x1. ``levels``: the finest first.

    ``output``: the depth's name.
    """

    output: str
    head: tuple[Convolution, Convolution, Convolution]
    levels: tuple[Level, ...]


def save(target: Path, encoder: bytes, decoder: Decoder, layers: Encoder | None = None) -> None:
    """One zip file: the encoder as ONNX and perhaps as layers, the decoder's arrays, and which
    arrays there are.
    """
    arrays: dict[str, NDArray[np.float32]] = {}

    def note(convolution: Convolution) -> int:
        number = len(arrays) // 2
        arrays[f"{number}_kernel"], arrays[f"{number}_bias"] = convolution.kernel, convolution.bias
        return number

    index = {
        "output": decoder.output,
        "head": [note(item) for item in decoder.head],
        "levels": [
            {
                "reduce": None if level.reduce is None else note(level.reduce),
                "unit1": None if level.unit1 is None else [note(item) for item in level.unit1],
                "unit2": [note(item) for item in level.unit2],
                "narrow": note(level.narrow),
            }
            for level in decoder.levels
        ],
    }
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as file:
        file.writestr("encoder.onnx", encoder)
        file.writestr("decoder.json", json.dumps(index))
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array, allow_pickle=False)
            file.writestr(f"{name}.npy", buffer.getvalue())
        if layers is not None:
            save_encoder(file, layers)


def load(path: Path) -> tuple[bytes, Decoder, Encoder | None]:
    """Raises OSError, ValueError, KeyError or zipfile.BadZipFile for a damaged file."""
    with zipfile.ZipFile(path) as file:
        index = json.loads(file.read("decoder.json"))

        def array(name: str) -> NDArray[Any]:
            content = np.load(io.BytesIO(file.read(f"{name}.npy")), allow_pickle=False)
            return np.asarray(content)

        def convolution(number: int) -> Convolution:
            kernel, bias = (array(f"{number}_{name}") for name in ("kernel", "bias"))
            return Convolution(np.asarray(kernel, np.float32), np.asarray(bias, np.float32))

        def unit(numbers: Sequence[int]) -> Unit:
            return convolution(numbers[0]), convolution(numbers[1])

        first, second, last = (convolution(number) for number in index["head"])
        levels = tuple(
            Level(
                None if item["reduce"] is None else convolution(item["reduce"]),
                None if item["unit1"] is None else unit(item["unit1"]),
                unit(item["unit2"]),
                convolution(item["narrow"]),
            )
            for item in index["levels"]
        )
        decoder = Decoder(index["output"], (first, second, last), levels)
        return file.read("encoder.onnx"), decoder, load_encoder(file, array)
