"""Keeping memory that was freed, for processes through which large bodies pass all day."""

import contextlib
import ctypes

# Of mallopt(3).
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
# Larger than any one buffer, and as much as lies idle at most after a rush.
_ALLOCATED_FROM_HEAP_BYTES_MAX = 16 * 1024 * 1024
_KEPT_BYTES_MAX = 64 * 1024 * 1024


def tune_malloc() -> None:
    """Have the C library keep what is freed, for the next buffer.

    As it comes, glibc gives every large buffer back to the kernel, which has to clear each page
    again at its next use: of a node that takes originals that was a quarter of the processor time.
    Another C library does as it likes.
    """
    with contextlib.suppress(AttributeError, OSError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _ALLOCATED_FROM_HEAP_BYTES_MAX)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES_MAX)
