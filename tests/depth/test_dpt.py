"""DPT-Large: no official weights here, so the network is proven by its construction.

The layout is compared with the published one, and the computation with a second implementation
below, written from the paper and the official source with plain functions only.
"""

import math
import warnings
from pathlib import Path

import numpy as np
import pytest

from sonar.errors import ModelError

torch = pytest.importorskip("torch", reason="needs the extra [midas]")
timm = pytest.importorskip("timm", reason="needs the extra [midas]")

from torch.nn import functional as F  # noqa: E402

from sonar.depth.midas.dpt import DptLarge, load_dpt_large  # noqa: E402
from sonar.depth.midas.weights import rule_weight  # noqa: E402

TINY = {
    "image_px": 64,
    "width": 32,
    "depth": 5,
    "reassemble": (8, 16, 24, 32),
    "features": 16,
}
TAPS, HEADS = (0, 1, 3, 4), 4
OFFICIAL_FILE_BYTES = 1_376_378_527


def tiny():
    net = DptLarge(**TINY, taps=TAPS, heads=HEADS).eval()
    state = {
        name: torch.from_numpy(np.asarray(rule_weight(name, tuple(value.shape))))
        for name, value in net.state_dict().items()
    }
    net.load_state_dict(state, strict=True)
    return net, state


def image(height: int, width: int):
    n = np.random.default_rng(7).standard_normal((2, 3, height, width))
    return torch.from_numpy(n.astype(np.float32))


def reference(p, x):
    """DPT as the paper and the official source describe it, from a table of parameters."""
    b, _, h, w = x.shape
    gh, gw = h // 16, w // 16
    vit, scratch = "pretrained.model", "scratch"
    t = F.conv2d(x, p[f"{vit}.patch_embed.proj.weight"], p[f"{vit}.patch_embed.proj.bias"], 16)
    t = t.reshape(b, t.shape[1], gh * gw).permute(0, 2, 1)
    pos = p[f"{vit}.pos_embed"]
    side = int(math.sqrt(pos.shape[1] - 1))
    grid = pos[0, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=(gh, gw), mode="bilinear")
    grid = grid.permute(0, 2, 3, 1).reshape(1, gh * gw, -1)
    t = torch.cat([p[f"{vit}.cls_token"].repeat(b, 1, 1), t], 1)
    t = t + torch.cat([pos[:, :1], grid], 1)
    width = t.shape[-1]

    def linear(name, v):
        return v @ p[f"{name}.weight"].T + p[f"{name}.bias"]

    def norm(name, v):
        mean = v.mean(-1, keepdim=True)
        var = ((v - mean) ** 2).mean(-1, keepdim=True)
        return (v - mean) / torch.sqrt(var + 1e-6) * p[f"{name}.weight"] + p[f"{name}.bias"]

    def gelu(v):
        return 0.5 * v * (1 + torch.erf(v / math.sqrt(2)))

    def conv(name, v, **kwargs):
        return F.conv2d(v, p[f"{name}.weight"], p.get(f"{name}.bias"), **kwargs)

    tapped = []
    for k in range(TINY["depth"]):
        name = f"{vit}.blocks.{k}"
        q, key, v = linear(f"{name}.attn.qkv", norm(f"{name}.norm1", t)).chunk(3, -1)
        q, key, v = (
            z.reshape(b, -1, HEADS, width // HEADS).permute(0, 2, 1, 3) for z in (q, key, v)
        )
        attention = torch.softmax(q @ key.transpose(-1, -2) / math.sqrt(width // HEADS), -1) @ v
        t = t + linear(f"{name}.attn.proj", attention.permute(0, 2, 1, 3).reshape(b, -1, width))
        hidden = gelu(linear(f"{name}.mlp.fc1", norm(f"{name}.norm2", t)))
        t = t + linear(f"{name}.mlp.fc2", hidden)
        if k in TAPS:
            tapped.append(t)

    def residual(name, v):
        return (
            conv(f"{name}.conv2", F.relu(conv(f"{name}.conv1", F.relu(v), padding=1)), padding=1)
            + v
        )

    levels = []
    for k, z in enumerate(tapped, start=1):
        name = f"pretrained.act_postprocess{k}"
        z = torch.cat([z[:, 1:], z[:, :1].repeat(1, gh * gw, 1)], -1)
        z = gelu(linear(f"{name}.0.project.0", z))
        z = conv(f"{name}.3", z.permute(0, 2, 1).reshape(b, width, gh, gw))
        if k in (1, 2):
            up = p[f"{name}.4.weight"]
            z = F.conv_transpose2d(z, up, p[f"{name}.4.bias"], stride=up.shape[-1])
        if k == 4:
            z = conv(f"{name}.4", z, stride=2, padding=1)
        levels.append(conv(f"{scratch}.layer{k}_rn", z, padding=1))
    path = None
    for k in (4, 3, 2, 1):
        name = f"{scratch}.refinenet{k}"
        z = levels[k - 1]
        path = z if path is None else path + residual(f"{name}.resConfUnit1", z)
        path = residual(f"{name}.resConfUnit2", path)
        size = levels[k - 2].shape[2:] if k > 1 else [2 * n for n in path.shape[2:]]
        path = F.interpolate(path, size=size, mode="bilinear", align_corners=True)
        path = conv(f"{name}.out_conv", path)
    path = conv(f"{scratch}.output_conv.0", path, padding=1)
    path = F.interpolate(path, scale_factor=2, mode="bilinear", align_corners=True)
    path = F.relu(conv(f"{scratch}.output_conv.2", path, padding=1))
    return F.relu(conv(f"{scratch}.output_conv.4", path))[:, 0]


@pytest.mark.parametrize("height,width", [(64, 64), (96, 128), (64, 160)])
def test_equals_a_second_implementation(height, width):
    net, state = tiny()
    x = image(height, width)
    with torch.no_grad():
        got, expected = net(x), reference(state, x)
    assert got.shape == (2, height, width)
    spread = float(expected.max() - expected.min())
    assert spread > 1e-3, "a reference of zeros would prove nothing"
    assert float((got - expected).abs().max()) <= 1e-4 * spread


def test_full_size_layout_is_the_published_one():
    with torch.device("meta"):
        net = DptLarge()
        published_encoder = timm.create_model("vit_large_patch16_384")
    shapes = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    encoder = {
        name.removeprefix("pretrained.model."): shape
        for name, shape in shapes.items()
        if name.startswith("pretrained.model.")
    }
    assert encoder == {n: tuple(v.shape) for n, v in published_encoder.state_dict().items()}


def test_parameter_count_fits_the_official_file():
    # float32 plus some hundred bytes of bookkeeping for each tensor; one missing or doubled
    # layer (the smallest matrix here is 288 kB) would show
    with torch.device("meta"):
        layout = DptLarge().state_dict()
    sizes = sum(math.prod(value.shape) for value in layout.values())
    bookkeeping = OFFICIAL_FILE_BYTES - 4 * sizes
    assert 0 < bookkeeping < 800 * len(layout)


def test_one_export_serves_every_size(tmp_path: Path):
    pytest.importorskip("onnx")
    import onnxruntime as ort

    net, _ = tiny()
    path = tmp_path / "dpt.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the legacy exporter and its traces
        torch.onnx.export(
            net,
            (image(64, 96)[:1],),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=["image"],
            output_names=["depth"],
            dynamic_axes={"image": {2: "height", 3: "width"}, "depth": {1: "height", 2: "width"}},
        )
    session = ort.InferenceSession(str(path))
    for height, width in ((64, 96), (128, 64), (96, 160)):
        x = image(height, width)[:1]
        got = session.run(None, {"image": x.numpy()})[0]
        with torch.no_grad():
            expected = net(x).numpy()
        assert got.shape == expected.shape == (1, height, width)
        assert np.ptp(expected) > 1e-3
        assert np.abs(got - expected).max() <= 1e-4 * np.ptp(expected)


def test_a_checkpoint_of_another_network_is_refused_by_name(tmp_path: Path):
    path = tmp_path / "other.pt"
    torch.save({"pretrained.model.cls_token": torch.ones(1, 1, 1024)}, path)
    with pytest.raises(
        ModelError, match=r"other\.pt is not a checkpoint of dpt_large: .* and 364 more"
    ):
        load_dpt_large(path)
