"""``sonar models``: which depth models there are, and bringing them here."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from sonar.cli.ui import note, options, result, say
from sonar.errors import ConfigError, SonarError

if TYPE_CHECKING:  # not every command's need
    from sonar.config import SonarConfig
    from sonar.depth.models import ModelEntry, ResolvedModel, Store
    from sonar.types import RgbImage

app = typer.Typer(help="List, fetch, check and remove depth models.", no_args_is_help=True)

Name = Annotated[str, Argument(metavar="NAME", help="as in `sonar models list`")]
STATUS = {
    "packaged": "here, part of sonar",
    "installed": "here",
    "absent": "not here",
    "damaged": "DAMAGED, fetch it again",
}


@app.command("list")
def list_models() -> None:
    """Every model sonar knows by name, and whether it is here."""
    store = _store()
    entries = store.entries.values()
    options.answer(
        [_as_json(store, entry) for entry in entries],
        (line for entry in entries for line in _lines(store, entry)),
    )


@app.command()
def fetch(name: Name) -> None:
    """Download a model; what broke off goes on where it stopped."""
    _report(_store().fetch(name, options.progress(f"fetching {name}")))


@app.command("import")
def import_model(
    path: Annotated[Path, Argument(help="the file, brought by hand")],
    name: Annotated[str | None, Option("--name", help="the model; usually recognized")] = None,
) -> None:
    """Install a model file that was downloaded elsewhere."""
    _report(_store().import_file(path, name))


@app.command()
def optimise(
    name: Annotated[str, Argument(metavar="NAME", help="a model's name, or a path")],
    images: Annotated[
        str | None, Option("--images", help="images or recording to calibrate int8 with")
    ] = None,
) -> None:
    """Make the files of a model that run fastest here.

    Needs the extra [midas]. The best --images are of the place where sonar will be used; without
    them, int8 is calibrated with made-up images."""
    from sonar.lab.quantise.artefacts import PRECISIONS
    from sonar.lab.quantise.artefacts import optimise as make

    config, store = options.load(), _store()
    made = make(
        store.resolve(name),
        precisions=PRECISIONS,
        images=None if images is None else _frames(images, config),
        store=store,
        report=lambda sentence: None if options.json else note(sentence),
    )
    keys = ("precision", "path", "deviation")
    options.answer(
        [dict(zip(keys, (m.precision, str(m.path), m.deviation), strict=True)) for m in made],
        [f"{name} {m.precision}: {m.deviation:.2%} off float32, {m.path}" for m in made],
    )


@app.command()
def verify(
    name: Annotated[str | None, Argument(help="one model; none = all that are here")] = None,
) -> None:
    """Read the files again: sum, and a trial run of ONNX. Exit code 5 when one is damaged."""
    store = _store()
    here = [each for each in store.entries if store.path(each).is_file()]
    names = [name] if name else here
    facts: list[dict[str, Any]] = []
    failed: SonarError | None = None
    for each in names:
        try:
            resolved = store.verify(each)
            facts.append({"name": each, "ok": True, "sha256": resolved.sha256})
            line = f"{each}: OK"
        except SonarError as error:
            failed = failed or error
            facts.append({"name": each, "ok": False, "error": str(error)})
            line = f"{each}: NOT OK. {error}"
        if not options.json:  # at once: the next one takes a while
            say(line)
    options.answer(facts, ())
    if failed is not None:
        raise typer.Exit(failed.exit_code)


@app.command()
def remove(name: Name) -> None:
    """Delete a model and what was made from it."""
    removed = _store().remove(name)
    say(f"{name}: removed" if removed else f"{name}: was not installed")


@app.command()
def path(name: Name) -> None:
    """Print where a model's file lies; an error when it is not here."""
    resolved = _store().resolve(name)
    if options.json:
        options.answer(_facts(resolved), ())
    else:
        result(str(resolved.path))


def _frames(spec: str, config: "SonarConfig") -> "Iterator[RgbImage]":
    from sonar.app import open_source

    source = open_source(spec, config)
    if source.live:
        raise ConfigError(f"--images {spec}: a folder or a recording is needed, not a camera")
    source.open()
    try:
        while (frame := source.read(10.0)) is not None:
            yield frame.image
    finally:
        source.close()


def _store() -> "Store":
    from sonar.depth.models import Store

    return Store(options.load().models, report=note)


def _report(resolved: "ResolvedModel") -> None:
    lines = [f"{resolved.name} is here: {resolved.path}"]
    if resolved.format == "torch":
        lines.append(f"It is converted once: sonar models optimise {resolved.name}")
    lines.append(f"Use it with --set engine.model={resolved.name}.")
    options.answer(_facts(resolved), lines)


def _facts(resolved: "ResolvedModel") -> dict[str, Any]:
    return {"name": resolved.name, "path": str(resolved.path), "sha256": resolved.sha256}


def _lines(store: "Store", entry: "ModelEntry") -> list[str]:
    from sonar.files import mebibytes

    size = "" if entry.size_bytes is None else f", {mebibytes(entry.size_bytes)}"
    first = f"{entry.name}: {STATUS[store.status(entry)]}{size}"
    return [first, f"    {entry.what}", f"    licence: {entry.licence}"]


def _as_json(store: "Store", entry: "ModelEntry") -> dict[str, Any]:
    status = store.status(entry)
    return {
        "name": entry.name,
        "what": entry.what,
        "status": status,
        "path": None if status == "absent" else str(store.path(entry.name)),
        "urls": [entry.url] if entry.url else [],
        "size_bytes": entry.size_bytes,
        "sha256": entry.sha256,
        "licence": entry.licence,
        "format": entry.format,
        "kind": entry.contract.kind.value,
    }
