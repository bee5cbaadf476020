"""The way MiDaS small is usually run: eager torch, its own transform, full-size upsampling.

Source: the example of isl-org/MiDaS on PyTorch Hub and its ``small_transform``, in float64 as it
is written there. The network is the same as the hub's (proven in tests), without the hub. The
network sees 256x256 whatever the image's ratio; ``small_transform`` would make 192x256 of 4:3.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from sonar.depth.models.contract import IMAGENET_MEAN, IMAGENET_STD
from sonar.types import FloatImage, RgbImage


def eager_torch(network: Any, threads: int) -> Callable[[RgbImage], FloatImage]:
    """A function: image uint8 (H, W, 3) RGB -> depth float32 (H, W), through 256x256."""
    import torch

    torch.set_num_threads(threads)
    network = network.as_published()

    def run(image: RgbImage) -> FloatImage:
        sample = cv2.resize(image / 255.0, (256, 256), interpolation=cv2.INTER_CUBIC)
        sample = (sample - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
        tensor = np.ascontiguousarray(np.transpose(sample, (2, 0, 1))).astype(np.float32)
        with torch.no_grad():
            prediction = network(torch.from_numpy(tensor).unsqueeze(0))
            prediction = prediction[0] if isinstance(prediction, tuple) else prediction
            prediction = torch.nn.functional.interpolate(
                prediction.unsqueeze(1),
                size=image.shape[:2],
                mode="bicubic",
                align_corners=False,
            ).squeeze()
        return np.asarray(prediction.cpu().numpy(), np.float32)

    return run
