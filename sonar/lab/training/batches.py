"""Which pictures a step is given: by kind and source, as a walker sees them, things pasted in."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sonar.errors import ModelError
from sonar.lab.training import augment
from sonar.lab.training.data import GROUND, HIGHEST_LEVEL, SURE_LEVEL, Kind, Sample
from sonar.lab.training.moved import bring_nearer
from sonar.lab.training.paste import paste
from sonar.lab.training.standing import stands_out
from sonar.types import FloatImage, RgbImage

Mask = NDArray[np.bool_]

_REAL = 0.6  # of the things that are put in the way, where the other picture has one
_SOMETHING = 0.01  # share of a picture that things must fill to be worth learning from


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Pictures of one size; the first ones come twice, in another light (twins).

    Attributes:
        kinds: one for each picture.
        images: float32 (B, 3, H, W), normalised.
        level: float32 (B, H, W), NaN where unknown.
        ground: uint8 (B, H, W).
        things: bool (B, H, W), what was pasted in, and what stands out by itself.
        at_least: bool (B, H, W), where the level is a bound: as near, or nearer.
    """

    kinds: tuple[Kind, ...]
    images: Tensor
    level: Tensor
    ground: Tensor
    things: Tensor
    at_least: Tensor


class Pictures:
    """Draws batches.

    Args:
        samples: of every kind in ``shares`` at least one, or that kind is left out.
        shares: how many of each kind make a batch, relative.
        pasted: share of the pictures that get a thing in the way.

    Raises:
        ModelError: there is nothing of the kinds asked for.
    """

    def __init__(
        self, samples: Sequence[Sample], shares: Mapping[Kind, float], pasted: float
    ) -> None:
        self._pools = _pools(samples, shares)
        self.kinds = tuple(self._pools)
        weights = np.array([shares[kind] for kind in self.kinds])
        self._weights = weights / weights.sum()
        self._pasted = pasted

    def draw(
        self, rng: np.random.Generator, size: tuple[int, int], count: int, twins: int
    ) -> Batch:
        """``count`` pictures of ``size`` (rows, columns), the first ``twins`` of them twice."""
        kinds: list[Kind] = []
        images, levels, grounds, things, bounds = [], [], [], [], []
        for index in range(count):
            kind = self.kinds[int(rng.choice(len(self.kinds), p=self._weights))]
            view, level, ground, thing, bound = self._view(rng, kind, size)
            for _ in range(2 if index < twins else 1):
                kinds.append(kind)
                images.append(augment.tensor(augment.light(rng, view)))
                levels.append(level)
                grounds.append(ground)
                things.append(thing)
                bounds.append(bound)
        return Batch(
            tuple(kinds),
            torch.from_numpy(np.stack(images)).contiguous(memory_format=torch.channels_last),
            *(torch.from_numpy(np.stack(each)) for each in (levels, grounds, things, bounds)),
        )

    def _view(
        self, rng: np.random.Generator, kind: Kind, size: tuple[int, int]
    ) -> tuple[RgbImage, FloatImage, NDArray[np.uint8], Mask, Mask]:
        """(image, level, ground, things, at_least); where there would be no things, a second try
        is made."""
        for _ in range(2):
            view, level, ground = augment.geometry(rng, self._one(rng, kind), size)
            before = level
            bound = np.full(level.shape, kind == "photo")
            bound &= (level > SURE_LEVEL) & (ground != GROUND)
            if rng.random() < self._pasted:
                view, level, ground = self._with_thing(rng, view, level, ground)
            pasted = (level != before) & np.isfinite(level)
            things = pasted | stands_out(level, ground)
            if things.mean() > _SOMETHING:
                break
        return view, level, ground, things, bound & ~pasted

    def _with_thing(
        self,
        rng: np.random.Generator,
        image: RgbImage,
        level: FloatImage,
        ground: NDArray[np.uint8],
    ) -> tuple[RgbImage, FloatImage, NDArray[np.uint8]]:
        """A real thing brought nearer, from any picture, or else a made-up one pasted in."""
        other = self._one(rng, self.kinds[int(rng.integers(len(self.kinds)))])
        if rng.random() < _REAL:
            size = level.shape[0], level.shape[1]
            donor = augment.geometry(rng, other, size)
            surest = SURE_LEVEL if other.kind == "photo" else HIGHEST_LEVEL
            found = bring_nearer(rng, (image, level, ground), donor, surest)
            if found is not None:
                return found
        return paste(rng, image, level, ground, other.image)

    def _one(self, rng: np.random.Generator, kind: Kind) -> Sample:
        sources = self._pools[kind]
        source = sources[int(rng.integers(len(sources)))]
        return source[int(rng.integers(len(source)))]


def _pools(
    samples: Sequence[Sample], shares: Mapping[Kind, float]
) -> dict[Kind, list[list[Sample]]]:
    """Samples by kind and source; sources of one kind are drawn by the root of their size."""
    pools: dict[Kind, list[list[Sample]]] = {}
    for kind, share in shares.items():
        by_source: dict[str, list[Sample]] = {}
        for sample in samples:
            if sample.kind == kind:
                by_source.setdefault(sample.source, []).append(sample)
        if not by_source or share <= 0:
            continue
        pools[kind] = [
            group
            for group in by_source.values()
            for _ in range(max(1, round(math.sqrt(len(group) / 8))))
        ]
    if not pools:
        raise ModelError("None of the kinds of picture that the plan asks for is there.")
    return pools
