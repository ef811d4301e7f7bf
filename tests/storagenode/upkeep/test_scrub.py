"""Scrub compares every byte with its digest, and one bad file does not stop it."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from storagenode.disk.filesystem import DIGEST_XATTR, DiskFileSystem
from storagenode.disk.store import DiskStore
from storagenode.protocol.layout import Place
from storagenode.upkeep.scrub import (
    BUSY_PAUSE_SECONDS,
    BUSY_SECONDS,
    PAUSE_SECONDS,
    SHARDS_AT_ONCE,
    Scrub,
)
from tests.storagenode.disk.test_store import flip
from tests.storagenode.photo_samples import bytes_of, variant_of, version_of
from tests.storagenode.store_under_test import put
from tests.storagenode.tombstones import PROOFS, write_tombstone
from volumes.photo_path import SHARDS, VersionTombstone

PLACES = [variant_of(version_of(number)) for number in (1, 400, 800)]
SIZE = 5000


class FileSystemThatRemembers(DiskFileSystem):
    """A real file system that records cache drops and can fail reads of one file."""

    def __init__(self, root):
        super().__init__(root)
        self.dropped, self.unreadable, self.before_reading = 0, None, lambda: None

    def drop_cache(self, handle):
        """Record the call."""
        self.dropped += 1
        super().drop_cache(handle)

    def read_at(self, handle, offset, bytes_max):
        """Fail as a bad sector does."""
        self.before_reading()
        if self.stat_open(handle).inode == self.unreadable:
            raise OSError(5, "Input/output error")
        return super().read_at(handle, offset, bytes_max)


@pytest.fixture(name="disk")
def _disk(root):
    disk = FileSystemThatRemembers(root)
    yield disk
    disk.close_root()


@pytest.fixture(name="store")
def _store(disk, clock):
    store = DiskStore(disk, PROOFS, now_seconds=clock)
    for place in PLACES:
        put(store, place, bytes_of(place, size=SIZE))
    return store


@pytest.fixture(name="slept")
def _slept():
    """Return the requested sleeps of the scrub."""
    return []


@pytest.fixture(name="idle_scrub")
def _idle_scrub(store, clock, slept):
    """Return a scrub whose pauses take no time."""
    with ThreadPoolExecutor(1) as threads:

        async def sleep(seconds):
            slept.append(seconds)

        yield Scrub(store, threads, bytes_per_second=1000, now_seconds=clock, sleep=sleep)


@pytest.fixture(name="scrub")
def _scrub(idle_scrub):
    """Run one pass and return its progress."""
    return lambda: asyncio.run(idle_scrub.run_pass())


def test_the_scrub_yields_to_writes(scrub, idle_scrub, slept, clock):
    """Its pauses are longer until no client has written for a while, and the pass still ends."""
    idle_scrub.note_write()
    scrub()
    assert min(slept) == BUSY_PAUSE_SECONDS
    slept.clear()
    clock.advance(BUSY_SECONDS)
    scrub()
    assert min(slept) == PAUSE_SECONDS


def test_a_pass_reads_every_byte_from_the_disk(scrub, disk, clock):
    """Not from the page cache; and it records its end."""
    progress = scrub()
    assert (progress.files, progress.bytes) == (3, 3 * SIZE)
    assert (progress.corrupt, progress.unverified) == ([], 0)
    assert disk.dropped == 3
    assert progress.completed_seconds == clock.seconds


def test_a_pass_keeps_to_its_budget(scrub, slept):
    """Client reads have priority."""
    scrub()
    assert [seconds for seconds in slept if seconds != PAUSE_SECONDS] == [SIZE / 1000] * 3


def test_a_pass_over_empty_shards_pauses_too(scrub, slept):
    """A node that has just started has readers waiting and thousands of shards to list."""
    progress = scrub()
    assert progress.shards == progress.shards_total == len(SHARDS)
    steps = len(SHARDS) / SHARDS_AT_ONCE
    assert abs(slept.count(PAUSE_SECONDS) - steps) <= len(PLACES)


def test_a_corrupt_file_is_quarantined_and_the_pass_continues(scrub, root):
    """Reconcile restores a good copy."""
    flip(root / PLACES[1].path)
    progress = scrub()
    assert progress.corrupt == [PLACES[1].path]
    assert progress.files == 3
    assert not (root / PLACES[1].path).exists()
    assert len(list((root / ".quarantine").iterdir())) == 1
    assert scrub().corrupt == []


def test_a_file_without_a_digest_is_counted_and_stays(scrub, root, slept):
    """It cannot be compared."""
    path = root / PLACES[0].path
    path.chmod(0o600)
    os.removexattr(path, DIGEST_XATTR)
    progress = scrub()
    assert (progress.unverified, progress.files, progress.bytes) == (1, 3, 2 * SIZE)
    assert path.exists()
    assert slept.count(SIZE / 1000) == 2


def test_a_file_without_a_digest_changes_the_digest_of_its_shard(scrub, store, root, clock):
    """So that reconcile checks it, even if the shard digest was cached."""
    (volume,) = store.volumes
    clock.seconds = time.time() + 60
    before = store.shard_digests(volume)
    path = root / PLACES[0].path
    path.chmod(0o600)
    os.removexattr(path, DIGEST_XATTR)
    assert store.shard_digests(volume) == before
    scrub()
    after = store.shard_digests(volume)
    assert [shard for shard in before if before[shard] != after[shard]] == [path.parent.name]


def test_a_file_that_cannot_be_read_is_reported_and_the_pass_continues(scrub, disk, root):
    """Later files matter as well."""
    disk.unreadable = (root / PLACES[0].path).stat().st_ino
    progress = scrub()
    assert progress.corrupt == [PLACES[0].path]
    assert progress.files == 3
    assert (root / PLACES[0].path).exists()


def test_a_file_that_is_repaired_during_the_scrub_stays(scrub, store, disk, root):
    """The scrub read the corrupt one, which has lost its name."""
    place = PLACES[1]
    flip(root / place.path)
    bad = (root / place.path).stat().st_ino

    def heal():
        disk.before_reading = lambda: None
        if (root / place.path).stat().st_ino == bad:
            put(store, place, bytes_of(place, size=SIZE))

    original = disk.drop_cache

    def drop_cache(handle):
        if disk.stat_open(handle).inode == bad:
            disk.before_reading = heal
        original(handle)

    disk.drop_cache = drop_cache
    assert scrub().corrupt == [place.path]
    assert (root / place.path).read_bytes() == bytes_of(place, size=SIZE)


def test_a_disk_without_writes_is_scrubbed_to_the_end(scrub, store, root):
    """It reports corrupt files without a quarantine."""
    for place in PLACES[:2]:
        flip(root / place.path)
    store.health.suspect_reason = "an fsync failed"
    progress = scrub()
    assert progress.corrupt == [place.path for place in PLACES[:2]]
    assert progress.files == 3


def test_a_file_that_is_deleted_during_the_scrub_is_skipped(scrub, store, disk):
    """It was listed before."""
    real = disk.open_to_read

    def open_after_a_delete(path):
        if path == PLACES[2].path:
            write_tombstone(store, Place(VersionTombstone(PLACES[2].file.photo_version)))
        return real(path)

    files = store.list_shard
    listed = {}

    def list_first(volume, shard):
        listed[shard] = files(volume, shard)
        disk.open_to_read = (
            open_after_a_delete if shard == PLACES[2].file.photo_version.shard else real
        )
        return listed[shard]

    store.list_shard = list_first
    progress = scrub()
    assert (progress.files, progress.corrupt) == (2, [])
