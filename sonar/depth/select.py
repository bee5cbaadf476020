"""From a configuration and a model to a running engine: which backend, which precision."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from sonar.clock import SystemClock
from sonar.config import EngineConfig
from sonar.depth.artefacts import machine_key
from sonar.depth.candidates import Candidate, Report, candidates, contract_of, open_backend
from sonar.depth.engine import NetworkEngine
from sonar.depth.measure import Measured, measure
from sonar.depth.models.registry import OFFICIAL
from sonar.depth.models.resolved import ResolvedModel
from sonar.depth.models.store import Store
from sonar.depth.practice import practice_images
from sonar.depth.threads import thread_count
from sonar.errors import DepthError, OutputError, SonarError
from sonar.files import atomic_path
from sonar.ports import Clock
from sonar.types import DepthKind, Frame

# Correlation of depth with the row, nearer downwards positive. The built-in model has 0.81 to 0.99
# on each of twelve practice frames; a network whose values are read the wrong way has the negative.
WRONG_WAY = -0.3
DIRECTION_FRAMES = 4
TOLERANCE = 0.02  # mean deviation from fp32 that a choice may have, as a share of the range


def open_engine(
    config: EngineConfig,
    model: ResolvedModel,
    clock: Clock | None = None,
    *,
    store: Store | None = None,
    report: Report | None = None,
) -> NetworkEngine:
    """The engine that ``config`` asks for, on ``model``; not yet warmed up.

    Where the configuration leaves a choice ("auto"), the candidates are measured once on this
    machine, which takes some seconds, and the fastest within ``TOLERANCE`` is remembered
    in ``store``'s cache. ``report`` gets one sentence about each thing worth knowing.

    Raises ModelError when the file is missing, damaged, of another kind or not prepared (with the
    command that prepares it), MissingExtraError when the configured backend is not installed,
    ConfigError for a combination that cannot be.
    """
    store, clock, report = store or Store(), clock or SystemClock(), report or (lambda _: None)
    choices = candidates(config, model, store, report)
    while True:
        chosen = choices[0]
        if len(choices) > 1:
            chosen = _fastest(config, model, choices, store, clock, report)
        try:
            backend = open_backend(chosen, model, thread_count(config.threads), store)
            break
        except SonarError as error:
            if chosen is choices[0]:
                raise
            report(f"{chosen.backend} {chosen.precision} was chosen, but: {error}; choosing again")
            choices.remove(chosen)
    contract = contract_of(model.contract, backend)
    label = f"{model.name} ({backend.name}, {backend.precision})"
    engine = NetworkEngine(backend, contract, label, clock, model=model.name)
    if model.sha256 not in {entry.sha256 for entry in OFFICIAL}:
        _check_direction(engine, model, report)
    return engine


def _fastest(
    config: EngineConfig,
    model: ResolvedModel,
    choices: Sequence[Candidate],
    store: Store,
    clock: Clock,
    report: Report,
) -> Candidate:
    threads = thread_count(config.threads)
    key = json.dumps(
        [
            machine_key(),
            threads,
            asdict(model.contract),
            [[c.backend, c.precision, c.path.stat().st_size if c.path else 0] for c in choices],
        ]
    )
    name = f"choice-{hashlib.sha256(key.encode()).hexdigest()[:12]}.json"
    memory = store.derived_path(model.sha256, name)
    measured = _remembered(memory)
    if measured is None:
        report(f"{model.name}: measuring {len(choices)} ways to run it, once")
        measured = measure(choices, model, threads, store, clock, report)
        try:
            with atomic_path(memory) as temporary:
                temporary.write_text(json.dumps([asdict(item) for item in measured], indent=1))
        except OutputError as error:
            report(f"the measurement is not remembered: {error}")
    within = [item for item in measured if item.deviation <= TOLERANCE] or measured[:1]
    best = min(within, key=lambda item: item.median_ms)
    return next(c for c in choices if (c.backend, c.precision) == (best.backend, best.precision))


def _remembered(memory: Path) -> list[Measured] | None:
    try:
        return [Measured(**item) for item in json.loads(memory.read_text())] or None
    except (OSError, ValueError, TypeError):  # not measured yet, or not by this version
        return None


def _check_direction(engine: NetworkEngine, model: ResolvedModel, report: Report) -> None:
    """Report when the ground of made-up frames does not get nearer downwards.

    Then the values are probably metric where ``kind`` says inverse, or the other way about.
    """
    correlations = []
    for number, image in enumerate(practice_images(DIRECTION_FRAMES)):
        try:
            depth = engine.estimate(Frame(image=image, id=number, t=0.0))
        except DepthError:  # warming up reports it
            return
        rows = np.median(depth.values, axis=1)
        if rows.std() > 0.0:
            correlations.append(float(np.corrcoef(np.arange(len(rows)), rows)[0, 1]))
    kind = engine.contract.kind
    sign = -1.0 if kind is DepthKind.METRIC else 1.0
    if correlations and sign * float(np.mean(correlations)) < WRONG_WAY:
        other = DepthKind.RELATIVE_INVERSE if kind is DepthKind.METRIC else DepthKind.METRIC
        report(
            f"{model.name}: read as {kind.value}, the ground does not get nearer downwards. If the "
            f"network gives {other.value} depth, write engine.model: {model.path}#{other.value}, "
            "or set kind where the model is described"
        )
