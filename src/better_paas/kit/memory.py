"""What a long-lived process needs no more after its start."""

import contextlib
import ctypes
import gc


def settle() -> None:
    """Give back what the start has used, and let the collector pass over what stays for ever."""
    gc.collect()
    gc.freeze()
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such function
        ctypes.CDLL("libc.so.6").malloc_trim(0)
