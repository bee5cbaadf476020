"""OpenVINO on the CPU. Needs the ``openvino`` extra."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.depth.backends import give_back_memory
from sonar.depth.backends.onnx import damaged, first_line
from sonar.errors import DepthError, MissingExtraError, ModelError


class OpenVinoBackend:
    """Compiles the ONNX file for the image's shape whenever that changes (about a second).

    What is float stays float32, also on processors where OpenVINO would take bfloat16.
    ``fixed_hw`` is (rows, columns) where the model takes one size only, else None.
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
        self._core: Any = openvino.Core()
        self._settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",
            "CPU_DENORMALS_OPTIMIZATION": True,
            **({} if cache is None else {"CACHE_DIR": str(cache)}),
        }
        try:
            model = self._core.read_model(str(path))
            _, _, rows, columns = model.input().get_partial_shape()
        except Exception as error:  # openvino raises RuntimeError for everything
            raise damaged(path, error) from error
        self.fixed_hw: tuple[int, int] | None = None
        if rows.is_static and columns.is_static:
            self.fixed_hw = rows.get_length(), columns.get_length()
        self.output_names: list[str] = [output.get_any_name() for output in model.outputs]
        self._request: Any = None
        self._shape: tuple[int, ...] = ()

    def run(self, tensor: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """``tensor`` float32 (1, 3, H, W) -> outputs by name, batch kept. Raises DepthError."""
        if self._core is None:
            raise DepthError("the depth network was closed")
        try:
            if tensor.shape != self._shape:
                self._compile(tensor)
            results = self._request.infer([tensor])
        except Exception as error:  # as above
            raise DepthError(f"the depth network failed ({first_line(error)})") from error
        # by place: the results are copies, so the next frame does not overwrite them
        return {name: results[place] for place, name in enumerate(self.output_names)}

    def close(self) -> None:
        self._core = self._request = None

    def _compile(self, tensor: NDArray[np.float32]) -> None:
        model = self._core.read_model(str(self._path))
        model.reshape(list(tensor.shape))
        self._request = self._core.compile_model(
            model, "CPU", self._settings
        ).create_infer_request()
        self._shape = tensor.shape
        self._request.infer([tensor])  # the first one still packs weights
        give_back_memory()
