"""The volume maps on one disk. Each is written once, and durable on return. Thread-safe."""

import contextlib
import time
from collections.abc import Callable

from storagenode.disk.directories import DurableDirectories
from storagenode.disk.staging import staged
from storagenode.disk.store import DiskStore
from storagenode.disk.walking import names_in
from storagenode.protocol.errors import Conflict
from storagenode.protocol.maps import MAPS, MapKind, map_path, parse_map_name


class MapFiles:
    """The maps below one root."""

    def __init__(self, store: DiskStore, *, now_seconds: Callable[[], float] = time.time) -> None:
        self._now_seconds = now_seconds
        self._health = store.health
        self._file_system = store.file_system
        self._directories = DurableDirectories(store.file_system, store.health.raise_if_emptied)

    def keep(self, kind: MapKind, version: int, text: bytes) -> None:
        """Store a map.

        Raises:
            Conflict: The node keeps another map of this kind and version.
            OutOfSpace, DiskSuspect: Nothing counts as stored.
        """
        self._health.check_writable()
        path = map_path(kind, version)
        with self._health.translate_write_errors(), staged(self._file_system) as file:
            file.write(text)
            file.seal(mtime_seconds=int(self._now_seconds()), digest=file.digest)
            with contextlib.suppress(FileExistsError):
                self._directories.give_name(path, lambda: file.link(path))
            self._file_system.fsync_directory(MAPS)
        if self.read(kind, version) != text:
            raise Conflict(f"this node keeps another map of version {version}")

    def read(self, kind: MapKind, version: int) -> bytes | None:
        """Return a map, or None if the node does not keep it."""
        try:
            handle = self._file_system.open_to_read(map_path(kind, version))
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            size = self._file_system.stat_open(handle).bytes
            return self._file_system.read_at(handle, 0, size)
        finally:
            self._file_system.close(handle)

    def newest(self, kind: MapKind) -> bytes | None:
        """Return the newest map of a kind, or None without any."""
        names = map(parse_map_name, names_in(self._file_system, MAPS))
        versions = [name[1] for name in names if name is not None and name[0] is kind]
        return self.read(kind, max(versions)) if versions else None
