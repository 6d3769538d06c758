"""How a long-lived process starts quickly, and stays small; and how much there is."""

import contextlib
import ctypes
import gc
import os
import sys


def host_memory() -> int:
    """Bytes that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def begin() -> None:
    """Call it before anything large is imported, and `settle` after the start."""
    # Nothing of what a start makes is garbage, and looking for some takes a tenth of its time.
    gc.disable()
    # What the console log takes along for coloured tracebacks: 4 MB for what a log file can't show.
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]


def settle() -> None:
    """Give back what the start has used, and let the collector pass over what stays for ever."""
    gc.collect()
    gc.freeze()
    gc.enable()
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such function
        ctypes.CDLL("libc.so.6").malloc_trim(0)
