"""``sonar config``: what is set, whether a file is right, what can be set."""

from typing import Annotated

import typer

from sonar.cli.ui import COMMON_EPILOG, common, emit_json, result, say

app = typer.Typer(help="Show, check and describe the configuration.", no_args_is_help=True)


@app.command(epilog=COMMON_EPILOG)
def show(ctx: typer.Context) -> None:
    """Print the configuration in force.

    File, environment and --set are applied."""
    from sonar.config.load import dump_config

    options = common(ctx)
    config = options.load()
    if options.json:
        emit_json(config.model_dump(mode="json"))
    else:
        result(dump_config(config).rstrip())


@app.command(epilog=COMMON_EPILOG)
def validate(
    ctx: typer.Context,
    path: Annotated[str | None, typer.Argument(help="YAML file or profile name")] = None,
) -> None:
    """Check a configuration file.

    Exit code 2 and one sentence where it is wrong."""
    options = common(ctx)
    if path is not None:
        options.config_path = path
    options.load()
    if options.json:
        emit_json({"ok": True})
    else:
        say(f"{options.config_path or 'configuration'}: ok")


@app.command(epilog=COMMON_EPILOG)
def schema(
    records: Annotated[
        bool, typer.Option("--records", help="of frames.jsonl and events.jsonl instead")
    ] = False,
) -> None:
    """Print the JSON Schema of the configuration or records."""
    if records:
        from sonar.records import Event, FrameRecord, schema_of

        emit_json(
            {
                "frame": schema_of(FrameRecord),
                "event": schema_of(Event),
            }
        )
    else:
        from sonar.config import SonarConfig
        from sonar.records import schema_of

        emit_json(schema_of(SonarConfig))
