"""One file per runtime; each imports its library only when it is opened. And their threads."""

import ctypes
import os
import sys
from pathlib import Path

import psutil

__all__ = ["give_back_memory", "thread_count"]


def give_back_memory() -> None:
    """Return freed memory to the system where the C library can (glibc), in some milliseconds.

    Reading and packing weights leaves as much freed memory in the process as the weights take.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


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


def physical_cores() -> int:
    """Physical cores, no more of them than processors that this process may use; at least 1."""
    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = min(cores, len(os.sched_getaffinity(0)))
    return max(1, cores)


def quota_cores(root: Path = Path("/")) -> float | None:
    """Cores' worth of time that a container may use, None without a limit.

    ``cpu.max`` of control groups version 2: quota and period in microseconds, or ``max``; of this
    process's group and every one above it.
    """
    groups = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    name = next((line[3:] for line in lines if line.startswith("0::")), "/")
    limits = []
    group = groups / name.lstrip("/")
    for folder in (group, *group.parents):  # a container often sees its own group as the root
        try:
            quota, period = (folder / "cpu.max").read_text().split()
            limits.append(float(quota) / float(period))
        except (OSError, ValueError):  # "max", or no limit is kept here
            pass
        if folder == groups:
            break
    return min(limits, default=None)
