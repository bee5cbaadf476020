"""How many threads a network gets."""

import os
from pathlib import Path


def physical_cores(cpuinfo: Path = Path("/proc/cpuinfo")) -> int:
    """Physical cores this process may run on, at least 1.

    Hyper-threads are counted once where Linux tells; elsewhere every logical core counts.
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


def thread_count(configured: int) -> int:
    """``configured``, or for 0 the physical cores, leaving one for capture and audio from 4 on."""
    if configured > 0:
        return configured
    cores = physical_cores()
    return cores - 1 if cores >= 4 else cores
