"""Scrub compares every byte with its digest, and one bad file does not stop it."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from storagenode.disk.filesystem import DIGEST_XATTR, DiskFileSystem
from storagenode.disk.store import DiskStore
from storagenode.protocol.layout import SCRUB, Place
from storagenode.upkeep.scrub import (
    BUSY_PAUSE_SECONDS,
    BUSY_SECONDS,
    FILE_BYTES_MIN,
    PAUSE_SECONDS,
    SHARDS_AT_ONCE,
    STEP_SECONDS,
    Scrub,
)
from tests.storagenode.disk.test_store import flip
from tests.storagenode.photo_samples import bytes_of, variant_of, version_of
from tests.storagenode.store_under_test import put
from tests.storagenode.tombstones import PROOFS, proof_of, write_tombstone
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


def test_shards_that_do_not_exist_cost_no_step(store, scrub, slept, monkeypatch):
    """A node of many volumes has few files in most of them, or none."""
    scrub()
    steps = len(slept)
    monkeypatch.setattr("storagenode.disk.store.VOLUMES_WITH_ALL_SHARDS_MAX", 0)
    store.create_volumes([77, 78, 79])
    put(store, variant_of(version_of(5, volume=78)), bytes_of("one"))
    progress = scrub()
    assert (progress.files, progress.shards) == (4, 4 * len(SHARDS))
    assert len(slept) - steps == steps + 1


def test_a_pass_reads_every_byte_from_the_disk(scrub, disk, clock):
    """Not from the page cache; and it records its end."""
    progress = scrub()
    assert (progress.files, progress.bytes) == (3, 3 * SIZE)
    assert (progress.corrupt, progress.unverified) == ([], 0)
    assert disk.dropped == 3
    assert progress.completed_seconds == clock.seconds


def test_a_pass_keeps_to_its_budget(scrub, slept, monkeypatch):
    """Client reads have priority. A small file costs more than its bytes."""
    scrub()
    assert budgeted(slept) == [FILE_BYTES_MIN / 1000] * 3
    slept.clear()
    monkeypatch.setattr("storagenode.upkeep.scrub.FILE_BYTES_MIN", 1)
    scrub()
    assert budgeted(slept) == [SIZE / 1000] * 3


def budgeted(slept):
    """Return the pauses that the budget requires."""
    return [seconds for seconds in slept if seconds != PAUSE_SECONDS]


def test_small_files_of_a_shard_share_a_step(store, clock, slept):
    """Their number does not limit the rate, only their cost does."""
    for letter in "abcdefghk":
        place = replace(PLACES[0], file=replace(PLACES[0].file, size=letter))
        put(store, place, bytes_of(place, size=SIZE))
    bytes_per_second = int(5 * FILE_BYTES_MIN / STEP_SECONDS)

    async def sleep(seconds):
        slept.append(seconds)

    with ThreadPoolExecutor(1) as threads:
        scrub = Scrub(
            store, threads, bytes_per_second=bytes_per_second, now_seconds=clock, sleep=sleep
        )
        asyncio.run(scrub.run_pass())
    # Ten files of one shard in two steps, and one file in each of two other shards.
    assert [round(seconds / STEP_SECONDS, 6) for seconds in slept if seconds > PAUSE_SECONDS] == [
        1.0,
        1.0,
    ]


def test_small_files_of_many_shards_share_a_step(store, clock, slept):
    """A volume with a file in each shard is not limited by their number."""
    version = PLACES[0].file.photo_version
    for shard in SHARDS[:100]:
        photo_version = replace(version, photo=version.photo[:-2] + shard)
        place = replace(PLACES[0], file=replace(PLACES[0].file, photo_version=photo_version))
        put(store, place, bytes_of(place, size=SIZE))

    async def sleep(seconds):
        slept.append(seconds)

    with ThreadPoolExecutor(1) as threads:
        scrub = Scrub(store, threads, bytes_per_second=10**9, now_seconds=clock, sleep=sleep)
        progress = asyncio.run(scrub.run_pass())
    assert progress.files >= 100
    assert len(slept) <= 2 * len(SHARDS) / SHARDS_AT_ONCE


def test_a_restart_continues_the_pass(store, clock, slept, monkeypatch):
    """It repeats at most the shards since the last save, and keeps the start of the pass."""
    monkeypatch.setattr("storagenode.upkeep.scrub.SAVE_SECONDS", -1)
    with ThreadPoolExecutor(1) as threads:

        def scrub(sleep):
            return Scrub(store, threads, bytes_per_second=1000, now_seconds=clock, sleep=sleep)

        async def crash(seconds):
            slept.append(seconds)
            if len(slept) == 20:
                raise ConnectionAbortedError

        async def skip(_seconds):
            pass

        assert scrub(skip).unverified_seconds() == 0
        with pytest.raises(ConnectionAbortedError):
            asyncio.run(scrub(crash).run_pass())
        started = clock.seconds
        clock.advance(1000)
        again = scrub(skip)
        assert 0 < again.progress.shards < len(SHARDS)
        assert again.unverified_seconds() == 1000
        progress = asyncio.run(again.run_pass())
        assert progress.files == 3
        assert progress.shards == progress.shards_total
        assert progress.started_seconds == progress.verified_since_seconds == started
        assert progress.completed_seconds == clock.seconds
        assert scrub(skip).progress == progress
        clock.advance(500)
        assert scrub(skip).unverified_seconds() == 1500
        last = asyncio.run(scrub(skip).run_pass())
        assert (last.files, last.verified_since_seconds) == (3, clock.seconds)
        assert scrub(skip).unverified_seconds() == 0


def test_a_restart_reads_a_volume_that_was_added(store, clock, monkeypatch):
    """Also one with a lower number, in the next pass."""
    monkeypatch.setattr("storagenode.upkeep.scrub.SAVE_SECONDS", -1)
    store.save_state(
        SCRUB, b'{"volume": 42, "shard": "zz", "started_seconds": 5, "completed_seconds": 1}'
    )
    for volume in (7, 50):
        store.create_volumes([volume])
        put(store, variant_of(version_of(1, volume=volume)), bytes_of("added", size=SIZE))

    async def skip(_seconds):
        pass

    with ThreadPoolExecutor(1) as threads:
        scrub = Scrub(store, threads, bytes_per_second=1000, now_seconds=clock, sleep=skip)
        assert asyncio.run(scrub.run_pass()).files == 1
        assert asyncio.run(scrub.run_pass()).files == 5


def test_unusable_progress_begins_a_pass(store, clock):
    """It was damaged, or saved in another form."""
    with ThreadPoolExecutor(1) as threads:
        for text in (b"{", b"[]", b'{"position": 1}'):
            store.save_state(SCRUB, text)
            scrub = Scrub(store, threads, bytes_per_second=1000, now_seconds=clock)
            assert scrub.progress.started_seconds == 0


def test_few_corrupt_paths_are_kept(scrub, root, monkeypatch):
    """The log has all of them."""
    monkeypatch.setattr("storagenode.upkeep.scrub.CORRUPT_MAX", 1)
    for place in PLACES:
        flip(root / place.path)
    assert len(scrub().corrupt) == 1


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
    assert slept.count(FILE_BYTES_MIN / 1000) == 3


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


@pytest.mark.parametrize("is_genuine", [True, False])
def test_a_damaged_tombstone_is_never_lost(scrub, store, root, is_genuine):
    """Its proof is enough to write it again. Without one it does not count."""
    tombstone = Place(VersionTombstone(PLACES[2].file.photo_version))
    published = write_tombstone(store, tombstone)
    path = root / tombstone.path
    path.chmod(0o600)
    path.write_bytes(b"\x01")
    if not is_genuine:
        os.setxattr(path, DIGEST_XATTR, b"a.nothing")
    os.utime(path, (published.mtime_seconds, published.mtime_seconds))
    assert scrub().corrupt == [tombstone.path]
    assert path.exists() is is_genuine
    quarantined = [each.name for each in (root / ".quarantine").iterdir()]
    assert len(quarantined) == (not is_genuine)
    if is_genuine:
        assert path.stat().st_size == 0
        assert path.stat().st_mtime == published.mtime_seconds
        assert os.getxattr(path, DIGEST_XATTR).decode() == proof_of(tombstone)
        assert scrub().corrupt == []


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
        if shard == PLACES[2].file.photo_version.shard:
            disk.open_to_read = open_after_a_delete
        return listed[shard]

    store.list_shard = list_first
    progress = scrub()
    assert (progress.files, progress.corrupt) == (2, [])
