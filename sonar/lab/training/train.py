"""Trains the built-in model; stops and goes on where it was.

Every step draws its pictures from a generator of (seed, step): a run that was stopped and taken
up again ends with the same weights as one that was not, where its length is given in steps. A
length in minutes follows the clock instead (time that passes while the process is stopped counts).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sonar.clock import SystemClock
from sonar.errors import ModelError
from sonar.lab.training import augment, losses
from sonar.lab.training.batches import Batch, Pictures
from sonar.lab.training.checkpoint import network_from
from sonar.lab.training.data import Kind, Sample
from sonar.ports import Clock

EVERY_PROGRESS = 10
STATE = "state.pt"


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train.

    Attributes:
        steps: how many; with ``minutes`` the most.
        minutes: of wall time, or None; the learning rate follows it.
        batch: pictures a step; ``twins`` of them are shown twice, in another light.
        shares: how many of each kind make a batch, relative.
        rate: the highest learning rate, reached after ``warm_up`` steps and left along a cosine
            from the share ``steady`` of the run on.
        pasted: share of the pictures that get a thing in the way (:mod:`sonar.lab.training.paste`).
        things_weight, things_level: of the losses that ask once more, apart, for the shape and the
            level of what stands out (:mod:`sonar.lab.training.standing`).
        average: how slowly the averaged weights follow.
        half: convolutions in bfloat16 (faster where the processor has it; weights stay float32).
        frozen: parts left as they are: the encoder's first two, large pictures and few weights,
            are most of a step's cost.
    """

    steps: int = 3000
    minutes: float | None = None
    batch: int = 8
    twins: int = 1
    shares: Mapping[Kind, float] = field(
        default_factory=lambda: {"photo": 0.35, "measured": 0.25, "rendered": 0.4}
    )
    pasted: float = 0.5
    rate: float = 2e-4
    warm_up: int = 20
    steady: float = 0.4
    average: float = 0.997
    weight_decay: float = 1e-4
    seed: int = 0
    sizes: tuple[tuple[int, int], ...] = augment.SIZES
    every_checkpoint: int = 40
    level_weight: Mapping[Kind, float] = field(
        default_factory=lambda: {"photo": 0.5, "measured": 0.5, "rendered": 0.5}
    )
    gradient_weight: float = 0.5
    things_weight: float = 0.6
    things_level: float = 0.5
    walkable_weight: float = 0.25
    twin_weight: float = 0.5
    half: bool = False
    frozen: tuple[str, ...] = ("pretrained.layer1.", "pretrained.layer2.")


@dataclass(slots=True)
class Progress:
    """What a run says of itself now and then."""

    step: int
    share: float
    loss: float
    parts: dict[str, float]
    seconds: float

    def line(self) -> str:
        """One line for people."""
        parts = " ".join(f"{name} {value:.3f}" for name, value in self.parts.items())
        head = f"step {self.step} ({self.share:.0%}) loss {self.loss:.3f}"
        return f"{head} {parts} {self.seconds:.1f} s/step"


class Trainer:
    """One run.

    Args:
        samples: of every kind in ``plan.shares`` at least one, or that kind is left out.
        folder: for the state and the result (``state.pt``); where it holds one, the run goes on
            from it.
        start: the checkpoint that a new run starts from.

    Raises:
        ModelError: nothing to train on, or a checkpoint or state that cannot be read.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        folder: Path,
        plan: Plan,
        start: Path,
        clock: Clock | None = None,
    ) -> None:
        if not samples:
            raise ModelError("There is nothing to train on.")
        self.plan = plan
        self.folder = folder
        self.step = 0
        self._clock = clock or SystemClock()
        self._spent_s = 0.0
        self._pictures = Pictures(samples, plan.shares, plan.pasted)
        torch.manual_seed(plan.seed)
        self.network = network_from(start)
        self.network.to(memory_format=torch.channels_last)
        self.averaged = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        # Running statistics stay as they are: batches are small and mixed.
        self.network.eval()
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(not name.startswith(plan.frozen))
        self._trained = [p for p in self.network.parameters() if p.requires_grad]
        self._optimiser = torch.optim.AdamW(
            self._trained, plan.rate, weight_decay=plan.weight_decay
        )
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / STATE).exists():
            self._restore(folder / STATE)

    def run(self, progress: Callable[[Progress], None] | None = None) -> None:
        """Train to the plan's end."""
        began = self._clock.now()
        before = self._spent_s
        sums: dict[str, float] = {}
        since, since_step = began, self.step
        while (share := self._share()) < 1.0:
            self._set_rate(share)
            parts = self._one(np.random.default_rng([self.plan.seed, self.step]))
            self.step += 1
            now = self._clock.now()
            self._spent_s = before + now - began
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + value
            done = self.step - since_step
            if progress is not None and done == EVERY_PROGRESS:
                means = {name: value / done for name, value in sums.items()}
                loss = means.pop("loss")
                progress(Progress(self.step, share, loss, means, (now - since) / done))
                sums, since, since_step = {}, now, self.step
            if self.step % self.plan.every_checkpoint == 0:
                self.save()
        self.save()

    def save(self) -> None:
        """Write the state; a power cut leaves the one before."""
        part = self.folder / (STATE + ".part")
        torch.save(
            {
                "step": self.step,
                "spent_s": self._spent_s,
                "network": self.network.state_dict(),
                "averaged": self.averaged,
                "optimiser": self._optimiser.state_dict(),
            },
            part,
        )
        part.replace(self.folder / STATE)

    def _restore(self, path: Path) -> None:
        try:
            state: Any = torch.load(path, map_location="cpu", weights_only=True)
            self.network.load_state_dict(state["network"])
            self._optimiser.load_state_dict(state["optimiser"])
            self.averaged = state["averaged"]
            self.step, self._spent_s = int(state["step"]), float(state["spent_s"])
        except Exception as error:  # torch raises many kinds for damaged files
            raise ModelError(f"{path} cannot be taken up again: {error}.") from error

    def _share(self) -> float:
        share = self.step / self.plan.steps
        if self.plan.minutes is not None:
            share = max(share, self._spent_s / (60.0 * self.plan.minutes))
        return share

    def _set_rate(self, share: float) -> None:
        rise = min(1.0, (self.step + 1) / self.plan.warm_up)
        late = max(0.0, share - self.plan.steady) / (1.0 - self.plan.steady)
        fall = 0.5 * (1.0 + math.cos(math.pi * min(late, 1.0)))
        for group in self._optimiser.param_groups:
            group["lr"] = self.plan.rate * rise * max(fall, 0.01)

    def _one(self, rng: np.random.Generator) -> dict[str, float]:
        size = self.plan.sizes[int(rng.integers(len(self.plan.sizes)))]
        batch = self._pictures.draw(rng, size, self.plan.batch, self.plan.twins)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.plan.half):
            depth, walkable = self.network(batch.images)
        total, parts = self._losses(batch, depth.float(), walkable.float())
        self._optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self._trained, 1.0)
        self._optimiser.step()
        keep = min(self.plan.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                if value.is_floating_point():
                    self.averaged[name].lerp_(value, 1.0 - keep)
                else:
                    self.averaged[name].copy_(value)
        return {"loss": float(total.detach()), **parts}

    def _losses(
        self, batch: Batch, depth: Tensor, walkable: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        plan = self.plan
        chosen, level = batch.kinds, batch.level
        known = torch.isfinite(level)
        total = depth.new_zeros(())
        parts: dict[str, float] = {}
        for kind in self._pictures.kinds:
            picked = [i for i, k in enumerate(chosen) if k == kind]
            if not picked:
                continue
            share = len(picked) / len(chosen)
            d, t, m = depth[picked], level[picked], known[picked]
            things, bound = m & batch.things[picked], batch.at_least[picked]
            shape = losses.scale_and_shift_invariant(d, t, m, bound)
            # Measured depth may lie a few pixels beside its picture.
            first = 2 if kind == "measured" else 0
            edges = losses.gradients(d, t, m & ~bound, first_scale=first)
            height = losses.level(d, t, m, bound)
            height = height + plan.things_level * losses.level(d, t, things, bound)
            total = total + share * (
                shape + plan.gradient_weight * edges + plan.level_weight[kind] * height
            )
            parts[kind] = float(shape.detach())
            parts[f"{kind}-level"] = float(height.detach())
        ground_loss = losses.walkable(walkable, batch.ground)
        total = total + plan.walkable_weight * ground_loss
        parts["ground"] = float(ground_loss.detach())
        missed = losses.within(depth, level, known, batch.things, batch.at_least)
        hidden = losses.walkable(walkable, batch.ground, batch.things)
        total = total + plan.things_weight * (missed + plan.walkable_weight * hidden)
        parts["things"] = float(missed.detach())
        parts["things-ground"] = float(hidden.detach())
        if plan.twins:
            first = depth[0 : 2 * plan.twins : 2]
            second = depth[1 : 2 * plan.twins : 2]
            twin = (first - second).abs().mean()
            total = total + plan.twin_weight * twin
            parts["twins"] = float(twin.detach())
        return total, parts
