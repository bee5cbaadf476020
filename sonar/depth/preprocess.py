"""An image becomes the network's input, exactly as MiDaS's own transform makes it.

Source: isl-org/MiDaS v2.1 ``midas/transforms.py`` (``Resize``, ``NormalizeImage``,
``PrepareForNet``) as ``small_transform`` composes them. Differences, both below 1e-5 in the
normalized value: float32 instead of float64, and scaling to [0, 1] folded into the normalization
(cubic weights sum to one, so the two commute).
"""

import cv2
import numpy as np

from sonar.depth.contract import InputContract
from sonar.types import FloatImage, RgbImage

MAX_ASPECT = 4  # "shorter" and "minimal" fits let the longer side grow to this many size_px


def network_size(contract: InputContract, height: int, width: int) -> tuple[int, int]:
    """(rows, columns) that an image of ``height`` x ``width`` pixels is resized to.

    MiDaS's rule: scale to the fit, round each side to the nearest multiple (halves to even), and
    where that breaks the fit's bound, to the next one inside it. Beyond MiDaS's rule no side is
    less than one multiple, nor more than ``MAX_ASPECT * size_px``, so that any image works.
    """
    if contract.fixed_hw is not None:
        return contract.fixed_hw
    size, multiple = contract.size_px, contract.multiple
    scales = size / height, size / width
    if contract.fit == "minimal":
        scale = min(scales, key=lambda scale: abs(1 - scale))
    else:
        scale = min(scales) if contract.fit == "longer" else max(scales)
    lowest = size if contract.fit == "shorter" else multiple
    highest = size if contract.fit == "longer" else MAX_ASPECT * size

    def side(pixels: float) -> int:
        units = pixels / multiple
        result = round(units) * multiple
        if result > highest:
            result = min(int(units), highest // multiple) * multiple
        if result < lowest:
            result = max(int(np.ceil(units)), -(-lowest // multiple)) * multiple
        return result

    return side(scale * height), side(scale * width)


class Preprocessor:
    """Resizes (cubic) and normalizes by one contract; keeps its buffers between images.

    The returned array is overwritten by the next call.
    """

    def __init__(self, contract: InputContract) -> None:
        self._contract = contract
        # (v / 255 - mean) / std as one multiplication and one addition
        self._gain = [1.0 / (255.0 * std) for std in contract.std]
        self._offset = [-mean / std for mean, std in zip(contract.mean, contract.std, strict=True)]
        self._source = np.empty((0, 0, 3), np.float32)
        self._out = np.empty((1, 3, 0, 0), np.float32)

    def __call__(self, image: RgbImage) -> FloatImage:
        """``image`` uint8 (H, W, 3) RGB -> float32 (1, 3, h, w), normalized, RGB planes."""
        rows, columns = network_size(self._contract, image.shape[0], image.shape[1])
        if self._source.shape != image.shape:
            self._source = np.empty(image.shape, np.float32)
        if self._out.shape[2:] != (rows, columns):
            self._out = np.empty((1, 3, rows, columns), np.float32)
        # Float before resizing: cubic overshoots, and MiDaS does not clamp it.
        np.copyto(self._source, image)
        small = cv2.resize(self._source, (columns, rows), interpolation=cv2.INTER_CUBIC)
        for channel in range(3):
            plane = self._out[0, channel]
            np.multiply(small[:, :, channel], self._gain[channel], out=plane)
            plane += self._offset[channel]
        return self._out
