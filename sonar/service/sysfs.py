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


@dataclass(frozen=True, slots=True)
class Memory:
    """What is to be had.

    Attributes:
        available_mb: megabytes that can still be taken, by the machine or a container's limit.
        stalled_percent: of the last ten seconds in which somebody waited for memory
            (pressure stall information, "some").
    """

    available_mb: float | None = None
    stalled_percent: float | None = None


def memory(root: Path = SYS, proc: Path = PROC) -> Memory:
    """The machine's, or the control group's where that has a limit (version 2)."""
    group = root / "fs/cgroup"
    found = [
        int(line.split()[1]) / 1000.0
        for line in (_text(proc / "meminfo") or "").splitlines()
        if line.startswith("MemAvailable:") and line.split()[1].isdecimal()
    ]
    limit, used = _number(group / "memory.max"), _number(group / "memory.current")
    if limit is not None and used is not None:
        found.append((limit - used) / 1e6)
    text = _text(group / "memory.pressure") or _text(proc / "pressure/memory") or ""
    stalled = None
    for line in text.splitlines():
        kind, *fields = line.split()
        if kind == "some":
            stalled = _float(dict(f.split("=", 1) for f in fields if "=" in f).get("avg10", ""))
    return Memory(round(min(found), 1) if found else None, stalled)


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
    return _float(_text(path) or "")


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
