"""Size, times, and inode of a file."""

from typing import NamedTuple


class FileStat(NamedTuple):
    """Size, modification time, and inode of a file. The mtime of a directory reveals changes in it.

    Every read creates one, and named tuples are faster than dataclasses.
    """

    bytes: int
    mtime_nanoseconds: int
    inode: int
    ctime_nanoseconds: int = 0
    """The time of the last change of the inode, unknown (0) for an open file."""

    @property
    def mtime_seconds(self) -> int:
        """The modification time in whole seconds, the same on every mirror."""
        return self.mtime_nanoseconds // 1_000_000_000
