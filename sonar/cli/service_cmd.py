"""``sonar service`` and ``sonar status``: run unattended, and how it is."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from sonar.cli.prepare import prepare
from sonar.cli.ui import COMMON_EPILOG, Common, common, emit_json, note, say
from sonar.config import SonarConfig
from sonar.errors import ConfigError, DeviceError, OutputError
from sonar.files import expanded

NOT_WELL = 4
ALARM_VOLUME_DB = -6.0
START_TIMEOUT_S = 20.0  # longest wait for a guide that starts, its camera's opening aside

app = typer.Typer(help="Run unattended: install, watch and end the service.", no_args_is_help=True)

System = Annotated[
    bool,
    typer.Option("--system/--user", help="for the machine, from boot on; or for this user"),
]


@app.command(epilog=COMMON_EPILOG)
def install(
    ctx: typer.Context,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            envvar="SONAR_SOURCE",
            help="camera or stream; kept in a file that only its owner reads",
        ),
    ] = None,
    system: System = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="print the unit, change nothing")
    ] = False,
) -> None:
    """Write the systemd unit, enable and start it."""
    from sonar.service import unit

    places = unit.Places.of(system)
    if dry_run:
        say(unit.unit_text(places).rstrip())
        return
    _load(common(ctx))  # a wrong configuration is told now, not at the next boot
    for line in unit.install(places, _run, source):
        say(line)


@app.command(epilog=COMMON_EPILOG)
def uninstall(ctx: typer.Context, system: System = False) -> None:
    """Stop the service and delete its unit; settings stay."""
    from sonar.service import unit

    for line in unit.uninstall(unit.Places.of(system), _run):
        say(line)


@app.command(name="status", epilog=COMMON_EPILOG)
def service_status(ctx: typer.Context, system: System = False) -> None:
    """What systemd and the service itself say."""
    from sonar.service import unit

    if unit.booted() and not common(ctx).json:
        _run(
            [*unit.control(unit.Places.of(system)), "--no-pager", "--lines=0", "status", unit.NAME]
        )
    status(ctx)


@app.command(epilog=COMMON_EPILOG)
def logs(
    ctx: typer.Context,
    system: System = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on until Ctrl-C")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="how many")] = 50,
) -> None:
    """Show the log: one JSON object a line."""
    from sonar.service import unit

    code = _run(unit.journal(unit.Places.of(system), follow, lines))
    if code:
        raise typer.Exit(code)


@app.command(epilog=COMMON_EPILOG)
def keep(ctx: typer.Context, system: System = False) -> None:
    """Keep the recording of the last minutes.

    As its button does; the service must record (service.recording)."""
    from sonar.service import unit

    places = unit.Places.of(system)
    command = [*unit.control(places), "kill", "--kill-who=main", "--signal=SIGUSR1", unit.NAME]
    if _run(command):
        raise OutputError("The service does not run.")


@app.command(epilog=COMMON_EPILOG)
def run(
    ctx: typer.Context,
    source: Annotated[
        str, typer.Argument(envvar="SONAR_SOURCE", help="camera, stream or recording")
    ] = "0",
) -> None:
    """Guide under supervision: failures are sounded and mended. What the unit starts."""
    options = common(ctx)
    config, path = _load(options)
    prepare(config)
    settings = supervisor_settings(options, config, path)
    # Not on the command line, which everybody can read: a stream's address may hold a password.
    os.environ["SONAR_SOURCE"] = source
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "sonar.service.supervisor.runner", settings])


def status(ctx: typer.Context) -> None:
    """Ask the running service how it is.

    Exit code 0 while it guides, 4 else."""
    from sonar.service.probe import ask

    options = common(ctx)
    config, _ = _load(options)
    found = ask(config.service)
    if found is None:
        where = f"{config.service.health_host}:{config.service.health_port}"
        raise DeviceError(f"sonar does not run, or tells nothing at {where}.")
    if options.json:
        emit_json(found)
    else:
        for line in in_words(found):
            say(line)
    if not found.get("ok"):
        raise typer.Exit(NOT_WELL)


def in_words(found: dict[str, Any]) -> list[str]:
    """The health endpoint's answer as sentences."""
    reason = str(found.get("reason") or "").replace("_", " ")
    lines = [f"State: {found.get('state')}{f' ({reason})' if reason else ''}."]
    for key, text in (
        ("fps", "{:.1f} pictures a second."),
        ("age_ms", "{:.0f} ms from picture to sound."),
        ("dropped", "{} pictures left out."),
        ("xruns", "{} gaps in the sound."),
        ("restarts", "{} restarts."),
        ("temperature_c", "{:.0f} degrees Celsius."),
        ("battery_percent", "Battery at {:.0f} %."),
    ):
        value = found.get(key)
        if isinstance(value, int | float):
            lines.append(text.format(value))
    return lines


def guide(options: Common, source: str) -> NoReturn:
    """``sonar run --headless``: this process guides, and ends when that ends."""
    from sonar import app as product
    from sonar.clock import SystemClock
    from sonar.ports import Clock, FrameSource
    from sonar.service.guide.headless import main

    def open_source(config: SonarConfig, clock: Clock) -> FrameSource:
        return product.open_source(source, config, clock, realtime=True)

    main(lambda: _load(options)[0], open_source, SystemClock(), recording_folder=_state_folder())


def supervisor_settings(options: Common, config: SonarConfig, path: str | None) -> str:
    """The start settings of the supervisor; see :mod:`sonar.service.supervisor.runner`."""
    from sonar.pipeline import READ_TIMEOUT_S
    from sonar.service.supervisor.runner import SupervisorSettings
    from sonar.service.supervisor.sounds import in_memory, render
    from sonar.service.supervisor.watch import WatchLimits

    service, capture = config.service, config.capture
    command = [sys.executable, "-m", "sonar"]
    command += ["--config", path] if path else []
    for one in options.sets:
        command += ["--set", one]
    settings = SupervisorSettings(
        command=(*command, "run", "--headless"),
        limits=WatchLimits(
            # A wait for a frame is progress once it is heard; the limit must let it be heard.
            alarm_after_s=READ_TIMEOUT_S + 0.2,
            start_timeout_s=START_TIMEOUT_S + 2 * capture.open_timeout_s,
        ),
        sounds=in_memory(render(config.speech.language, say), ALARM_VOLUME_DB),
        alarm_device=service.alarm_device,
        health_host=service.health_host,
        health_port=service.health_port,
        health_token_file=service.health_token_file,
    )
    return settings.text()


def _load(options: Common) -> tuple[SonarConfig, str | None]:
    """The configuration and the file or profile it came from.

    Without --config: ~/.config/sonar/config.yaml, /etc/sonar/config.yaml, the profile headless.
    """
    from sonar.config.load import load_config
    from sonar.service.unit import find_config

    found = options.config_path or find_config()
    path = str(found) if found is not None else "headless"
    config = load_config(path, options.sets)
    from sonar.service.health import HealthError, read_token

    try:
        if config.service.health_port:
            read_token(config.service.health_host, config.service.health_token_file)
    except HealthError as error:
        raise ConfigError(str(error)) from error
    return config, path


def _state_folder() -> Path | None:
    named = os.environ.get("XDG_STATE_HOME", "")
    try:
        base = Path(named) if named.startswith("/") else expanded("~/.local/state")
    except ConfigError:  # no home folder: only service.recording.folder says where
        return None
    return base / "sonar" / "recordings"


def _run(command: Sequence[str]) -> int:
    try:
        return subprocess.run(list(command), check=False).returncode
    except FileNotFoundError:
        note(f"{command[0]} is not on this machine.")
        return 127
    except KeyboardInterrupt:
        return 0
