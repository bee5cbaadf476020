"""The root command: shared options, errors as one sentence, exit codes."""

import traceback
from itertools import islice
from typing import Annotated

import typer
from typer import Option

from sonar import __version__
from sonar.cli import calibrate, config, depth, lab, models, replay, run, service
from sonar.cli.ui import COMMON_EPILOG, INTERRUPTED, note, options, say
from sonar.errors import ConfigError, SonarError

app = typer.Typer(
    name="sonar",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 ok, 2 usage or configuration, 3 input or output, 4 device, "
    "5 model, 6 the depth network hangs (run --headless), 130 interrupted.",
)
app.command()(run.run)
app.command(context_settings={"ignore_unknown_options": True})(run.control)  # `volume -3`
for command in (
    replay.replay,
    replay.demo,
    depth.depth,
    lab.evaluate,
    calibrate.calibrate,
    lab.simulate,
    lab.train_ear,
    lab.bench,
    config.doctor,
    config.devices,
    run.web,
    service.status,
):
    app.command()(command)
app.add_typer(config.app, name="config")
app.add_typer(models.app, name="models")
app.add_typer(service.app, name="service")
for group in (app, config.app, models.app, service.app):
    for registered in group.registered_commands:
        registered.epilog = COMMON_EPILOG


_CONFIG = "YAML file, or a profile: default, wearable, headless, replay"
_SET = "one setting, e.g. audio.volume_db=-3"
_FLAGS = {"--json", "--plain", "-v", "-vv", "--verbose"}


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"sonar {__version__}")
        raise typer.Exit()


@app.callback()
def root(
    ctx: typer.Context,
    configs: Annotated[list[str], Option("--config", metavar="FILE", help=_CONFIG)] = [],  # noqa: B006
    sets: Annotated[list[str], Option("--set", metavar="KEY=VALUE", help=_SET)] = [],  # noqa: B006
    as_json: Annotated[bool, Option("--json", help="machine-readable output")] = False,
    plain: Annotated[bool, Option("--plain", help="accepted; output is always plain")] = False,
    verbose: Annotated[int, Option("-v", "--verbose", count=True, help="details; -vv more")] = 0,
    version: Annotated[
        bool, Option("--version", help="print the version", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Hear what is near: one camera in, stereo tones and short spoken warnings out."""
    if len(configs) > 1 and ctx.invoked_subcommand != "evaluate":
        raise ConfigError("--config is given twice; only sonar evaluate compares several.")
    options.configs, options.sets = configs, sets
    options.json, options.verbose = as_json, verbose


def hoist(argv: list[str]) -> list[str]:
    """Shared options may come anywhere; the parser wants them before the command."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word in _FLAGS or word.startswith(("--config=", "--set=")):
            front.append(word)
        elif word in ("--config", "--set"):
            front += [word, *islice(words, 1)]
        else:
            rest.append(word)
    return front + rest


def execute(argv: list[str]) -> int:
    """Run the command line; returns the exit code and never raises."""
    options.verbose = 0
    try:
        code = app(args=hoist(argv), standalone_mode=False, prog_name="sonar")
    except (KeyboardInterrupt, typer.Abort):
        note("sonar: interrupted.")
        return INTERRUPTED
    except Exception as error:  # a person gets a sentence, whatever it is
        if isinstance(error.__cause__, KeyboardInterrupt):  # what onnxruntime's import makes of it
            return INTERRUPTED
        if hasattr(error, "show"):  # the parser's own errors: unknown option, missing argument
            error.show()
            return 2
        if options.verbose > 1:
            traceback.print_exc()
        if isinstance(error, SonarError):
            note(f"sonar: {error}")
            return error.exit_code
        note(f"sonar: unexpected {type(error).__name__}: {error} (-vv shows where)")
        return 1
    return code if isinstance(code, int) else 0
