"""One file per runtime; each imports its library only when it is opened."""

import ctypes
import sys

__all__ = ["give_back_memory"]


def give_back_memory() -> None:
    """Return freed memory to the system where the C library can (glibc), in some milliseconds.

    Reading and packing weights leaves as much freed memory in the process as the weights take.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
