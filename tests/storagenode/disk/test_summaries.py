"""Summaries of shards survive restarts, and never hide a change."""

import asyncio
import errno
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from storagenode.disk.filesystem import DiskFileSystem
from storagenode.disk.store import DiskStore
from storagenode.protocol.files import listing_digest
from storagenode.protocol.layout import HINTS, QUARANTINE, STAGING, TRASH, Place, summaries_path
from storagenode.upkeep.scrub import Scrub
from tests.storagenode.disk.crash_file_system import CrashFileSystem
from tests.storagenode.photo_samples import VOLUME, bytes_of, variant_of, version_of
from tests.storagenode.store_under_test import put
from tests.storagenode.tombstones import PROOFS, write_tombstone
from volumes.cold_tier import SizeFilter
from volumes.photo_path import PhotoTombstone, VersionTombstone

OF = version_of(7)
SHARD = f"{VOLUME}/{OF.shard}"
SMALL = SizeFilter("m", include=True)


class FileSystemThatCountsListings(DiskFileSystem):
    """A real file system that counts listings and can act during one."""

    def __init__(self, root):
        super().__init__(root)
        self.listings = {}
        self.after_listing = {}
        self.is_read_only = False

    def list(self, path):
        """List the directory, count it, and act."""
        self.listings[path] = self.listings.get(path, 0) + 1
        names = super().list(path)
        self.after_listing.pop(path, lambda: None)()
        return names

    def stamp_directory(self, path, mtime_nanoseconds):
        """Fail on a read-only disk."""
        if self.is_read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        super().stamp_directory(path, mtime_nanoseconds)


class FileSystemWithStoppedClock(CrashFileSystem):
    """A file system in memory whose changes all get the same time."""

    def _stat(self, node):
        found = super()._stat(node)
        is_new = found.mtime_nanoseconds >= 0 and node in self._directories
        return found._replace(mtime_nanoseconds=1_000_000_000) if is_new else found

    def change_unseen(self, path):
        """Remove the first name of a directory, as a repair of a damaged disk does."""
        node = self._find_directory(path)
        entries = self._directories[node]
        self._directories[node] = {name: entries[name] for name in sorted(entries)[1:]}


@pytest.fixture(name="file_system")
def _file_system(root):
    file_system = FileSystemThatCountsListings(root)
    yield file_system
    file_system.close_root()


@pytest.fixture(name="shard")
def _shard(root, store):
    put(store, variant_of(OF), bytes_of("photo"))
    return root / SHARD


@pytest.fixture(name="disk_in_memory")
def _disk_in_memory():
    """Return a disk in memory, and a store with a photo over it."""
    disk = FileSystemWithStoppedClock()
    for directory in (STAGING, HINTS, TRASH, QUARANTINE):
        disk.make_directory(directory)
    store = DiskStore(disk, PROOFS)
    store.create_volumes([VOLUME])
    put(store, variant_of(OF), bytes_of("photo"))
    return disk, store


def listed_digests(store):
    """Return the digests of all shards by a listing, without any summary."""
    return {OF.shard: listing_digest(store.list_shard(VOLUME, OF.shard))}


def opened_again(store):
    """Return a store as after a restart."""
    return DiskStore(store.file_system, PROOFS)


def delete(store, photo_version):
    """Delete a version."""
    write_tombstone(store, Place(VersionTombstone(photo_version)))


@pytest.mark.usefixtures("shard")
def test_a_shard_is_listed_once(store, file_system):
    """Its digest then costs one stat, however recent its last change is."""
    first = store.shard_digests(VOLUME)
    assert store.shard_digests(VOLUME) == first == listed_digests(store)
    assert file_system.listings[SHARD] == 2  # one of them for the comparison here


@pytest.mark.usefixtures("shard")
def test_a_shard_that_changed_is_listed_again(store):
    """Each change of a name has an effect at once."""
    seen = [store.shard_digests(VOLUME)]
    for change in (
        lambda: put(store, variant_of(OF, "m"), bytes_of("m")),
        lambda: store.quarantine(variant_of(OF, "m")),
        lambda: store.relink(OF, version_of(7, version=1).version),
        lambda: delete(store, OF),
    ):
        change()
        assert store.shard_digests(VOLUME) == listed_digests(store)
        seen.append(store.shard_digests(VOLUME))
    assert seen[0] == seen[2]
    assert len({str(each) for each in seen}) == 4


def test_a_clock_that_stops_or_jumps_hides_no_change(disk_in_memory):
    """Each change of a directory replaces its stamp, which no clock shows."""
    _, store = disk_in_memory
    store.shard_digests(VOLUME)
    store.save_summaries()
    put(store, variant_of(OF, "m"), bytes_of("m"))
    assert store.shard_digests(VOLUME) == listed_digests(store)
    assert opened_again(store).shard_digests(VOLUME) == listed_digests(store)


def test_a_change_during_a_listing_is_not_missed(store, file_system, shard):
    """The summary of a listing that may be incomplete is not kept."""

    def add():
        (shard / f"{OF.photo}_{OF.version}_m.jpg").write_bytes(b"new")

    file_system.after_listing = {SHARD: add}
    first = store.shard_digests(VOLUME)
    assert store.shard_digests(VOLUME) != first


def test_a_digest_that_is_restored_during_a_listing_is_not_lost(store, shard):
    """The listing saw the file without it."""
    (path,) = shard.iterdir()
    path.chmod(0o600)
    os.removexattr(path, "user.sha256")
    look = store._listings._listed

    def restore_after_looking(listed_path, name):
        listed = look(listed_path, name)
        store.restore_digest(variant_of(OF), "")
        return listed

    store._listings._listed = restore_after_looking
    unverified = store.shard_digests(VOLUME)
    store._listings._listed = look
    assert store.shard_digests(VOLUME) == listed_digests(store) != unverified


@pytest.mark.usefixtures("shard")
def test_a_restart_lists_only_what_changed_since_the_summaries_were_saved(store, file_system):
    """Also for a size filter, and with the digests of tombstones."""
    other = version_of(8)
    put(store, variant_of(other), bytes_of("other"))
    delete(store, version_of(9))
    tombstones = store.tombstone_digests(VOLUME)
    store.shard_digests(VOLUME, SMALL)
    store.save_summaries()
    put(store, variant_of(other, "m"), bytes_of("m"))
    seen = store.shard_digests(VOLUME), store.shard_digests(VOLUME, SMALL)
    file_system.listings.clear()
    again = opened_again(store)
    assert again.tombstone_digests(VOLUME) == tombstones
    assert (again.shard_digests(VOLUME), again.shard_digests(VOLUME, SMALL)) == seen
    assert SHARD not in file_system.listings
    assert file_system.listings[f"{VOLUME}/{other.shard}"] == 2


def test_a_copy_of_a_disk_is_listed_again(store, shard, root, tmp_path):
    """It can lack files, with all times and the saved summaries of the original."""
    put(store, variant_of(OF, "m"), bytes_of("m"))
    store.shard_digests(VOLUME)
    store.save_summaries()
    shutil.copytree(root, tmp_path / "copy", symlinks=True)
    copy = tmp_path / "copy" / SHARD
    for path in shard.iterdir():
        os.setxattr(copy / path.name, "user.sha256", os.getxattr(path, "user.sha256"))
    min(copy.iterdir()).unlink()
    shutil.copystat(shard, copy)
    file_system = DiskFileSystem(tmp_path / "copy")
    again = DiskStore(file_system, PROOFS)
    assert copy.stat().st_mtime_ns == shard.stat().st_mtime_ns < 0
    assert again.shard_digests(VOLUME) == listed_digests(again) != store.shard_digests(VOLUME)
    file_system.close_root()


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"k7": [1]}', b'{"k7": 1}'])
@pytest.mark.usefixtures("shard")
def test_damaged_summaries_are_not_used(store, root, text):
    """The shards are listed again."""
    first = store.shard_digests(VOLUME)
    store.save_summaries()
    saved = root / summaries_path(VOLUME)
    saved.chmod(0o600)
    saved.write_bytes(text)
    assert opened_again(store).shard_digests(VOLUME) == first


@pytest.mark.usefixtures("shard")
def test_a_file_that_lost_its_digest_is_looked_into_after_a_restart(store, shard):
    """The saved summary from before is not used."""
    first = store.shard_digests(VOLUME)
    store.save_summaries()
    (path,) = shard.iterdir()
    path.chmod(0o600)
    os.removexattr(path, "user.sha256")
    store.mark_unverified(variant_of(OF))
    for each in (store, opened_again(store), opened_again(store)):
        assert each.shard_digests(VOLUME) != first
        each.save_summaries()


@pytest.mark.usefixtures("shard")
def test_an_unfinished_delete_is_looked_into_after_a_restart(store, file_system, shard):
    """Its summary is not saved."""
    (shard / f"{OF.photo}_{OF.version}.gone").touch()
    first = store.shard_digests(VOLUME)
    store.save_summaries()
    assert opened_again(store).shard_digests(VOLUME) != first
    assert file_system.listings[SHARD] == 2


def test_the_scrub_finds_a_change_that_the_directory_does_not_show(disk_in_memory):
    """A repaired file system can lose a name without another time of its directory."""
    disk, store = disk_in_memory
    put(store, variant_of(OF, "m"), bytes_of("m"))
    first = store.shard_digests(VOLUME)
    store.save_summaries()
    disk.change_unseen(SHARD)
    again = opened_again(store)
    assert again.shard_digests(VOLUME) == first
    with ThreadPoolExecutor(1) as threads:
        scrub = Scrub(again, threads, bytes_per_second=1 << 30, now_seconds=lambda: 0.0)
        asyncio.run(scrub.run_pass())
    for each in (again, opened_again(again)):
        assert each.shard_digests(VOLUME) == listed_digests(each) != first


@pytest.mark.usefixtures("shard")
def test_a_read_only_disk_is_listed_once(store, file_system):
    """It takes no stamps, and nothing on it changes."""
    file_system.is_read_only = True
    first = store.shard_digests(VOLUME)
    file_system.listings.clear()
    assert store.shard_digests(VOLUME) == first
    assert SHARD not in file_system.listings


def test_tombstones_have_a_digest_of_their_own(store):
    """It is the same on all mirrors with the same tombstones, whatever photos they have."""
    assert store.tombstone_digests(VOLUME) == {}
    put(store, variant_of(OF), bytes_of("photo"))
    delete(store, version_of(7, version=1))
    first = store.tombstone_digests(VOLUME)
    assert first.keys() == {OF.shard}
    put(store, variant_of(OF, "m"), bytes_of("m"))
    assert store.tombstone_digests(VOLUME) == first
    write_tombstone(store, Place(PhotoTombstone(VOLUME, OF.photo)))
    assert store.tombstone_digests(VOLUME) != first
