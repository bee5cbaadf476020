"""The models on this machine: fetched or brought by hand, found by name, checked, removed.

Below :func:`sonar.files.cache_home`: ``models/<name>/`` holds a model's file; ``artefacts/`` what
was derived from models (conversions, int8 versions, measurements), each name beginning with the
first 16 digits of its model's SHA-256.
"""

import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from sonar import files
from sonar.config import ModelConfig
from sonar.depth.backends.onnx import OnnxBackend
from sonar.depth.contract import InputContract
from sonar.depth.engine import NetworkEngine
from sonar.depth.models.download import download
from sonar.depth.models.registry import BUILTIN, ModelEntry, ResolvedModel, registry
from sonar.depth.practice import practice_images
from sonar.errors import ConfigError, DepthError, ModelError, OutputError
from sonar.types import DepthKind, Frame

_PROBE_PX = 64  # where the network leaves the size open; enough for five halvings
_PATH = re.compile(r"[/\\]|\.(onnx|pth?)(#|$)")

Status = Literal["packaged", "installed", "absent", "damaged"]


@dataclass(slots=True)
class Store:
    """The models of one cache folder.

    Attributes:
        user_models: the configuration's ``models`` section.
        home: the cache; None = :func:`sonar.files.cache_home`.
        lock_wait_s: longest wait for another process that works on the same model.
        report: called with a sentence that people should read, beside the result.
    """

    user_models: Mapping[str, ModelConfig] = field(default_factory=dict)
    home: Path | None = None
    lock_wait_s: float = 600.0
    report: Callable[[str], None] = field(default=lambda sentence: None)

    @property
    def entries(self) -> dict[str, ModelEntry]:
        """Every known model by name. Raises ConfigError for a doubled name."""
        return registry(self.user_models)

    @property
    def artefacts_dir(self) -> Path:
        """Holds what was derived from models; anyone may delete it."""
        return (self.home or files.cache_home()) / "artefacts"

    def derived_path(self, sha256: str, name: str) -> Path:
        """Where something derived from the model with this SHA-256 lies, or would lie.

        Write it through :func:`sonar.files.atomic_path`. It goes when the model is removed.
        """
        return self.artefacts_dir / f"{sha256[:16]}-{name}"

    def entry(self, name: str) -> ModelEntry:
        """Raises ConfigError for a name that nobody knows."""
        entries = self.entries
        if name not in entries:
            raise ConfigError(f"there is no model {name!r}; known are {', '.join(entries)}")
        return entries[name]

    def path(self, name: str) -> Path:
        """Where the model's file lies, or would lie once fetched."""
        entry = self.entry(name)
        return entry.local_path or self._folder(entry) / entry.file_name

    def resolve(self, name_or_path: str) -> ResolvedModel:
        """The file behind a model's name, or behind the path of an .onnx file.

        The file is read, and its SHA-256 compared with the expected one. Behind a path may stand
        ``#metric``: what the network's values mean.

        Raises ModelError when it is not installed, damaged or no depth network; ConfigError for
        an unknown name.
        """
        if _PATH.search(name_or_path):
            return _resolve_path(name_or_path)
        entry = self.entry(name_or_path)
        path = self.path(entry.name)
        if not path.is_file():
            raise ModelError(f"{entry.name} is not installed: {_remedy(entry)}")
        sha256 = files.sha256_of(path)
        if entry.sha256 not in (None, sha256):
            raise ModelError(
                f"{path} is damaged or was changed: its SHA-256 is {sha256}, expected "
                f"{entry.sha256}; {_remedy(entry)}"
            )
        own = entry.local_path is not None and not entry.packaged
        contract = check_onnx(path, entry.contract) if own else entry.contract
        return ResolvedModel(entry.name, path, entry.format, contract, sha256)

    def fetch(self, name: str, progress: files.Progress | None = None) -> ResolvedModel:
        """Download a model, check it, and only then put it into the store.

        What was installed before stays until the new file is checked; a model that is there and
        sound is not fetched again.

        Raises:
            ModelError: no network, a wrong or damaged file, another process at work.
            OutputError: no space, no permission.
        """
        entry = self.entry(name)
        if entry.url is None:
            return self.resolve(name)
        with self._working_on(entry):
            with suppress(ModelError):  # absent or damaged
                return self.resolve(name)
            part = self._folder(entry) / f".{entry.file_name}.part"
            files.make_folder(part.parent)
            try:
                download(entry.url, part, entry.sha256, entry.size_bytes, progress)
            except ModelError as error:
                raise ModelError(
                    f"{error}. Without a network: bring the file of {entry.url} here, and run "
                    f"`sonar models import FILE --name {name}`"
                ) from error
            self._accept(entry, part)
            with files.writing(part):
                files.replace(part, self.path(name))
        return self.resolve(name)

    def import_file(self, source: Path, name: str | None = None) -> ResolvedModel:
        """Install a file that was brought by hand; it stays where it is.

        ``name``: the model it is; None = found by its sum, or by its file name. Raises as
        :meth:`fetch` does.
        """
        if not source.is_file():
            raise ModelError(f"{source}: there is no such file")
        sha256 = files.sha256_of(source)
        entry = self._entry_of(source, sha256) if name is None else self.entry(name)
        if entry.local_path is not None:
            raise ModelError(f"{entry.name} is used from {entry.local_path}; nothing to import")
        with self._working_on(entry):
            if entry.sha256 not in (None, sha256):
                raise ModelError(
                    f"{source} is damaged or is not {entry.name}: its SHA-256 is {sha256}, "
                    f"expected {entry.sha256}"
                )
            with files.atomic_path(self.path(entry.name)) as copy:
                shutil.copyfile(source, copy)
                self._accept(entry, copy)
        return self.resolve(entry.name)

    def remove(self, name: str) -> bool:
        """Delete a model, and what was derived from it.

        Returns whether there was anything. Raises ModelError for a file that is not the cache's,
        OutputError when it cannot be deleted.
        """
        entry = self.entry(name)
        if entry.local_path is not None:
            raise ModelError(f"{entry.local_path} was not fetched; sonar does not delete it")
        folder = self._folder(entry)
        if not folder.exists():
            return False
        with self._working_on(entry):
            path = self.path(name)
            sha256 = entry.sha256 or (files.sha256_of(path) if path.is_file() else "none")
            try:
                for derived in self.artefacts_dir.glob(f"{sha256[:16]}-*"):
                    shutil.rmtree(derived) if derived.is_dir() else derived.unlink()
                shutil.rmtree(folder)
            except OSError as error:
                raise OutputError(f"{folder}: cannot be deleted ({error.strerror})") from error
        return True

    def status(self, entry: ModelEntry) -> Status:
        """Whether a model is here, and of the right size."""
        path = self.path(entry.name)
        if not path.is_file():
            return "absent"
        if entry.packaged:
            return "packaged"
        return "installed" if entry.size_bytes in (None, path.stat().st_size) else "damaged"

    def _accept(self, entry: ModelEntry, new: Path) -> None:
        """Try a new file before it is installed. Raises ModelError; a refused file is deleted."""
        if entry.format == "onnx":
            try:
                check_onnx(new, entry.contract)
            except ModelError as error:
                new.unlink()
                raise ModelError(f"{entry.name}: the file is refused: {error}") from error
        if entry.sha256 is None:
            self.report(
                f"No sum is known for {entry.name}. The SHA-256 of this file is "
                f"{files.sha256_of(new)}: compare it with its maker's, and set "
                f"models.{entry.name}.sha256."
            )

    def _folder(self, entry: ModelEntry) -> Path:
        return (self.home or files.cache_home()) / "models" / entry.name

    def _working_on(self, entry: ModelEntry) -> AbstractContextManager[None]:
        """Keeps other processes off this model; ModelError when one stays too long."""
        lock = self._folder(entry).with_name(f".{entry.name}.lock")
        return files.exclusive(lock, entry.name, self.lock_wait_s, self.report)

    def _entry_of(self, source: Path, sha256: str) -> ModelEntry:
        for entry in self.entries.values():
            if entry.sha256 == sha256 or (entry.url and entry.file_name == source.name):
                return entry
        raise ModelError(
            f"{source} is none of the models sonar knows (SHA-256 {sha256}); if it is an .onnx, "
            "use it by its path or describe it under models in the configuration"
        )


def _resolve_path(text: str) -> ResolvedModel:
    """An .onnx given by its path alone, fed as MiDaS small is; "net.onnx#metric" names the kind.

    It is named by its stem, but no such file is named as the packaged model, whose traits the
    zones know.
    """
    path, contract = files.expanded(text), InputContract()
    if "#" in path.name and not path.exists():
        stem, _, word = text.rpartition("#")
        kinds = [kind.value for kind in DepthKind]
        if word not in kinds:
            raise ConfigError(f"{text}: after # comes what the values are: {' or '.join(kinds)}")
        path, contract = files.expanded(stem), InputContract(kind=DepthKind(word))
    if not path.is_file():
        raise ModelError(f"the model file {path} is missing")
    if path.suffix in (".pt", ".pth"):
        raise ModelError(
            f"{path} is a checkpoint: `sonar models import {path}` installs the official one; "
            "convert another one to ONNX"
        )
    name = f"{path.stem} (yours)" if path.stem == BUILTIN.name else path.stem
    return ResolvedModel(name, path, "onnx", check_onnx(path, contract), files.sha256_of(path))


def _remedy(entry: ModelEntry) -> str:
    """What to do where the file is missing or damaged."""
    if entry.packaged:
        return "install sonar again"
    if entry.local_path is not None:
        return f"bring the file, or correct models.{entry.name}"
    size = "" if entry.size_bytes is None else f" ({files.mebibytes(entry.size_bytes)})"
    return f"run `sonar models fetch {entry.name}`{size}"


def check_onnx(path: Path, contract: InputContract) -> InputContract:
    """Open an ONNX file, compare it with ``contract`` and try it on two small images.

    Weights in other files are taken from the file's own folder only; ONNX Runtime refuses others.

    Returns ``contract``, with the model's fixed size filled in where it has one and ``contract``
    leaves it open. Raises ModelError for anything else than a float32 image-to-depth network
    whose output depends on its input, is finite and not constant.
    """
    backend = OnnxBackend(path, threads=1)
    try:
        fixed = backend.fixed_hw
        if fixed is not None:
            if contract.fixed_hw not in (None, fixed):
                raise ModelError(
                    f"{path.name} takes images of {fixed[0]}x{fixed[1]} (height x width), "
                    f"described are {contract.fixed_hw[0]}x{contract.fixed_hw[1]}"
                )
            contract = replace(contract, fit="exact", fixed_hw=fixed)
        side = -(-_PROBE_PX // contract.multiple) * contract.multiple
        # Two different sides, so that swapped axes show.
        rows, columns = contract.fixed_hw or (side, side + contract.multiple)
        probe = replace(contract, fit="exact", fixed_hw=(rows, columns))
        engine = NetworkEngine(backend, probe, path.name)
        first, second = (
            engine.estimate(Frame(image, id=0, t=0.0)).values
            for image in practice_images(2, rows, columns)
        )
    except DepthError as error:
        raise ModelError(f"{path.name} is no depth network: {error}") from error
    finally:
        backend.close()
    if np.array_equal(first, second):
        raise ModelError(f"{path.name} gives the same map for every image: it is no depth network")
    return contract
