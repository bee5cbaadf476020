"""Measuring, in one interleaved run."""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sonar.clock import SystemClock
from sonar.config import EngineConfig
from sonar.depth.artefacts import cpu_model, installed
from sonar.depth.candidates import Candidate, candidates, missing_precisions, open_backend
from sonar.depth.compare import deviation
from sonar.depth.engine import NetworkEngine
from sonar.depth.models.contract import MIDAS_SMALL_CONTRACT
from sonar.depth.models.resolved import ResolvedModel
from sonar.depth.models.store import Store
from sonar.depth.practice import practice_images
from sonar.depth.threads import thread_count
from sonar.errors import ConfigError, DepthError, MissingExtraError, ModelError
from sonar.files import atomic_path, sha256_of
from sonar.lab.bench.baseline import eager_torch
from sonar.lab.bench.memory import resident_mb
from sonar.lab.bench.report import BenchReport, Result
from sonar.lab.quantise.optimise import optimise
from sonar.ports import Clock
from sonar.types import FloatImage, Frame, RgbImage

Report = Callable[[str], None]
SHAPES = ((256, 256), (192, 256))
BACKENDS = ("onnx", "openvino", "torch")
FRAME_HW = (480, 640)  # rows and columns, a camera's
CHECKED_IMAGES = 4
RUNS = 40
BY_RULE = "by rule"


@dataclass(slots=True)
class _Line:
    candidate: Candidate
    shape: tuple[int, int]
    engine: NetworkEngine
    images: list[RgbImage]
    spent_s: list[float] = field(default_factory=list)


def run_bench(
    model: str = "midas_small",
    *,
    backends: Sequence[str] | None = None,
    shapes: Sequence[tuple[int, int]] | None = None,
    runs: int = RUNS,
    threads: int = 0,
    memory: bool = True,
    store: Store | None = None,
    clock: Clock | None = None,
    report: Report | None = None,
) -> BenchReport:
    """Time the eager baseline and each backend, precision and shape of ours, interleaved.

    ``model``: a name or path. Where midas_small is not installed, made-up weights stand in, and
    the report says so. ``shapes``: (rows, columns), by default 256x256 and 192x256. ``threads``
    as in the configuration. int8 versions that are missing are made first, which takes a minute.
    ``memory``: also start a process for each line to measure its resident memory.

    Raises ModelError when the model is damaged, MissingExtraError when nothing that was asked
    for can run.
    """
    store, clock, report = store or Store(), clock or SystemClock(), report or (lambda _: None)
    count = thread_count(threads)
    notes: list[str] = []
    resolved, weights = _resolve(model, store, report)
    if weights == BY_RULE:
        notes.append(
            "The official weights are not installed (sonar models fetch midas_small): made-up "
            "ones stand in. Speed does not depend on them; deviation does, and is larger."
        )
    found = _candidates(resolved, backends or BACKENDS, backends is not None, store, report, notes)
    if resolved.contract.fixed_hw is not None:
        shapes = (resolved.contract.fixed_hw,)
    lines = _open(found, resolved, shapes or SHAPES, count, store)
    baseline = _baseline(resolved, weights, count, store, notes)
    apart = [_deviation(line, lines) for line in lines]
    base_s = _time(lines, baseline, runs, clock, report)
    for line in lines:
        line.engine.close()

    base_ms = 1e3 * float(np.median(base_s)) if base_s else None
    results = []
    for line, share in zip(lines, apart, strict=True):
        median_ms = 1e3 * float(np.median(line.spent_s))
        rss = None
        if memory:
            report(f"memory of {line.candidate.backend} {line.candidate.precision}")
            try:
                rss = resident_mb(line.candidate, resolved, count, line.images[0].shape[:2])
            except DepthError as error:
                notes.append(str(error))
        results.append(
            Result(
                backend=line.candidate.backend,
                precision=line.candidate.precision,
                shape=line.shape,
                median_ms=round(median_ms, 3),
                p95_ms=round(1e3 * float(np.quantile(line.spent_s, 0.95)), 3),
                ratio=round(base_ms / median_ms, 3) if base_ms is not None else None,
                deviation=round(share, 6),
                rss_mb=rss,
            )
        )
    return BenchReport(
        model=resolved.name,
        weights=weights,
        threads=count,
        cpu=cpu_model(),
        runs=runs,
        baseline_ms=round(base_ms, 3) if base_ms is not None else None,
        baseline_p95_ms=round(1e3 * float(np.quantile(base_s, 0.95)), 3) if base_s else None,
        results=tuple(results),
        notes=tuple(notes),
    )


def _resolve(model: str, store: Store, report: Report) -> tuple[ResolvedModel, str]:
    try:
        resolved = store.resolve(model)
    except ModelError:
        if model != "midas_small" or store.path(model).is_file():
            raise
        return _by_rule(store, report), BY_RULE
    return resolved, resolved.provenance


def _by_rule(store: Store, report: Report) -> ResolvedModel:
    """MiDaS small with made-up weights, as a checkpoint in the cache."""
    from sonar.depth.midas.weights import midas_small_by_rule

    target = store.artefacts_dir / "midas_small_by_rule.pt"
    if not target.is_file():
        report("midas_small is not installed: making up its weights")
        network = midas_small_by_rule()
        import torch

        with atomic_path(target) as temporary:
            torch.save(network.state_dict(), temporary)
    return ResolvedModel(
        name="midas_small",
        path=target,
        format="torch",
        contract=MIDAS_SMALL_CONTRACT,
        sha256=sha256_of(target),
        provenance=BY_RULE,
        architecture="midas_small",
    )


def _candidates(
    model: ResolvedModel,
    backends: Sequence[str],
    asked: bool,
    store: Store,
    report: Report,
    notes: list[str],
) -> list[Candidate]:
    """Float32 ONNX first where it is among them, since it is the reference."""
    found: list[Candidate] = []
    for backend in backends:
        if backend not in BACKENDS:
            raise ConfigError(f"--backend is one of {', '.join(BACKENDS)}, not {backend}")
        needs = {"openvino": "openvino", "torch": "torch"}.get(backend)
        if needs is not None and installed(needs) is None:
            extra = "midas" if needs == "torch" else needs
            if asked:
                raise MissingExtraError(extra, f"measuring the {backend} backend")
            notes.append(f"{backend} is not installed: pip install 'sonar-assist[{extra}]'")
            continue
        if backend == "torch" and model.format != "torch":
            continue  # there is no torch network for an ONNX file
        for precision in ("fp32",) if backend == "torch" else ("fp32", "int8"):
            config = EngineConfig.model_validate({"backend": backend, "precision": precision})
            try:
                if missing := missing_precisions(config, model, store):
                    optimise(model, precisions=missing, store=store, report=report)
                found += candidates(config, model, store, report)
            except MissingExtraError as error:
                notes.append(f"{backend} {precision} is left out: {error}")
    if not found:
        raise MissingExtraError("midas", f"measuring {model.name}")
    return found


def _open(
    found: Sequence[Candidate],
    model: ResolvedModel,
    shapes: Sequence[tuple[int, int]],
    threads: int,
    store: Store,
) -> list[_Line]:
    lines = []
    for shape in shapes:
        contract = replace(model.contract, fit="exact", fixed_hw=shape)
        images = list(practice_images(CHECKED_IMAGES, *FRAME_HW))
        for candidate in found:
            backend = open_backend(candidate, model, threads, store)
            engine = NetworkEngine(backend, contract, f"{candidate.backend} {candidate.precision}")
            lines.append(_Line(candidate, shape, engine, images))
    return lines


def _baseline(
    model: ResolvedModel, weights: str, threads: int, store: Store, notes: list[str]
) -> Callable[[RgbImage], FloatImage] | None:
    if any(importlib.util.find_spec(name) is None for name in ("torch", "timm")):
        notes.append("The baseline needs torch: pip install 'sonar-assist[midas]'")
        return None
    from sonar.depth.midas.weights import load_midas_small, midas_small_by_rule

    network: Any
    if model.architecture == "midas_small" and weights != BY_RULE:
        network = load_midas_small(model.path)
    else:
        network = midas_small_by_rule()
    return eager_torch(network, threads)


def _deviation(line: _Line, lines: Sequence[_Line]) -> float:
    """From the first line of the same shape: float32 in ONNX Runtime, where it is measured."""
    reference = next(other for other in lines if other.shape == line.shape)
    if reference is line:
        return 0.0
    frames = [Frame(image=image, id=n, t=0.0) for n, image in enumerate(line.images)]
    pairs = [
        (reference.engine.estimate(frame).values, line.engine.estimate(frame).values)
        for frame in frames
    ]
    return float(np.mean([deviation(a, b) for a, b in pairs]))


def _time(
    lines: Sequence[_Line],
    baseline: Callable[[RgbImage], FloatImage] | None,
    runs: int,
    clock: Clock,
    report: Report,
) -> list[float]:
    """Fill each line's ``spent_s``; returns the baseline's times.

    Before each timed frame runs one that is not: what ran before (another library's threads
    still spinning, other weights in the cache) is not this one's fault.
    """
    image = next(iter(practice_images(1, *FRAME_HW)))
    base_s: list[float] = []
    for line in lines:
        rows, columns = line.images[0].shape[:2]
        line.engine.warm_up(rows, columns)
    report(f"timing {len(lines)} engines and the baseline, {runs} frames each")
    for number in range(runs):
        if baseline is not None:
            baseline(image)
            began = clock.now()
            baseline(image)
            base_s.append(clock.now() - began)
        for line in lines:
            frame = Frame(image=line.images[number % len(line.images)], id=number, t=0.0)
            line.engine.estimate(frame)
            began = clock.now()
            line.engine.estimate(frame)
            line.spent_s.append(clock.now() - began)
    return base_s
