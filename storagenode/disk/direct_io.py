"""Writes that bypass the page cache, where the disk allows it.

An original is read once, for its sizes, and the sizes are read all day. Through the page cache,
originals evict sizes once a memory limit is reached. `posix_fadvise` after the fsync is not enough:
large originals fill the limit before their fsync.
"""

import errno
import fcntl
import mmap
import os
import threading

# What offsets, lengths and addresses must be multiples of, on every disk in use.
BLOCK_BYTES = 4096
# Shorter ones are sizes and documents, which are wanted in memory.
DIRECT_BYTES_MIN = 512 * 1024
BUFFER_BYTES = 1024 * 1024


class _Buffers(threading.local):
    """Each thread's memory to write from, which is where pages begin."""

    def __init__(self) -> None:
        self.pages = memoryview(mmap.mmap(-1, BUFFER_BYTES))


_buffers = _Buffers()


def write_direct(handle: int, data: bytes) -> int:
    """Write whole blocks from the front of `data`, and leave the offset behind them.

    The number of bytes written; 0 where this file or this offset cannot be written so. As after
    any write, only an fsync has them on the disk for good.
    """
    if len(data) < DIRECT_BYTES_MIN or os.lseek(handle, 0, os.SEEK_CUR) % BLOCK_BYTES:
        return 0
    flags = fcntl.fcntl(handle, fcntl.F_GETFL)
    written = 0
    try:
        fcntl.fcntl(handle, fcntl.F_SETFL, flags | os.O_DIRECT)
        while whole := _fill(memoryview(data)[written:]):
            count = os.write(handle, _buffers.pages[:whole])
            written += count
            if count < whole:
                break
    except OSError as error:
        if error.errno != errno.EINVAL:  # which says that this is not the way here
            raise
    finally:
        fcntl.fcntl(handle, fcntl.F_SETFL, flags)
    return written


def _fill(data: memoryview) -> int:
    """Copy what can be written at once to the buffer; how many bytes, in whole blocks."""
    whole = min(len(data), BUFFER_BYTES) // BLOCK_BYTES * BLOCK_BYTES
    _buffers.pages[:whole] = data[:whole]
    return whole
