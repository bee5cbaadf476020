"""How many threads a network gets."""

import os
from pathlib import Path


def physical_cores(cpuinfo: Path = Path("/proc/cpuinfo")) -> int:
    """Physical cores this process may run on, at least 1.

    Hyper-threads are counted once where Linux lists them; elsewhere every logical core counts.
    """
    try:
        allowed = os.sched_getaffinity(0)
    except AttributeError:  # not on this system
        return os.cpu_count() or 1
    try:
        text = cpuinfo.read_text()
    except OSError:
        return max(1, len(allowed))
    cores = set()
    for block in text.split("\n\n"):
        fields: dict[str, str] = {}
        for line in block.splitlines():
            key, _, value = line.partition(":")
            fields[key.strip()] = value.strip()
        if "processor" in fields and int(fields["processor"]) in allowed:
            # Arm's cpuinfo names no core: there each processor is one
            core = fields.get("core id", fields["processor"])
            cores.add((fields.get("physical id", "0"), core))
    return max(1, len(cores) or len(allowed))


def quota_cores(root: Path = Path("/")) -> float | None:
    """Cores' worth of time that a container may use, None without a limit.

    Control groups version 2 (``cpu.max``: quota and period in microseconds, or ``max``) and
    version 1 (``cpu.cfs_quota_us``, -1 without), this process's group and every one above it.
    """
    limits: list[float] = []
    groups = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        base = next(
            (groups / c for c in (controllers, "cpu") if c and (groups / c).is_dir()), groups
        )
        group = base / name.lstrip("/")
        for folder in (group, *group.parents):  # a container often sees its own group as the root
            if (found := _quota(folder)) is not None:
                limits.append(found)
            if folder == base:
                break
    return min(limits, default=None)


def _quota(group: Path) -> float | None:
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota = (group / "cpu.cfs_quota_us").read_text()
            period = (group / "cpu.cfs_period_us").read_text()
        cores = float(quota) / float(period)
    except (OSError, ValueError, ZeroDivisionError):  # "max", or no limit is kept here
        return None
    return cores if cores > 0 else None


def thread_count(configured: int) -> int:
    """``configured``, or for 0 the physical cores, leaving one for capture and audio from 4 on.

    A container's quota counts as so many cores: more threads than it pays for are all stopped
    together, for the rest of each tenth of a second.
    """
    if configured > 0:
        return configured
    cores = physical_cores()
    if (quota := quota_cores()) is not None:
        cores = max(1, min(cores, int(quota)))
    return cores - 1 if cores >= 4 else cores
