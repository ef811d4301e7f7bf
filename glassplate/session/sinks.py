"""Targets of downloads: memory, or a file that appears when it is complete."""

import contextlib
import secrets
from pathlib import Path
from typing import Protocol

from glassplate.errors import UnusableTarget

# A larger photo must be downloaded to a file.
MEMORY_BYTES_MAX = 512 * 1024 * 1024


class Sink(Protocol):
    """A target that receives the bytes of a photo in order."""

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            UnusableTarget: The bytes cannot be stored.
        """

    def restart(self) -> None:
        """Discard all bytes. The photo follows again from its first byte."""


class MemorySink:
    """A target in memory."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes) -> None:
        """Append bytes."""
        if len(self._data) + len(data) > MEMORY_BYTES_MAX:
            raise UnusableTarget(
                f"the photo has more than {MEMORY_BYTES_MAX} bytes: download it to a file"
            )
        self._data += data

    def restart(self) -> None:
        """Discard all bytes."""
        self._data.clear()

    def data(self) -> bytes:
        """Return the written bytes."""
        return bytes(self._data)


class FileSink:
    """A hidden file beside the target, which is renamed to the target when it is complete."""

    def __init__(self, target: Path, *, overwrite: bool) -> None:
        self._target = target
        self._overwrite = overwrite
        self._check_target()
        self._part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        try:
            self._file = self._part.open("xb")
        except OSError as error:
            raise self._unusable(error) from error

    def write(self, data: bytes) -> None:
        """Append bytes."""
        try:
            self._file.write(data)
        except OSError as error:
            raise self._unusable(error) from error

    def restart(self) -> None:
        """Discard all bytes."""
        self._file.seek(0)
        self._file.truncate()

    def publish(self) -> None:
        """Rename the file to the target.

        Raises:
            UnusableTarget: The target exists by now, or the disk is full.
        """
        self._check_target()
        try:
            self._file.close()
            self._part.replace(self._target)
        except OSError as error:
            raise self._unusable(error) from error

    def discard(self) -> None:
        """Remove the incomplete file. After `publish` this does nothing."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._part.unlink(missing_ok=True)

    def _check_target(self) -> None:
        if self._target.is_dir():
            raise UnusableTarget(f"{self._target} is a directory")
        if self._target.exists() and not self._overwrite:
            raise UnusableTarget(f"{self._target} exists already; it was not overwritten")

    def _unusable(self, error: OSError) -> UnusableTarget:
        return UnusableTarget(f"cannot write {self._target}: {error.strerror or error}")
