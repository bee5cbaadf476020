"""Weights for :class:`MidasSmall`: from a checkpoint, or made by a rule for measuring."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sonar.depth.midas.checkpoint import architecture_of, fill, read_checkpoint
from sonar.errors import MissingExtraError, ModelError

if TYPE_CHECKING:
    from sonar.depth.midas.network import MidasSmall

# backbone, features and head of each known architecture
_BUILDS: dict[str, tuple[str, int, bool]] = {
    "midas_small": ("tf_efficientnet_lite3", 64, False),
    "midas_lite0": ("tf_efficientnet_lite0", 32, False),
    "midas_lite0_walkable": ("tf_efficientnet_lite0", 32, True),
}


def rule_weight(name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """A deterministic parameter (float32, counters int64): the same network without any file.

    ``n`` is standard normal from ``numpy.random.default_rng(crc32(name))``. Batch counters are 0,
    running variances ``1 + 0.1 |n|``, running means ``0.05 n``, kernels ``n sqrt(2 / fan_in)``,
    other weights ``1 + 0.1 n``, biases ``0.05 + 0.05 n``.
    """
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    n = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith("running_var"):
        value = 1 + 0.1 * np.abs(n)
    elif name.endswith("running_mean"):
        value = 0.05 * n
    elif len(shape) >= 2:
        value = n * np.sqrt(2 / np.prod(shape[1:]))
    elif name.endswith(".weight"):
        value = 1 + 0.1 * n
    else:
        value = 0.05 * n + 0.05
    return np.asarray(value, np.float32)


def midas_small_by_rule(architecture: str = "midas_small") -> MidasSmall:
    """An architecture with :func:`rule_weight`, ready to run: its depth means nothing.

    For measuring speed and for proving an implementation where no checkpoint is at hand.
    Raises MissingExtraError without torch and timm.
    """
    torch, network = _torch_room()
    backbone, features, walkable = _BUILDS[architecture]
    net = network.MidasSmall(backbone, features, walkable=walkable)
    state = {
        name: torch.from_numpy(np.asarray(rule_weight(name, tuple(value.shape))))
        for name, value in net.state_dict().items()
    }
    net.load_state_dict(state, strict=True)
    net.eval()
    return net  # type: ignore[no-any-return]


def load_midas_small(path: Path) -> MidasSmall:
    """A checkpoint of MiDaS v2.1 small, or of the built-in model, ready to run in float32.

    Which one is known by its keys; every key must be there. Raises ModelError when the file is
    missing, damaged, holds code or is of another network; MissingExtraError without torch.
    """
    _, network = _torch_room()
    state = read_checkpoint(path)
    architecture = architecture_of(state, path.name)
    if architecture not in _BUILDS:
        raise ModelError(f"{path.name} is a checkpoint of {architecture}, not of MiDaS small")
    backbone, features, walkable = _BUILDS[architecture]
    net = network.MidasSmall(backbone, features, walkable=walkable)
    return fill(net, state, path.name, architecture)  # type: ignore[no-any-return]


def _torch_room() -> tuple[Any, Any]:
    try:
        import torch

        from sonar.depth.midas import network
    except ImportError as error:
        raise MissingExtraError("midas", "running MiDaS in torch") from error
    return torch, network
