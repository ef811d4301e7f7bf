"""Lock of a file that several commands change: each loads it, changes it, and replaces it."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until no other process changes the file, and keep others out until the block exits.

    The lock is a file beside it, because the file itself is replaced. It ends with its process.

    Raises:
        OSError: The directory cannot be written.
    """
    lock = path.with_name(f".{path.name}.lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
