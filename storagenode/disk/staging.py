"""Staged files: hidden in `.staging/`, hashed while written, and fsynced before publishing."""

import contextlib
import errno
import hashlib
import itertools
import os
from collections.abc import Callable, Iterator

from runtime.crashpoint import crashpoint
from storagenode.disk.directories import retry_if_missing
from storagenode.disk.filesystem import FileSystem
from storagenode.disk.walking import names_in
from storagenode.protocol.errors import DigestMismatch
from storagenode.protocol.layout import STAGING

_sequence = itertools.count()
_COPY_BYTES = 1024 * 1024


class StagedFile:
    """A file on the disk under a hidden name, which is never served.

    Write it, seal it, link it to its name, and discard it, in this order. Always discard it.
    An operator can remove the hidden name at any moment. The file stays open until it is discarded,
    so that its bytes get another hidden name.
    """

    def __init__(self, file_system: FileSystem, *, process: str) -> None:
        self.bytes = 0
        self.replaces = ""
        self.proof = ""
        """The proof of a tombstone, which is recorded in place of the digest."""
        self._file_system = file_system
        self._process = process
        self._hash = hashlib.sha256()
        self.mtime_seconds = 0
        self.path, self._handle = self._create()
        crashpoint("tmp_created")

    @property
    def digest(self) -> str:
        """The SHA-256 of the bytes written so far, as lower-case hex."""
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._hash.update(data)
        self._file_system.write(self._handle, data)
        self.bytes += len(data)
        crashpoint("mid_write")

    def seal(self, *, mtime_seconds: int, digest: str) -> None:
        """Record digest and time with the bytes, and return when everything is durable.

        Raises:
            DigestMismatch: The bytes do not match this digest.
            OSError: The disk failed. After a failed fsync, no byte of the file can be trusted.
        """
        check_digest(self.digest, expected=digest)
        self.mtime_seconds = mtime_seconds
        self._make_durable()

    def link(self, target: str) -> None:
        """Give the sealed file its name.

        Raises:
            FileExistsError: The name is taken.
            FileNotFoundError: The directory of the name does not exist.
        """
        self._give_name(target, self._file_system.link)

    def rename(self, target: str) -> None:
        """Give the sealed file its name, replacing any file there; raise as `link` does."""
        self._give_name(target, self._file_system.rename)

    def discard(self) -> None:
        """Remove the hidden name. The bytes stay if the file is published."""
        with contextlib.suppress(OSError):
            self._file_system.close(self._handle)
        # The next start of the node removes a name that cannot be removed now.
        with contextlib.suppress(OSError):
            self._file_system.unlink(self.path)

    def _create(self) -> tuple[str, int]:
        path = f"{STAGING}/{self._process}-{next(_sequence)}"

        def create() -> int:
            try:
                return self._file_system.create(path)
            except FileNotFoundError:
                self._file_system.make_directory(STAGING)
                return self._file_system.create(path)

        return path, retry_if_missing(create)

    def _make_durable(self) -> None:
        self._file_system.set_digest(self._handle, self.proof or self.digest)
        self._file_system.set_mtime(self._handle, self.mtime_seconds)
        crashpoint("before_fsync")
        self._file_system.fsync(self._handle)
        crashpoint("after_fsync")

    def _give_name(self, target: str, name_it: Callable[[str, str], None]) -> None:
        def give_name() -> bool:
            try:
                name_it(self.path, target)
            except FileNotFoundError:
                if not self._file_system.exists(self.path):
                    self._stage_again()
                    raise
                return False
            return True

        if not retry_if_missing(give_name):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), target)

    def _stage_again(self) -> None:
        """Copy the bytes to a new hidden file: the kernel gives a removed file no other name."""
        removed = self._handle
        self.path, self._handle = self._create()
        try:
            copied = hashlib.sha256()
            for offset in range(0, self.bytes, _COPY_BYTES):
                data = self._file_system.read_at(removed, offset, _COPY_BYTES)
                copied.update(data)
                self._file_system.write(self._handle, data)
            if copied.hexdigest() != self.digest:
                raise OSError(
                    errno.EIO, f"the bytes of a staged file changed; SHA-256 {self.digest}"
                )
            self._make_durable()
        finally:
            self._file_system.close(removed)


def check_digest(found: str, *, expected: str) -> None:
    """Raise `DigestMismatch` if received bytes do not have the digest that their sender names."""
    crashpoint("before_digest_check")
    if found != expected:
        raise DigestMismatch(f"digest mismatch: received SHA-256 {found}, expected {expected}")


@contextlib.contextmanager
def staged(file_system: FileSystem) -> Iterator[StagedFile]:
    """Create a staged file and discard it when the block exits."""
    file = StagedFile(file_system, process=f"{os.getpid():x}")
    try:
        yield file
    finally:
        file.discard()


def empty_staging(file_system: FileSystem) -> int:
    """Remove the staged files of earlier processes; return their number."""
    names = names_in(file_system, STAGING)
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            file_system.unlink(f"{STAGING}/{name}")
    return len(names)
