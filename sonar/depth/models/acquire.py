"""Bringing a model into the store: over the network, or from a file brought by hand."""

import shutil
from pathlib import Path

from sonar.depth.models.checks import check_file
from sonar.depth.models.download import Download, Unreachable
from sonar.depth.models.record import Record
from sonar.depth.models.registry import ModelEntry
from sonar.depth.models.resolved import ResolvedModel
from sonar.depth.models.store import Store
from sonar.errors import ModelError
from sonar.files import Progress, make_folder, replace, require_space, sha256_of, write_error


def fetch(store: Store, name: str, progress: Progress | None = None) -> ResolvedModel:
    """Download a model, check it, and only then put it into the store.

    A download that broke off goes on where it stopped. What was installed before stays until the
    new file is proven; a model that is there and sound is not fetched again.

    Raises:
        ModelError: no network, a wrong or damaged file, another process at work.
        OutputError: no space, no permission.
    """
    entry = store.entry(name)
    if entry.packaged:
        return store.resolve(name)
    if entry.url is None:
        raise ModelError(f"{name} has no address to fetch it from: {store.path(name)} is yours")
    with store.working_on(entry):
        try:
            return store.resolve(name)
        except ModelError:
            pass  # absent or damaged
        folder = store.folder(entry)
        make_folder(folder)
        download = Download(
            url=entry.url,
            part=folder / f".{entry.file_name}.part",
            size_bytes=entry.size_bytes,
            sha256=store.expected_sum(entry),
            limits=store.limits,
            clock=store.clock,
            progress=progress,
        )
        try:
            sha256 = download.run()
        except Unreachable as error:
            raise ModelError(
                f"{error}. Without a network: fetch {entry.url} on another machine, bring the file "
                f"here, and run `sonar models import FILE --name {name}`"
            ) from error
        try:
            _install(store, entry, download.part, sha256, entry.url)
        except ModelError as error:
            raise ModelError(f"{name}: what was fetched is refused: {error}") from error
    return store.resolve(name)


def import_file(store: Store, source: Path, name: str | None = None) -> ResolvedModel:
    """Install a file that was brought by hand; it stays where it is.

    ``name``: the model it is; None = found by its sum, or by its file name. Raises as
    :func:`fetch` does.
    """
    if not source.is_file():
        raise ModelError(f"{source}: there is no such file")
    sha256 = sha256_of(source)
    entry = _entry_for(store, source, sha256) if name is None else store.entry(name)
    if entry.local_path is not None:
        raise ModelError(f"{entry.name} is used from {entry.local_path}; nothing to import")
    with store.working_on(entry):
        expected = store.expected_sum(entry)
        if expected not in (None, sha256):
            raise ModelError(
                f"{source} is damaged or is not {entry.name}: its SHA-256 is {sha256}, "
                f"expected {expected}"
            )
        folder = store.folder(entry)
        make_folder(folder)
        require_space(folder, source.stat().st_size)
        copy = folder / f".{entry.file_name}.import"
        try:
            shutil.copyfile(source, copy)
            if sha256_of(copy) != sha256:
                raise ModelError(f"{source} changed while it was read; nothing was installed")
            _install(store, entry, copy, sha256, str(source))
        except OSError as error:
            raise write_error(copy, error) from error
        finally:
            copy.unlink(missing_ok=True)
    return store.resolve(entry.name)


def _install(store: Store, entry: ModelEntry, new: Path, sha256: str, origin: str) -> None:
    """Check ``new`` and move it into its place; a refused file is deleted."""
    try:
        contract = check_file(new, entry)
    except ModelError:
        new.unlink()
        raise
    target = store.path(entry.name)
    first = store.expected_sum(entry) is None
    try:
        replace(new, target)
    except OSError as error:
        raise write_error(target, error) from error
    Record.of(target, sha256, origin, contract.fixed_hw).write(store.folder(entry))
    if first:
        store.report(
            f"No sum is known for {entry.name}: from now on its SHA-256 must be {sha256}. "
            f"Compare it with its maker's, and set models.{entry.name}.sha256."
        )


def _entry_for(store: Store, source: Path, sha256: str) -> ModelEntry:
    entries = [entry for entry in store.entries.values() if entry.local_path is None]
    for entry in entries:
        if entry.sha256 == sha256:
            return entry
    for entry in entries:
        if entry.file_name == source.name:
            return entry
    raise ModelError(
        f"{source} is none of the models sonar knows (SHA-256 {sha256}); if it is an .onnx, "
        "use it by its path or describe it under models in the configuration"
    )
