"""Time and deviation of the candidates on this machine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from sonar.depth.candidates import Backend, Candidate, Report, contract_of, open_backend
from sonar.depth.compare import deviation
from sonar.depth.models.resolved import ResolvedModel
from sonar.depth.models.store import Store
from sonar.depth.practice import practice_images
from sonar.depth.preprocess import Preprocessor
from sonar.errors import SonarError
from sonar.ports import Clock
from sonar.types import FloatImage

MEASURED_HW = (480, 640)  # rows, columns
CHECKED_IMAGES = 4
MEASURED_RUNS = 12


@dataclass(frozen=True, slots=True)
class Measured:
    """How a candidate did on this machine: median time, and mean deviation from float32."""

    backend: str
    precision: str
    median_ms: float
    deviation: float


@dataclass(slots=True)
class _Trial:
    choice: Candidate
    backend: Backend | None = None
    depths: list[FloatImage] = field(default_factory=list)
    deviation: float = 0.0
    spent_s: list[float] = field(default_factory=list)

    def run(self, tensor: FloatImage, output: str | None) -> FloatImage:
        assert self.backend is not None
        outputs = self.backend.run(tensor)
        return outputs[output or next(iter(outputs))]


def measure(
    choices: Sequence[Candidate],
    model: ResolvedModel,
    threads: int,
    store: Store,
    clock: Clock,
    report: Report = lambda _: None,
) -> list[Measured]:
    """Time and deviation of each candidate, interleaved on the same made-up frames.

    The first one is the reference: its errors are raised. Another that cannot be opened, or fails
    while it runs, is left out, and ``report`` gets the reason.
    """
    output = model.contract.depth_output
    trials = [_Trial(choice) for choice in choices]
    tensors: list[FloatImage] = []

    def open_it(trial: _Trial) -> None:
        trial.backend = open_backend(trial.choice, model, threads, store)

    def compare(trial: _Trial) -> None:
        trial.depths = [trial.run(tensor, output) for tensor in tensors]
        pairs = zip(trials[0].depths, trial.depths, strict=True)
        trial.deviation = float(np.mean([deviation(a, b) for a, b in pairs]))

    def time(trial: _Trial) -> None:
        tensor = tensors[len(trial.spent_s) % len(tensors)]
        began_s = clock.now()
        trial.run(tensor, output)
        trial.spent_s.append(clock.now() - began_s)

    try:
        kept = _kept(trials, open_it, report)
        assert kept[0].backend is not None
        preprocess = Preprocessor(contract_of(model.contract, kept[0].backend))
        frames = practice_images(CHECKED_IMAGES, *MEASURED_HW)
        tensors += [preprocess(frame).copy() for frame in frames]
        kept = _kept(kept, compare, report)
        for _ in range(MEASURED_RUNS):
            kept = _kept(kept, time, report)
    finally:
        for trial in trials:
            if trial.backend is not None:
                trial.backend.close()
    return [
        Measured(
            trial.choice.backend,
            trial.choice.precision,
            round(1e3 * median(trial.spent_s), 3),
            round(trial.deviation, 6),
        )
        for trial in kept
    ]


def _kept(trials: list[_Trial], step: Callable[[_Trial], None], report: Report) -> list[_Trial]:
    """The trials for which ``step`` went well; raises the error of the first one."""
    kept: list[_Trial] = []
    for trial in trials:
        try:
            step(trial)
        except SonarError as error:
            if trial is trials[0]:
                raise
            report(f"{trial.choice.backend} {trial.choice.precision} is left out: {error}")
        else:
            kept.append(trial)
    return kept
