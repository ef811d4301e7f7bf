"""Where the bytes of a photo go: into memory, or into a file that appears when it is whole."""

import contextlib
import secrets
from pathlib import Path
from typing import Protocol

from glassplate.errors import UnusableTarget

# What is larger is for a file.
MEMORY_BYTES_MAX = 512 * 1024 * 1024


class Sink(Protocol):
    """Takes the bytes of a photo in order."""

    def write(self, data: bytes) -> None:
        """Take some more.

        Raises:
            UnusableTarget: They find no room.
        """

    def restart(self) -> None:
        """Forget all that was written: the photo comes once more from its first byte."""


class MemorySink:
    """Keeps the bytes in memory."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes) -> None:
        """Take some more."""
        if len(self._data) + len(data) > MEMORY_BYTES_MAX:
            raise UnusableTarget(
                f"the photo has over {MEMORY_BYTES_MAX} bytes: download it to a file"
            )
        self._data += data

    def restart(self) -> None:
        """Forget all."""
        self._data.clear()

    def data(self) -> bytes:
        """What was written."""
        return bytes(self._data)


class FileSink:
    """Writes to a hidden file beside the target, which takes its name when it is whole."""

    def __init__(self, target: Path, *, overwrite: bool) -> None:
        self._target = target
        self._overwrite = overwrite
        self._refuse_existing()
        self._part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        try:
            self._file = self._part.open("xb")
        except OSError as error:
            raise self._unusable(error) from error

    def write(self, data: bytes) -> None:
        """Take some more."""
        try:
            self._file.write(data)
        except OSError as error:
            raise self._unusable(error) from error

    def restart(self) -> None:
        """Forget all."""
        self._file.seek(0)
        self._file.truncate()

    def publish(self) -> None:
        """Give the file its name.

        Raises:
            UnusableTarget: The name was taken meanwhile, or the disk is full.
        """
        self._refuse_existing()
        try:
            self._file.close()
            self._part.replace(self._target)
        except OSError as error:
            raise self._unusable(error) from error

    def discard(self) -> None:
        """Leave nothing behind that is not whole. After `publish` this does nothing."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._part.unlink(missing_ok=True)

    def _refuse_existing(self) -> None:
        if self._target.is_dir():
            raise UnusableTarget(f"{self._target} is a directory")
        if self._target.exists() and not self._overwrite:
            raise UnusableTarget(f"{self._target} is there already, and is not overwritten")

    def _unusable(self, error: OSError) -> UnusableTarget:
        return UnusableTarget(f"{self._target} cannot be written: {error.strerror or error}")
