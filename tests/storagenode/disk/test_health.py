"""The write state of a disk: free space, reserve, and errors."""

import errno

import pytest

from storagenode.disk.filesystem import DiskFileSystem, FsyncFailed
from storagenode.disk.health import DiskHealth, Reserve, reserve_of
from storagenode.disk.reading import opened
from storagenode.disk.store import DiskStore
from storagenode.protocol.errors import DiskSuspect, NodeError, NotFound, OutOfSpace
from storagenode.protocol.layout import Place
from storagenode.store import Space
from tests.storagenode.photo_samples import (
    MTIME,
    VOLUME,
    bundle_of,
    bytes_of,
    variant_of,
    version_of,
)
from tests.storagenode.store_under_test import put
from tests.storagenode.tombstones import PROOFS, write_tombstone
from volumes.photo_path import VersionTombstone

MIB = 1024 * 1024
GIB = 1024 * MIB
OF = version_of(7)


class DiskOfAnySize(DiskFileSystem):
    """A real file system that reports the space of the test."""

    reported = Space(free_bytes=GIB, total_bytes=10 * GIB, free_inodes=500, total_inodes=1000)

    def space(self):
        """Return the reported space."""
        return self.reported

    def report(self, *, free_bytes=GIB, free_inodes=500):
        """Report this space from now on."""
        self.reported = Space(free_bytes, 10 * GIB, free_inodes, 1000)


@pytest.fixture(name="disk")
def _disk(root):
    disk = DiskOfAnySize(root)
    yield disk
    disk.close_root()


@pytest.fixture(name="store")
def _store(disk, clock):
    return DiskStore(disk, PROOFS, now_seconds=clock)


@pytest.mark.parametrize(
    ("total_bytes", "total_inodes", "reserve"),
    [
        (0, 0, Reserve(bytes=0, inodes=0)),
        (100 * MIB, 1000, Reserve(bytes=10 * MIB, inodes=10)),
        (10 * GIB, 0, Reserve(bytes=256 * MIB, inodes=0)),
        (1000 * GIB, 10_000, Reserve(bytes=10 * GIB, inodes=100)),
    ],
)
def test_the_reserve_of_a_disk(total_bytes, total_inodes, reserve):
    """One percent, at least 256 MiB, and at most a tenth of a tiny disk."""
    assert reserve_of(Space(0, total_bytes, 0, total_inodes)) == reserve


@pytest.mark.parametrize(
    ("free_bytes", "free_inodes", "accepts", "takes"),
    [
        (GIB, 500, True, True),
        (512 * MIB + 1, 500, True, True),
        (512 * MIB, 500, False, True),
        (256 * MIB + 100, 500, False, True),
        (256 * MIB + 99, 500, False, False),
        (GIB, 21, True, True),
        (GIB, 20, False, True),
        (GIB, 10, False, False),
    ],
)
def test_new_photos_stop_before_sizes_do(store, disk, free_bytes, free_inodes, accepts, takes):
    """Between the soft mark and the reserve, sizes of existing photos still fit."""
    disk.report(free_bytes=free_bytes, free_inodes=free_inodes)
    assert store.health.accepts_new_photos() is accepts
    if takes:
        put(store, variant_of(OF), bytes_of("photo"))
    else:
        with pytest.raises(OutOfSpace):
            put(store, variant_of(OF), bytes_of("photo"))


def test_a_body_of_unknown_length_is_refused_on_a_full_disk_too(store, disk):
    """Otherwise it would use the reserve."""
    disk.report(free_bytes=256 * MIB - 1)
    with pytest.raises(OutOfSpace), store.staging(bytes_expected=0):
        pass


def test_a_bundle_is_measured_whole(store, disk):
    """The sum of its files counts."""
    disk.report(free_bytes=256 * MIB + 1200)
    with pytest.raises(OutOfSpace):
        store.publish_bundle(bundle_of(OF), mtime_seconds=MTIME)
    disk.report(free_bytes=256 * MIB + 1300)
    assert len(store.publish_bundle(bundle_of(OF), mtime_seconds=MTIME)) == 13


def test_a_delete_works_on_a_full_disk(store, disk):
    """The reserve is for deletes."""
    put(store, variant_of(OF), bytes_of("photo"))
    disk.report(free_bytes=0, free_inodes=0)
    write_tombstone(store, Place(VersionTombstone(OF)))
    assert len(store.list_shard(VOLUME, OF.shard)) == 1


def test_a_disk_without_a_count_of_inodes_has_enough(store, disk):
    """Some file systems allocate inodes on demand."""
    disk.reported = Space(GIB, 10 * GIB, 0, 0)
    assert store.health.accepts_new_photos()
    put(store, variant_of(OF), bytes_of("photo"))


@pytest.mark.parametrize(
    ("error", "kind", "is_suspect"),
    [
        (OSError(errno.ENOSPC, "full"), OutOfSpace, False),
        (OSError(errno.EDQUOT, "quota"), OutOfSpace, False),
        (OSError(errno.EIO, "broken"), DiskSuspect, True),
        (OSError(errno.EROFS, "read-only"), DiskSuspect, True),
        (OSError(errno.ENODEV, "gone"), DiskSuspect, True),
        (OSError(errno.EMFILE, "too many"), NodeError, False),
        (OSError(errno.ENOENT, "missing"), NodeError, False),
        (FsyncFailed(errno.EIO, "fsync"), DiskSuspect, True),
        (FsyncFailed(errno.ENOSPC, "fsync"), DiskSuspect, True),
        (FsyncFailed(errno.EDQUOT, "fsync"), DiskSuspect, True),
    ],
)
def test_errors_of_the_disk_are_translated(disk, error, kind, is_suspect):
    """A failed fsync makes the disk suspect, whatever its error."""
    health = DiskHealth(disk, ())
    with pytest.raises(NodeError) as caught, health.translate_write_errors():
        raise error
    assert type(caught.value) is kind
    assert bool(health.suspect_reason) is is_suspect


def test_errors_are_counted_by_their_name(disk):
    """One without a number as unknown."""
    health = DiskHealth(disk, ())
    errors = [OSError(errno.EIO, "a"), OSError(errno.EIO, "b"), OSError(errno.EPERM, "c")]
    for error in (*errors, OSError("d")):
        with pytest.raises(NodeError), health.translate_write_errors():
            raise error
    assert health.errors == {"EIO": 2, "EPERM": 1, "unknown": 1}


@pytest.fixture(name="mounted")
def _mounted(tmp_path):
    """Return a root with one volume, and the health of its disk."""
    (tmp_path / ".node").touch()
    (tmp_path / str(VOLUME)).mkdir()
    (tmp_path / str(VOLUME) / ".volume").touch()
    disk = DiskOfAnySize(tmp_path)
    yield tmp_path, disk, DiskHealth(disk, {VOLUME})
    disk.close_root()


PATHS = (f"{VOLUME}/00/x.jpg", "43/00/x.jpg", ".trash/2026-01-01/x.jpg", "0/x")


def test_a_missing_file_of_a_whole_disk_is_only_missing(mounted):
    """Also of a volume that is not on it, and in a hidden folder."""
    _, _, health = mounted
    for path in PATHS:
        health.raise_if_emptied(path)
    condition = health.condition(unwritten_tombstones=3)
    assert (condition.accepts_new_photos, condition.suspect_reason) == (True, "")
    assert condition.unwritten_tombstones == 3


def test_a_volume_without_its_marker_is_lost(mounted):
    """The node takes no writes from then on, until a restart."""
    root, _, health = mounted
    (root / str(VOLUME) / ".volume").unlink()
    for path in PATHS[1:]:
        health.raise_if_emptied(path)
    assert health.suspect_reason == ""
    with pytest.raises(DiskSuspect, match=f"volume {VOLUME} was removed"):
        health.raise_if_emptied(PATHS[0])
    condition = health.condition(unwritten_tombstones=0)
    assert not condition.accepts_new_photos
    assert "was removed" in condition.suspect_reason
    with pytest.raises(DiskSuspect):
        health.check_writable()


def test_a_root_without_its_marker_is_lost(mounted):
    """As long as it is: a disk can be mounted again."""
    root, _, health = mounted
    (root / ".node").rename(root / "moved")
    for path in PATHS:
        with pytest.raises(DiskSuspect, match="check that the disk is mounted"):
            health.raise_if_emptied(path)
    condition = health.condition(unwritten_tombstones=0)
    assert not condition.accepts_new_photos
    assert "check that the disk is mounted" in condition.suspect_reason
    (root / "moved").rename(root / ".node")
    health.check_writable()
    assert health.condition(unwritten_tombstones=0).accepts_new_photos


def test_a_disk_without_space_accepts_no_photos_and_is_not_suspect(mounted):
    """Its sizes and tombstones still fit."""
    _, disk, health = mounted
    disk.report(free_bytes=0)
    condition = health.condition(unwritten_tombstones=0)
    assert (condition.accepts_new_photos, condition.suspect_reason) == (False, "")


def test_other_errors_pass_unchanged(disk):
    """They do not come from the disk."""
    health = DiskHealth(disk, ())
    with pytest.raises(NotFound), health.translate_write_errors():
        raise NotFound("no")
    with pytest.raises(ZeroDivisionError), health.translate_write_errors():
        raise ZeroDivisionError
    assert health.suspect_reason == ""


def test_a_suspect_disk_is_read_and_not_written(store, root):
    """Until a restart by an operator."""
    put(store, variant_of(OF), bytes_of("photo"))
    put(store, variant_of(OF, hint_for="west-1"), bytes_of("photo"))
    store.health.suspect_reason = "an fsync failed"
    before = sorted(str(path) for path in root.rglob("*"))
    for write in (
        lambda: put(store, variant_of(OF, "m"), b"m"),
        lambda: store.publish_bundle(bundle_of(OF), mtime_seconds=MTIME),
        lambda: write_tombstone(store, Place(VersionTombstone(OF))),
        lambda: store.remove_hint(variant_of(OF, hint_for="west-1")),
        lambda: store.quarantine(variant_of(OF)),
        lambda: store.restore_digest(variant_of(OF), ""),
        lambda: store.relink(OF, "000009"),
        lambda: store.create_volumes([43]),
    ):
        with pytest.raises(DiskSuspect):
            write()
    assert sorted(str(path) for path in root.rglob("*")) == before
    assert not store.health.accepts_new_photos()
    with opened(store.file_system, variant_of(OF).path) as file:
        assert file.read() == bytes_of("photo")
    assert len(store.list_shard(VOLUME, OF.shard)) == 1


def test_a_replaced_root_is_not_written(store, root):
    """An unmounted disk leaves an empty directory on the root file system."""
    put(store, variant_of(OF), bytes_of("photo"))
    marker = (root / ".node").read_bytes()
    (root / ".node").unlink()
    with pytest.raises(DiskSuspect, match="mounted"):
        put(store, variant_of(OF, "m"), b"m")
    (root / ".node").write_bytes(marker)
    put(store, variant_of(OF, "m"), b"m")


def test_a_root_whose_path_leads_elsewhere_is_not_written(store, root):
    """The path has another directory with a marker of its own."""
    moved = root.with_name("moved")
    root.rename(moved)
    root.mkdir()
    (root / ".node").write_bytes((moved / ".node").read_bytes())
    try:
        with pytest.raises(DiskSuspect, match="mounted"):
            put(store, variant_of(OF), b"photo")
    finally:
        (root / ".node").unlink()
        root.rmdir()
        moved.rename(root)
    put(store, variant_of(OF), b"photo")
