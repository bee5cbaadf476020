"""ONNX Runtime on the CPU."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.depth.backends import give_back_memory
from sonar.errors import DepthError, ModelError

# Threads spin this long for the next operator before they sleep: long enough for the gaps inside
# one image, short enough to leave the cores to capture and audio between images.
SPIN_US = 500


class OnnxBackend:
    """One session for any image shape the model takes.

    ``fixed_hw`` is (rows, columns) where the model takes one size only, else None.
    """

    name = "onnx"

    def __init__(self, path: Path, *, threads: int, precision: str = "fp32") -> None:
        """Raises ModelError when the file is missing, damaged, or no image-to-depth network."""
        self.precision = precision
        if not path.is_file():
            raise ModelError(f"the model file {path} is missing")
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        options.add_session_config_entry("session.intra_op.spin_duration_us", str(SPIN_US))
        # Small blocks, handed out as threads come free: a busy core delays a frame less.
        options.add_session_config_entry("session.dynamic_block_base", "4")
        try:
            session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's exceptions share no base class
            raise damaged(path, error) from error
        self._input, self.fixed_hw = _single_image_input(session, path)
        self.output_names: list[str] = [output.name for output in session.get_outputs()]
        self._session: Any = session
        give_back_memory()

    def run(self, tensor: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """``tensor`` float32 (1, 3, H, W) -> outputs by name, batch kept. Raises DepthError."""
        if self._session is None:
            raise DepthError("the depth network was closed")
        try:
            values = self._session.run(None, {self._input: tensor})
        except Exception as error:  # as above
            raise DepthError(f"the depth network failed ({first_line(error)})") from error
        return dict(zip(self.output_names, values, strict=True))

    def close(self) -> None:
        self._session = None


def first_line(error: Exception) -> str:
    """The beginning of a library's error, for a sentence of ours."""
    return str(error).strip().split("\n", 1)[0][:200] or type(error).__name__


def damaged(path: Path, error: Exception) -> ModelError:
    """A library could not read the file."""
    return ModelError(
        f"the model file {path} is damaged or not an ONNX model ({first_line(error)})"
    )


def _single_image_input(session: Any, path: Path) -> tuple[str, tuple[int, int] | None]:
    """The input's name and its fixed (rows, columns), or None where it takes several sizes."""
    inputs = session.get_inputs()
    if len(inputs) != 1:
        raise ModelError(f"the model {path} has {len(inputs)} inputs; a depth network has one")
    shape = list(inputs[0].shape or ())
    fixed = [side if isinstance(side, int) else None for side in shape]
    if (
        inputs[0].type != "tensor(float)"
        or len(shape) != 4
        or fixed[0] not in (None, 1)
        or fixed[1] not in (None, 3)
        or (fixed[2] is None) != (fixed[3] is None)
    ):
        raise ModelError(
            f"the model {path} takes {inputs[0].type} of shape {shape}; a depth network takes "
            "tensor(float) of shape (1, 3, H, W), with both sides fixed or none"
        )
    rows, columns = fixed[2:]
    return inputs[0].name, None if rows is None or columns is None else (rows, columns)
