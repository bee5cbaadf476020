"""The ways to run a model here: backend, precision and file; and opening one of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from sonar.config import EngineConfig
from sonar.depth.artefacts import PACKAGED_INT8, artefact_path, installed, machine_key
from sonar.depth.backends.onnx import OnnxBackend
from sonar.depth.backends.openvino import OpenVinoBackend
from sonar.depth.backends.torch import TorchBackend
from sonar.depth.models.contract import InputContract
from sonar.depth.models.resolved import ResolvedModel
from sonar.depth.models.store import Store
from sonar.errors import ConfigError, ModelError

Backend = OnnxBackend | OpenVinoBackend | TorchBackend
Report = Callable[[str], None]

NATIVE_IS_GONE = (
    "engine.backend: native was removed, since OpenVINO int8 is as fast; onnx runs instead. "
    "Set engine.backend to onnx or openvino; the next release refuses native"
)


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
    backends: list[str] = [config.backend]
    if config.backend == "auto":
        backends = ["onnx", *(["openvino"] if installed("openvino") else [])]
    elif config.backend == "native":
        report(NATIVE_IS_GONE)
        backends = ["onnx"]
    files: dict[str, Path] = {}
    if config.precision != "int8":
        files["fp32"] = _float_file(model, store)
    if config.precision != "fp32":
        small = int8_file(model, store)
        if small is None and config.precision == "int8":
            raise _not_prepared(model, store, "its int8 version is not made yet")
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
        from sonar.depth.midas import load_network, output_names

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


def missing_precisions(config: EngineConfig, model: ResolvedModel, store: Store) -> list[str]:
    """What must be made before :func:`candidates` can offer what ``config`` asks for."""
    if config.backend == "torch":
        return []
    made = artefact_path(store, model, "fp32")
    missing = []
    if config.precision != "int8" and model.format != "onnx" and not made.is_file():
        missing.append("fp32")
    if config.precision == "int8" and int8_file(model, store) is None:
        missing.append("int8")
    return missing


def _float_file(model: ResolvedModel, store: Store) -> Path:
    made = artefact_path(store, model, "fp32")
    if made.is_file():
        return made
    if model.format == "onnx":
        return model.path
    raise _not_prepared(model, store, "this checkpoint is not converted yet")


def _not_prepared(model: ResolvedModel, store: Store, what: str) -> ModelError:
    asked = model.name if model.name in store.entries else model.path
    return ModelError(f"{model.name}: {what}; run `sonar models optimise {asked}` once")


def contract_of(contract: InputContract, backend: Backend) -> InputContract:
    """``contract`` with the size that the opened file has fixed, if any."""
    if backend.fixed_hw is None:
        return contract
    return replace(contract, fit="exact", fixed_hw=backend.fixed_hw)
