"""Temperature, battery and memory as Linux tells them; None where it does not."""

import os
from dataclasses import dataclass
from pathlib import Path

SYS = Path("/sys")
PROC = Path("/proc")
_PLAUSIBLE_C = (-40.0, 150.0)


@dataclass(frozen=True, slots=True)
class Battery:
    """Charge in percent, and whether it is falling."""

    percent: float
    discharging: bool


def temperature_c(root: Path = SYS) -> float | None:
    """The hottest thermal zone, degrees Celsius."""
    found = []
    for zone in sorted((root / "class/thermal").glob("thermal_zone*")):
        value = _number(zone / "temp")
        if value is not None and _PLAUSIBLE_C[0] <= value / 1000 <= _PLAUSIBLE_C[1]:
            found.append(value / 1000)
    return max(found, default=None)


def battery(root: Path = SYS) -> Battery | None:
    """The system's battery; several are averaged, those of mice and headsets are left out."""
    percents, discharging = [], False
    for supply in sorted((root / "class/power_supply").glob("*")):
        if _text(supply / "type") != "Battery" or _text(supply / "scope") == "Device":
            continue
        percent = _number(supply / "capacity")
        if percent is None or not 0 <= percent <= 100:
            continue
        percents.append(percent)
        discharging = discharging or _text(supply / "status") == "Discharging"
    return Battery(sum(percents) / len(percents), discharging) if percents else None


def memory_mb(pid: int | None = None, root: Path = PROC) -> float | None:
    """Resident memory of a process, megabytes."""
    text = _text(root / (str(pid) if pid else "self") / "statm")
    parts = (text or "").split()
    if len(parts) < 2 or not parts[1].isdecimal():
        return None
    return int(parts[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_s(pid: int | None = None, root: Path = PROC) -> float | None:
    """Seconds of CPU that a process has used."""
    text = _text(root / (str(pid) if pid else "self") / "stat")
    fields = (text or "").rpartition(")")[2].split()  # a name may hold anything but stays in ( )
    try:
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (IndexError, ValueError):
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):  # gone, not readable, or a driver that answers with EIO
        return None


def _number(path: Path) -> float | None:
    try:
        return float(_text(path) or "")
    except ValueError:
        return None
