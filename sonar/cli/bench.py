"""``sonar bench``: how fast this machine is, and how true fast stays."""

from typing import Annotated

import typer

from sonar.cli.ui import common, emit_json, note, say
from sonar.errors import ConfigError


def bench(
    ctx: typer.Context,
    model: Annotated[str, typer.Option("--model", help="name or path")] = "midas_small",
    backend: Annotated[
        list[str] | None,
        typer.Option("--backend", help="onnx, openvino or torch; default all"),
    ] = None,
    shape: Annotated[
        list[str] | None, typer.Option("--shape", help="rows x columns, such as 192x256")
    ] = None,
    runs: Annotated[int, typer.Option("--runs", min=5, help="timed frames for each line")] = 40,
    chain: Annotated[
        bool, typer.Option("--chain", help="the whole chain instead: rate, age of sound, start")
    ] = False,
) -> None:
    """Time the depth engines, or with --chain everything.

    Engines are timed beside the usual way to run MiDaS small, in one interleaved run."""
    options = common(ctx)
    config = options.load()
    if chain:
        from sonar.lab.bench.chain import measure

        figures = measure(config).model_dump()
        if options.json:
            emit_json(figures)
        else:
            for name, value in figures.items():
                say(f"{name:<16} {value}")
        return

    from sonar.depth.models.store import Store
    from sonar.lab.bench import format_table, run_bench

    report = run_bench(
        model,
        backends=backend,
        shapes=[_shape(text) for text in shape] if shape else None,
        runs=runs,
        threads=config.engine.threads,
        store=Store(config.models),
        report=note,
    )
    if options.json:
        emit_json(report.as_dict())
    else:
        say(format_table(report))


def _shape(text: str) -> tuple[int, int]:
    rows, _, columns = text.lower().partition("x")
    if not (rows.isdecimal() and columns.isdecimal()):
        raise ConfigError(f"--shape is rows x columns such as 192x256, not {text!r}")
    found = int(rows), int(columns)
    if any(side % 32 or not 32 <= side <= 1024 for side in found):
        raise ConfigError("--shape sides are multiples of 32 from 32 to 1024")
    return found
