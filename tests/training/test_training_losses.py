"""Losses: what they must not see, and what they must."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch (extra [midas])")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from sonar.lab.training import losses  # noqa: E402


def picture(seed=0, batch=2, rows=24, columns=32):
    rng = np.random.default_rng(seed)
    rows_ = np.linspace(0.1, 1.0, rows, dtype=np.float32)[None, :, None]
    target = rows_ + rng.uniform(0, 0.3, (batch, rows, columns)).astype(np.float32)
    return torch.from_numpy(target.astype(np.float32)), torch.ones(batch, rows, columns).bool()


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(0.2, 5.0), shift=st.floats(-0.5, 2.0), seed=st.integers(0, 20))
def test_scale_and_shift_of_the_prediction_do_not_matter(scale, shift, seed):
    target, known = picture(seed)
    rng = np.random.default_rng(seed + 1)
    predicted = target + torch.from_numpy(rng.normal(0, 0.1, target.shape).astype(np.float32))
    for loss in (losses.scale_and_shift_invariant, losses.gradients):
        plain = float(loss(predicted, target, known))
        assert plain > 0.01
        assert float(loss(scale * predicted + shift, target, known)) == pytest.approx(
            plain, rel=2e-2
        )


def test_a_right_shape_costs_nothing_and_an_inverted_one_much():
    target, known = picture()
    assert float(losses.scale_and_shift_invariant(3 * target + 1, target, known)) < 1e-3
    assert float(losses.gradients(3 * target + 1, target, known)) < 1e-3
    flat = float(losses.scale_and_shift_invariant(torch.ones_like(target), target, known))
    inverted = float(losses.scale_and_shift_invariant(-target, target, known))
    assert inverted == pytest.approx(flat, rel=0.05) and flat > 0.1


def test_level_sees_scale_and_shift_but_not_beyond_its_end():
    target, known = picture()
    assert float(losses.level(target, target, known)) == 0.0
    assert float(losses.level(target + 0.2, target, known)) == pytest.approx(0.2, rel=1e-3)
    near = torch.full_like(target, 5.0)
    assert float(losses.level(torch.full_like(target, 4.0), near, known)) == 0.0
    short = float(losses.level(torch.full_like(target, 1.0), near, known))
    assert short == pytest.approx(losses.HIGHEST_LEVEL - 1.0)


def test_unknown_pixels_do_not_count():
    target, known = picture()
    holes = known.clone()
    holes[:, :5] = False
    broken = target.clone()
    broken[:, :5] = float("nan")
    for loss in (losses.scale_and_shift_invariant, losses.gradients, losses.level):
        predicted = (target * 0.8 + 0.1).requires_grad_()
        value = loss(predicted, broken, holes)
        value.backward()
        assert torch.isfinite(value) and torch.isfinite(predicted.grad).all()
        if loss is losses.level:
            assert (predicted.grad[:, :5] == 0).all()


def test_a_picture_without_depth_costs_nothing():
    target, known = picture()
    nothing = torch.zeros_like(known)
    assert float(losses.scale_and_shift_invariant(target, target + 1, nothing)) == 0.0
    assert float(losses.level(target, target + 1, nothing)) == 0.0


def test_a_thing_left_out_costs_by_itself_what_it_hardly_costs_in_the_whole():
    target, known = picture()
    target[:, 4:8, 4:9] = 2.0  # a near thing
    without = target.clone()
    without[:, 4:8, 4:9] = 0.3
    where = torch.zeros_like(known)
    where[:, 4:12, 4:14] = True
    whole = float(losses.scale_and_shift_invariant(without, target, known))
    alone = float(losses.within(without, target, known, where))
    assert alone > 2 * whole
    assert float(losses.within(target, target, known, where)) == pytest.approx(0.0, abs=1e-4)
    assert float(losses.within(without, target, known, torch.zeros_like(known))) == 0.0


def test_walkable_leaves_the_unknown_alone_and_does_not_take_stairs_for_ground():
    said = torch.full((1, 16, 16), 0.9)
    ground = torch.full((1, 16, 16), 255, dtype=torch.uint8)
    assert float(losses.walkable(said, ground)) == 0.0
    ground[:, 8:] = 1
    right = float(losses.walkable(said, ground))
    for other in (0, 2):
        ground[:, 8:] = other
        assert float(losses.walkable(said, ground)) > 10 * right > 0


def test_walkable_asked_for_a_part_hears_of_that_part_alone():
    ground = torch.zeros(1, 16, 16, dtype=torch.uint8)
    said = torch.full((1, 16, 16), 0.001)
    said[:, :, 8:] = 0.999  # a thing on the right is taken for a free way
    left = torch.zeros(1, 16, 16, dtype=torch.bool)
    left[:, :, :8] = True
    assert float(losses.walkable(said, ground, left)) < 0.01
    assert float(losses.walkable(said, ground, ~left)) > 5.0


def test_nearer_than_a_bound_is_right_and_farther_is_wrong():
    target, known = picture()
    bound = torch.zeros_like(known)
    bound[:, 12:] = True
    nearer, farther = target.clone(), target.clone()
    nearer[:, 12:] += 0.8
    farther[:, 12:] *= 0.3
    for loss in (losses.level, losses.scale_and_shift_invariant):
        exact = float(loss(target, target, known, bound))
        assert float(loss(nearer, target, known, bound)) == pytest.approx(exact, abs=1e-4)
        assert float(loss(nearer, target, known)) > 0.05
        assert float(loss(farther, target, known, bound)) > exact + 0.1
    where = known & bound
    assert float(losses.within(nearer, target, known, where, bound)) < 1e-3
    assert float(losses.within(farther, target, known, where, bound)) > 0.3


def test_the_scale_comes_from_what_is_sure():
    target, known = picture()
    bound = torch.zeros_like(known)
    bound[:, 12:] = True
    predicted = target.clone()
    predicted[:, 12:] = 3.0  # a thing that the label hardly shows
    aligned = losses.align(predicted, target, known & ~bound)
    assert torch.allclose(aligned[:, :12], target[:, :12], atol=1e-3)
