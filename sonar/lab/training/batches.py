"""Which samples a step is given: by kind, then source, then sample; and how they are prepared."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sonar.errors import ModelError
from sonar.lab.training import views
from sonar.lab.training.sample import Kind, Sample

ROOT_OF = 8  # a source of n samples is drawn sqrt(n / 8) times as often as one of 8


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Views of one size; the first ones come twice, in another light (twins).

    Attributes:
        kinds: one for each view.
        calibrated: bool (B,), whether the target has a scale.
        images: float32 (B, 3, H, W), normalized.
        target: float32 (B, H, W); 0 beyond all range, NaN unknown.
        labels: uint8 (B, H, W), bits as :class:`sonar.lab.training.sample.Sample`.
    """

    kinds: tuple[Kind, ...]
    calibrated: Tensor
    images: Tensor
    target: Tensor
    labels: Tensor

    def to(self, device: str) -> "Batch":
        """On another device."""
        moved = (self.calibrated, self.images, self.target, self.labels)
        return Batch(self.kinds, *(each.to(device, non_blocking=True) for each in moved))


class Batches:
    """Draws batches.

    Args:
        samples: of every kind in ``shares`` at least one, or that kind is left out.
        shares: how many of each kind make a batch, relative.

    Raises:
        ModelError: there is nothing of the kinds asked for.
    """

    def __init__(self, samples: Sequence[Sample], shares: Mapping[Kind, float]) -> None:
        self._pools: dict[Kind, list[list[Sample]]] = {}
        for kind, share in shares.items():
            by_source: dict[str, list[Sample]] = {}
            for sample in samples:
                if sample.kind == kind and share > 0:
                    by_source.setdefault(sample.source, []).append(sample)
            pool = [
                group
                for group in by_source.values()
                for _ in range(max(1, round(math.sqrt(len(group) / ROOT_OF))))
            ]
            if pool:
                self._pools[kind] = pool
        if not self._pools:
            raise ModelError("There is no sample of the kinds that the plan asks for.")
        self.kinds = tuple(self._pools)
        weights = np.array([shares[kind] for kind in self.kinds])
        self._weights = weights / weights.sum()

    def draw(
        self, rng: np.random.Generator, size: tuple[int, int], count: int, twins: int
    ) -> Batch:
        """``count`` views of ``size`` (rows, columns), the first ``twins`` of them twice."""
        kinds: list[Kind] = []
        calibrated, images, targets, labels = [], [], [], []
        for index in range(count):
            sample = self._one(rng)
            view = views.random_view(rng, sample, size)
            for _ in range(2 if index < twins else 1):
                kinds.append(sample.kind)
                calibrated.append(sample.calibrated)
                images.append(views.tensor(views.relight(rng, view.image)))
                targets.append(view.target)
                labels.append(view.labels)
        return Batch(
            tuple(kinds),
            torch.tensor(calibrated),
            torch.from_numpy(np.stack(images)).contiguous(memory_format=torch.channels_last),
            torch.from_numpy(np.stack(targets)),
            torch.from_numpy(np.stack(labels)),
        )

    def _one(self, rng: np.random.Generator) -> Sample:
        pool = self._pools[self.kinds[int(rng.choice(len(self.kinds), p=self._weights))]]
        source = pool[int(rng.integers(len(pool)))]
        return source[int(rng.integers(len(source)))]
