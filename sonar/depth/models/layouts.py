"""Parameter names and shapes of the torch checkpoints that sonar knows.

Written down from the published architectures, so that a file can be checked key by key before any
network is built. ``Layout`` maps a parameter's name to its shape.
"""

from collections.abc import Iterator, Mapping

Layout = Mapping[str, tuple[int, ...]]
Item = tuple[str, tuple[int, ...]]

# (kernel, channels, repeats) of the seven EfficientNet-Lite stages (Tan and Le 2019, width and
# depth factors of lite0 and lite3); every stage but the first expands sixfold.
_STAGES = {
    "tf_efficientnet_lite0": (
        (3, 16, 1),
        (3, 24, 2),
        (5, 40, 2),
        (3, 80, 3),
        (5, 112, 3),
        (5, 192, 4),
        (3, 320, 1),
    ),
    "tf_efficientnet_lite3": (
        (3, 24, 1),
        (3, 32, 3),
        (5, 48, 3),
        (3, 96, 5),
        (5, 136, 5),
        (5, 232, 6),
        (3, 384, 1),
    ),
}
_STEM_CHANNELS = 32
_STAGE_PREFIX = ("layer1.3", "layer1.4", "layer2.0", "layer3.0", "layer3.1", "layer4.0", "layer4.1")
_TAPS = (1, 2, 4, 6)  # the stages whose output the decoder reads


def midas_small(
    backbone: str = "tf_efficientnet_lite3", features: int = 64, walkable: bool = False
) -> dict[str, tuple[int, ...]]:
    """MiDaS v2.1 small's layout.

    Args:
        backbone: ``tf_efficientnet_lite3`` (official) or ``tf_efficientnet_lite0`` (built-in).
        features: decoder width: 64 officially, 32 in the built-in model.
        walkable: with the built-in model's head for walkable ground.
    """
    stages = _STAGES[backbone]
    widths = [features, 2 * features, 4 * features, 8 * features]
    items: list[Item] = [("pretrained.layer1.0.weight", (_STEM_CHANNELS, 3, 3, 3))]
    items += _norm("pretrained.layer1.1", _STEM_CHANNELS)
    channels = _STEM_CHANNELS
    for stage, (kernel, out, repeats) in enumerate(stages):
        for block in range(repeats):
            prefix = f"pretrained.{_STAGE_PREFIX[stage]}.{block}"
            expand = 1 if stage == 0 else 6
            items += _inverted_residual(prefix, channels, out, kernel, expand)
            channels = out
    taps = [stages[tap][1] for tap in _TAPS]
    for k in range(4):
        items.append((f"scratch.layer{k + 1}_rn.weight", (widths[k], taps[k], 3, 3)))
        narrowed = widths[k] // 2 if k else widths[k]
        items += _fusion(f"scratch.refinenet{k + 1}", widths[k], narrowed)
    items += _conv("scratch.output_conv.0", features // 2, features, 3)
    items += _conv("scratch.output_conv.2", 32, features // 2, 3)
    items += _conv("scratch.output_conv.4", 1, 32, 1)
    if walkable:
        items += _walkable_head(widths)
    return dict(items)


def dpt_large(
    image_px: int = 384,
    patch_px: int = 16,
    width: int = 1024,
    depth: int = 24,
    reassemble: tuple[int, int, int, int] = (256, 512, 1024, 1024),
    features: int = 256,
) -> dict[str, tuple[int, ...]]:
    """DPT-Large's layout (ViT-L/16 at 384, readout "project"); smaller values make it testable.

    Args:
        image_px, patch_px: side of the training picture and of a patch.
        width, depth: the transformer's channels and blocks.
        reassemble: channels of the four reassembled maps.
        features: decoder width.
    """
    tokens = (image_px // patch_px) ** 2 + 1
    vit = "pretrained.model"
    items: list[Item] = [
        (f"{vit}.cls_token", (1, 1, width)),
        (f"{vit}.pos_embed", (1, tokens, width)),
        *_conv(f"{vit}.patch_embed.proj", width, 3, patch_px),
    ]
    for block in range(depth):
        prefix = f"{vit}.blocks.{block}"
        items += _linear(f"{prefix}.norm1", width)
        items += _linear(f"{prefix}.attn.qkv", 3 * width, width)
        items += _linear(f"{prefix}.attn.proj", width, width)
        items += _linear(f"{prefix}.norm2", width)
        items += _linear(f"{prefix}.mlp.fc1", 4 * width, width)
        items += _linear(f"{prefix}.mlp.fc2", width, 4 * width)
    items += _linear(f"{vit}.norm", width)
    items += _linear(f"{vit}.head", 1000, width)  # ImageNet classes; in the file, never used
    for k, channels in enumerate(reassemble):
        prefix = f"pretrained.act_postprocess{k + 1}"
        items += _linear(f"{prefix}.0.project.0", width, 2 * width)
        items += _conv(f"{prefix}.3", channels, width, 1)
        resample_px = {0: 4, 1: 2, 3: 3}.get(k)  # up 4, up 2, as it is, down 2
        if resample_px is not None:
            items += _conv(f"{prefix}.4", channels, channels, resample_px)
        items.append((f"scratch.layer{k + 1}_rn.weight", (features, channels, 3, 3)))
        items += _fusion(f"scratch.refinenet{k + 1}", features, features)
    items += _conv("scratch.output_conv.0", features // 2, features, 3)
    items += _conv("scratch.output_conv.2", 32, features // 2, 3)
    items += _conv("scratch.output_conv.4", 1, 32, 1)
    return dict(items)


def _conv(prefix: str, out: int, channels: int, kernel: int) -> Iterator[Item]:
    yield f"{prefix}.weight", (out, channels, kernel, kernel)
    yield f"{prefix}.bias", (out,)


def _linear(prefix: str, *shape: int) -> Iterator[Item]:
    """A linear layer (out, in), or a layer norm (width)."""
    yield f"{prefix}.weight", shape
    yield f"{prefix}.bias", shape[:1]


def _norm(prefix: str, channels: int) -> Iterator[Item]:
    for name in ("weight", "bias", "running_mean", "running_var"):
        yield f"{prefix}.{name}", (channels,)
    yield f"{prefix}.num_batches_tracked", ()


def _inverted_residual(
    prefix: str, channels: int, out: int, kernel: int, expand: int
) -> Iterator[Item]:
    inner = channels * expand
    convs: tuple[tuple[str, int, int, int], ...]
    if expand == 1:
        convs = (("conv_dw", inner, 1, kernel), ("conv_pw", out, inner, 1))
    else:
        convs = (
            ("conv_pw", inner, channels, 1),
            ("conv_dw", inner, 1, kernel),
            ("conv_pwl", out, inner, 1),
        )
    for number, (name, conv_out, conv_in, side) in enumerate(convs, start=1):
        yield f"{prefix}.{name}.weight", (conv_out, conv_in, side, side)
        yield from _norm(f"{prefix}.bn{number}", conv_out)


def _fusion(prefix: str, channels: int, out: int) -> Iterator[Item]:
    yield from _conv(f"{prefix}.out_conv", out, channels, 1)
    for unit in ("resConfUnit1", "resConfUnit2"):
        for conv in ("conv1", "conv2"):
            yield from _conv(f"{prefix}.{unit}.{conv}", channels, channels, 3)


def _walkable_head(widths: list[int], inner: int = 32) -> Iterator[Item]:
    for k, channels in enumerate(widths):
        yield from _conv(f"walkable.lat.{k}", inner, channels, 1)
    for k in range(3):
        yield from _conv(f"walkable.mix.{k}", inner, 1, 3)
        yield from _conv(f"walkable.pw.{k}", inner, inner, 1)
    yield from _conv("walkable.out", 1, inner, 1)


ARCHITECTURES: Mapping[str, Layout] = {
    "midas_small": midas_small(),
    "midas_lite0": midas_small("tf_efficientnet_lite0", 32),
    "midas_lite0_walkable": midas_small("tf_efficientnet_lite0", 32, walkable=True),
    "dpt_large": dpt_large(),
}
