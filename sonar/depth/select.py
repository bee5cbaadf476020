"""From a configuration and a model to a running engine: which backend, precision and file."""

import hashlib
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from sonar.clock import SystemClock
from sonar.config import EngineConfig
from sonar.depth.backends import thread_count
from sonar.depth.backends.onnx import OnnxBackend
from sonar.depth.backends.openvino import OpenVinoBackend
from sonar.depth.backends.torch import TorchBackend
from sonar.depth.engine import NetworkEngine
from sonar.depth.models import InputContract, ResolvedModel, Store
from sonar.depth.models.registry import BUILTIN, BUILTIN_PATH, OFFICIAL
from sonar.depth.practice import deviation, practice_images
from sonar.depth.preprocess import Preprocessor
from sonar.errors import ConfigError, DepthError, ModelError, OutputError, SonarError
from sonar.files import atomic_path
from sonar.ports import Clock
from sonar.types import DepthKind, FloatImage, Frame

Backend = OnnxBackend | OpenVinoBackend | TorchBackend
Report = Callable[[str], None]

# Raise it when the making changes, so that old artefacts are not taken for new ones.
RECIPE = 4

BUILTIN_INT8_PATH = BUILTIN_PATH.with_name("builtin_int8.onnx")

# Correlation of depth with the row, nearer downwards positive. The built-in model has 0.81 to 0.99
# on each of twelve practice frames; a network whose values are read the wrong way has the negative.
WRONG_WAY = -0.3
TOLERANCE = 0.02  # mean deviation from fp32 that a choice may have, as a share of the range
CHECKED_IMAGES = 4
MEASURED_RUNS = 12


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to run a model: a backend, a precision, and its file (None: the checkpoint)."""

    backend: str
    precision: str
    path: Path | None


def open_engine(
    config: EngineConfig,
    model: ResolvedModel,
    clock: Clock | None = None,
    *,
    store: Store | None = None,
    report: Report = lambda sentence: None,
) -> NetworkEngine:
    """The engine that ``config`` asks for, on ``model``; not yet warmed up.

    Where the configuration leaves a choice ("auto"), the candidates are measured once on this
    machine, which takes some seconds, and the fastest within ``TOLERANCE`` is remembered
    in ``store``'s cache. ``report`` gets one sentence about each thing worth knowing.

    Raises ModelError when the file is missing, damaged, of another kind or not prepared (with the
    command that prepares it), MissingExtraError when the configured backend is not installed,
    ConfigError for a combination that cannot be.
    """
    store, clock = store or Store(), clock or SystemClock()
    threads = thread_count(config.threads)
    choices = candidates(config, model, store)
    while True:
        chosen = choices[0]
        if len(choices) > 1:
            chosen = _fastest(model, choices, threads, store, clock, report)
        try:
            backend = open_backend(chosen, model, threads, store)
            break
        except SonarError as error:
            if chosen is choices[0]:
                raise
            report(f"{chosen.backend} {chosen.precision} was chosen, but: {error}; choosing again")
            choices.remove(chosen)
    label = f"{model.name} ({backend.name}, {backend.precision})"
    contract = contract_of(model.contract, backend)
    engine = NetworkEngine(backend, contract, label, model=model.name)
    if model.sha256 not in {entry.sha256 for entry in OFFICIAL}:
        _check_direction(engine, model, report)
    return engine


def _fastest(
    model: ResolvedModel,
    choices: Sequence[Candidate],
    threads: int,
    store: Store,
    clock: Clock,
    report: Report,
) -> Candidate:
    """The choice that is remembered for this machine, or else is measured now."""
    sizes = [choice.path.stat().st_size if choice.path else 0 for choice in choices]
    names = {f"{choice.backend} {choice.precision}": choice for choice in choices}
    key = json.dumps([machine_key(), threads, asdict(model.contract), sizes, list(names)])
    name = f"choice-{hashlib.sha256(key.encode()).hexdigest()[:12]}.txt"
    memory = store.derived_path(model.sha256, name)
    try:
        return names[memory.read_text()]
    except (OSError, ValueError, KeyError):  # not measured yet, or damaged
        report(f"{model.name}: measuring {len(choices)} ways to run it, once")
    best, best_s = choices[0], float("inf")
    expected: list[FloatImage] = []
    for choice in choices:
        try:
            depths, fastest_s = _run(choice, model, threads, store, clock)
        except SonarError as error:
            if choice is choices[0]:  # the reference
                raise
            report(f"{choice.backend} {choice.precision} is left out: {error}")
            continue
        expected = expected or depths
        apart = np.mean([deviation(a, b) for a, b in zip(expected, depths, strict=True)])
        if apart <= TOLERANCE and fastest_s < best_s:
            best, best_s = choice, fastest_s
    try:
        with atomic_path(memory) as temporary:
            temporary.write_text(f"{best.backend} {best.precision}")
    except OutputError as error:
        report(f"the measurement is not remembered: {error}")
    return best


def _run(
    choice: Candidate, model: ResolvedModel, threads: int, store: Store, clock: Clock
) -> tuple[list[FloatImage], float]:
    """The depths of made-up frames, and the seconds of the fastest run, which other programs
    disturb least."""
    backend = open_backend(choice, model, threads, store)
    try:
        preprocess = Preprocessor(contract_of(model.contract, backend))
        frames = practice_images(CHECKED_IMAGES)
        tensors = [preprocess(frame).copy() for frame in frames]
        name = model.contract.depth_output or backend.output_names[0]
        depths = [backend.run(tensor)[name] for tensor in tensors]
        spent_s = []
        for number in range(MEASURED_RUNS):
            began_s = clock.now()
            backend.run(tensors[number % len(tensors)])
            spent_s.append(clock.now() - began_s)
    finally:
        backend.close()
    return depths, min(spent_s)


def _check_direction(engine: NetworkEngine, model: ResolvedModel, report: Report) -> None:
    """Report when the ground of made-up frames does not get nearer downwards.

    Then the values are probably metric where ``kind`` says inverse, or the other way about.
    """
    metric = engine.contract.kind is DepthKind.METRIC
    correlations = []
    for image in practice_images(CHECKED_IMAGES):
        try:
            depth = engine.estimate(Frame(image=image, id=0, t=0.0))
        except DepthError:  # warming up reports it
            return
        rows = np.median(depth.values, axis=1)
        if rows.std() > 0.0:
            correlations.append(np.corrcoef(np.arange(len(rows)), -rows if metric else rows)[0, 1])
    if correlations and np.mean(correlations) < WRONG_WAY:
        other = DepthKind.RELATIVE_INVERSE if metric else DepthKind.METRIC
        report(
            f"{model.name}: read as {engine.contract.kind.value}, the ground does not get nearer "
            f"downwards. If the network gives {other.value} depth, write engine.model: "
            f"{model.path}#{other.value}, or set kind where the model is described"
        )


def candidates(config: EngineConfig, model: ResolvedModel, store: Store) -> list[Candidate]:
    """Every way of running ``model`` that the configuration allows here; float32 ONNX first.

    Raises ModelError, with the command to run, for a checkpoint that is not converted yet and for
    an int8 version that is asked for by name and not made yet. Nothing is made here.

    ``auto`` does not consider torch: it was slower wherever it was measured, and importing it
    takes more memory than all the rest of sonar.
    """
    if config.backend == "torch":
        if config.precision == "int8":
            raise ConfigError("engine.precision: int8 is not for engine.backend torch")
        return [Candidate("torch", "fp32", None)]
    if missing := missing_precisions(config, model, store):
        asked = model.name if model.name in store.entries else model.path
        raise ModelError(
            f"{model.name}: its {missing[0]} version is not made yet; run `sonar models optimise "
            f"{asked}` once"
        )
    backends: list[str] = [config.backend]
    if config.backend == "auto":
        backends = ["onnx", *(["openvino"] if installed("openvino") else [])]
    return [
        Candidate(backend, precision, path)
        for backend in backends
        for precision, path in model_files(model, store).items()
        if config.precision in ("auto", precision)
    ]


def missing_precisions(config: EngineConfig, model: ResolvedModel, store: Store) -> list[str]:
    """What must be made before :func:`candidates` can offer what ``config`` asks for."""
    wanted = "int8" if config.precision == "int8" else "fp32"
    there = config.backend == "torch" or wanted in model_files(model, store)
    return [] if there else [wanted]


def open_backend(candidate: Candidate, model: ResolvedModel, threads: int, store: Store) -> Backend:
    """Raises ModelError or MissingExtraError."""
    if candidate.path is None:
        from sonar.depth.midas import load_network

        return TorchBackend(load_network(model.path), threads=threads)
    if candidate.backend == "openvino":
        cache = store.derived_path(model.sha256, f"openvino-{machine_key()}")
        return OpenVinoBackend(
            candidate.path, threads=threads, precision=candidate.precision, cache=cache
        )
    return OnnxBackend(candidate.path, threads=threads, precision=candidate.precision)


def contract_of(contract: InputContract, backend: Backend) -> InputContract:
    """``contract`` with the size that the opened file has fixed, if any."""
    if backend.fixed_hw is None:
        return contract
    return replace(contract, fit="exact", fixed_hw=backend.fixed_hw)


def artefact_path(store: Store, model: ResolvedModel, precision: str) -> Path:
    """Where the optimized model lies, or would: keyed by weights, precision and machine."""
    return store.derived_path(model.sha256, f"{precision}-{machine_key()}.onnx")


def model_files(model: ResolvedModel, store: Store) -> dict[str, Path]:
    """The files by precision, float32 first: those made on this machine, else those that came."""
    files: dict[str, Path] = {}
    for precision in ("fp32", "int8"):
        if (made := artefact_path(store, model, precision)).is_file():
            files[precision] = made
        elif precision == "fp32" and model.format == "onnx":
            files[precision] = model.path
        elif precision == "int8" and model.sha256 == BUILTIN.sha256:
            files[precision] = BUILTIN_INT8_PATH
    return files


def machine_key() -> str:
    """Eight hex digits for the processor, the recipe and the versions that artefacts depend on."""
    parts = [str(RECIPE), platform.machine(), platform.processor()]
    parts += [f"{name} {installed(name)}" for name in ("onnxruntime", "openvino")]
    try:
        processor = Path("/proc/cpuinfo").read_text().split("\n\n", 1)[0].splitlines()
    except OSError:  # not Linux
        processor = []
    known = ("model name", "flags", "CPU part", "Features")
    parts += [line for line in processor if line.startswith(known)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def installed(package: str) -> str | None:
    """A package's version, or None where it is not installed. Imports nothing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
