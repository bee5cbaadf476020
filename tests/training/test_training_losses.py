"""Losses on cases whose value is known."""

import math

import pytest

torch = pytest.importorskip("torch", reason="training needs torch (extra [midas])")
pytest.importorskip("timm", reason="training needs timm (extra [midas])")

from sonar.lab.training import losses  # noqa: E402

ALL = torch.ones(1, 16, 16, dtype=torch.bool)


def ramp() -> torch.Tensor:
    return torch.linspace(0.2, 1.5, 256).reshape(1, 16, 16)


def test_log_error_is_signed_and_zero_where_not_known():
    target = ramp()
    target[0, 0] = float("nan")
    known = target > 0
    twice = 2.0 * torch.nan_to_num(target, 1.0) + losses.LOG_MARGIN
    error = losses.log_error(twice, target, known)
    assert torch.allclose(error[known], torch.tensor(math.log(2.0)), atol=1e-5)
    assert (error[~known] == 0).all()


@pytest.mark.parametrize("scatter", [0.1, 0.4])
def test_the_likelihood_is_best_at_the_true_deviation(scatter):
    torch.manual_seed(0)
    error = torch.distributions.Laplace(0.0, scatter / math.sqrt(2.0)).sample((1, 128, 128))
    target, known = torch.ones_like(error), torch.ones_like(error, dtype=torch.bool)
    steps = torch.linspace(-3.5, 0.5, 81)
    # The held-constant weight must not move the optimum: look where the gradient vanishes.
    gradients = []
    for value in steps:
        log_sigma = torch.full_like(error, float(value), requires_grad=True)
        losses.likelihood(error, log_sigma, target, known).backward()
        gradients.append(float(log_sigma.grad.sum()))
    best = next(float(v) for v, g in zip(steps, gradients, strict=True) if g >= 0)
    assert best == pytest.approx(math.log(scatter), abs=0.08)


def test_near_pixels_weigh_more():
    error, known = torch.full((1, 16, 16), 0.3), ALL
    log_sigma = torch.zeros(1, 16, 16)
    near = losses.likelihood(error, log_sigma, torch.full_like(error, 1.5), known)
    far = losses.likelihood(error, log_sigma, torch.full_like(error, 0.1), known)
    assert float(near / far) == pytest.approx(2.0 / 0.6)


def test_beyond_range_only_what_is_too_near_is_wrong():
    target = torch.zeros(1, 16, 16)
    assert losses.beyond(torch.full_like(target, 0.01), target) == 0
    assert float(losses.beyond(torch.full_like(target, 0.5), target)) == pytest.approx(0.45)
    assert losses.beyond(torch.full_like(target, 0.5), ramp()) == 0


def test_shape_ignores_scale_and_shift_but_not_sign():
    target = ramp()
    assert losses.shape(0.3 * target + 0.7, target, ALL) < 1e-4
    assert losses.aligned_gradients(3.0 * target - 0.1, target, ALL) < 1e-4
    assert losses.shape(-target, target, ALL) > 0.2


def test_gradients_see_an_edge_that_is_missing_and_not_a_constant_factor():
    error = torch.full((1, 16, 16), 0.4)
    assert losses.log_gradients(error, ALL) == 0
    error[:, :, 8:] = 0.0
    # One step of 0.4 in 15, on the finest of four scales; the coarser ones have too few pixels.
    assert float(losses.log_gradients(error, ALL)) == pytest.approx(0.4 / 15 / losses.SCALES)
    mask = ALL.clone()
    mask[:, :, 7] = False
    assert losses.log_gradients(error, mask) == 0
    large = torch.zeros(1, 64, 64)
    large[:, :, 32:] = 1.0
    assert losses.log_gradients(large, torch.ones_like(large, dtype=torch.bool), 3) == 0
    assert losses.log_gradients(large, torch.ones_like(large, dtype=torch.bool), 2) > 0.03


def test_the_rare_class_weighs_more_and_unknown_pixels_nothing():
    value = torch.zeros(1, 16, 16, dtype=torch.bool)
    value[0, :8] = True
    half = torch.full((1, 16, 16), 0.5)
    entropy = math.log(2.0)
    assert float(losses.class_entropy(half, value, ALL, 3.0)) == pytest.approx(2.0 * entropy)
    top = torch.zeros_like(ALL)
    top[0, :8] = True
    assert float(losses.class_entropy(half, value, top, 3.0)) == pytest.approx(3.0 * entropy)
    few = torch.zeros_like(ALL)
    few[0, 0, :8] = True
    assert losses.class_entropy(half, value, few, 3.0) == 0
