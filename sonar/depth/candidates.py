"""The ways to run a model here: backend, precision and file; and opening one of them."""

import hashlib
import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sonar.config import EngineConfig
from sonar.depth.backends.onnx import OnnxBackend
from sonar.depth.backends.openvino import OpenVinoBackend
from sonar.depth.backends.torch import TorchBackend
from sonar.depth.models import InputContract, ResolvedModel, Store
from sonar.depth.models.registry import BUILTIN, BUILTIN_PATH
from sonar.errors import ConfigError, ModelError

Backend = OnnxBackend | OpenVinoBackend | TorchBackend
Report = Callable[[str], None]

# Raise it when the making changes, so that old artefacts are not taken for new ones.
RECIPE = 4

BUILTIN_INT8_PATH = BUILTIN_PATH.with_name("builtin_int8.onnx")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to run a model: a backend, a precision, and its file (None: the checkpoint)."""

    backend: str
    precision: str
    path: Path | None


def candidates(
    config: EngineConfig, model: ResolvedModel, store: Store, report: Report
) -> list[Candidate]:
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
    elif config.backend == "native":
        report(
            "engine.backend: native was removed, since OpenVINO int8 is as fast; onnx runs "
            "instead. Set engine.backend to onnx or openvino; the next release refuses native"
        )
        backends = ["onnx"]
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
