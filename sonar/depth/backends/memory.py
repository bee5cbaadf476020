"""Giving back what loading a network needed and running it does not."""

import ctypes
import sys
from pathlib import Path

_MADV_PAGEOUT = 21


def give_back_memory(mapped: Path | None = None) -> None:
    """Return memory to the system that is freed, or mapped from files in the folder ``mapped``.

    Reading and packing weights leaves as much in the process as the weights take. Freed memory
    is returned where the C library can (glibc), in some milliseconds. Pages of a mapped file are
    read again should anybody want them. Does nothing where the system is not Linux.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    trim = getattr(libc, "malloc_trim", None)
    if trim is not None:
        trim(0)
    if mapped is None:
        return
    folder = mapped.resolve()
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        fields = line.split(None, 5)
        if len(fields) == 6 and Path(fields[5]).parent == folder:
            start, end = (int(number, 16) for number in fields[0].split("-"))
            libc.madvise(start, end - start, _MADV_PAGEOUT)  # a refusal changes nothing
