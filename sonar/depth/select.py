"""From a configuration and a model to a running engine: which backend, which precision."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np

from sonar.clock import SystemClock
from sonar.config.engine import EngineConfig
from sonar.depth.artefacts import PACKAGED_INT8, artefact_path, installed, machine_key
from sonar.depth.backends.onnx import OnnxBackend
from sonar.depth.backends.openvino import OpenVinoBackend
from sonar.depth.backends.torch import TorchBackend
from sonar.depth.compare import deviation
from sonar.depth.engine import Engine
from sonar.depth.models.contract import InputContract
from sonar.depth.models.resolved import ResolvedModel
from sonar.depth.models.store import Store
from sonar.depth.practice import practice_pictures
from sonar.depth.preprocess import Preprocessor
from sonar.depth.threads import thread_count
from sonar.errors import ConfigError, OutputError, SonarError
from sonar.files import atomic_path
from sonar.ports import Clock
from sonar.types import FloatImage

Backend = OnnxBackend | OpenVinoBackend | TorchBackend
Tell = Callable[[str], None]

NATIVE_IS_GONE = (
    "engine.backend: native was removed, since OpenVINO int8 is as fast; onnx runs instead. "
    "Set engine.backend to onnx or openvino; the next release refuses native"
)
MEASURED_PICTURE = (480, 640)  # rows, columns
CHECKED_PICTURES = 4
MEASURED_RUNS = 12


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to run a model: a backend, a precision, and its file (None: the checkpoint)."""

    backend: str
    precision: str
    path: Path | None


@dataclass(frozen=True, slots=True)
class Measured:
    """How a candidate did on this machine: median time, and mean deviation from float32."""

    backend: str
    precision: str
    median_ms: float
    deviation: float


def open_engine(
    config: EngineConfig,
    model: ResolvedModel,
    clock: Clock | None = None,
    *,
    store: Store | None = None,
    tell: Tell | None = None,
) -> Engine:
    """The engine that ``config`` asks for, on ``model``; not yet warmed up.

    Where the configuration leaves a choice ("auto"), the candidates are measured once on this
    machine, which takes some seconds, and the fastest within ``config.tolerance`` is remembered
    in ``store``'s cache. A checkpoint is converted when it is first used; an int8 version that is
    asked for by name and not there is made. ``tell`` hears of both.

    Raises ModelError when the file is missing, damaged or of another kind, MissingExtraError
    when the configured backend is not installed, ConfigError for a combination that cannot be.
    """
    store, clock, tell = store or Store(), clock or SystemClock(), tell or (lambda _: None)
    choices = candidates(config, model, store, tell)
    while True:
        chosen = choices[0]
        if len(choices) > 1:
            chosen = _fastest(config, model, choices, store, clock, tell)
        try:
            backend = open_backend(chosen, model, thread_count(config.threads), store)
            break
        except SonarError as error:
            if chosen is choices[0]:
                raise
            tell(f"{chosen.backend} {chosen.precision} was chosen, but: {error}; choosing again")
            choices.remove(chosen)
    contract = _contract_of(model.contract, backend)
    label = f"{model.name} ({backend.name}, {backend.precision})"
    return Engine(backend, contract, label, clock, model=model.name)


def candidates(
    config: EngineConfig, model: ResolvedModel, store: Store, tell: Tell
) -> list[Candidate]:
    """Every way of running ``model`` that the configuration allows here; float32 ONNX first.

    ``auto`` does not consider torch: it was slower wherever it was measured, and importing it
    takes more memory than all the rest of sonar.
    """
    if config.backend == "torch":
        if config.precision == "int8":
            raise ConfigError("engine.precision: int8 is not for engine.backend torch")
        return [Candidate("torch", "fp32", None)]
    backends: list[str] = [config.backend]
    if config.backend == "auto":
        backends = ["onnx", *(["openvino"] if installed("openvino") else [])]
    elif config.backend == "native":
        tell(NATIVE_IS_GONE)
        backends = ["onnx"]
    files: dict[str, Path] = {}
    if config.precision != "int8":
        files["fp32"] = _float_file(model, store, tell)
    if config.precision != "fp32":
        small = int8_file(model, store)
        if small is None and config.precision == "int8":
            small = _made("int8", model, store, tell)
        if small is not None:
            files["int8"] = small
    return [
        Candidate(backend, precision, path)
        for backend in backends
        for precision, path in files.items()
    ]


def open_backend(candidate: Candidate, model: ResolvedModel, threads: int, store: Store) -> Backend:
    """Raises ModelError or MissingExtraError."""
    if candidate.backend == "torch":
        from sonar.lab.quantise.export import load_network, output_names

        return TorchBackend(load_network(model), output_names(model.contract), threads=threads)
    assert candidate.path is not None
    if candidate.backend == "openvino":
        cache = store.derived_path(model.sha256, f"openvino-{machine_key()}")
        return OpenVinoBackend(
            candidate.path, threads=threads, precision=candidate.precision, cache=cache
        )
    return OnnxBackend(candidate.path, threads=threads, precision=candidate.precision)


def int8_file(model: ResolvedModel, store: Store) -> Path | None:
    """The int8 version that was made here, or that came with sonar; None where there is none."""
    made = artefact_path(store, model, "int8")
    if made.is_file():
        return made
    packaged = PACKAGED_INT8.get(model.sha256)
    return packaged if packaged is not None and packaged.is_file() else None


def measure(
    choices: Sequence[Candidate],
    model: ResolvedModel,
    threads: int,
    store: Store,
    clock: Clock,
    tell: Tell = lambda _: None,
) -> list[Measured]:
    """Time and deviation of each candidate, interleaved on the same made-up pictures.

    The first one is the reference. Another that cannot be opened is left out, and ``tell`` hears
    why; of the first, the error is raised.
    """
    opened: list[tuple[Candidate, Backend]] = []
    for choice in choices:
        try:
            opened.append((choice, open_backend(choice, model, threads, store)))
        except SonarError as error:
            if not opened:
                raise
            tell(f"{choice.backend} {choice.precision} is left out: {error}")
    contract = _contract_of(model.contract, opened[0][1])
    preprocess = Preprocessor(contract)
    pictures = practice_pictures(CHECKED_PICTURES, *MEASURED_PICTURE)
    tensors = [preprocess(picture).copy() for picture in pictures]
    name = contract.depth_output
    apart: list[float] = []
    reference: list[FloatImage] = []
    for index, (_, backend) in enumerate(opened):
        depths: list[FloatImage] = []
        for tensor in tensors:
            outputs = backend.run(tensor)
            depths.append(outputs[name or next(iter(outputs))])
        reference = depths if index == 0 else reference
        pairs = zip(reference, depths, strict=True)
        apart.append(float(np.mean([deviation(a, b) for a, b in pairs])))
    spent: list[list[float]] = [[] for _ in opened]
    for run in range(MEASURED_RUNS):
        for times, (_, backend) in zip(spent, opened, strict=True):
            began = clock.now()
            backend.run(tensors[run % len(tensors)])
            times.append(clock.now() - began)
    for _, backend in opened:
        backend.close()
    return [
        Measured(choice.backend, choice.precision, round(1e3 * median(times), 3), round(share, 6))
        for (choice, _), times, share in zip(opened, spent, apart, strict=True)
    ]


def _fastest(
    config: EngineConfig,
    model: ResolvedModel,
    choices: Sequence[Candidate],
    store: Store,
    clock: Clock,
    tell: Tell,
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
        tell(f"{model.name}: measuring {len(choices)} ways to run it, once")
        measured = measure(choices, model, threads, store, clock, tell)
        try:
            with atomic_path(memory) as temporary:
                temporary.write_text(json.dumps([asdict(item) for item in measured], indent=1))
        except OutputError as error:
            tell(f"the measurement is not remembered: {error}")
    within = [item for item in measured if item.deviation <= config.tolerance] or measured[:1]
    best = min(within, key=lambda item: item.median_ms)
    return next(c for c in choices if (c.backend, c.precision) == (best.backend, best.precision))


def _remembered(memory: Path) -> list[Measured] | None:
    try:
        return [Measured(**item) for item in json.loads(memory.read_text())] or None
    except (OSError, ValueError, TypeError):  # not measured yet, or not by this version
        return None


def _float_file(model: ResolvedModel, store: Store, tell: Tell) -> Path:
    made = artefact_path(store, model, "fp32")
    if made.is_file():
        return made
    return model.path if model.format == "onnx" else _made("fp32", model, store, tell)


def _made(precision: str, model: ResolvedModel, store: Store, tell: Tell) -> Path:
    from sonar.lab.quantise.optimise import optimise

    return optimise(model, precisions=[precision], store=store, tell=tell)[0].path


def _contract_of(contract: InputContract, backend: Backend) -> InputContract:
    if backend.fixed_hw is None:
        return contract
    return replace(contract, fit="exact", fixed_hw=backend.fixed_hw)
