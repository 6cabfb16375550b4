"""Memory between batches: kept, where giving it back and asking for it again would cost time; and how much it is."""

import ctypes
import os
from pathlib import Path
from typing import Final

KEPT: Final = 256 * 1024 * 1024  # bytes at the end of the heap that are not given back; never reached in practice
LARGE: Final = 32 * 1024 * 1024  # bytes; from here on memory is given back at once, as always
_TRIM_THRESHOLD: Final = -1  # of malloc.h
_MMAP_THRESHOLD: Final = -3


def memory_keep() -> None:
    """Tell the C library to keep what a batch frees for the next one, which needs as much of it.

    By default arrays of some megabytes are given back to the system each time, and it clears every page anew: half a
    microsecond a reading (mallopt(3)). Where the C library has no such setting, nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, KEPT)
        mallopt(_MMAP_THRESHOLD, LARGE)


def memory_used() -> int | None:
    """Bytes of memory that this process holds now; None where the system has no /proc to say it."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
