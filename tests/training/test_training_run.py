"""A whole run on generated frames: it learns, continues bit by bit, exports by the contract."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch (extra [midas])")
pytest.importorskip("timm", reason="training needs timm (extra [midas])")

from sonar.clock import ManualClock  # noqa: E402
from sonar.depth.models.registry import BUILTIN_PATH  # noqa: E402
from sonar.errors import ModelError  # noqa: E402
from sonar.lab.evaluate.data import read_pack  # noqa: E402
from sonar.lab.training import evaluate, network, sources, train  # noqa: E402
from sonar.lab.training.main import main  # noqa: E402
from sonar.lab.training.sample import Sample  # noqa: E402
from sonar.lab.training.train import (  # noqa: E402
    STATE,
    Plan,
    Trainer,
    averaged_network,
    read_state,
)

PLAN = Plan(
    steps=3,
    batch=2,
    twins=1,
    warm_up=1,
    rate=1e-3,
    seed=3,
    sizes=((32, 64),),
    last_sizes=((32, 64),),
    every_checkpoint=99,
)
SHIPPED = str(BUILTIN_PATH)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def frames(packs):
    rendered = list(sources.read_rendered(read_pack(packs / "p_corr1.tar.gz")))
    return [*rendered, *(replace(s, kind="photo", focal=0.0, source="photos") for s in rendered)]


def test_frames_are_learned(tmp_path, frames, monkeypatch):
    monkeypatch.setattr(train, "EVERY_PROGRESS", 6)
    said = []
    plan = replace(
        PLAN, steps=12, sizes=((64, 96),), last_sizes=((64, 96),), frozen=("pretrained.",)
    )
    Trainer(frames[:2], tmp_path, plan, SHIPPED).run(said.append)
    assert said[0].startswith("step 6 (42%)") and "nll" in said[1] and "s/step" in said[1]
    before, after = (
        evaluate.figures(evaluate.network_model(each), frames[:1])
        for each in (network.start_network(SHIPPED), averaged_network(tmp_path / STATE)[0])
    )
    assert after["aligned"] < 0.9 * before["aligned"]
    assert abs(after["bias"]) < 0.6 * abs(before["bias"])


def test_a_run_that_is_continued_ends_with_the_same_weights(tmp_path, frames):
    Trainer(frames, tmp_path / "one", PLAN, SHIPPED).run()

    class Stopped(Trainer):
        def _share(self):
            return 1.0 if self.step == 1 else super()._share()

    Stopped(frames, tmp_path / "two", PLAN, SHIPPED).run()
    second = Trainer(frames, tmp_path / "two", PLAN, SHIPPED)
    assert second.step == 1
    second.run()
    one, two = (read_state(tmp_path / name / STATE) for name in ("one", "two"))
    for part in ("network", "averaged"):
        assert all(torch.equal(one[part][name], two[part][name]) for name in one[part])
    before = network.start_network(SHIPPED).state_dict()
    changed = {name for name in before if not torch.equal(before[name], one["network"][name])}
    assert changed and not any(name.startswith(PLAN.frozen) for name in changed)


def test_minutes_end_a_run_and_validation_is_reported(tmp_path, frames):
    clock = ManualClock()
    said = []

    class Slow(Trainer):
        def _one(self, share):
            clock.sleep(20.0)
            return super()._one(share)

    plan = replace(PLAN, steps=500, minutes=1.0, validate_minutes=0.6)
    Slow(frames, tmp_path, plan, SHIPPED, clock, lambda n: f"{n.encoder} judged").run(said.append)
    assert read_state(tmp_path / STATE)["step"] == 3
    assert said == [f"validation at step {step}: lite0 judged" for step in (2, 3)]


def test_a_new_run_starts_from_the_shipped_model(frames):
    image = torch.from_numpy(np.random.default_rng(0).normal(0, 1, (1, 3, 64, 96))).float()
    shipped = evaluate.OnnxBackend(BUILTIN_PATH, threads=1).run(image.numpy())
    with torch.inference_mode():
        found = network.start_network(SHIPPED)(image)
    wanted = np.maximum(
        network.SHIPPED_GAIN * shipped["inverse_depth"] + network.SHIPPED_SHIFT, 0.0
    )
    seen = shipped["inverse_depth"] > 0  # where its last ReLU hides nothing
    # Its last convolutions saw twice the size: alike where the depth is smooth.
    off = np.abs(found[0].numpy() - wanted)[seen]
    assert np.median(off) < 0.02 * np.median(wanted[seen]) and seen.mean() > 0.2
    # Probabilities are interpolated instead of their logits.
    assert np.abs(found[2].numpy() - shipped["walkable"]).mean() < 0.03


def test_parameters_keep_their_order_by_which_checkpoints_hold_the_optimizers_state():
    names = [name for name, _ in network.CalibratedNetwork().scratch.named_children()]
    layers = [f"layer{level}_rn" for level in (1, 2, 3, 4)]
    assert names == [*layers, *(f"refinenet{n}" for n in (4, 3, 2, 1)), "output_conv"]


def test_encoders_take_imagenet_weights_in_order(monkeypatch):
    plain = network.CalibratedNetwork("lite1")
    tensors = [
        torch.full_like(v, k % 7)
        for k, (name, v) in enumerate(plain.pretrained.state_dict().items())
        if "num_batches" not in name
    ]
    monkeypatch.setattr(network, "_imagenet", lambda encoder: [*tensors, torch.zeros(5)])
    found = network.start_network("lite1").pretrained.state_dict()
    kept = [value for name, value in found.items() if "num_batches" not in name]
    assert all(torch.equal(a, b) for a, b in zip(kept, tensors, strict=True))
    monkeypatch.setattr(network, "_imagenet", lambda encoder: tensors[1:])
    with pytest.raises(ModelError, match="do not fit"):
        network.start_network("lite1")


def test_a_state_cannot_run_code_and_damage_gives_one_sentence(tmp_path, frames):
    class Evil:
        def __reduce__(self):
            return (exec, ("raise SystemExit('ran')",))

    (tmp_path / STATE).write_bytes(pickle.dumps(Evil(), protocol=2))
    for _ in range(2):
        with pytest.raises(ModelError, match="cannot be continued"):
            Trainer(frames, tmp_path, PLAN, SHIPPED)
        torch.save({"step": 1}, tmp_path / STATE)
    with pytest.raises(ModelError, match="no sample"):
        Trainer([], tmp_path, PLAN, SHIPPED)
    with pytest.raises(ModelError, match="can be read"):
        network.start_network(str(tmp_path / STATE))


def test_the_command_line_trains_exports_and_evaluates(tmp_path, packs, capsys):
    onnx = pytest.importorskip("onnx", reason="the export needs onnx (extra [midas])")
    data = ["--cache", str(tmp_path / "cache"), "--rendered", str(packs)]
    run, target = tmp_path / "run", tmp_path / "new.onnx"
    options = ["--steps", "1", "--batch", "2", "--licence", "commercial"]
    assert main(["train", str(run), *data, *options]) == 0
    assert "samples: {'rendered': 2}; validation: 1" in capsys.readouterr().out
    assert main(["export", str(run / STATE), str(target), *data]) == 0
    model = onnx.load(str(target))
    assert [v.name for v in model.graph.output] == list(network.OUTPUTS)
    dims = [
        [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*model.graph.input, *model.graph.output)
    ]
    assert dims == [["batch", 3, "height", "width"], *[["batch", "height", "width"]] * 5]
    props = {item.key: item.value for item in model.metadata_props}
    assert props["sonar.kind"] == "per_camera_height" and props["sonar.step"] == "1"
    assert props["sonar.sources"] == "d_other,p_corr1"
    scale = float(props["sonar.sigma_scale"])
    image = np.random.default_rng(0).integers(0, 255, (120, 160, 3)).astype(np.uint8)
    before = evaluate.network_model(averaged_network(run / STATE)[0])(image)
    after = evaluate.onnx_model(target)(image)
    assert np.allclose(after["inverse_depth"], before["inverse_depth"], atol=2e-3)
    assert after["inverse_depth"].min() >= 0
    again = evaluate.network_model(network.start_network(str(target)))(image)
    assert np.allclose(again["inverse_depth"], after["inverse_depth"], atol=2e-3)
    assert np.allclose(again["log_sigma"], after["log_sigma"], atol=2e-3)
    shift = after["log_sigma"] - before["log_sigma"]
    assert np.median(shift) == pytest.approx(np.log(scale), abs=0.05)
    for name in ("ground", "drop", "stairs"):
        assert 0 <= after[name].min() <= after[name].max() <= 1
    capsys.readouterr()
    assert main(["evaluate", str(target), *data, "--split", "held-out"]) == 0
    said = capsys.readouterr().out
    assert said.count("  walk_p_stairs3_0drop") == 2 and said.count("builtin.onnx") == 1
    assert said.count("abs_rel") == 2  # without alignment, of the new model only
    assert main(["export", str(tmp_path / "none.pt"), str(target), *data]) == 5


def test_figures_of_a_perfect_and_of_a_wrong_model(frames):
    sample: Sample = frames[0]

    def model(factor, sigma):
        depth = sample.inverse * np.float32(sample.focal / network.FOCAL * factor)
        drop = (sample.labels >> 1 & 1).astype(np.float32)
        return lambda image: {
            "inverse_depth": depth,
            "log_sigma": np.full_like(depth, np.log(sigma)),
            "ground": (sample.labels & 1).astype(np.float32),
            "drop": drop,
            "stairs": 1.0 - drop,
        }

    good = evaluate.figures(model(1.0, 0.1), [sample])
    assert good["aligned"] == pytest.approx(0, abs=1e-4) and good["abs_rel"] == pytest.approx(
        0, abs=1e-4
    )
    assert good["within_sigma"] == 1 and good["ground_iou"] == 1
    assert good["drop_recall"] == good["drop_precision"] == 1
    near = evaluate.figures(model(1.25, 0.3), [sample])
    assert near["aligned"] == pytest.approx(0, abs=1e-4)  # alignment hides the scale
    assert near["abs_rel"] == pytest.approx(0.2, abs=1e-3)
    assert near["bias"] == near["near_bias"] == pytest.approx(-np.log(1.25), abs=1e-3)
    assert near["within_sigma"] == 1 and near["sigma_scale"] == pytest.approx(0.744, abs=2e-3)
    assert evaluate.figures(model(1.25, 0.1), [sample])["within_sigma"] == 0
    assert near["stairs_recall"] == pytest.approx(0.0) and "drop_recall 1.000" in evaluate.line(
        near
    )
