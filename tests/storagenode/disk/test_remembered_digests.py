"""Cached digests of shards are valid until the directory changes, and never stale."""

import os

import pytest

from storagenode.disk.filesystem import DiskFileSystem
from storagenode.disk.store import DiskStore
from tests.storagenode.photo_samples import VOLUME, bytes_of, variant_of, version_of
from tests.storagenode.store_under_test import put

OF = version_of(7)


class FileSystemThatCountsListings(DiskFileSystem):
    """A real file system that counts listings and can act during one."""

    def __init__(self, root):
        super().__init__(root)
        self.listings = {}
        self.after_listing = {}

    def list(self, path):
        """List the directory, count it, and act."""
        self.listings[path] = self.listings.get(path, 0) + 1
        names = super().list(path)
        self.after_listing.pop(path, lambda: None)()
        return names


@pytest.fixture(name="file_system")
def _file_system(root):
    file_system = FileSystemThatCountsListings(root)
    yield file_system
    file_system.close_root()


@pytest.fixture(name="shard")
def _shard(root, store):
    put(store, variant_of(OF), bytes_of("photo"))
    return root / str(VOLUME) / OF.shard


@pytest.fixture(name="add_unseen")
def _add_unseen(shard):
    """Add a file to the shard within the same tick of its directory's mtime."""

    def add():
        mtime = shard.stat().st_mtime_ns
        (shard / f"{OF.photo}_{OF.version}_m.jpg").write_bytes(b"new")
        os.utime(shard, ns=(mtime, mtime))

    return add


def seconds_after(shard, seconds):
    """Return a time after the last change of a directory."""
    return shard.stat().st_mtime_ns / 1e9 + seconds


def test_a_settled_shard_is_listed_once(store, shard, file_system, clock):
    """A digest costs one stat of each directory."""
    clock.seconds = seconds_after(shard, 3)
    first = store.shard_digests(VOLUME)
    listed = dict(file_system.listings)
    assert store.shard_digests(VOLUME) == first
    assert file_system.listings[f"42/{OF.shard}"] == listed[f"42/{OF.shard}"] == 1


def test_a_shard_that_changed_is_listed_again(store, shard, file_system, clock):
    """Its digest changes."""
    clock.seconds = seconds_after(shard, 3)
    first = store.shard_digests(VOLUME)
    put(store, variant_of(OF, "m"), bytes_of("m"))
    clock.seconds = seconds_after(shard, 3)
    assert store.shard_digests(VOLUME) != first
    assert file_system.listings[f"42/{OF.shard}"] == 2


@pytest.mark.parametrize("age_seconds", [-3600, -1, 0, 0.5, 1.9])
def test_a_shard_that_has_just_changed_is_not_cached(store, shard, clock, add_unseen, age_seconds):
    """It can change again within the same tick, or its mtime can be in the future."""
    clock.seconds = seconds_after(shard, age_seconds)
    first = store.shard_digests(VOLUME)
    add_unseen()
    assert store.shard_digests(VOLUME) != first


def test_a_slow_listing_is_not_cached(store, shard, file_system, clock, add_unseen):
    """The time before the listing counts."""
    clock.seconds = seconds_after(shard, 0.5)

    def change_and_dawdle():
        add_unseen()
        clock.advance(60)

    file_system.after_listing = {f"42/{OF.shard}": change_and_dawdle}
    first = store.shard_digests(VOLUME)
    assert store.shard_digests(VOLUME) != first


def test_a_digest_that_is_restored_during_a_listing_is_not_lost(store, shard, file_system, clock):
    """The listing saw the file without it."""
    (path,) = shard.iterdir()
    path.chmod(0o600)
    os.removexattr(path, "user.sha256")
    clock.seconds = seconds_after(shard, 60)
    look = store._listings._listed

    def adopt_after_looking(listed_path, name):
        listed = look(listed_path, name)
        store.restore_digest(variant_of(OF), "")
        return listed

    store._listings._listed = adopt_after_looking
    unverified = store.shard_digests(VOLUME)
    store._listings._listed = look
    verified = DiskStore(file_system, now_seconds=clock).shard_digests(VOLUME)
    assert store.shard_digests(VOLUME) == verified != unverified


def test_a_restart_empties_the_cache(store, shard, file_system, clock):
    """The next listing fills it again."""
    clock.seconds = seconds_after(shard, 3)
    first = store.shard_digests(VOLUME)
    again = DiskStore(file_system, now_seconds=clock)
    assert again.shard_digests(VOLUME) == first
    assert file_system.listings[f"42/{OF.shard}"] == 2
