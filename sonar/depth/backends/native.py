"""Machine code of our own for MiDaS's decoder; for int8 encoders too, else ONNX Runtime."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.depth.backends.memory import give_back_memory
from sonar.depth.backends.onnx import OnnxBackend
from sonar.depth.native.program import Program
from sonar.depth.native.ready import Ready
from sonar.depth.native.ready_encoder import ReadyEncoder
from sonar.depth.native.weights import load
from sonar.errors import DepthError, ModelError


class NativeBackend:
    """The decoder's 3x3 convolutions take a fraction of the multiplications.

    Attributes:
        name: "native".
        precision: "fp32", or "int8": that is the encoder's, the decoder is more exact.
        decoder_precision: "fp32"; with int8, "bf16" (bfloat16) where the processor has it.
        encoder: "native" where our own machine code runs the encoder too: int8, on a processor
            with AVX512-VNNI, of a kind that it knows; otherwise "onnx".
        fixed_hw: (rows, columns) where the model takes one size only, else None.
        output_names: the depth, then what else the model gives.
    """

    name = "native"

    def __init__(self, path: Path, code: Any, *, threads: int, precision: str = "fp32") -> None:
        """``path``: as :func:`sonar.depth.native.split.write_split` wrote it; ``code``: from
        :func:`sonar.depth.native.code.machine_code`.

        Raises ModelError when the file is missing or damaged.
        """
        try:
            content, decoder, layers = load(path)
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise ModelError(f"the model file {path} is damaged or missing ({error})") from error
        half = precision == "int8" and bool(code.sonar_half())
        self.precision = precision
        self.decoder_precision = "bf16" if half else "fp32"
        lanes, group = code.sonar_lanes(), code.sonar_group()
        self._decoder: Ready | None = Ready(decoder, lanes, group, half=half)
        self._depth = decoder.output
        self._code, self._threads = code, threads
        self._program: Program | None = None
        self._shape: tuple[int, ...] = ()
        self._layers: ReadyEncoder | None = None
        self._session: OnnxBackend | None = None
        if precision == "int8" and layers is not None and code.sonar_int8():
            self.encoder = "native"
            self._layers = ReadyEncoder(layers, lanes, group, half=half)
            self.fixed_hw = layers.fixed_hw
            self.output_names = [decoder.output, *layers.outputs]
        else:
            self.encoder = "onnx"
            self._session = OnnxBackend(path, threads=threads, content=content, spin_after=False)
            self.fixed_hw = self._session.fixed_hw
            self.output_names = [
                decoder.output,
                *self._session.output_names[len(decoder.levels) :],
            ]

    def run(self, tensor: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """``tensor`` float32 (1, 3, H, W) -> outputs by name, batch kept. Raises DepthError."""
        if self._decoder is None:
            raise DepthError("the depth network was closed")
        given: list[NDArray[np.float32]] = [tensor]
        others: Mapping[str, NDArray[np.float32]] = {}
        if self._session is not None:
            others = self._session.run(tensor)
            given = list(others.values())[: len(self._decoder.levels)]
        if self._program is None or tensor.shape != self._shape:
            self._drop_program()
            try:
                self._program = self._made(given, self._decoder)
            except (MemoryError, ValueError) as error:
                raise DepthError(f"the depth network failed ({error})") from error
            self._shape = tensor.shape
            give_back_memory()
        found = {**others, **self._program.run(given)}
        return {name: found[name] for name in self.output_names}

    def close(self) -> None:
        self._drop_program()
        self._decoder = self._layers = None
        if self._session is not None:
            self._session.close()

    def _made(self, given: list[NDArray[np.float32]], decoder: Ready) -> Program:
        code, threads = self._code, self._threads
        if self._layers is None:
            return Program.decoding(code, decoder, self._depth, given, threads)
        rows, columns = given[0].shape[2:]
        return Program.whole(code, self._layers, decoder, self._depth, (rows, columns), threads)

    def _drop_program(self) -> None:
        program, self._program = self._program, None
        if program is not None:
            program.close()
