# mypy: allow-subclassing-any, allow-untyped-calls
"""MiDaS v2.1 small in torch, with the parameter names of the official checkpoint.

Source: isl-org/MiDaS ``midas/midas_net_custom.py`` and ``midas/blocks.py`` (MIT): EfficientNet-Lite
encoder, four fusion blocks that double in width with depth ("expand"), a two-stage output head,
non-negative. The encoder comes from timm. Imports torch: import this module lazily.
"""

from __future__ import annotations

import timm
import torch
from torch import nn
from torch.nn import functional

_TAPS = ((0, 2), (2, 3), (3, 5), (5, 7))  # which encoder stages make layer1..layer4


class StridedSameConv(nn.Conv2d):
    """timm's ``Conv2dSame`` of stride 2 and square kernel k, with a constant padding.

    timm computes the padding from the image's size, which an export would freeze; on multiples
    of 32 it is always (k - 2) / 2 rounded down before and up after.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before, after = (self.kernel_size[0] - 2) // 2, (self.kernel_size[0] - 1) // 2
        padded = functional.pad(x, (before, after, before, after))
        return functional.conv2d(padded, self.weight, self.bias, self.stride, groups=self.groups)


class ResidualUnit(nn.Module):
    """x + conv2(relu(conv1(relu(x))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv2(functional.relu(self.conv1(functional.relu(x))))
        return x + y


class FusionBlock(nn.Module):
    """Adds a skip connection, doubles the size (bilinear, corners aligned), changes the width.

    The official block upsamples before its 1x1 convolution. The two commute, since bilinear
    weights sum to one; convolving first is a quarter of the work.
    """

    def __init__(self, width: int, out_width: int) -> None:
        super().__init__()
        self.out_conv = nn.Conv2d(width, out_width, 1)
        self.resConfUnit1 = ResidualUnit(width)
        self.resConfUnit2 = ResidualUnit(width)

    def forward(self, x: torch.Tensor, skip: torch.Tensor | None = None) -> torch.Tensor:
        if skip is not None:
            x = x + self.resConfUnit1(skip)
        x = self.out_conv(self.resConfUnit2(x))
        return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


class MidasSmall(nn.Module):
    """``image`` float32 (batch, 3, H, W), H and W multiples of 32 -> depth (batch, H, W).

    The output is relative inverse depth, >= 0, larger is nearer.
    """

    def __init__(self, backbone: str = "tf_efficientnet_lite3", features: int = 64) -> None:
        super().__init__()
        encoder = timm.create_model(backbone, pretrained=False)
        self.pretrained = nn.Module()
        # timm's norm carries its activation; an identity keeps the official numbering
        stem = [encoder.conv_stem, encoder.bn1, nn.Identity()]
        for level, (first, last) in enumerate(_TAPS, start=1):
            layers = (stem if level == 1 else []) + list(encoder.blocks[first:last])
            setattr(self.pretrained, f"layer{level}", nn.Sequential(*layers))
        for module in self.pretrained.modules():
            if type(module).__name__ == "Conv2dSame":
                module.__class__ = StridedSameConv

        self.scratch = nn.Module()
        # In this order: a training's checkpoint has the optimizer's state by number.
        for level in range(1, 5):
            channels, width = encoder.feature_info[level]["num_chs"], features << (level - 1)
            conv = nn.Conv2d(channels, width, 3, padding=1, bias=False)
            setattr(self.scratch, f"layer{level}_rn", conv)
        for level in (4, 3, 2, 1):
            width = features << (level - 1)
            block = FusionBlock(width, width // 2 if level > 1 else width)
            setattr(self.scratch, f"refinenet{level}", block)
        self.scratch.output_conv = nn.Sequential(
            nn.Conv2d(features, features // 2, 3, padding=1),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.Conv2d(features // 2, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 1, 1),
            nn.ReLU(),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        return self.scratch.output_conv(self.features(image)[1]).squeeze(1)

    def features(self, image: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        """The encoder's four levels, finest first, and what the decoder makes of them."""
        levels: list[torch.Tensor] = []
        x = image
        for level in range(1, 5):
            x = getattr(self.pretrained, f"layer{level}")(x)
            levels.append(getattr(self.scratch, f"layer{level}_rn")(x))
        path = self.scratch.refinenet4(levels[3])
        for level in (3, 2, 1):
            path = getattr(self.scratch, f"refinenet{level}")(path, levels[level - 1])
        return levels, path
