"""Puts and tombstones from many threads: afterwards, no covered file is readable."""

import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from storagenode.disk.filesystem import DIGEST_XATTR, DiskFileSystem
from storagenode.disk.reading import opened
from storagenode.disk.store import DiskStore
from storagenode.protocol.errors import Gone, NotFound
from storagenode.protocol.layout import Place
from tests.storagenode.photo_samples import (
    MTIME,
    VOLUME,
    bundle_of,
    bytes_of,
    digest_of,
    variant_of,
    version_of,
)
from tests.storagenode.tombstones import PROOFS, write_tombstone
from volumes.photo_path import PhotoTombstone, VersionTombstone, parse_path

ROUNDS = 12
THREADS = 8
DAWDLE_SECONDS = 0.003


class FileSystemThatDawdles(DiskFileSystem):
    """A real file system that waits after each look for a tombstone."""

    def exists(self, path):
        """Look, and wait a moment."""
        is_there = super().exists(path)
        if path.endswith(".gone"):
            time.sleep(DAWDLE_SECONDS)
        return is_there


@pytest.fixture(name="file_system")
def _file_system(root):
    file_system = FileSystemThatDawdles(root)
    yield file_system
    file_system.close_root()


def try_publish(store, photo_version, size):
    """Run one upload; return True if it is accepted."""
    place, data = variant_of(photo_version, size), bytes_of(size)
    try:
        with store.staging(bytes_expected=len(data)) as file:
            file.write(data)
            store.publish(file, place, mtime_seconds=MTIME, digest=digest_of(data))
    except Gone:
        return False
    return True


def try_publish_bundle(store, photo_version):
    """Run one bundle; return True if it is accepted."""
    try:
        store.publish_bundle(bundle_of(photo_version, sizes="sqt"), mtime_seconds=MTIME)
    except Gone:
        return False
    return True


def is_readable(store, path):
    """Return True if a reader gets the file."""
    try:
        store.raise_if_deleted(parse_path(path))
        with opened(store.file_system, path) as file:
            file.read()
    except (Gone, NotFound):
        return False
    return True


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_tombstone_wins_in_any_order(store, seed):
    """Every accepted file is in the trash, and none is at its name."""
    photo_version = version_of(seed)
    dice = random.Random(seed)
    tombstone = dice.choice(
        [VersionTombstone(photo_version), PhotoTombstone(photo_version.volume, photo_version.photo)]
    )
    work = [lambda s=size: try_publish(store, photo_version, s) for size in "abcdefghij"]
    work += [lambda: try_publish_bundle(store, photo_version)]
    work += [lambda: bool(write_tombstone(store, Place(tombstone)))] * 2
    dice.shuffle(work)
    start = threading.Barrier(THREADS)

    def one(task, number):
        if number < THREADS:
            start.wait()
        return task()

    with ThreadPoolExecutor(THREADS) as threads:
        outcomes = list(threads.map(one, work, range(len(work))))

    assert all(isinstance(outcome, bool) for outcome in outcomes)
    listed = [file.name for file in store.list_shard(VOLUME, photo_version.shard)]
    assert listed == [Place(tombstone).path.rpartition("/")[2]]
    names = [
        f"{photo_version.volume}/{photo_version.shard}/{photo_version.photo}_{photo_version.version}_{size}.jpg"
        for size in "abcdefghijsqt"
    ]
    assert not any(is_readable(store, name) for name in names)
    trashed = [path for path in store.find(photo_version.photo) if path.startswith(".trash/")]
    assert len(trashed) >= sum(outcomes) - 2
    for path in trashed:
        with opened(store.file_system, path) as file:
            file.read()
    assert store.file_system.list(".staging") == []


class FileSystemThatIsOvertaken(DiskFileSystem):
    """A real file system that acts just after a look for a tombstone, or before its link."""

    def __init__(self, root):
        super().__init__(root)
        self.meanwhile = None
        self.before_link = None

    def link(self, source, target):
        """Act, then link a tombstone."""
        if self.before_link and target.endswith(".gone"):
            self.before_link()
        super().link(source, target)

    def exists(self, path):
        """Return the result from before the act."""
        is_there = super().exists(path)
        if self.meanwhile and path.endswith(".gone"):
            happens, self.meanwhile = self.meanwhile, None
            happens()
        return is_there


def test_a_read_after_a_delete_is_refused(store):
    """Although an earlier read cached the absence of tombstones."""
    photo_version, other = version_of(1), version_of(2)
    try_publish(store, photo_version, "o")
    store.raise_if_deleted(variant_of(photo_version, "o").file)
    write_tombstone(store, Place(VersionTombstone(other)))
    store.raise_if_deleted(variant_of(photo_version, "o").file)
    write_tombstone(store, Place(VersionTombstone(photo_version)))
    with pytest.raises(Gone):
        store.raise_if_deleted(variant_of(photo_version, "o").file)


@pytest.mark.parametrize("is_genuine", [True, False])
def test_a_read_after_a_delete_is_refused_if_its_tombstone_was_there(store, root, is_genuine):
    """From a backup that was copied into the running node, with or without its proof."""
    photo_version = version_of(1)
    try_publish(store, photo_version, "o")
    store.raise_if_deleted(variant_of(photo_version, "o").file)
    place = Place(VersionTombstone(photo_version))
    copied = root / place.path
    copied.touch()
    if is_genuine:
        os.setxattr(copied, DIGEST_XATTR, PROOFS.sign(place.path).encode())
    write_tombstone(store, place)
    with pytest.raises(Gone):
        store.raise_if_deleted(variant_of(photo_version, "o").file)


@pytest.mark.parametrize("kind", [PhotoTombstone, VersionTombstone])
def test_a_read_just_before_the_link_of_a_tombstone_caches_nothing(root, kind):
    """The delete is not acknowledged yet, and afterwards every read is refused."""
    file_system = FileSystemThatIsOvertaken(root)
    store = DiskStore(file_system, PROOFS)
    store.create_volumes([VOLUME])
    photo_version = version_of(1)
    try_publish(store, photo_version, "o")
    reads = []

    def read():
        store.raise_if_deleted(variant_of(photo_version, "o").file)
        reads.append(photo_version)

    file_system.before_link = read
    tombstones = PhotoTombstone(VOLUME, photo_version.photo), VersionTombstone(photo_version)
    write_tombstone(store, Place(tombstones[kind is VersionTombstone]))
    assert reads == [photo_version]
    with pytest.raises(Gone):
        read()
    file_system.close_root()


def test_a_read_during_a_delete_caches_nothing(root):
    """Every read that starts after the delete is refused."""
    file_system = FileSystemThatIsOvertaken(root)
    store = DiskStore(file_system, PROOFS)
    store.create_volumes([VOLUME])
    photo_version = version_of(1)
    try_publish(store, photo_version, "o")
    tombstone = Place(PhotoTombstone(photo_version.volume, photo_version.photo))
    file_system.meanwhile = lambda: write_tombstone(store, tombstone)
    store.raise_if_deleted(variant_of(photo_version, "o").file)
    with pytest.raises(Gone):
        store.raise_if_deleted(variant_of(photo_version, "o").file)
    file_system.close_root()


def test_parallel_uploads_of_a_file_are_one_file(store):
    """Retries at several storagemasters can overlap."""
    photo_version = version_of(1)
    with ThreadPoolExecutor(THREADS) as threads:
        taken = list(threads.map(lambda _: try_publish(store, photo_version, "o"), range(24)))
    assert taken == [True] * 24
    (listed,) = store.list_shard(VOLUME, photo_version.shard)
    assert listed.digest == digest_of(bytes_of("o"))


def test_hints_are_removed_while_others_are_stored(store):
    """Publishing creates removed directories again."""
    places = [variant_of(version_of(5, version=n), hint_for="west-1") for n in range(60)]

    def hold_and_settle(place):
        data = bytes_of(place)
        with store.staging(bytes_expected=len(data)) as file:
            file.write(data)
            store.publish(file, place, mtime_seconds=MTIME, digest=digest_of(data))
        store.remove_hint(place)

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(hold_and_settle, places))
    assert store.list_hints(100) == []
    assert store.file_system.list(".hints") == []
