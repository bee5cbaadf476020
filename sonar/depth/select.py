"""From a configuration and a model file to a running engine."""

from dataclasses import replace
from pathlib import Path
from typing import Protocol

from sonar.clock import SystemClock
from sonar.config.engine import EngineConfig
from sonar.depth.backends.onnx import OnnxBackend
from sonar.depth.engine import Engine
from sonar.depth.threads import thread_count
from sonar.models.contract import InputContract
from sonar.ports import Clock


class ModelFile(Protocol):
    """A model on disk: what :mod:`sonar.models` resolves a name to."""

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> Path: ...
    @property
    def contract(self) -> InputContract: ...


def open_engine(config: EngineConfig, model: ModelFile, clock: Clock | None = None) -> Engine:
    """The engine that ``config`` asks for, on ``model``; not yet warmed up.

    Raises ModelError when the file is missing, damaged or of another kind, MissingExtraError
    when the configured backend is not installed.
    """
    backend = OnnxBackend(model.path, threads=thread_count(config.threads))
    contract = model.contract
    if backend.fixed_hw is not None:
        contract = replace(contract, fit="exact", fixed_hw=backend.fixed_hw)
    label = f"{model.name} ({backend.name}, {backend.precision})"
    return Engine(backend, contract, label, clock or SystemClock())
