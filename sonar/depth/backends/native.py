"""ONNX Runtime for the encoder, machine code of our own for MiDaS's decoder."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.depth.backends.memory import give_back_memory
from sonar.depth.backends.onnx import OnnxBackend
from sonar.depth.native.program import Program, Ready
from sonar.depth.native.weights import load
from sonar.errors import DepthError, ModelError


class NativeBackend:
    """The decoder's 3x3 convolutions take a fraction of the multiplications.

    Attributes:
        name: "native".
        precision: "fp32", or "int8": that is the encoder's, the decoder is more exact.
        decoder_precision: "fp32"; with int8, "bf16" (bfloat16) where the processor has it.
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
            encoder, decoder = load(path)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ModelError(f"the model file {path} is damaged or missing ({error})") from error
        half = precision == "int8" and bool(code.sonar_half())
        self.precision = precision
        self.decoder_precision = "bf16" if half else "fp32"
        self._encoder = OnnxBackend(path, threads=threads, content=encoder, spin_after=False)
        self._levels = len(decoder.levels)
        self._ready: Ready | None = Ready(
            decoder, code.sonar_lanes(), code.sonar_group(), half=half
        )
        self._code, self._threads = code, threads
        self._program: Program | None = None
        self._shape: tuple[int, ...] = ()
        self.fixed_hw = self._encoder.fixed_hw
        self.output_names = [decoder.output, *self._encoder.output_names[self._levels :]]

    def run(self, tensor: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """``tensor`` float32 (1, 3, H, W) -> outputs by name, batch kept. Raises DepthError."""
        if self._ready is None:
            raise DepthError("the depth network was closed")
        outputs = self._encoder.run(tensor)
        maps = list(outputs.values())[: self._levels]
        if self._program is None or tensor.shape != self._shape:
            self._drop_program()
            try:
                self._program = Program(self._code, self._ready, maps, self._threads)
                give_back_memory()
            except MemoryError as error:
                raise DepthError(f"the depth network failed ({error})") from error
            self._shape = tensor.shape
        found = {self.output_names[0]: self._program.run(maps)[None]}
        return found | {name: outputs[name] for name in self.output_names[1:]}

    def close(self) -> None:
        self._drop_program()
        self._ready = None
        self._encoder.close()

    def _drop_program(self) -> None:
        program, self._program = self._program, None
        if program is not None:
            program.close()
