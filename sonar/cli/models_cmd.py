"""``sonar models``: which depth models there are, and bringing them here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sonar.cli.ui import COMMON_EPILOG, Common, common, emit_json, note, progress, result, say
from sonar.errors import ConfigError, SonarError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sonar.config import SonarConfig
    from sonar.depth.models.resolved import ResolvedModel
    from sonar.depth.models.store import Listed, Store
    from sonar.types import RgbImage

app = typer.Typer(help="List, fetch, check and remove depth models.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="as in `sonar models list`")]


@app.command("list", epilog=COMMON_EPILOG)
def list_models(ctx: typer.Context) -> None:
    """Every model sonar knows by name, and whether it is here."""
    from sonar.files import mebibytes

    options = common(ctx)
    rows = _store(options).listing()
    if options.json:
        emit_json([_as_json(row) for row in rows])
        return
    for row in rows:
        size = "" if row.entry.size_bytes is None else f", {mebibytes(row.entry.size_bytes)}"
        say(f"{row.entry.name}: {_in_words(row)}{size}")
        say(f"    {row.entry.what}")
        say(f"    licence: {row.entry.licence}")


@app.command(epilog=COMMON_EPILOG)
def fetch(ctx: typer.Context, name: Name) -> None:
    """Download a model; what broke off goes on where it stopped."""
    from sonar.depth.models import acquire

    options = common(ctx)
    with progress(options, f"fetching {name}") as advance:
        resolved = acquire.fetch(_store(options), name, advance)
    _tell(options, resolved)


@app.command("import", epilog=COMMON_EPILOG)
def import_model(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(help="the file, brought by hand")],
    name: Annotated[
        str | None, typer.Option("--name", help="the model it is; usually found by itself")
    ] = None,
) -> None:
    """Install a model file that was downloaded elsewhere."""
    from sonar.depth.models import acquire

    options = common(ctx)
    resolved = acquire.import_file(_store(options), path, name)
    _tell(options, resolved)


@app.command(epilog=COMMON_EPILOG)
def optimise(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="a model's name, or a path")],
    images: Annotated[
        str | None,
        typer.Option(
            "--images",
            help="folder of pictures or recording to calibrate int8 with, best of the place where "
            "sonar will be used; none = made-up pictures",
        ),
    ] = None,
    precision: Annotated[
        list[str] | None, typer.Option("--precision", help="fp32 or int8; none = both")
    ] = None,
) -> None:
    """Make the files of a model that run fastest here.

    Needs the extra [midas]."""
    from sonar.lab.quantise.optimise import PRECISIONS
    from sonar.lab.quantise.optimise import optimise as make

    options = common(ctx)
    if unknown := [each for each in precision or () if each not in PRECISIONS]:
        raise ConfigError(f"--precision {unknown[0]}: it is one of {', '.join(PRECISIONS)}")
    config, store = options.load(), _store(options)
    made = make(
        store.resolve(name),
        precisions=precision or PRECISIONS,
        images=None if images is None else _pictures(images, config),
        store=store,
        report=lambda sentence: None if options.json else note(sentence),
    )
    if options.json:
        rows = [(each.precision, str(each.path), each.deviation) for each in made]
        emit_json([dict(zip(("precision", "path", "deviation"), row, strict=True)) for row in rows])
        return
    for each in made:
        say(f"{name} {each.precision}: {each.deviation:.2%} off float32, {each.path}")


@app.command(epilog=COMMON_EPILOG)
def verify(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(help="one model; none = all that are here")] = None,
) -> None:
    """Read the files again: sum, size, keys, a trial run. Exit code 5 when one is damaged."""
    options = common(ctx)
    store = _store(options)
    names = [name] if name else [r.entry.name for r in store.listing() if r.status != "absent"]
    results: list[dict[str, Any]] = []
    failed: SonarError | None = None
    for each in names:
        try:
            resolved = store.verify(each)
            results.append({"name": each, "ok": True, "sha256": resolved.sha256})
            line = f"{each}: OK ({resolved.provenance})"
        except SonarError as error:
            failed = failed or error
            results.append({"name": each, "ok": False, "error": str(error)})
            line = f"{each}: NOT OK. {error}"
        if not options.json:
            say(line)
    if options.json:
        emit_json(results)
    if failed is not None:
        raise typer.Exit(failed.exit_code)


@app.command(epilog=COMMON_EPILOG)
def remove(ctx: typer.Context, name: Name) -> None:
    """Delete a model and what was made from it."""
    removed = _store(common(ctx)).remove(name)
    say(f"{name}: removed" if removed else f"{name}: was not installed")


@app.command(epilog=COMMON_EPILOG)
def path(ctx: typer.Context, name: Name) -> None:
    """Print where a model's file lies; an error when it is not here."""
    options = common(ctx)
    resolved = _store(options).resolve(name)
    if options.json:
        emit_json({"name": resolved.name, "path": str(resolved.path), "sha256": resolved.sha256})
    else:
        result(str(resolved.path))


def _pictures(spec: str, config: SonarConfig) -> Iterator[RgbImage]:
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


def _store(options: Common) -> Store:
    from sonar.depth.models.store import Store

    return Store(options.load().models, report=note)


def _tell(options: Common, resolved: ResolvedModel) -> None:
    if options.json:
        emit_json(
            {
                "name": resolved.name,
                "path": str(resolved.path),
                "sha256": resolved.sha256,
                "provenance": resolved.provenance,
            }
        )
        return
    say(f"{resolved.name} is here ({resolved.provenance}): {resolved.path}")
    if resolved.format == "torch":
        say(f"It is converted once: sonar models optimise {resolved.name}")
    say(f"Use it with --set engine.model={resolved.name}.")


def _in_words(row: Listed) -> str:
    return {
        "packaged": "here, part of sonar",
        "installed": "here",
        "absent": "not here",
        "damaged": "DAMAGED, fetch it again",
    }[row.status]


def _as_json(row: Listed) -> dict[str, Any]:
    entry = row.entry
    return {
        "name": entry.name,
        "what": entry.what,
        "status": row.status,
        "path": None if row.path is None else str(row.path),
        "urls": [entry.url] if entry.url else [],
        "size_bytes": entry.size_bytes,
        "sha256": entry.sha256,
        "licence": entry.licence,
        "format": entry.format,
        "kind": entry.contract.kind.value,
    }
