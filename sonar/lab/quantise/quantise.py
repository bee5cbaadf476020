"""int8: static quantization with the accuracy measured, not hoped for. Needs ``onnx``.

What each step gains, in percentage points of the depth's range: the built-in model on 30 photos of
five places and 26 others, none of them calibrated with, the step left out. Weights rounded together
(:mod:`.rounding`) 0.4 to 0.7, the decoder's sums in float 0.7, the first convolutions in float 0.1
to 0.3, equalized channels (:mod:`.equalise`) 0.1 to 0.15.
"""

import logging
import platform
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from sonar.depth.backends.onnx import OnnxBackend
from sonar.depth.practice import deviation
from sonar.errors import ModelError
from sonar.lab.quantise.equalise import equalise
from sonar.lab.quantise.graph import drop_unread_constants, keep_in_float
from sonar.lab.quantise.rounding import round_weights
from sonar.types import FloatImage

FLOAT_CONVOLUTIONS = 3  # so many of the first ones stay in float
STEPS, STEPS_REDUCED = 127, 64  # of a weight's range, to either side of zero


def quantise(
    model: Any, target: Path, tensors: Sequence[FloatImage], *, depth_output: str | None = None
) -> float:
    """Write the int8 version of ``model`` (a simplified ``ModelProto``) to ``target``.

    ``tensors``: network inputs (1, 3, H, W) of real images; the odd ones calibrate, the even
    ones measure how far int8 is from float32. QDQ format, weights int8 per channel, activations
    uint8. Returns the mean deviation.

    Raises ModelError when the model cannot be quantized, ValueError for fewer than two tensors.
    """
    if len(tensors) < 2:
        raise ValueError("quantizing needs at least two images")
    calibration, check = tensors[1::2], tensors[0::2]
    depth = depth_output or model.graph.output[0].name
    in_float = keep_in_float(model, depth, FLOAT_CONVOLUTIONS)
    reduced = _saturates()
    with tempfile.TemporaryDirectory(prefix="sonar-int8-") as folder:
        source = Path(folder) / "float.onnx"
        onnx.save(model, str(source))
        expected = outputs(source, check, depth)
        fitted = onnx.load(str(source))
        convolutions = [node.name for node in fitted.graph.node if node.op_type == "Conv"]
        small = [name for name in convolutions if name not in in_float]
        equalise(fitted, calibration)
        round_weights(fitted, small, calibration, STEPS_REDUCED if reduced else STEPS)
        _quantise_static(fitted, source, target, calibration, in_float, reduced)
    found = outputs(target, check, depth)
    return float(np.mean([deviation(a, b) for a, b in zip(expected, found, strict=True)]))


def outputs(path: Path, tensors: Sequence[FloatImage], depth_output: str) -> list[FloatImage]:
    """The depth of each network input, by ONNX Runtime."""
    backend = OnnxBackend(path, threads=2)
    return [np.asarray(backend.run(tensor)[depth_output]) for tensor in tensors]


def _quantise_static(
    model: Any,
    source: Path,
    target: Path,
    tensors: Sequence[FloatImage],
    in_float: Sequence[str],
    reduced: bool,
) -> None:
    """Write ``model`` to ``source``, and its int8 version to ``target``."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    drop_unread_constants(model)
    add_pre_process_metadata(model)  # it is simplified: no need to warn that it is not
    onnx.save(model, str(source))
    root = logging.getLogger()  # the quantizer writes its advice there
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        quantize_static(
            str(source),
            str(target),
            _Reader(model.graph.input[0].name, tensors),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            reduce_range=reduced,
            nodes_to_exclude=list(in_float),
        )
    except Exception as error:  # it raises whatever it stumbles over
        raise ModelError(f"the model cannot be quantized ({error})") from error
    finally:
        root.setLevel(level)


class _Reader:
    """Feeds calibration; the interface of ``onnxruntime.quantization.CalibrationDataReader``."""

    def __init__(self, name: str, tensors: Sequence[FloatImage]) -> None:
        self._items = iter([{name: tensor} for tensor in tensors])

    def get_next(self) -> dict[str, FloatImage] | None:
        return next(self._items, None)


def _saturates(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this processor's uint8 x int8 products saturate in 16 bits: x86 without VNNI.

    There the weights get 7 bits. Where flags cannot be read, the safe answer for x86 is yes.
    """
    if platform.machine().lower() not in ("x86_64", "amd64", "i686", "x86"):
        return False
    try:
        return "vnni" not in cpuinfo.read_text()
    except OSError:
        return True
