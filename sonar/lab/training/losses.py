"""Losses on relative inverse depth; every one averages over pictures, each by its known pixels.

All take ``predicted`` and ``target`` float32 (B, H, W) and ``known`` bool (B, H, W); values of
``target`` where not known do not matter. Pictures with fewer than ``FEWEST`` known pixels count
nothing. ``at_least`` (bool (B, H, W)) marks known pixels that are as near as the target or nearer:
there only too far is wrong.
"""

import torch
from torch import Tensor
from torch.nn import functional

from sonar.lab.training.data import HIGHEST_LEVEL, UNKNOWN

FEWEST = 64
SCALES = 4
FLOOR_SHARE = 0.15  # of the mean target, added where errors are divided by the target
FAR_LEVEL = 0.03  # of what is infinitely far: keeps its relative error finite


def align(predicted: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """``s * predicted + t`` nearest to ``target`` by least squares, picture by picture.

    The slope is kept from 0 up, so that a flat or inverted picture cannot hide its sign. (B, H, W).
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


def scale_and_shift_invariant(
    predicted: Tensor, target: Tensor, known: Tensor, at_least: Tensor | None = None
) -> Tensor:
    """Mean error after :func:`align`, relative to the target (plus a share of its mean).

    Unchanged by any scale > 0 and any shift of the prediction, as is the figure people use
    (relative error after alignment).
    """
    aligned = align(predicted, target, _sure(known, at_least))
    t = torch.where(known, target, torch.zeros_like(target))
    floor = FLOOR_SHARE * _mean(t, known)[:, None, None] + 1e-3
    error = _off(aligned, t, at_least) / (t + floor)
    # The worst pixels (edges a pixel off, wrong labels) count no more than a factor of one.
    return _batch(error.clamp(max=1.0), known)


def gradients(predicted: Tensor, target: Tensor, known: Tensor, first_scale: int = 0) -> Tensor:
    """Multi-scale gradient matching (MegaDepth, MiDaS) of the aligned prediction.

    ``first_scale`` skips the finest scales, for depth that is a few pixels off its picture.
    """
    aligned = align(predicted, target, known)
    t = torch.where(known, target, torch.zeros_like(target))
    unit = _mean(t, known)[:, None, None] + 1e-3
    error = torch.where(known, (aligned - t) / unit, torch.zeros_like(t))
    total = predicted.new_zeros(())
    for scale in range(first_scale, SCALES):
        step = 2**scale
        e, m = error[:, ::step, ::step], known[:, ::step, ::step]
        across = (e[:, :, 1:] - e[:, :, :-1]).abs()
        down = (e[:, 1:] - e[:, :-1]).abs()
        total = total + _batch(across, m[:, :, 1:] & m[:, :, :-1])
        total = total + _batch(down, m[:, 1:] & m[:, :-1])
    return total / (SCALES - first_scale)


def level(
    predicted: Tensor, target: Tensor, known: Tensor, at_least: Tensor | None = None
) -> Tensor:
    """L1 on the level itself: what keeps it steady from picture to picture."""
    t = torch.where(known, target, torch.zeros_like(target))
    capped = t.clamp(max=HIGHEST_LEVEL)
    error = _off(predicted, capped, at_least)
    beyond = (t >= HIGHEST_LEVEL) & (predicted >= HIGHEST_LEVEL)
    return _batch(torch.where(beyond, torch.zeros_like(error), error), known)


def within(
    predicted: Tensor,
    target: Tensor,
    known: Tensor,
    where: Tensor,
    at_least: Tensor | None = None,
) -> Tensor:
    """The error after :func:`align`, relative to the target, of the part ``where`` (bool) alone.

    What is left out altogether is small in a picture's mean, and near things most of all.
    """
    aligned = align(predicted, target, _sure(known, at_least))
    t = torch.where(known, target, torch.zeros_like(target))
    return _batch((_off(aligned, t, at_least) / (t + FAR_LEVEL)).clamp(max=1.0), known & where)


def walkable(predicted: Tensor, ground: Tensor, where: Tensor | None = None) -> Tensor:
    """Cross entropy of ``ground`` (uint8 (B, H, W)) being 1; stairs are not: they are to be heard.

    What is unknown (255) is left out; with ``where`` (bool) all but this part.
    """
    known = ground != UNKNOWN
    if where is not None:
        known = known & where
    p = predicted.clamp(1e-4, 1.0 - 1e-4)
    error = functional.binary_cross_entropy(p, (ground == 1).float(), reduction="none")
    return _batch(error, known)


def _sure(known: Tensor, at_least: Tensor | None) -> Tensor:
    """Where the target is the value itself."""
    return known if at_least is None else known & ~at_least


def _off(values: Tensor, target: Tensor, at_least: Tensor | None) -> Tensor:
    """How far values are off; what is nearer than a target that is a bound is right."""
    error = values - target
    if at_least is not None:
        error = torch.where(at_least, error.clamp(max=0.0), error)
    return error.abs()


def _mean(values: Tensor, known: Tensor) -> Tensor:
    m = known.float()
    return (values * m).sum((1, 2)) / m.sum((1, 2)).clamp(min=1.0)


def _batch(error: Tensor, known: Tensor) -> Tensor:
    """Mean over the pictures with enough known pixels; 0 where there are none."""
    counts = known.flatten(1).sum(1) >= FEWEST
    if not bool(counts.any()):
        return error.sum() * 0.0
    return _mean(error, known)[counts].mean()
