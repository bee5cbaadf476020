# mypy: allow-subclassing-any, allow-untyped-calls
"""DPT-Large (MiDaS v3) in torch, with the parameter names of the official checkpoint.

Source: isl-org/MiDaS v3 ``midas/dpt_depth.py``, ``vit.py`` and ``blocks.py`` (MIT); Ranftl,
Bochkovskiy and Koltun, "Vision Transformers for Dense Prediction", ICCV 2021: ViT-L/16 at 384,
readout "project", non-negative. The transformer's blocks come from timm. Imports torch: import
this module lazily.
"""

from __future__ import annotations

from pathlib import Path

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torch.nn import functional

from sonar.depth.midas.checkpoint import fill, read_checkpoint
from sonar.depth.midas.network import FusionBlock


class ProjectReadout(nn.Module):
    """Tells every patch what the whole image's token knows."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Linear(2 * width, width), nn.GELU())

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(batch, 1 + patches, width) -> (batch, patches, width)."""
        patches = tokens[:, 1:]
        readout = tokens[:, :1].expand_as(patches)
        return self.project(torch.cat((patches, readout), dim=-1))


class DoubleAligned(nn.Module):
    """Twice the size, bilinear, corners aligned."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


class DptLarge(nn.Module):
    """``image`` float32 (batch, 3, H, W), H and W multiples of 32 -> depth (batch, H, W).

    The output is relative inverse depth, >= 0, larger is nearer. ``DptLarge()`` is the official
    network; the arguments make a small one for tests (``width`` a multiple of ``heads``).
    """

    def __init__(
        self,
        image_px: int = 384,
        width: int = 1024,
        depth: int = 24,
        heads: int = 16,
        taps: tuple[int, int, int, int] = (5, 11, 17, 23),
        reassemble: tuple[int, int, int, int] = (256, 512, 1024, 1024),
        features: int = 256,
    ) -> None:
        super().__init__()
        self.patch_px = 16
        self.grid_side = image_px // self.patch_px
        self.taps = taps
        self.pretrained = nn.Module()
        # its classifier lies in the checkpoint and is never run
        self.pretrained.model = VisionTransformer(
            image_px, self.patch_px, embed_dim=width, depth=depth, num_heads=heads
        )
        resample: list[nn.Module | None] = [
            nn.ConvTranspose2d(reassemble[0], reassemble[0], 4, stride=4),
            nn.ConvTranspose2d(reassemble[1], reassemble[1], 2, stride=2),
            None,
            nn.Conv2d(reassemble[3], reassemble[3], 3, stride=2, padding=1),
        ]
        self.scratch = nn.Module()
        for k, channels in enumerate(reassemble):
            # officially 1 and 2 turn the tokens into a map; forward does, for any size
            layers = [ProjectReadout(width), nn.Identity(), nn.Identity()]
            layers += [nn.Conv2d(width, channels, 1)]
            last = resample[k]
            layers += [] if last is None else [last]
            setattr(self.pretrained, f"act_postprocess{k + 1}", nn.Sequential(*layers))
            narrow = nn.Conv2d(channels, features, 3, padding=1, bias=False)
            setattr(self.scratch, f"layer{k + 1}_rn", narrow)
            setattr(self.scratch, f"refinenet{k + 1}", FusionBlock(features, features))
        self.scratch.output_conv = nn.Sequential(
            nn.Conv2d(features, features // 2, 3, padding=1),
            DoubleAligned(),
            nn.Conv2d(features // 2, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 1, 1),
            nn.ReLU(),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        # while an export traces, these follow the image: every size stays possible
        rows, columns = (side // self.patch_px for side in image.shape[2:])
        levels: list[torch.Tensor] = []
        for k, tokens in enumerate(self._tapped(image, rows, columns), start=1):
            readout, _, _, *convolve = getattr(self.pretrained, f"act_postprocess{k}")
            x = readout(tokens).transpose(1, 2)
            x = x.reshape(x.shape[0], x.shape[1], rows, columns)
            for layer in convolve:
                x = layer(x)
            levels.append(getattr(self.scratch, f"layer{k}_rn")(x))
        path = self.scratch.refinenet4(levels[3])
        for level in (3, 2, 1):
            path = getattr(self.scratch, f"refinenet{level}")(path, levels[level - 1])
        return self.scratch.output_conv(path).squeeze(1)

    def _tapped(self, image: torch.Tensor, rows: int, columns: int) -> list[torch.Tensor]:
        """The token tables after the tapped blocks, each (batch, 1 + rows * columns, width)."""
        vit = self.pretrained.model
        patches = vit.patch_embed.proj(image).flatten(2).transpose(1, 2)
        whole = vit.cls_token.expand(patches.shape[0], -1, -1)
        x = torch.cat((whole, patches), dim=1) + self._positions(rows, columns)
        found: list[torch.Tensor] = []
        for number, block in enumerate(vit.blocks):
            x = block(x)
            if number in self.taps:
                found.append(x)
        return found

    def _positions(self, rows: int, columns: int) -> torch.Tensor:
        """Position embedding for this many patches, the learned square grid resized."""
        learned = self.pretrained.model.pos_embed
        whole, grid = learned[:, :1], learned[:, 1:]
        grid = grid.transpose(1, 2).unflatten(2, (self.grid_side, self.grid_side))
        grid = functional.interpolate(
            grid, size=(rows, columns), mode="bilinear", align_corners=False
        )
        return torch.cat((whole, grid.flatten(2).transpose(1, 2)), dim=1)


def load_dpt_large(path: Path) -> DptLarge:
    """The official checkpoint as a network ready to run, in float32.

    Raises ModelError when the file is damaged, holds code, or is of another network.
    """
    state = read_checkpoint(path)
    with torch.device("meta"):
        net = DptLarge()
    return fill(net, state, path.name, "dpt_large")  # type: ignore[no-any-return]
