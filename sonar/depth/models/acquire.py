"""Bringing a model into the store: over the network, or from a file brought by hand."""

from pathlib import Path

from sonar.depth.models.checks import check_file
from sonar.depth.models.contract import InputContract
from sonar.depth.models.download import Download, Unreachable
from sonar.depth.models.ledger import Record, write_record
from sonar.depth.models.registry import ModelEntry
from sonar.depth.models.resolved import ResolvedModel
from sonar.depth.models.store import Store
from sonar.depth.models.web import looks_like_web_page
from sonar.errors import ModelError
from sonar.files import (
    Progress,
    copy_file,
    make_folder,
    replace,
    require_space,
    sha256_of,
    write_error,
)


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
    if not entry.urls:
        raise ModelError(f"{name} has no address to fetch it from: {store.path(name)} is yours")
    with store.working_on(entry):
        if _is_sound(store, entry):
            return store.resolve(name)
        folder = store.folder(entry)
        make_folder(folder)
        download = Download(
            urls=entry.urls,
            part=folder / f".{entry.file_name}.part",
            size_bytes=entry.size_bytes,
            sha256=store.expected_sum(entry),
            limits=store.limits,
            clock=store.clock,
            progress=progress,
        )
        try:
            sha256, url = download.run()
        except Unreachable as error:
            raise ModelError(f"{error}. {_by_hand(entry)}") from error
        try:
            contract = check_file(download.part, entry)
        except ModelError as error:
            download.discard()
            raise ModelError(f"{name}: what was fetched is refused: {error}") from error
        _install(store, entry, download.part, sha256, url, contract)
        download.discard()
    return store.resolve(name)


def import_file(
    store: Store, source: Path, name: str | None = None, progress: Progress | None = None
) -> ResolvedModel:
    """Install a file that was brought by hand; it stays where it is.

    Args:
        store: where to.
        source: the file.
        name: the model it is; None = found by its sum, or by its file name.
        progress: called as it is copied.

    Raises as :func:`fetch` does.
    """
    if not source.is_file():
        raise ModelError(f"{source}: there is no such file")
    sha256 = sha256_of(source)
    with source.open("rb") as file:
        if looks_like_web_page(file.read(512)):
            raise ModelError(f"{source} is a web page, not a model: the download went wrong")
    entry = _entry_for(store, source, sha256, name)
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
            if copy_file(source, copy, progress) != sha256:
                raise ModelError(f"{source} changed while it was read; nothing was installed")
            contract = check_file(copy, entry)
            _install(store, entry, copy, sha256, str(source), contract)
        except OSError as error:
            raise write_error(copy, error) from error
        finally:
            copy.unlink(missing_ok=True)
    return store.resolve(entry.name)


def _is_sound(store: Store, entry: ModelEntry) -> bool:
    try:
        store.resolve(entry.name)
    except ModelError:
        return False
    return True


def _install(
    store: Store,
    entry: ModelEntry,
    checked: Path,
    sha256: str,
    origin: str,
    contract: InputContract,
) -> None:
    target = store.path(entry.name)
    first = store.expected_sum(entry) is None
    try:
        replace(checked, target)
    except OSError as error:
        raise write_error(target, error) from error
    record = Record.of(target, sha256, origin, contract.fixed_hw, store.clock.wall())
    write_record(store.folder(entry), record)
    if first:
        store.tell(
            f"No sum is known for {entry.name}: from now on its SHA-256 must be {sha256}. "
            f"Compare it with its maker's, and set models.{entry.name}.sha256."
        )


def _entry_for(store: Store, source: Path, sha256: str, name: str | None) -> ModelEntry:
    if name is not None:
        return store.entry(name)
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


def _by_hand(entry: ModelEntry) -> str:
    return (
        f"Without a network: fetch {entry.urls[0]} on another machine, bring the file here, and "
        f"run `sonar models import FILE --name {entry.name}`"
    )
