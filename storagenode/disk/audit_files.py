"""The audit log on one disk: files of lines that are only ever appended. Calls are thread-safe."""

import contextlib
import threading
from collections.abc import Iterator

from storagenode.disk.directories import DurableDirectories
from storagenode.disk.lifecycle.trash import ended_days
from storagenode.disk.store import DiskStore
from storagenode.disk.walking import names_in
from storagenode.protocol.audit_log import AUDIT, AuditFile, parse_audit_file
from storagenode.protocol.errors import BadRequest


class AuditFiles:
    """The files of the audit log below one root."""

    def __init__(self, store: DiskStore) -> None:
        self._store = store
        self._file_system = store.file_system
        self._directories = DurableDirectories(store.file_system, store.health.raise_if_emptied)
        self._durable: set[str] = set()
        """Files whose names are known to be durable."""
        self._appending = threading.Lock()

    def append(self, file: AuditFile, lines: bytes) -> None:
        """Append complete lines. They are durable on return.

        Lines that a crash cut off stay, and end before the new ones: nothing is ever removed from
        the log.

        Raises:
            BadRequest: The last line has no end.
            OutOfSpace, DiskSuspect: Nothing counts as stored.
        """
        if not lines.endswith(b"\n"):
            raise BadRequest("the last line of the audit log has no end")
        self._store.health.check_writable()
        with self._appending, self._store.health.translate_write_errors():
            handle = self._opened(file.path)
            try:
                end = b"\n" if self._is_cut_off(handle) else b""
                self._file_system.write(handle, end + lines)
                self._file_system.fsync(handle)
            finally:
                self._file_system.close(handle)
            if file.path not in self._durable:
                self._file_system.fsync_directory(AUDIT)
                self._durable.add(file.path)

    def read(self, file: AuditFile, *, offset: int, bytes_max: int) -> bytes:
        """Return up to `bytes_max` bytes from an offset, none at the end or without the file."""
        try:
            handle = self._file_system.open_to_read(file.path)
        except (FileNotFoundError, NotADirectoryError):
            return b""
        try:
            return self._file_system.read_at(handle, offset, bytes_max)
        finally:
            self._file_system.close(handle)

    def files(self) -> list[AuditFile]:
        """Return all files, the oldest first."""
        return sorted(self._files())

    def remove_older(self, *, now_seconds: float, retention_days: int) -> int:
        """Remove the files of days whose retention has ended; return their number."""
        files = self.files()
        days = [file.day for file in files]
        ended = ended_days(days, now_seconds=now_seconds, retention_days=retention_days)
        removed = [file for file in files if file.day in ended]
        for file in removed:
            with contextlib.suppress(FileNotFoundError):
                self._file_system.unlink(file.path)
        return len(removed)

    def _files(self) -> Iterator[AuditFile]:
        for name in names_in(self._file_system, AUDIT):
            with contextlib.suppress(BadRequest):
                yield parse_audit_file(name.removesuffix(".jsonl"))

    def _opened(self, path: str) -> int:
        try:
            return self._file_system.open_to_append(path)
        except FileNotFoundError:
            # Perhaps an operator has removed the directory.
            self._durable.discard(path)
        self._directories.give_name(path, lambda: self._create(path))
        return self._file_system.open_to_append(path)

    def _create(self, path: str) -> None:
        with contextlib.suppress(FileExistsError):
            self._file_system.close(self._file_system.create(path))

    def _is_cut_off(self, handle: int) -> bool:
        length = self._file_system.stat_open(handle).bytes
        return length > 0 and self._file_system.read_at(handle, length - 1, 1) != b"\n"
