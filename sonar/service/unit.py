"""The systemd unit, and what `sonar service` does with it."""

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from sonar.errors import ConfigError, OutputError
from sonar.files import expanded

NAME = "sonar.service"
GROUPS = ("audio", "video", "input")
WATCHDOG_S = 15

Run = Callable[[Sequence[str]], int]


@dataclass(frozen=True)
class Places:
    """Where a unit and its settings live.

    Attributes:
        system: for the machine (starts at boot, before anybody logs in), else for the user.
        unit, environment, config: files. ``environment`` holds SONAR_SOURCE, which may contain a
            camera's password: only the owner reads it.
    """

    system: bool
    unit: Path
    environment: Path
    config: Path

    @classmethod
    def of(cls, system: bool, root: Path = Path("/"), home: Path | None = None) -> "Places":
        """The usual ones; ``root`` and ``home`` for tests and images being built."""
        if system:
            etc = root / "etc/sonar"
            unit = root / "etc/systemd/system" / NAME
            return cls(True, unit, etc / "sonar.env", etc / "config.yaml")
        base = config_home(home)
        unit = base / "systemd/user" / NAME
        return cls(False, unit, base / "sonar/sonar.env", base / "sonar/config.yaml")


def config_home(home: Path | None = None) -> Path:
    """``$XDG_CONFIG_HOME``, or ``~/.config``."""
    if home is not None:
        return home / ".config"
    named = os.environ.get("XDG_CONFIG_HOME", "")
    return Path(named) if named.startswith("/") else expanded("~/.config")


def find_config(root: Path = Path("/"), home: Path | None = None) -> Path | None:
    """The user's configuration file, else the machine's, or None."""
    for system in (False, True):
        try:
            path = Places.of(system, root, home).config
            if path.is_file():
                return path
        except (OSError, ConfigError):  # a home that the service may not look into, or none
            continue
    return None


def unit_text(places: Places, python: str = sys.executable, folder: Path | None = None) -> str:
    """The unit file.

    Args:
        python: interpreter that has sonar.
        folder: a checkout to be readable though it lies in a home, or None.
    """
    start = shlex.join([python, "-m", "sonar", "service", "run"])
    scope = _template("system" if places.system else "user").safe_substitute(
        groups=" ".join(GROUPS)
    )
    if places.system and folder is not None and _in_home(folder):
        scope = scope.replace("ProtectHome=yes", "ProtectHome=read-only")
    return _template().substitute(
        sound="" if places.system else " pipewire.service pulseaudio.service",
        environment=_quoted(places.environment),
        start=start,
        watchdog_s=WATCHDOG_S,
        scope=scope,
        target="multi-user.target" if places.system else "default.target",
    )


def _template(scope: str = "") -> Template:
    """A file beside this one; its comments are comments of the unit."""
    name = f"unit_{scope}.template" if scope else "unit.template"
    return Template(Path(__file__).with_name(name).read_text("utf-8"))


def install(
    places: Places, run: Run, source: str | None, python: str = sys.executable
) -> list[str]:
    """Write unit and environment, enable and start; what was done, one sentence each.

    ``source`` None keeps what the environment file names. Raises OutputError when a file cannot
    be written.
    """
    done = []
    _write(places.unit, unit_text(places, python, Path(python).parent), 0o644)
    done.append(f"Wrote {places.unit}.")
    if source is not None:
        if "\n" in source or '"' in source:
            raise OutputError("The source holds a line break or a quotation mark.")
        _write(places.environment, f'SONAR_SOURCE="{source}"\n', 0o600)
        done.append(f"Wrote {places.environment} (only its owner reads it).")
    if not booted():
        done.append("systemd does not run here; enable the unit where it does.")
        return done
    if places.system:
        run(["systemd-sysusers", "--inline", 'u sonar - "sonar" /var/lib/sonar'])
        for group in GROUPS:
            run(["usermod", "-aG", group, "sonar"])
    systemctl = control(places)
    failed = run([*systemctl, "daemon-reload"]) or run([*systemctl, "enable", "--now", NAME])
    if not places.system:
        # Without it a user's services start at login only, and end with it.
        run(["loginctl", "enable-linger"])
    if failed:
        raise OutputError(f"systemctl could not start {NAME}; `sonar service logs` shows why.")
    done.append("Started; it starts by itself at boot from now on.")
    return done


def uninstall(places: Places, run: Run) -> list[str]:
    """Stop, disable, delete the unit; settings stay."""
    if booted():
        run([*control(places), "disable", "--now", NAME])
    try:
        existed = places.unit.exists()
        places.unit.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot delete {places.unit}: {error.strerror}") from error
    if booted():
        run([*control(places), "daemon-reload"])
    if not existed:
        return [f"There is no {places.unit}."]
    return [f"Stopped and deleted {places.unit}. Settings in {places.config.parent} stay."]


def control(places: Places) -> list[str]:
    """``systemctl`` for this unit's manager."""
    return ["systemctl"] if places.system else ["systemctl", "--user"]


def journal(places: Places, follow: bool, lines: int) -> list[str]:
    """The command that shows the log."""
    scope = ["-u", NAME] if places.system else ["--user-unit", NAME]
    return ["journalctl", *scope, "-o", "cat", "-n", str(lines), *(["-f"] if follow else [])]


def booted(root: Path = Path("/")) -> bool:
    """Whether systemd is this machine's init: sd_booted(3)."""
    return (root / "run/systemd/system").is_dir()


def _write(path: Path, text: str, mode: int) -> None:
    """All or nothing, never readable by more than ``mode`` says."""
    beside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
        beside.chmod(mode)
        beside.replace(path)
    except OSError as error:
        hint = " (try sudo, or --user)" if isinstance(error, PermissionError) else ""
        raise OutputError(f"cannot write {path}: {error.strerror}{hint}") from error


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%%")


def _in_home(folder: Path) -> bool:
    return any(str(folder).startswith(home) for home in ("/home/", "/root/"))
