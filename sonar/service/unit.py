"""The systemd unit, and what `sonar service` does with it."""

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from sonar.errors import ConfigError, OutputError
from sonar.files import atomic_path, expanded

NAME = "sonar.service"
GROUPS = ("audio", "video", "input")

Run = Callable[[Sequence[str]], int]  # runs a command, gives its exit code


@dataclass(frozen=True)
class Places:
    """Where a unit and its settings live."""

    system: bool  # for the machine (starts at boot, before anybody logs in), else for the user
    unit: Path
    environment: Path  # SONAR_SOURCE may contain a camera's password: only the owner reads it
    config: Path

    @classmethod
    def of(cls, system: bool, etc: Path = Path("/etc")) -> "Places":
        """The usual ones; ``etc`` for tests and images being built."""
        if not system:
            named = os.environ.get("XDG_CONFIG_HOME", "")
            etc = Path(named) if named.startswith("/") else expanded("~/.config")
        unit = etc / "systemd" / ("system" if system else "user") / NAME
        return cls(system, unit, etc / "sonar/sonar.env", etc / "sonar/config.yaml")


def find_config(etc: Path = Path("/etc")) -> Path | None:
    """The user's configuration file, else the machine's, or None."""
    for system in (False, True):
        try:
            path = Places.of(system, etc).config
            if path.is_file():
                return path
        except (OSError, ConfigError):  # a home that the service may not look into, or none
            continue
    return None


def unit_text(places: Places, python: str = sys.executable) -> str:
    """The unit file; ``python`` is the interpreter that has sonar."""
    wanted, other = ("system: ", "user: ") if places.system else ("user: ", "system: ")
    lines = Path(__file__).with_name("unit.template").read_text("utf-8").splitlines()
    kept = [line.removeprefix(wanted) for line in lines if not line.startswith(other)]
    in_home = python.startswith(("/home/", "/root/"))  # a checkout there must be readable
    return Template("\n".join(kept) + "\n").substitute(
        environment=str(places.environment).replace("%", "%%"),
        start=shlex.join([python, "-m", "sonar", "service", "run"]),
        groups=" ".join(GROUPS),
        home="read-only" if in_home else "yes",
    )


def install(places: Places, run: Run, source: str | None) -> list[str]:
    """Write unit and environment, enable and start; what was done, one sentence each. ``source``
    None keeps the old one. Raises OutputError when a file cannot be written."""
    _write(places.unit, unit_text(places), 0o644)
    done = [f"Wrote {places.unit}."]
    if source is not None:
        if "\n" in source or '"' in source:
            raise OutputError("The source holds a line break or a quotation mark.")
        _write(places.environment, f'SONAR_SOURCE="{source}"\n', 0o600)
        done.append(f"Wrote {places.environment} (only its owner reads it).")
    if not booted():
        return [*done, "systemd does not run here; enable the unit where it does."]
    if places.system:
        run(["systemd-sysusers", "--inline", 'u sonar - "sonar" /var/lib/sonar'])
        for group in GROUPS:
            run(["usermod", "-aG", group, "sonar"])
    else:
        # Without it a user's services start at login only, and end with it.
        run(["loginctl", "enable-linger"])
    systemctl = control(places)
    if run([*systemctl, "daemon-reload"]) or run([*systemctl, "enable", "--now", NAME]):
        shown = " ".join([*systemctl, "status", NAME])
        raise OutputError(f"systemctl could not start {NAME}; `{shown}` shows why.")
    return [*done, "Started; it starts by itself at boot from now on."]


def uninstall(places: Places, run: Run) -> list[str]:
    """Stop, disable, delete the unit; settings stay."""
    if booted():
        run([*control(places), "disable", "--now", NAME])
    try:
        places.unit.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot delete {places.unit}: {error.strerror}") from error
    if booted():
        run([*control(places), "daemon-reload"])
    return [f"Stopped and deleted {places.unit}. Settings in {places.config.parent} stay."]


def control(places: Places) -> list[str]:
    """``systemctl`` for this unit's manager."""
    return ["systemctl"] if places.system else ["systemctl", "--user"]


def booted() -> bool:
    """Whether systemd is this machine's init: sd_booted(3)."""
    return Path("/run/systemd/system").is_dir()


def _write(path: Path, text: str, mode: int) -> None:
    """All or nothing, never readable by more than ``mode`` says."""
    try:
        with atomic_path(path) as beside:  # made for its owner only
            beside.write_text(text, "utf-8")
            beside.chmod(mode)
    except OutputError as error:
        raise OutputError(f"{error} (try sudo, or --user)") from error
