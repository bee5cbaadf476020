"""Trains the calibrated network; stops and continues where it was.

Every step draws its views from a generator of (seed, step): a run that was stopped and continued
ends with the same weights as one that was not, where its length is given in steps. A length in
minutes follows the time that the run has used, over all its sittings.
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
from sonar.lab.training import losses, views
from sonar.lab.training.network import CalibratedNetwork, start_network
from sonar.lab.training.sample import LABELS, Kind, Sample
from sonar.lab.training.views import Batch, Batches
from sonar.ports import Clock

EVERY_PROGRESS = 10
STATE = "state.pt"


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train.

    Attributes:
        steps: how many; with ``minutes`` the most. minutes: of wall time, or None.
        batch: views per step; ``twins`` of them are shown twice, in another light, and must give
            one depth. That stands for temporal consistency: it needs no poses and every sample
            serves, where neighboring frames exist for seven short walks only.
        shares: how many of each kind make a batch, relative.
        rate: the highest learning rate, reached after ``warm_up`` steps and left along a cosine
            from the share ``steady`` of the run on. decay: of the weights.
        average: how slowly the averaged weights follow.
        validate_minutes: of wall time between validations.
        sizes: of views (rows, columns), at the full learning rate; ``last_sizes`` while it falls.
        frozen: parts left as they are: the encoder's first two have few weights and large maps,
            and are most of a step's cost.
        device: ``cpu`` or ``cuda``.
    """

    steps: int = 3000
    minutes: float | None = None
    batch: int = 8
    twins: int = 1
    shares: Mapping[Kind, float] = field(
        default_factory=lambda: {"photo": 0.2, "measured": 0.15, "rendered": 0.5, "mujoco": 0.15}
    )
    rate: float = 2e-4
    warm_up: int = 50
    steady: float = 0.8
    average: float = 0.995
    decay: float = 1e-4
    seed: int = 0
    sizes: tuple[tuple[int, int], ...] = views.SMALL_SIZES
    last_sizes: tuple[tuple[int, int], ...] = views.SIZES
    every_checkpoint: int = 40
    validate_minutes: float = 20.0
    frozen: tuple[str, ...] = ("pretrained.layer1.", "pretrained.layer2.")
    device: str = "cpu"


# Weights of the losses; the likelihood has 1.
WEIGHTS = {
    "shape": 1.5,
    "gradients": 0.5,
    "beyond": 0.5,
    "photo": 1.0,
    "photo-gradients": 0.5,
    "ground": 0.3,
    "drop": 1.0,
    "stairs": 0.8,
    "twins": 0.15,
}


class Trainer:
    """One run.

    Args:
        samples: to train on.
        folder: for ``state.pt``; where it holds one, the run continues from it.
        start: what a new run starts from, as :func:`sonar.lab.training.network.start_network`.
        validate: called with the averaged network now and then; its text is reported.

    Raises:
        ModelError: nothing to train on, or a start or state that cannot be read.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        folder: Path,
        plan: Plan,
        start: str,
        clock: Clock | None = None,
        validate: Callable[[CalibratedNetwork], str] | None = None,
    ) -> None:
        self.plan, self.folder, self.step = plan, folder, 0
        self._clock = clock or SystemClock()
        self._spent_s = self._validated_s = 0.0
        self._validate = validate
        self._batches = Batches(samples, plan.shares)
        state = read_state(folder / STATE) if (folder / STATE).exists() else None
        torch.manual_seed(plan.seed)
        encoder = None if state is None else str(state["encoder"])
        self.network = start_network(start) if encoder is None else CalibratedNetwork(encoder)
        self.network.eval()  # running statistics stay as they are: batches are small and mixed
        self.network.training_outputs = True
        self.network.to(plan.device, memory_format=torch.channels_last)
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(not name.startswith(plan.frozen))
        self._trained = [p for p in self.network.parameters() if p.requires_grad]
        self._optimizer = torch.optim.AdamW(self._trained, plan.rate, weight_decay=plan.decay)
        folder.mkdir(parents=True, exist_ok=True)
        if state is not None:
            self._restore(state)
        else:
            self.averaged = {k: v.detach().clone() for k, v in self.network.state_dict().items()}

    def run(self, report: Callable[[str], None] | None = None) -> None:
        """Train to the plan's end."""
        began = self._clock.now()
        before = self._spent_s
        sums: dict[str, list[float]] = {}
        since, since_step = began, self.step
        while (share := self._share()) < 1.0:
            for name, value in self._one(share).items():
                sums.setdefault(name, []).append(value)
            self.step += 1
            now = self._clock.now()
            self._spent_s = before + now - began
            done = self.step - since_step
            if report is not None and done == EVERY_PROGRESS:
                means = {name: float(np.mean(values)) for name, values in sums.items()}
                head = f"step {self.step} ({share:.0%}) loss {means.pop('loss'):.3f}"
                parts = " ".join(f"{name} {value:.3f}" for name, value in sorted(means.items()))
                report(f"{head} {parts} {(now - since) / done:.2f} s/step")
                sums, since, since_step = {}, now, self.step
            if self.step % self.plan.every_checkpoint == 0:
                self.save()
            waited_s = self._spent_s - self._validated_s
            if report is not None and waited_s > 60.0 * self.plan.validate_minutes:
                self._report_validation(report)
                since = self._clock.now()
        self.save()
        if report is not None:
            self._report_validation(report)

    def save(self) -> None:
        """Write the state; a power cut leaves the one before."""
        part = self.folder / (STATE + ".part")
        torch.save(
            {
                "step": self.step,
                "spent_s": self._spent_s,
                "encoder": self.network.encoder,
                "network": self.network.state_dict(),
                "averaged": self.averaged,
                "optimizer": self._optimizer.state_dict(),
            },
            part,
        )
        part.replace(self.folder / STATE)

    def _restore(self, state: dict[str, Any]) -> None:
        try:
            self.network.load_state_dict(state["network"])
            self._optimizer.load_state_dict(state["optimizer"])
            self.averaged = {k: v.to(self.plan.device) for k, v in state["averaged"].items()}
            self.step, self._spent_s = int(state["step"]), float(state["spent_s"])
            self._validated_s = self._spent_s
        except Exception as error:  # torch raises many kinds for states that do not fit
            raise ModelError(f"{self.folder / STATE} cannot be continued: {error}.") from error

    def _report_validation(self, report: Callable[[str], None]) -> None:
        self._validated_s = self._spent_s
        if self._validate is not None:
            network = CalibratedNetwork(self.network.encoder)
            network.load_state_dict({k: v.cpu() for k, v in self.averaged.items()})
            network.eval()
            report(f"validation at step {self.step}: {self._validate(network)}")

    def _share(self) -> float:
        share = self.step / self.plan.steps
        if self.plan.minutes is not None:
            share = max(share, self._spent_s / (60.0 * self.plan.minutes))
        return share

    def _rate(self, share: float) -> float:
        rise = min(1.0, (self.step + 1) / self.plan.warm_up)
        late = max(0.0, share - self.plan.steady) / (1.0 - self.plan.steady)
        fall = 0.5 * (1.0 + math.cos(math.pi * min(late, 1.0)))
        return self.plan.rate * rise * max(fall, 0.01)

    def _one(self, share: float) -> dict[str, float]:
        """One step; the losses by name."""
        plan = self.plan
        rng = np.random.default_rng([plan.seed, self.step])
        sizes = plan.sizes if share < plan.steady else plan.last_sizes
        size = sizes[int(rng.integers(len(sizes)))]
        batch = self._batches.draw(rng, size, plan.batch, plan.twins).to(plan.device)
        parts = compute_losses(batch, self.network(batch.images), plan.twins)
        total = sum((WEIGHTS.get(name, 1.0) * v for name, v in parts.items()), torch.zeros(()))
        self._optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self._trained, 1.0)
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate(share)
        self._optimizer.step()
        keep = min(plan.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                if value.is_floating_point():
                    self.averaged[name].lerp_(value, 1.0 - keep)
        return {"loss": total.item()} | {name: v.item() for name, v in parts.items()}


def compute_losses(batch: Batch, outputs: Sequence[Tensor], twins: int) -> dict[str, Tensor]:
    """The losses of one batch by name, not weighted. ``outputs`` as the network gives them."""
    depth, log_sigma = outputs[0], outputs[1]
    parts: dict[str, Tensor] = {}
    known = batch.target > 0  # neither unknown nor beyond all range
    on = batch.calibrated
    if bool(on.any()):
        target, mask = batch.target[on], known[on]
        error = losses.log_error(depth[on], target, mask)
        parts["nll"] = losses.likelihood(error, log_sigma[on], target, mask)
        parts["shape"] = losses.shape(depth[on], target, mask)
        parts["beyond"] = losses.beyond(depth[on], batch.target[on])
        kinds = [kind for kind, yes in zip(batch.kinds, on.tolist(), strict=True) if yes]
        exact = torch.tensor([kind != "measured" for kind in kinds], device=mask.device)
        fine = losses.log_gradients(error[exact], mask[exact])
        # Measured depth may lie a few pixels beside its image.
        coarse = losses.log_gradients(error[~exact], mask[~exact], first_scale=2)
        share = float(exact.float().mean())
        parts["gradients"] = share * fine + (1.0 - share) * coarse
    if not bool(on.all()):
        target, mask = batch.target[~on], known[~on]
        parts["photo"] = losses.shape(depth[~on], target, mask)
        parts["photo-gradients"] = losses.aligned_gradients(depth[~on], target, mask)
    for bit, name in enumerate(LABELS):
        value = (batch.labels >> bit & 1).bool()
        sure = (batch.labels >> (bit + len(LABELS)) & 1).bool()
        parts[name] = losses.class_entropy(outputs[2 + bit], value, sure, losses.POSITIVES[name])
    if twins:
        log = torch.log(depth[: 2 * twins] + losses.LOG_MARGIN)
        parts["twins"] = (log[0::2] - log[1::2]).abs().mean()
    return parts


def read_state(path: Path) -> dict[str, Any]:
    """A run's state, loaded as data only: a file cannot run anything.

    Raises:
        ModelError: not there, damaged, or not a state.
    """
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
        if not {"step", "encoder", "averaged", "network"} <= set(state):
            raise ValueError("it is no state of a run")
    except Exception as error:  # torch raises many kinds for damaged files
        raise ModelError(f"{path} cannot be continued: {error}.") from error
    return dict(state)


def averaged_network(path: Path) -> tuple[CalibratedNetwork, int]:
    """The averaged weights of a state, in evaluation mode, and its step. Raises ModelError."""
    state = read_state(path)
    network = CalibratedNetwork(str(state["encoder"]))
    try:
        network.load_state_dict(state["averaged"])
    except (RuntimeError, AttributeError) as error:
        raise ModelError(f"{path} does not fit the network's layout.") from error
    network.eval()
    return network, int(state["step"])
