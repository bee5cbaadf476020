"""An int8 encoder as layers: what our machine code runs in place of ONNX Runtime."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILE = "encoder.json"
PICTURE = 0  # the number of the tensor that the network is given


@dataclass(frozen=True, slots=True)
class Layer:
    """One convolution, or one doubling of a map's sides, with what follows at once.

    Attributes:
        kind: "stem" (3x3 over the picture), "pointwise", "depthwise", "spatial" (3x3 over all
            channels), "double" (bilinear, half-pixel centres), "probability" (1x1 to one channel,
            enlarged like that, then the sigmoid).
        source, target: numbers of tensors.
        add: number of the tensor that is added to the result.
        kernel: int8 or float32 (out, in, k, k).
        scales: float32 (out,), of an int8 kernel.
        bias: float32 (out,).
        stride: of a convolution; how many times the sides grow, of a probability.
        pads: zeros above, left, below, right.
        low, high: what results are clipped to, before the addition.
    """

    kind: str
    source: int
    target: int
    add: int | None = None
    kernel: NDArray[Any] | None = None
    scales: NDArray[np.float32] | None = None
    bias: NDArray[np.float32] | None = None
    stride: int = 1
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    low: float = -np.inf
    high: float = np.inf

    def real_kernel(self) -> NDArray[np.float32]:
        """In float32, whatever it is stored as."""
        assert self.kernel is not None
        kernel = self.kernel.astype(np.float32)
        return kernel if self.scales is None else kernel * self.scales[:, None, None, None]


@dataclass(frozen=True, slots=True)
class Encoder:
    """Layers in the order in which they run.

    Attributes:
        quantised: (scale, zero point) of each tensor that is uint8, by number.
        cuts: the decoder's tensors, the finest first.
        outputs: the number of each other output of the model, by name.
        fixed_hw: (rows, columns) where the model takes one size only.
    """

    layers: tuple[Layer, ...]
    quantised: dict[int, tuple[float, int]]
    cuts: tuple[int, ...]
    outputs: dict[str, int]
    fixed_hw: tuple[int, int] | None = None


def in_bytes(encoder: Encoder) -> set[int]:
    """The targets of the layers that multiply bytes.

    The others multiply floats: those that were not quantised, and what reads a 3x3 or doubled map,
    which exists as floats only.
    """
    found, floats = set[int](), set[int]()
    for layer in encoder.layers:
        whole = layer.kernel is not None and layer.kernel.dtype == np.int8
        able = layer.kind in ("pointwise", "depthwise") and layer.source in encoder.quantised
        if whole and able and layer.source not in floats:
            found.add(layer.target)
        elif layer.kind in ("spatial", "double") or layer.source in floats:
            floats.add(layer.target)
    return found


def forms(encoder: Encoder) -> dict[int, set[str]]:
    """What each tensor is wanted as, by its readers: "pixels", "quads" (int8.h), "map" (floats).

    Raises ValueError where a layer cannot give what is wanted.
    """
    whole = in_bytes(encoder)
    wanted: dict[int, set[str]] = {}
    for layer in encoder.layers:
        form = "map"
        if layer.target in whole:
            form = "pixels" if layer.kind == "pointwise" else "quads"
        wanted.setdefault(layer.source, set()).add(form)
        if layer.add is not None:
            wanted.setdefault(layer.add, set()).add("map")
    for cut in encoder.cuts:
        wanted.setdefault(cut, set()).add("map")
    for layer in encoder.layers:
        own = wanted.get(layer.target, set())
        if layer.target in whole and layer.kind == "depthwise" and own != {"pixels"}:
            raise ValueError("a depthwise result that is read by no 1x1 convolution alone")
        if layer.kind == "spatial" and (layer.low, layer.high) != (-np.inf, np.inf):
            raise ValueError("a clipped 3x3 convolution")
        if own - {"map"} and layer.target not in encoder.quantised:
            raise ValueError("bytes without a scale")
    if PICTURE in {layer.add for layer in encoder.layers} | set(encoder.cuts):
        raise ValueError("the picture is added or decoded")
    return wanted


def save_encoder(file: zipfile.ZipFile, encoder: Encoder) -> None:
    """Arrays, and which of them belong where."""

    def plain(layer: Layer, number: int) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for field in fields(layer):
            value = getattr(layer, field.name)
            if isinstance(value, np.ndarray):
                buffer = io.BytesIO()
                np.save(buffer, value, allow_pickle=False)
                file.writestr(f"encoder_{number}_{field.name}.npy", buffer.getvalue())
                told[field.name] = f"encoder_{number}_{field.name}"
            else:
                told[field.name] = value
        return told

    index = {
        "layers": [plain(layer, number) for number, layer in enumerate(encoder.layers)],
        "quantised": list(encoder.quantised.items()),
        "cuts": encoder.cuts,
        "outputs": encoder.outputs,
        "fixed_hw": encoder.fixed_hw,
    }
    file.writestr(FILE, json.dumps(index))


def load_encoder(file: zipfile.ZipFile, array: Callable[[str], NDArray[Any]]) -> Encoder | None:
    """None where the file has none: its encoder is for ONNX Runtime only."""
    if FILE not in file.namelist():
        return None
    index = json.loads(file.read(FILE))

    def layer(told: dict[str, Any]) -> Layer:
        for name in ("kernel", "scales", "bias"):
            if told[name] is not None:
                told[name] = array(told[name])
        return Layer(**{**told, "pads": tuple(told["pads"])})

    return Encoder(
        tuple(layer(told) for told in index["layers"]),
        {int(number): (float(scale), int(zero)) for number, (scale, zero) in index["quantised"]},
        tuple(index["cuts"]),
        dict(index["outputs"]),
        None if index["fixed_hw"] is None else (index["fixed_hw"][0], index["fixed_hw"][1]),
    )
