"""Batches in phases: the outcomes of the general path, each file on its own, and no early name."""

import errno
import os
import random
import sys

import pytest

from storagenode.disk import batches
from storagenode.disk.filesystem import DiskFileSystem, FsyncFailed
from storagenode.disk.store import DiskStore
from storagenode.protocol.batch_wire import InMemoryFile
from storagenode.protocol.errors import DiskSuspect, NodeError
from storagenode.protocol.files import Published
from storagenode.protocol.layout import Place
from storagenode.store import publish_in_memory
from tests.storagenode.fake_clock import FakeClock
from tests.storagenode.photo_samples import (
    MTIME,
    OTHER_VOLUME,
    bytes_of,
    digest_of,
    variant_of,
    version_of,
)
from tests.storagenode.store_under_test import put
from tests.storagenode.tombstones import PROOFS, write_tombstone
from volumes.photo_path import Failure, Info, PhotoTombstone, Variant, VersionTombstone

OF = version_of(7)
FILES = 24


class WatchedDisk(DiskFileSystem):
    """A real file system that records its syncs and names, and can fail."""

    def __init__(self, root):
        super().__init__(root)
        self.calls = []
        self.fails = {}
        self.sync_seconds = 0.0
        self.clock = FakeClock(MTIME)

    def create_unnamed(self):
        """Create a file, where the disk can."""
        self._called("create_unnamed")
        return super().create_unnamed()

    def link_unnamed(self, handle, target):
        """Name a file, where /proc is mounted."""
        self._called("link_unnamed")
        super().link_unnamed(handle, target)

    def fsync(self, _handle):
        """Sync a file."""
        self._called("fsync")

    def fsync_directory(self, _path):
        """Sync a directory."""
        self._called("fsync_directory")

    def sync_disk(self):
        """Sync everything, slowly."""
        self.clock.advance(self.sync_seconds)
        self._called("sync_disk")

    def _called(self, name):
        self.calls.append(name)
        if name in self.fails:
            raise self.fails[name]


@pytest.fixture(name="disk")
def _disk(root):
    disk = WatchedDisk(root)
    yield disk
    disk.close_root()


@pytest.fixture(name="store", params=[False, True], ids=["fsync", "syncfs"])
def _store(request, disk):
    return DiskStore(disk, PROOFS, may_sync_disk=request.param, now_seconds=disk.clock)


@pytest.fixture(name="own_disk_store")
def _own_disk_store(disk):
    return DiskStore(disk, PROOFS, may_sync_disk=True, now_seconds=disk.clock)


def file_of(place, data=None, *, digest=None):
    """Return a file to write."""
    data = bytes_of(place) if data is None else data
    return InMemoryFile(place, data, digest or digest_of(data), MTIME)


def photos(*numbers):
    """Return new originals."""
    return [file_of(variant_of(version_of(number))) for number in numbers]


def requests_of_every_kind():
    """Return files that meet every rule of publishing, in a store with `have_every_kind`."""
    return [
        file_of(variant_of(OF)),
        file_of(variant_of(OF), b"other bytes"),
        file_of(Place(Variant(OF, "o", "png"))),
        file_of(variant_of(OF, "m")),
        file_of(variant_of(OF, "s"), digest=digest_of(b"other bytes")),
        file_of(variant_of(OF, "t"), b""),
        file_of(variant_of(version_of(1))),
        file_of(variant_of(version_of(2), hint_for="west-1")),
        file_of(variant_of(version_of(3))),
        file_of(variant_of(version_of(3, version=1))),
        file_of(variant_of(version_of(4), "m")),
        file_of(variant_of(version_of(5), "m")),
        file_of(variant_of(version_of(6, volume=OTHER_VOLUME))),
        file_of(variant_of(version_of(6, volume=OTHER_VOLUME), hint_for="west-1")),
        file_of(Place(Info(version_of(8))), b"{}"),
        file_of(Place(Failure(version_of(9))), b"why"),
        file_of(Place(VersionTombstone(version_of(1))), b""),
        file_of(variant_of(version_of(1), "m")),
    ]


def have_every_kind(store):
    """Store what `requests_of_every_kind` meets: deleted, unfinished, finished, and taken files."""
    write_tombstone(store, Place(VersionTombstone(version_of(3))))
    put(store, variant_of(version_of(4), "m"), b"an unfinished size")
    put(store, variant_of(version_of(5), "m"), b"a finished size")
    put(store, Place(Info(version_of(5))), b"{}")


def told(outcome):
    """Return what a sender learns of an outcome."""
    if isinstance(outcome, NodeError):
        return type(outcome).__name__, str(outcome)
    return outcome


def twins(roots, *, may_sync_disk):
    """Return two empty stores, the second one for the general path."""
    disks = [WatchedDisk(roots.take()) for _ in range(2)]
    return [
        DiskStore(disk, PROOFS, may_sync_disk=may_sync_disk, now_seconds=disk.clock)
        for disk in disks
    ]


def contents_of(store):
    """Return every file of a store with its bytes, recorded digest, time, and mode."""
    root = store.file_system.root
    return {
        str(path.relative_to(root)): (
            path.read_bytes(),
            os.getxattr(path, "user.sha256"),
            path.stat().st_mtime,
            path.stat().st_mode,
            path.stat().st_nlink,
        )
        for path in sorted(root.rglob("*_*"))
        if path.is_file()
    }


@pytest.mark.parametrize("may_sync_disk", [False, True], ids=["fsync", "syncfs"])
def test_both_paths_answer_alike(roots, may_sync_disk):
    """The same files, one by one on the general path and one by one in batches."""
    batched, general = twins(roots, may_sync_disk=may_sync_disk)
    for store in (batched, general):
        have_every_kind(store)
    files = requests_of_every_kind()
    for file in files:
        (outcome,) = batched.publish_many([file])
        assert told(outcome) == told(publish_in_memory(general, file))
    assert contents_of(batched) == contents_of(general)


@pytest.mark.parametrize("seed", range(12))
def test_batches_of_random_files_answer_as_the_general_path(roots, seed):
    """Names repeat within a batch, and tombstones come between batches."""
    sys.stdout.write(f"seed {seed}\n")
    choose = random.Random(seed)
    batched, general = twins(roots, may_sync_disk=bool(seed % 2))
    for store in (batched, general):
        have_every_kind(store)
    for _ in range(6):
        files = unambiguous(choose.choices(requests_of_every_kind(), k=choose.randint(1, 8)))
        outcomes = batched.publish_many(files)
        # A batch leaves unusual files until its end.
        order = sorted(range(len(files)), key=lambda n: (outcomes[n] is None, n))
        expected = {n: publish_in_memory(general, files[n]) for n in order}
        assert [told(each) for each in outcomes] == [told(expected[n]) for n in range(len(files))]
        if choose.random() < 0.3:
            tombstone = Place(PhotoTombstone(OF.volume, version_of(choose.randint(1, 9)).photo))
            for store in (batched, general):
                write_tombstone(store, tombstone)
    assert contents_of(batched).keys() == contents_of(general).keys()


def unambiguous(files):
    """Return the first file of each photo: the result does not depend on their order."""
    photos_of = {}
    return [
        file
        for file in files
        if photos_of.setdefault(file.place.file.photo_version.photo, file) is file
    ]


def test_phases_share_syncs(own_disk_store, disk):
    """Two syncs of a disk of its own for any number of files, the first before any name."""
    disk.calls.clear()
    own_disk_store.publish_many(photos(*range(FILES)))
    assert [call for call in disk.calls if call != "create_unnamed"] == [
        "sync_disk",
        *["link_unnamed"] * FILES,
        "sync_disk",
    ]


def test_files_and_directories_are_synced_once_on_a_shared_disk(disk):
    """All files before all names, and each directory once."""
    store = DiskStore(disk, PROOFS)
    disk.calls.clear()
    store.publish_many([file_of(variant_of(OF, size)) for size in "osm"])
    assert disk.calls == [
        *["create_unnamed"] * 3,
        *["fsync"] * 3,
        *["link_unnamed"] * 3,
        "fsync_directory",
    ]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("create_unnamed", OSError(errno.EOPNOTSUPP, "no such files here")),
        ("create_unnamed", OSError(errno.EISDIR, "an old kernel")),
        ("link_unnamed", FileNotFoundError(errno.ENOENT, "no /proc")),
    ],
)
def test_a_disk_without_unnamed_files_uses_staging(store, disk, call, error):
    """The general path publishes all files."""
    disk.fails[call] = error
    outcomes = store.publish_many(photos(1, 2, 3))
    assert [outcome.existed for outcome in outcomes] == [False] * 3
    assert len(contents_of(store)) == 3
    assert disk.list(".staging") == []


def test_an_error_of_one_file_does_not_affect_the_others(store, disk):
    """It is not acknowledged, and it is not visible."""
    real, handles = disk.set_mtime, []

    def fail_second(handle, seconds):
        handles.append(handle)
        if len(handles) == 2:
            raise OSError(errno.ENOMEM, "no memory")
        real(handle, seconds)

    disk.set_mtime = fail_second
    files = photos(1, 2, 3)
    outcomes = store.publish_many(files)
    assert [type(outcome) for outcome in outcomes] == [Published, NodeError, Published]
    assert list(contents_of(store)) == [files[0].place.path, files[2].place.path]
    assert not store.health.suspect_reason


def test_a_failed_sync_of_the_disk_fails_every_file_and_makes_the_disk_suspect(
    own_disk_store, disk
):
    """No name is given after the first sync, and nothing is acknowledged after the second."""
    disk.fails["sync_disk"] = FsyncFailed(errno.EIO, "lost")
    outcomes = own_disk_store.publish_many(photos(1, 2, 3))
    assert {type(outcome) for outcome in outcomes} == {DiskSuspect}
    assert disk.calls.count("sync_disk") == 1
    assert "link_unnamed" not in disk.calls
    disk.fails.clear()
    outcomes = own_disk_store.publish_many(photos(1, 2, 3))
    assert {type(outcome) for outcome in outcomes} == {DiskSuspect}
    assert contents_of(own_disk_store) == {}


def test_a_failed_fsync_stops_the_rest_of_the_batch(disk):
    """No other file is synced on a suspect disk."""
    store = DiskStore(disk, PROOFS)
    disk.fails["fsync"] = FsyncFailed(errno.EIO, "lost")
    disk.calls.clear()
    outcomes = store.publish_many(photos(1, 2, 3))
    assert {type(outcome) for outcome in outcomes} == {DiskSuspect}
    assert disk.calls.count("fsync") == 1
    assert "link_unnamed" not in disk.calls


def test_a_tombstone_between_writing_and_naming_wins(store, disk):
    """It is looked for under the photo's lock, when the file gets its name."""
    real = disk.set_mtime

    def delete_meanwhile(handle, seconds):
        disk.set_mtime = real
        real(handle, seconds)
        write_tombstone(store, Place(VersionTombstone(version_of(2))))

    disk.set_mtime = delete_meanwhile
    outcomes = store.publish_many(photos(1, 2, 3))
    assert [type(outcome).__name__ for outcome in outcomes] == ["Published", "Gone", "Published"]


def test_a_slow_sync_of_the_disk_is_not_repeated_soon(own_disk_store, disk):
    """Other processes write a lot, so single fsyncs are faster."""
    disk.sync_seconds = 2 * batches.SLOW_SYNC_SECONDS
    own_disk_store.publish_many(photos(1, 2))
    disk.calls.clear()
    own_disk_store.publish_many(photos(3, 4))
    assert "sync_disk" not in disk.calls
    disk.clock.advance(batches.RETRY_SECONDS)
    own_disk_store.publish_many(photos(5, 6))
    assert "sync_disk" in disk.calls


def test_a_single_file_is_synced_alone(own_disk_store, disk):
    """Two fsyncs wait for less than a sync of the disk."""
    own_disk_store.publish_many(photos(1))
    assert "sync_disk" not in disk.calls
    assert own_disk_store.batches_at_once(1) == 1
    assert own_disk_store.batches_at_once(8) == 1
    assert DiskStore(disk, PROOFS).batches_at_once(8) == batches.AT_ONCE_MAX
