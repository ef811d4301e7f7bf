"""Minimal durable mirrored writes: threads that write the same bytes twice.

Each copy is one file. The file and its directory are fsynced. The baseline has no digest, rename,
tombstone lookup, network, or receipt.
"""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

THREADS = 8
COPIES = ("first", "second")
# As many directories as a volume has shards.
DIRECTORIES = 1024


def make_directories(folder: Path) -> None:
    """Create the directories of both copies durably, before the measurement."""
    for copy in COPIES:
        for number in range(DIRECTORIES):
            (folder / copy / str(number)).mkdir(parents=True)
    os.sync()


def write_all(folder: Path, photos: Sequence[bytes], *, run: int) -> float:
    """Write every photo twice; return the duration in seconds. File names contain `run`."""
    left = iter(enumerate(photos))
    lock = threading.Lock()
    threads = [
        threading.Thread(target=_write_some, args=(folder, left, lock, run)) for _ in range(THREADS)
    ]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started


def _write_some(
    folder: Path, left: Iterator[tuple[int, bytes]], lock: threading.Lock, run: int
) -> None:
    while True:
        with lock:
            number, photo = next(left, (0, b""))
        if not photo:
            return
        for copy in COPIES:
            directory = f"{folder}/{copy}/{(number * 37 + run) % DIRECTORIES}"
            write_durably(directory, f"{run}-{number}", photo)


def write_durably(directory: str, name: str, data: bytes) -> None:
    """Write one file durably: its bytes and its name are on the disk on return."""
    handle = os.open(f"{directory}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
    try:
        unwritten = memoryview(data)
        while unwritten:
            unwritten = unwritten[os.write(handle, unwritten) :]
        os.fsync(handle)
    finally:
        os.close(handle)
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
