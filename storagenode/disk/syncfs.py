"""The system call syncfs: one flush for all files of a disk, and where it is safe to rely on it.

It writes everything that any process has changed on the disk, so it fits a disk that belongs to the
node. From Linux 5.8 on it reports every write that was lost since the disk was opened (sync(2)).
"""

import ctypes
import os
import re
from enum import StrEnum
from pathlib import Path

# Its commit makes all files and names durable, and its errors are reported.
_SAFE_FILE_SYSTEMS = ("ext4", "xfs")
_SAFE_FROM_LINUX = (5, 8)

_libc = ctypes.CDLL(None, use_errno=True)


class Syncfs(StrEnum):
    """When a node syncs its whole disk in place of single files."""

    AUTO = "auto"
    """If the root is the mount point of a disk."""
    ALWAYS = "always"
    """Also on a disk that others use; still only where the kernel reports all errors."""
    NEVER = "never"


def sync_file_system(handle: int) -> None:
    """Return when everything on the file system of an open directory is durable.

    Raises:
        OSError: The disk has lost a write since the directory was opened, of any file.
    """
    if _libc.syncfs(handle):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def can_sync_disk(
    root: Path,
    when: Syncfs,
    *,
    mounts: str | None = None,
    kernel: str | None = None,
) -> bool:
    """Return True if a node may sync its whole disk.

    `mounts` is the text of /proc/self/mountinfo, see proc(5), and `kernel` the release of Linux.
    """
    if when is Syncfs.NEVER or not _reports_lost_writes(kernel or os.uname().release):
        return False
    try:
        text = Path("/proc/self/mountinfo").read_text() if mounts is None else mounts
    except OSError:
        return False
    path = str(root.resolve())
    mount_point, file_system = _mount_of(path, text)
    is_own = path == mount_point
    return file_system in _SAFE_FILE_SYSTEMS and (is_own or when is Syncfs.ALWAYS)


def _reports_lost_writes(kernel: str) -> bool:
    version = re.match(r"(\d+)\.(\d+)", kernel)
    return version is not None and (int(version[1]), int(version[2])) >= _SAFE_FROM_LINUX


def _mount_of(path: str, mounts: str) -> tuple[str, str]:
    """Return the mount point and the type of the file system at an absolute path."""
    found = ("", "")
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        # Spaces in a mount point are octal escapes.
        mount_point = fields.split(" ")[4].encode().decode("unicode_escape")
        is_above = f"{path}/".startswith(f"{mount_point.rstrip('/')}/")
        # Of several mounts at one point, the last is visible.
        if is_above and len(mount_point) >= len(found[0]):
            found = (mount_point, rest.split(" ")[0])
    return found
