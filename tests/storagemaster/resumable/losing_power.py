"""A file system that forgets at a power failure what no fsync has made durable."""

import errno
import os
import shutil
from pathlib import Path

from storagenode.disk.filesystem import DiskFileSystem
from storagenode.protocol.layout import STAGING


class DiskThatLosesPower(DiskFileSystem):
    """The real file system, which knows the names and the bytes that are not durable yet."""

    def __init__(self, root):
        super().__init__(root)
        self._is_off = False
        self._names = set()
        self._durable_files = set()
        self._files = {}

    def lose_power(self):
        """Refuse all further changes."""
        self._is_off = True

    def forget(self):
        """Leave what is on the disk after the failure: no staged files, names, and bytes."""
        assert self._is_off, "the power is on"
        for staged in (self.root / STAGING).iterdir():
            staged.unlink()
        for path in self._names:
            found = self.root / path
            if found.is_dir():
                shutil.rmtree(found)
            elif found.exists():
                found.unlink()
        for path, inode in self._files.items():
            found = self.root / path
            if inode not in self._durable_files and found.exists():
                found.chmod(0o600)
                found.write_bytes(bytes(found.stat().st_size))

    def fsync(self, handle):
        """Fsync the file, and note it."""
        super().fsync(handle)
        self._refuse_without_power()
        self._durable_files.add(os.fstat(handle).st_ino)

    def fsync_directory(self, path):
        """Fsync the directory, and note its names."""
        super().fsync_directory(path)
        self._refuse_without_power()
        self._names = {each for each in self._names if Path(each).parent != Path(path)}

    def sync_disk(self):
        """Sync the disk, and note all files and names."""
        super().sync_disk()
        self._refuse_without_power()
        self._names.clear()
        self._durable_files |= set(self._files.values())

    def link(self, source, target):
        """Link a name that is not durable yet."""
        self._refuse_without_power()
        super().link(source, target)
        self._note(target)

    def link_unnamed(self, handle, target):
        """Link a name that is not durable yet."""
        self._refuse_without_power()
        super().link_unnamed(handle, target)
        self._note(target)

    def make_directory(self, path):
        """Make a directory whose name is not durable yet."""
        self._refuse_without_power()
        made = super().make_directory(path)
        if made:
            self._names.add(path)
        return made

    def unlink(self, path):
        """Remove a name."""
        self._refuse_without_power()
        super().unlink(path)

    def rename(self, source, target):
        """Move a name."""
        self._refuse_without_power()
        super().rename(source, target)

    def _note(self, path):
        self._names.add(path)
        self._files[path] = (self.root / path).stat().st_ino

    def _refuse_without_power(self):
        if self._is_off:
            raise OSError(errno.EIO, "the power is off")
