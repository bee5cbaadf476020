"""The root command: shared options, errors as one sentence, exit codes."""

import sys
import traceback
from collections.abc import Iterator
from typing import Annotated

import typer

from sonar.cli import (
    bench,
    calibrate,
    config,
    control_cmd,
    depth,
    doctor,
    evaluate,
    models_cmd,
    replay,
    run_live,
    service_cmd,
    simulate,
    train_ear,
    web_cmd,
)
from sonar.cli.ui import COMMON_EPILOG, Common, note
from sonar.errors import ConfigError, SonarError

INTERRUPTED = 130

app = typer.Typer(
    name="sonar",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 ok, 2 usage or configuration, 3 input or output, 4 device, "
    "5 model, 130 interrupted.",
)
app.command("run", epilog=COMMON_EPILOG)(run_live.run)
_dash_words = {"ignore_unknown_options": True}  # `volume -3`
app.command("control", epilog=COMMON_EPILOG, context_settings=_dash_words)(control_cmd.control)
app.command("replay", epilog=COMMON_EPILOG)(replay.replay)
app.command("demo", epilog=COMMON_EPILOG)(replay.demo)
app.command("depth", epilog=COMMON_EPILOG)(depth.depth)
app.command("evaluate", epilog=COMMON_EPILOG)(evaluate.evaluate)
app.command("calibrate", epilog=COMMON_EPILOG)(calibrate.calibrate)
app.command("simulate", epilog=COMMON_EPILOG)(simulate.simulate)
app.command("train-ear", epilog=COMMON_EPILOG)(train_ear.train_ear)
app.command("bench", epilog=COMMON_EPILOG)(bench.bench)
app.command("doctor", epilog=COMMON_EPILOG)(doctor.doctor)
app.command("devices", epilog=COMMON_EPILOG)(doctor.devices)
app.command("web", epilog=COMMON_EPILOG)(web_cmd.web)
app.add_typer(config.app, name="config")
app.add_typer(models_cmd.app, name="models")
app.command("status", epilog=COMMON_EPILOG)(service_cmd.status)
app.add_typer(service_cmd.app, name="service")


@app.callback()
def root(
    ctx: typer.Context,
    config_paths: Annotated[
        list[str] | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="YAML file, or a profile: default, wearable, headless, replay",
        ),
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="one setting, e.g. audio.volume_db=-3"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable output")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="plain lines, nothing drawn")] = False,
    verbose: Annotated[
        int, typer.Option("-v", "--verbose", count=True, help="-v details, -vv tracebacks")
    ] = 0,
    version: Annotated[bool, typer.Option("--version", help="print the version", is_eager=True)] = (
        False
    ),
) -> None:
    """Hear what is near: one camera in, stereo tones and short spoken warnings out."""
    configs = config_paths or []
    if len(configs) > 1 and ctx.invoked_subcommand != "evaluate":
        raise ConfigError("--config is given twice; only sonar evaluate compares several.")
    path = configs[0] if configs else None
    ctx.obj = Common(path, sets or [], as_json, plain, verbose, configs)


_FLAGS = {"--json", "--plain", "-v", "-vv", "-vvv", "--verbose"}
_WITH_VALUE = {"--config", "--set"}


def hoist(argv: list[str]) -> list[str]:
    """Shared options may stand anywhere; the parser wants them before the command."""
    front: list[str] = []
    rest: list[str] = []
    words: Iterator[str] = iter(argv)
    while (word := next(words, None)) is not None:
        if word == "--":
            rest += [word, *words]
        elif word in _FLAGS or (word.split("=", 1)[0] in _WITH_VALUE and "=" in word):
            front.append(word)
        elif word in _WITH_VALUE:
            front += [word, *([value] if (value := next(words, None)) is not None else [])]
        else:
            rest.append(word)
    return front + rest


def run(argv: list[str]) -> int:
    """Run the command line; returns the exit code and never raises."""
    if argv and argv[0] == "--version":
        from sonar import __version__

        sys.stdout.write(f"sonar {__version__}\n")
        return 0
    words = hoist(argv)
    verbosity = sum(w.count("v") for w in words if w in {"-v", "-vv", "-vvv"})
    try:
        code = app(args=words, standalone_mode=False, prog_name="sonar")
    except SonarError as error:
        if verbosity >= 2:
            traceback.print_exc()
        note(f"sonar: {error}")
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        note("sonar: interrupted.")
        return INTERRUPTED
    except Exception as error:  # a person gets a sentence, whatever it is
        if hasattr(error, "show"):  # the parser's own errors: unknown option, missing argument
            error.show()
            return 2
        if verbosity >= 2:
            traceback.print_exc()
        note(f"sonar: unexpected {type(error).__name__}: {error} (-vv shows where)")
        return 1
    return code if isinstance(code, int) else 0
