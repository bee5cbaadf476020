"""``sonar service`` and ``sonar status``: run unattended, and how it is."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Annotated, NoReturn

import typer
from platformdirs import user_state_path
from typer import Option

from sonar.cli.ui import Source, note, options, prepare, say
from sonar.config import SonarConfig
from sonar.errors import DeviceError

START_TIMEOUT_S = 20.0  # longest wait for a guide that starts, its camera's opening aside

FIGURES = {
    "fps": "{:.1f} frames per second.",
    "age_ms": "{:.0f} ms from frame to sound.",
    "dropped": "{} frames left out.",
    "xruns": "{} gaps in the sound.",
    "restarts": "{} restarts.",
    "temperature_c": "{:.0f} degrees Celsius.",
    "battery_percent": "Battery at {:.0f} %.",
}

app = typer.Typer(help="Run unattended: install, run and end the service.", no_args_is_help=True)

System = Annotated[bool, Option("--system/--user", help="for the machine, or for this user")]


@app.command()
def install(
    source: Annotated[
        str | None, Option("--source", envvar="SONAR_SOURCE", help="camera or stream; kept secret")
    ] = None,
    system: System = False,
) -> None:
    """Write the systemd unit, enable and start it."""
    from sonar.service import unit

    _load()  # a wrong configuration is reported now, not at the next boot
    for line in unit.install(unit.Places.of(system), _run, source):
        say(line)


@app.command()
def uninstall(system: System = False) -> None:
    """Stop the service and delete its unit; settings stay."""
    from sonar.service import unit

    for line in unit.uninstall(unit.Places.of(system), _run):
        say(line)


@app.command()
def run(source: Source = "0") -> None:
    """Guide under supervision: sound a failure, then restart.

    The unit starts this."""
    config, path = _load()
    prepare(config)
    settings = supervisor_settings(options.sets, config, path)
    # Not on the command line, which everybody can read: a stream's address may hold a password.
    os.environ["SONAR_SOURCE"] = source
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "sonar.service.supervisor.runner", settings])


def status() -> None:
    """Ask the running service how it is.

    Exit code 0 while it guides, 4 else."""
    from sonar.service.health import ask

    port = _load()[0].service.health_port
    found = ask(port)
    if found is None:
        raise DeviceError(f"sonar does not run, or does not answer at port {port}.")
    reason = f" ({found['reason']})".replace("_", " ") if found.get("reason") else ""
    numbers = {k: found[k] for k in FIGURES if isinstance(found.get(k), int | float)}
    lines = [FIGURES[key].format(number) for key, number in numbers.items()]
    options.answer(found, [f"State: {found.get('state')}{reason}.", *lines])
    if not found.get("ok"):
        raise typer.Exit(DeviceError.exit_code)


def guide(source: str) -> NoReturn:
    """``sonar run --headless``: this process guides, and ends when that ends."""
    from sonar import app as product
    from sonar.clock import SystemClock
    from sonar.service.guide.guide import main

    open_source = partial(product.open_source, source, realtime=True)
    recordings = None  # without a home folder, and unless service.recording.folder is set
    with suppress(RuntimeError):
        recordings = user_state_path("sonar") / "recordings"
    main(lambda: _load()[0], open_source, SystemClock(), recording_folder=recordings)


def supervisor_settings(sets: Sequence[str], config: SonarConfig, path: str) -> str:
    """The start settings of the supervisor; see :mod:`sonar.service.supervisor.runner`."""
    from sonar.pipeline import READ_TIMEOUT_S
    from sonar.service.supervisor.sounds import in_memory, render
    from sonar.service.supervisor.supervisor import WatchLimits

    words = [word for one in sets for word in ("--set", one)]
    limits = WatchLimits(
        # A wait for a frame is progress once it is heard; the limit must let it be heard.
        alarm_after_s=READ_TIMEOUT_S + 0.2,
        start_timeout_s=START_TIMEOUT_S + 2 * config.capture.open_timeout_s,
    )
    settings = {
        "command": [sys.executable, "-m", "sonar", "--config", path, *words, "run", "--headless"],
        "sounds": in_memory(render(config.speech.language, say)),
        "limits": asdict(limits),
        "alarm_device": config.service.alarm_device,
        "health_port": config.service.health_port,
    }
    return json.dumps(settings)


def _load() -> tuple[SonarConfig, str]:
    """The configuration and the file or profile it came from.

    Without --config: ~/.config/sonar/config.yaml, /etc/sonar/config.yaml, the profile headless.
    """
    from sonar.service.unit import find_config

    path = (options.configs or [str(find_config() or "headless")])[0]
    return options.load(path), path


def _run(command: Sequence[str]) -> int:
    try:
        return subprocess.run(list(command), check=False).returncode
    except FileNotFoundError:
        note(f"{command[0]} is not on this machine.")
        return 127
