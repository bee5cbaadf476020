"""int8: static quantisation with the accuracy measured, not hoped for. Needs ``onnx``.

Before: channels of one range (:mod:`.equalise`), finer steps where they show (:mod:`.precise`),
weights that fit int8's steps (:mod:`.rounding`).
"""

import logging
import platform
import tempfile
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from sonar.depth.backends.onnx import OnnxBackend
from sonar.depth.compare import deviation
from sonar.errors import ModelError
from sonar.lab.quantise.equalise import equalise
from sonar.lab.quantise.precise import depth_in_segments, stay_float
from sonar.lab.quantise.rounding import round_weights
from sonar.types import FloatImage

# So many of the first convolutions stay in float where that is worth their time: their few
# channels differ most in range. On the built-in model, they would add half as much to the
# deviation; on a larger network they cost an eighth of the time.
FLOAT_CONVOLUTIONS = 3
CLOSE = 0.006  # mean deviation that is close enough for all of them in int8,
NEAR_BEST = 1.1  # as is one within this of what the float ones reach
MOST_ROUNDING = 48  # images that weights are rounded for: each takes its time
STEPS, STEPS_REDUCED = 127, 64  # of a weight's range, to either side of zero


def quantise(
    model: Any, target: Path, tensors: Sequence[FloatImage], *, depth_output: str | None = None
) -> tuple[int, float]:
    """Write the int8 version of ``model`` (a simplified ``ModelProto``) to ``target``.

    ``tensors``: network inputs (1, 3, H, W) of real images; the odd ones calibrate, the even
    ones measure how far int8 is from float32. QDQ format, weights int8 per channel, activations
    uint8. Returns how many of the first convolutions were left in float and the mean deviation.

    Raises ModelError when the model cannot be quantised, ValueError for fewer than two tensors.
    """
    if len(tensors) < 2:
        raise ValueError("quantising needs at least two images")
    calibration, check = tensors[1::2], tensors[0::2]
    depth = depth_output or model.graph.output[0].name
    reduced = _saturates()
    with tempfile.TemporaryDirectory(prefix="sonar-int8-") as folder:
        source = Path(folder) / "float.onnx"
        onnx.save(model, str(source))
        expected = outputs(source, check, depth_output)
        fitted = onnx.load(str(source))
        equalise(fitted, calibration)
        in_float = stay_float(fitted, depth)
        in_float += depth_in_segments(fitted, calibration, depth)
        convolutions = [node.name for node in fitted.graph.node if node.op_type == "Conv"]
        small = [name for name in convolutions if name not in set(in_float)]
        first = FLOAT_CONVOLUTIONS if len(small) > FLOAT_CONVOLUTIONS else 0
        every = -(-len(calibration) // MOST_ROUNDING)
        steps = STEPS_REDUCED if reduced else STEPS
        apart: dict[int, float] = {}
        for count, rounded in ((first, small[first:]), (0, small[:first])):
            if count in apart:
                break
            round_weights(fitted, rounded, calibration[::every], steps)
            _write_marked(fitted, source)
            candidate = Path(folder) / f"int8_{count}.onnx"
            _quantise_static(source, candidate, calibration, [*small[:count], *in_float], reduced)
            found = outputs(candidate, check, depth_output)
            pairs = zip(expected, found, strict=True)
            apart[count] = float(np.mean([deviation(a, b) for a, b in pairs]))
        chosen = 0 if apart[0] <= max(CLOSE, NEAR_BEST * apart[first]) else first
        target.write_bytes((Path(folder) / f"int8_{chosen}.onnx").read_bytes())
    return chosen, apart[chosen]


def outputs(
    path: Path, tensors: Sequence[FloatImage], depth_output: str | None = None
) -> list[FloatImage]:
    """The depth of each network input, by ONNX Runtime."""
    backend = OnnxBackend(path, threads=2)
    name = depth_output or backend.output_names[0]
    return [np.asarray(backend.run(tensor)[name]) for tensor in tensors]


def _write_marked(model: Any, path: Path) -> None:
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    add_pre_process_metadata(model)  # it is simplified: no need to warn that it is not
    onnx.save(model, str(path))


def _quantise_static(
    source: Path,
    target: Path,
    tensors: Sequence[FloatImage],
    in_float: Sequence[str],
    reduced: bool,
) -> None:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    try:
        with _quiet():
            quantize_static(
                str(source),
                str(target),
                _Reader(_input_name(source), tensors),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                reduce_range=reduced,
                nodes_to_exclude=list(in_float),
            )
    except Exception as error:  # it raises whatever it stumbles over
        raise ModelError(f"the model cannot be quantised ({error})") from error


class _Reader:
    """Feeds calibration; the interface of ``onnxruntime.quantization.CalibrationDataReader``."""

    def __init__(self, name: str, tensors: Sequence[FloatImage]) -> None:
        self._items = iter([{name: tensor} for tensor in tensors])

    def get_next(self) -> dict[str, FloatImage] | None:
        return next(self._items, None)


def _input_name(path: Path) -> str:
    return str(onnx.load(str(path), load_external_data=False).graph.input[0].name)


def _saturates(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this processor's uint8 x int8 products saturate in 16 bits: x86 without VNNI.

    There the weights get 7 bits. Where flags cannot be read, the safe answer for x86 is yes.
    """
    if platform.machine().lower() not in ("x86_64", "amd64", "i686", "x86"):
        return False
    try:
        text = cpuinfo.read_text()
    except OSError:
        return True
    return "vnni" not in text


@contextmanager
def _quiet() -> Any:
    """The quantiser writes its advice to the root logger."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)
