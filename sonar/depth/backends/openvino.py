"""OpenVINO on the CPU. Needs the ``openvino`` extra."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.depth.backends.memory import give_back_memory
from sonar.depth.backends.onnx import first_line
from sonar.errors import DepthError, MissingExtraError, ModelError

MOST_SHAPES = 4  # networks compiled for that many image shapes are kept


class OpenVinoBackend:
    """Compiles the ONNX file for each image shape when it first comes (about a second).

    Attributes:
        name: "openvino".
        precision: "fp32" or "int8", as the file was made. What is float stays float32, also on
            processors where OpenVINO would take bfloat16.
        fixed_hw: (rows, columns) where the model takes one size only, else None.
        output_names: in the model's order.
    """

    name = "openvino"

    def __init__(
        self, path: Path, *, threads: int, precision: str = "fp32", cache: Path | None = None
    ) -> None:
        """``cache``: a folder for compiled networks, to open faster next time.

        Raises ModelError when the file is missing or damaged, MissingExtraError without openvino.
        """
        self.precision = precision
        if not path.is_file():
            raise ModelError(f"the model file {path} is missing")
        try:
            import openvino
        except ImportError as error:
            raise MissingExtraError("openvino", "the OpenVINO backend") from error
        self._path = path
        self._core = openvino.Core()
        self._settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",
            "CPU_DENORMALS_OPTIMIZATION": True,
        }
        self._cache = cache
        if cache is not None:
            self._settings["CACHE_DIR"] = str(cache)
        try:
            model = self._core.read_model(str(path))
            shape = model.input().get_partial_shape()
        except Exception as error:  # openvino raises RuntimeError for everything
            raise ModelError(
                f"the model file {path} is damaged or not an ONNX model ({first_line(error)})"
            ) from error
        if shape.rank.is_dynamic or shape.rank.get_length() != 4:
            raise ModelError(f"the model {path} takes {shape}; a depth network takes (1, 3, H, W)")
        sides = (shape[2], shape[3])
        self.fixed_hw: tuple[int, int] | None = None
        if all(side.is_static for side in sides):
            self.fixed_hw = (sides[0].get_length(), sides[1].get_length())
        self.output_names: list[str] = [output.get_any_name() for output in model.outputs]
        # Until the first image comes; kept any longer it would double the memory.
        self._model: Any = model
        self._requests: dict[tuple[int, ...], Any] = {}
        self._closed = False

    def run(self, tensor: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """``tensor`` float32 (1, 3, H, W) -> outputs by name, batch kept. Raises DepthError."""
        if self._closed:
            raise DepthError("the depth network was closed")
        try:
            request = self._requests.get(tensor.shape)
            if request is None:
                request = self._compile(tensor.shape)
                request.infer([tensor])  # the first one still packs weights
                give_back_memory(self._cache)
            results = request.infer([tensor])
        except Exception as error:  # as above
            raise DepthError(f"the depth network failed ({first_line(error)})") from error
        # by place: the results are copies, so the next frame does not overwrite them
        return {name: results[place] for place, name in enumerate(self.output_names)}

    def close(self) -> None:
        self._closed = True
        self._model = None
        self._requests.clear()

    def _compile(self, shape: tuple[int, ...]) -> Any:
        model, self._model = self._model or self._core.read_model(str(self._path)), None
        model.reshape(list(shape))
        request = self._core.compile_model(model, "CPU", self._settings).create_infer_request()
        if len(self._requests) >= MOST_SHAPES:
            del self._requests[next(iter(self._requests))]
        self._requests[shape] = request
        return request
