"""Syncs of a whole disk: only where they are safe, and a lost write is reported to everyone."""

import errno

import pytest

from storagenode.disk import filesystem
from storagenode.disk.filesystem import DiskFileSystem, FsyncFailed
from storagenode.disk.syncfs import Syncfs, can_sync_disk

MOUNTS = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 254:16 / {disk} rw,relatime shared:3 - {kind} /dev/vdb rw
"""


@pytest.fixture(name="can_sync")
def _can_sync(tmp_path):
    """Return the decision about a root on a disk, or in a folder of one."""

    def can_sync(when, *, kind="ext4", kernel="6.1.0-18-amd64", folder=""):
        mounts = MOUNTS.format(disk=tmp_path, kind=kind)
        return can_sync_disk(tmp_path / folder, Syncfs(when), mounts=mounts, kernel=kernel)

    return can_sync


def test_a_mounted_disk_is_synced_by_default(can_sync):
    """The disk is the node's own then."""
    assert can_sync("auto")
    assert can_sync("auto", kind="xfs")
    assert can_sync("always")
    assert not can_sync("never")


def test_a_folder_of_a_disk_is_synced_only_if_the_config_says_so(can_sync):
    """Others can write to that disk."""
    assert not can_sync("auto", folder="node")
    assert can_sync("always", folder="node")


@pytest.mark.parametrize("kind", ["nfs4", "fuse.sshfs", "overlay", "tmpfs", "btrfs", "ext3"])
def test_other_file_systems_are_never_synced(can_sync, kind):
    """Their sync does not promise as much."""
    assert not can_sync("always", kind=kind)


@pytest.mark.parametrize(
    ("kernel", "is_safe"),
    [
        ("5.7.19", False),
        ("4.19.0-26-amd64", False),
        ("5.8.0", True),
        ("5.10.0", True),
        ("unknown", False),
    ],
)
def test_a_kernel_that_reports_no_lost_writes_is_not_trusted(can_sync, kernel, is_safe):
    """Before Linux 5.8, syncfs succeeds after a lost write."""
    assert can_sync("always", kernel=kernel) is is_safe


def test_a_real_disk_is_synced(root):
    """The system call succeeds on an open directory."""
    disk = DiskFileSystem(root)
    disk.sync_disk()
    disk.close_root()


def test_a_lost_write_is_reported_to_every_later_caller(root, monkeypatch):
    """The kernel reports it once, to one of several threads."""
    disk = DiskFileSystem(root)
    errors = [OSError(errno.EIO, "lost")]

    def report_once(_handle):
        if errors:
            raise errors.pop()

    monkeypatch.setattr(filesystem, "sync_file_system", report_once)
    for _ in range(3):
        with pytest.raises(FsyncFailed) as raised:
            disk.sync_disk()
        assert raised.value.errno == errno.EIO
    disk.close_root()
