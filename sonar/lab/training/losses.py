"""Losses of the calibrated network. Each averages over frames, each frame by its known pixels.

All take float32 (B, H, W) and bool masks of that shape; values outside the mask do not matter.
Frames with fewer than ``FEWEST`` known pixels count nothing.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from sonar.lab.training.network import SOFTNESS

FEWEST = 64
SCALES = 4
FLOOR_SHARE = 0.15  # of the mean target, added where errors are divided by the target
FAR = 0.05  # camera height / Z of what is beyond all range is at most this
LOG_MARGIN = 2 * SOFTNESS  # added before the logarithm: inverse depth may be a little below 0
BETA = 0.5  # of the beta-NLL: 0 is the plain likelihood, 1 weighs all pixels alike
POSITIVES = {"ground": 1.0, "drop": 2.5, "stairs": 2.5}  # weight of the rare class


def log_error(predicted: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Error of the natural log of inverse depth, 0 where not known; > 0 is too near. (B, H, W)."""
    safe = torch.where(known, target, torch.ones_like(target))
    error = torch.log(predicted + LOG_MARGIN) - torch.log(safe + LOG_MARGIN)
    return torch.where(known, error, torch.zeros_like(error))


def likelihood(error: Tensor, log_sigma: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Negative log-likelihood of ``error`` under a Laplace distribution of that deviation.

    Weighted by ``sigma ** BETA`` (held constant), so that what is uncertain is still learned
    (Seitzer et al., On the pitfalls of heteroscedastic uncertainty estimation, ICLR 2022), and
    more where it is near.
    """
    log_scale = log_sigma - 0.5 * math.log(2.0)  # the Laplace scale b: sigma = sqrt(2) b
    loss = error.abs() * torch.exp(-log_scale) + log_scale
    near = torch.where(known, target, torch.zeros_like(target)).clamp(max=2.0) + 0.5
    return _batch(loss * torch.exp(BETA * log_scale.detach()) * near, known)


def beyond(predicted: Tensor, target: Tensor) -> Tensor:
    """What is beyond all range (target 0) is to be at most :data:`FAR`; on the log, its gradient
    was two to four times the likelihood's."""
    return _batch((predicted - FAR).clamp(min=0.0), target == 0)


def log_gradients(error: Tensor, known: Tensor, first_scale: int = 0) -> Tensor:
    """Multi-scale gradient matching (MegaDepth, MiDaS) of the log error.

    ``first_scale`` skips the finest scales, for depth that is a few pixels off its image.
    """
    total = error.new_zeros(())
    for scale in range(first_scale, SCALES):
        step = 2**scale
        e, m = error[:, ::step, ::step], known[:, ::step, ::step]
        total = total + _batch((e[:, :, 1:] - e[:, :, :-1]).abs(), m[:, :, 1:] & m[:, :, :-1])
        total = total + _batch((e[:, 1:] - e[:, :-1]).abs(), m[:, 1:] & m[:, :-1])
    return total / (SCALES - first_scale)


def align(predicted: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """``s * predicted + t`` nearest to ``target`` by least squares, frame by frame.

    The slope is kept above 0, so that a flat or inverted frame cannot hide its sign. (B, H, W).
    """
    m = known.float()
    n = m.sum((1, 2)).clamp(min=1.0)
    t = torch.where(known, target, torch.zeros_like(target))
    mean_p = (predicted * m).sum((1, 2)) / n
    mean_t = t.sum((1, 2)) / n
    p0 = (predicted - mean_p[:, None, None]) * m
    t0 = (t - mean_t[:, None, None]) * m
    slope = (p0 * t0).sum((1, 2)) / ((p0 * p0).sum((1, 2)) + 1e-6 * n)
    slope = slope.clamp(min=1e-3)
    shift = mean_t - slope * mean_p
    return slope[:, None, None] * predicted + shift[:, None, None]


def shape(predicted: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Mean error after :func:`align`, relative to the target (plus a share of its mean).

    Unchanged by any scale > 0 and any shift of the prediction.
    """
    t = torch.where(known, target, torch.zeros_like(target))
    floor = FLOOR_SHARE * _mean(t, known)[:, None, None] + 1e-3
    error = (align(predicted, target, known) - t).abs() / (t + floor)
    # The worst pixels (edges a pixel off, wrong labels) count no more than a factor of one.
    return _batch(error.clamp(max=1.0), known)


def aligned_gradients(predicted: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Gradient matching of the aligned prediction, for targets without a scale."""
    t = torch.where(known, target, torch.zeros_like(target))
    unit = _mean(t, known)[:, None, None] + 1e-3
    error = (align(predicted, target, known) - t) / unit
    return log_gradients(torch.where(known, error, torch.zeros_like(error)), known)


def class_entropy(probability: Tensor, value: Tensor, known: Tensor, positive: float) -> Tensor:
    """Cross entropy; pixels of the class ``value`` (bool) weigh ``positive`` times as much."""
    p = probability.clamp(1e-4, 1.0 - 1e-4)
    loss = functional.binary_cross_entropy(p, value.float(), reduction="none")
    return _batch(torch.where(value, positive * loss, loss), known)


def _mean(values: Tensor, known: Tensor) -> Tensor:
    m = known.float()
    return (values * m).sum((1, 2)) / m.sum((1, 2)).clamp(min=1.0)


def _batch(error: Tensor, known: Tensor) -> Tensor:
    """Mean over the frames with enough known pixels; 0 where there are none."""
    counts = known.flatten(1).sum(1) >= FEWEST
    if not bool(counts.any()):
        return error.sum() * 0.0
    return _mean(error, known)[counts].mean()
