"""``sonar models``: which depth models there are, and bringing them here."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from sonar.cli.ui import note, options, say
from sonar.files import mebibytes

if TYPE_CHECKING:  # not every command's need
    from sonar.depth.models import ModelEntry, ResolvedModel, Store

app = typer.Typer(help="List, fetch and remove depth models.", no_args_is_help=True)

Name = Annotated[str, Argument(metavar="NAME", help="as in `sonar models list`")]
STATUS = {"packaged": "here, part of sonar", "installed": "here", "absent": "not here"}
STATUS |= {"damaged": "DAMAGED, fetch it again"}


@app.command("list")
def list_models() -> None:
    """Every model sonar knows by name, and whether it is here."""
    store = _store()
    found = [_as_json(store, entry) for entry in store.entries.values()]
    lines: list[str] = []
    for one in found:
        size = "" if one["size_bytes"] is None else f", {mebibytes(one['size_bytes'])}"
        lines.append(f"{one['name']}: {STATUS[one['status']]}{size}")
        lines += [f"    {one['what']}", f"    licence: {one['licence']}"]
    options.answer(found, lines)


@app.command()
def fetch(name: Name) -> None:
    """Download a model, and check it."""
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
    images: Annotated[str | None, Option(help="folder of images to calibrate int8 with")] = None,
) -> None:
    """Make the files of a model that run fastest here.

    Needs the extra [midas]. The best --images are of the place where sonar will be used; without
    them, int8 is calibrated with made-up images."""
    from sonar.capture import image_paths, read_image
    from sonar.lab.quantise.artefacts import PRECISIONS
    from sonar.lab.quantise.artefacts import optimise as make

    store = _store()
    made = make(
        store.resolve(name),
        precisions=PRECISIONS,
        images=None if images is None else map(read_image, image_paths(images)),
        store=store,
        report=lambda sentence: None if options.json else note(sentence),
    )
    options.answer(
        [{"precision": m.precision, "path": str(m.path), "deviation": m.deviation} for m in made],
        [f"{name} {m.precision}: {m.deviation:.2%} off float32, {m.path}" for m in made],
    )


@app.command()
def remove(name: Name) -> None:
    """Delete a model and what was made from it."""
    removed = _store().remove(name)
    say(f"{name}: removed" if removed else f"{name}: was not installed")


def _store() -> "Store":
    from sonar.depth.models import Store

    return Store(options.load().models, report=note)


def _report(resolved: "ResolvedModel") -> None:
    name, path = resolved.name, str(resolved.path)
    lines = [f"{name} is here: {path}", f"Use it with --set engine.model={name}."]
    if resolved.format == "torch":
        lines.insert(1, f"It is converted once: sonar models optimise {name}")
    options.answer({"name": name, "path": path, "sha256": resolved.sha256}, lines)


def _as_json(store: "Store", entry: "ModelEntry") -> dict[str, Any]:
    status = store.status(entry)
    same = ("name", "what", "size_bytes", "sha256", "licence", "format")
    return {
        **{field: getattr(entry, field) for field in same},
        "status": status,
        "path": None if status == "absent" else str(store.path(entry.name)),
        "urls": [entry.url] if entry.url else [],
        "kind": entry.contract.kind.value,
    }
