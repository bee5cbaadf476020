"""A whole run on ten generated pictures: it learns, goes on, exports by the contract."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch (extra [midas])")
pytest.importorskip("timm", reason="training needs timm (extra [midas])")

from sonar.clock import ManualClock  # noqa: E402
from sonar.errors import ModelError  # noqa: E402
from sonar.lab.training.checkpoint import load_weights, mean, network_from, new_network  # noqa: E402
from sonar.lab.training.data import Sample  # noqa: E402
from sonar.lab.training.train import STATE, Plan, Trainer  # noqa: E402

PLAN = Plan(
    steps=4, batch=2, twins=1, warm_up=1, rate=1e-3, seed=3, sizes=((64, 64),), frozen=(),
    every_checkpoint=2,
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("start") / "start.pt"
    torch.save(new_network().state_dict(), path)
    return path


@pytest.fixture(scope="module")
def ten():
    rng = np.random.default_rng(0)
    samples = []
    for number in range(10):
        kind = ("photo", "measured", "rendered")[number % 3]
        rows = np.linspace(0.05, 0.9, 96, dtype=np.float32)[:, None] * np.ones((1, 128))
        level = (rows * rng.uniform(0.6, 1.2)).astype(np.float32)
        image = np.clip(level[:, :, None] * 200 + rng.normal(0, 9, (96, 128, 3)), 0, 255)
        ground = (rows > 0.5).astype(np.uint8)
        samples.append(Sample(str(number), kind, kind, image.astype(np.uint8), level, ground))
    return samples


def test_ten_pictures_are_learnt(tmp_path, start, ten):
    plan = replace(PLAN, steps=20, batch=3, rate=5e-4, every_checkpoint=100)
    said = []
    trainer = Trainer(ten, tmp_path, plan, start)
    trainer.run(said.append)
    assert [p.step for p in said] == [10, 20]
    assert said[1].loss < 0.8 * said[0].loss
    assert "step 20 (95%) loss" in said[1].line() and "ground" in said[1].line()


def test_a_run_taken_up_again_ends_the_same(tmp_path, start, ten):
    straight = Trainer(ten, tmp_path / "one", PLAN, start)
    straight.run()

    class Stopped(Trainer):
        def _share(self):
            return 1.0 if self.step == 2 else super()._share()

    Stopped(ten, tmp_path / "two", PLAN, start).run()
    second = Trainer(ten, tmp_path / "two", PLAN, start)
    assert second.step == 2
    second.run()
    before = load_weights(start)
    one, two = (load_weights(tmp_path / name / STATE) for name in ("one", "two"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], before[name]) for name in one)


def test_frozen_parts_stay_as_they_were(tmp_path, start, ten):
    plan = replace(PLAN, steps=2, frozen=("pretrained.layer1.",))
    Trainer(ten, tmp_path, plan, start).run()
    before, after = load_weights(start), load_weights(tmp_path / STATE)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and not any(name.startswith("pretrained.layer1.") for name in changed)


def test_minutes_end_a_run(tmp_path, start, ten):
    clock = ManualClock()

    class Slow(Trainer):
        def _one(self, rng):
            clock.sleep(20.0)
            return super()._one(rng)

    trainer = Slow(ten, tmp_path, replace(PLAN, steps=500, minutes=1.0), start, clock)
    trainer.run()
    assert trainer.step == 3


def test_bad_checkpoints_and_no_pictures_give_one_sentence(tmp_path, start, ten):
    bad = tmp_path / "bad.pt"
    bad.write_bytes(b"no checkpoint")
    with pytest.raises(ModelError, match="not a checkpoint"):
        network_from(bad)
    torch.save({"w": torch.zeros(2)}, bad)
    with pytest.raises(ModelError, match="does not fit"):
        network_from(bad)
    with pytest.raises(ModelError, match="nothing to train on"):
        Trainer([], tmp_path, PLAN, start)
    (tmp_path / STATE).write_bytes(b"damaged")
    with pytest.raises(ModelError, match="cannot be taken up again"):
        Trainer(ten, tmp_path, PLAN, start)


def test_a_checkpoint_cannot_run_code(tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (exec, ("raise SystemExit('ran')",))

    path = tmp_path / "evil.pt"
    path.write_bytes(pickle.dumps(Evil(), protocol=2))
    with pytest.raises(ModelError):
        load_weights(path)


def test_the_export_keeps_the_contract(tmp_path, start):
    onnx = pytest.importorskip("onnx", reason="the export needs onnx (extra [midas])")
    from sonar.depth.backends.onnx import OnnxBackend
    from sonar.lab.training.export import export, halve

    target = tmp_path / "model.onnx"
    assert export(start, target) < 2e-3
    graph = onnx.load(target).graph
    shape = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert shape == {
        "image": ["batch", 3, "height", "width"],
        "inverse_depth": ["batch", "height", "width"],
        "walkable": ["batch", "height", "width"],
    }
    backend = OnnxBackend(target, threads=1)
    out = backend.run(np.zeros((1, 3, 160, 256), np.float32))
    assert out["inverse_depth"].shape == out["walkable"].shape == (1, 160, 256)
    assert out["inverse_depth"].min() >= 0
    assert 0 <= out["walkable"].min() <= out["walkable"].max() <= 1
    halve(start, tmp_path / "half.pt")
    kept, whole = load_weights(tmp_path / "half.pt"), load_weights(start)
    assert all(torch.allclose(kept[n].float(), whole[n].float(), atol=2e-3) for n in whole)


@pytest.fixture(scope="module")
def exported(start, tmp_path_factory):
    pytest.importorskip("onnx", reason="the export needs onnx (extra [midas])")
    from sonar.lab.training.export import export

    target = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export(start, target)
    return target


def test_training_goes_on_from_the_file_that_is_shipped(exported, start, tmp_path, ten):
    image = torch.from_numpy(np.random.default_rng(0).normal(0, 1, (1, 3, 64, 96))).float()
    with torch.inference_mode():
        wanted, found = (network_from(path)(image) for path in (start, exported))
    for value, other in zip(wanted, found, strict=True):
        assert torch.allclose(value, other, atol=1e-4)
        assert value.std() > 0
    trainer = Trainer(ten, tmp_path, replace(PLAN, steps=1), exported)
    trainer.run()
    with torch.inference_mode():
        assert not torch.allclose(trainer.network(image)[0], found[0], atol=1e-5)


def test_an_onnx_file_of_another_network_is_refused(tmp_path, exported):
    import onnx

    model = onnx.load(str(exported))
    conv = next(n for n in model.graph.node if n.op_type == "Conv")
    model.graph.node.remove(conv)
    other = tmp_path / "other.onnx"
    other.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="another network"):
        network_from(other)
    other.write_bytes(b"\xff" * 40)
    with pytest.raises(ModelError, match="can be read"):
        network_from(other)


def test_the_mean_of_two_checkpoints_lies_halfway(tmp_path):
    paths = [tmp_path / f"{seed}.pt" for seed in (0, 1)]
    for seed, path in enumerate(paths):
        torch.manual_seed(seed)
        torch.save(new_network().state_dict(), path)
    mean(*paths, tmp_path / "mean.pt")
    one, other, between = (load_weights(p) for p in (*paths, tmp_path / "mean.pt"))
    name = next(k for k in one if not torch.equal(one[k], other[k]))
    assert torch.allclose(between[name], (one[name] + other[name]) / 2)
    assert not torch.equal(between[name], one[name])
