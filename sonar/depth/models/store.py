"""The models on this machine: found by name, verified, removed.

Below :func:`sonar.files.cache_home`: ``models/<name>/`` holds a model's file and its
record; ``artefacts/`` what was derived from models (conversions, int8 versions, measurements),
each name beginning with the first 16 digits of its model's SHA-256.
"""

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sonar.clock import SystemClock
from sonar.config import ModelConfig, SonarConfig
from sonar.depth.models.checks import check_file, check_onnx
from sonar.depth.models.download import FetchLimits
from sonar.depth.models.record import Record, read_record, remember
from sonar.depth.models.registry import ModelEntry, registry
from sonar.depth.models.resolved import ResolvedModel, looks_like_path, path_and_kind, resolve_path
from sonar.errors import ConfigError, ModelError, OutputError
from sonar.files import cache_home, exclusive, mebibytes, sha256_of
from sonar.ports import Clock

LOCK_WAIT_S = 600.0
KEY_DIGITS = 16

Report = Callable[[str], None]
Status = Literal["packaged", "installed", "absent", "damaged"]


def resolve(name_or_path: str, config: SonarConfig) -> ResolvedModel:
    """:meth:`Store.resolve` in the user's own cache."""
    return Store(config.models).resolve(name_or_path)


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of ``sonar models list``: the entry, whether it is here, and where."""

    entry: ModelEntry
    status: Status
    path: Path | None


@dataclass(slots=True)
class Store:
    """The models of one cache folder.

    Attributes:
        user_models: the configuration's ``models`` section.
        home: the cache; None = :func:`sonar.files.cache_home`.
        clock: for the pauses of downloads.
        limits: of downloads.
        lock_wait_s: longest wait for another process that works on the same model.
        report: called with a sentence that people should read, beside the result.
    """

    user_models: Mapping[str, ModelConfig] = field(default_factory=dict)
    home: Path | None = None
    clock: Clock = field(default_factory=SystemClock)
    limits: FetchLimits = field(default_factory=FetchLimits)
    lock_wait_s: float = LOCK_WAIT_S
    report: Report = field(default=lambda sentence: None)

    @property
    def entries(self) -> dict[str, ModelEntry]:
        """Every known model by name. Raises ConfigError for a doubled name."""
        return registry(self.user_models)

    @property
    def models_dir(self) -> Path:
        """Holds one folder for each installed model."""
        return (self.home or cache_home()) / "models"

    @property
    def artefacts_dir(self) -> Path:
        """Holds what was derived from models; anyone may delete it."""
        return (self.home or cache_home()) / "artefacts"

    def derived_path(self, sha256: str, name: str) -> Path:
        """Where something derived from the model with this SHA-256 lies, or would lie.

        Write it through :func:`sonar.files.atomic_path`. It goes when the model is removed.
        """
        if not name or Path(name).name != name:
            raise ValueError("a derived file's name is one path component")
        return self.artefacts_dir / f"{sha256[:KEY_DIGITS]}-{name}"

    def entry(self, name: str) -> ModelEntry:
        """Raises ConfigError for a name that nobody knows."""
        entries = self.entries
        if name not in entries:
            raise ConfigError(f"there is no model {name!r}; known are {', '.join(entries)}")
        return entries[name]

    def path(self, name: str) -> Path:
        """Where the model's file lies, or would lie once fetched."""
        entry = self.entry(name)
        return entry.local_path or self.folder(entry) / entry.file_name

    def resolve(self, name_or_path: str) -> ResolvedModel:
        """The file behind a model's name, or behind a path to an .onnx or .pt file.

        Behind the path of an .onnx may stand ``#metric``: what its values mean.

        Its sum is compared with the expected one; an installed file that did not change since it
        was last read is not read again.

        Raises ModelError when it is not installed, damaged or no depth network; ConfigError for
        an unknown name.
        """
        if looks_like_path(name_or_path):
            return resolve_path(*path_and_kind(name_or_path))
        return self._checked(self.entry(name_or_path), reread=False)

    def _checked(self, entry: ModelEntry, *, reread: bool) -> ResolvedModel:
        path = self.path(entry.name)
        if not path.is_file():
            raise ModelError(_absent(entry, path))
        record = self.record(entry)
        if record is None or reread or not record.still_holds(path):
            sha256 = sha256_of(path)
        else:
            sha256 = record.sha256
        expected = self.expected_sum(entry)
        if expected not in (None, sha256):
            raise ModelError(
                f"{path} is damaged or was changed: its SHA-256 is {sha256}, expected "
                f"{expected}; {_repair(entry)}"
            )
        if entry.local_path is None and (record is None or not record.still_holds(path)):
            remember(self.folder(entry), path, sha256, record)
        contract = entry.contract
        if entry.local_path is not None and not entry.packaged:
            contract = check_onnx(path, contract)
        elif record is not None and record.fixed_hw is not None:
            contract = dataclasses.replace(contract, fit="exact", fixed_hw=record.fixed_hw)
        provenance = _provenance(entry, record)
        return ResolvedModel(
            entry.name, path, entry.format, contract, sha256, provenance, entry.architecture
        )

    def verify(self, name: str) -> ResolvedModel:
        """Read the whole file again and check everything that can be checked.

        Raises ModelError naming what is wrong.
        """
        entry = self.entry(name)
        resolved = self._checked(entry, reread=True)
        check_file(resolved.path, entry)
        return resolved

    def remove(self, name: str) -> bool:
        """Delete a model, a broken-off download of it, and what was derived from it.

        Returns whether there was anything. Raises ModelError for a file that is not the cache's,
        OutputError when it cannot be deleted.
        """
        entry = self.entry(name)
        if entry.packaged:
            raise ModelError(f"{name} is part of sonar and stays")
        if entry.local_path is not None:
            raise ModelError(f"{entry.local_path} is yours; sonar does not delete it")
        folder = self.folder(entry)
        if not folder.exists():
            return False
        with self.working_on(entry):
            derived = self._derived(self.expected_sum(entry))
            try:
                for path in (folder, *derived):
                    if path.is_dir():
                        shutil.rmtree(path)
                    else:
                        path.unlink(missing_ok=True)
            except OSError as error:
                raise OutputError(f"{folder}: cannot be deleted ({error.strerror})") from error
        return True

    def listing(self) -> list[Listed]:
        """Every known model and whether it is here (by size and record; ``verify`` reads it)."""
        return [self._listed(entry) for entry in self.entries.values()]

    def _listed(self, entry: ModelEntry) -> Listed:
        path = self.path(entry.name)
        if not path.is_file():
            return Listed(entry, "absent", None)
        if entry.packaged:
            return Listed(entry, "packaged", path)
        record = self.record(entry)
        wrong_size = entry.size_bytes not in (None, path.stat().st_size)
        wrong_sum = record is not None and entry.sha256 not in (None, record.sha256)
        return Listed(entry, "damaged" if wrong_size or wrong_sum else "installed", path)

    def folder(self, entry: ModelEntry) -> Path:
        """Where the cache keeps this model."""
        return self.models_dir / entry.name

    def record(self, entry: ModelEntry) -> Record | None:
        """What is known of the installed file; None for files outside the cache."""
        return None if entry.local_path is not None else read_record(self.folder(entry))

    def expected_sum(self, entry: ModelEntry) -> str | None:
        """The published sum, or the one recorded when the model was first installed."""
        record = self.record(entry)
        return entry.sha256 or (record.sha256 if record is not None else None)

    def working_on(self, entry: ModelEntry) -> AbstractContextManager[None]:
        """Keeps other processes off this model; ModelError when one stays too long."""
        lock = self.models_dir / f".{entry.name}.lock"
        return exclusive(lock, entry.name, self.lock_wait_s, self.report)

    def _derived(self, sha256: str | None) -> list[Path]:
        if sha256 is None or not self.artefacts_dir.is_dir():
            return []
        return sorted(self.artefacts_dir.glob(f"{sha256[:KEY_DIGITS]}*"))


def _absent(entry: ModelEntry, path: Path) -> str:
    if entry.packaged:
        return f"{path} is missing: install sonar again"
    if entry.local_path is not None:
        return f"{entry.name}: there is no file {path}"
    size = "" if entry.size_bytes is None else f" ({mebibytes(entry.size_bytes)})"
    return f"{entry.name} is not installed: run `sonar models fetch {entry.name}`{size}"


def _provenance(entry: ModelEntry, record: Record | None) -> str:
    if entry.packaged:
        return "comes with sonar"
    if entry.local_path is not None:
        return f"your file {entry.local_path}"
    origin = "found in the cache" if record is None else f"from {record.origin}"
    return f"{origin}; {'matches the published sum' if entry.sha256 else 'no published sum'}"


def _repair(entry: ModelEntry) -> str:
    if entry.packaged:
        return "install sonar again"
    if entry.local_path is not None:
        return f"replace it, or correct models.{entry.name}.sha256"
    return (
        f"run `sonar models fetch {entry.name}` to get it again, or `sonar models remove "
        f"{entry.name}` to forget it"
    )
