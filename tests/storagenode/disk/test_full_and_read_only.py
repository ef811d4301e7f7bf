"""Deletes on a real full and a real read-only file system."""

import contextlib
import errno
import subprocess

import pytest

from storagenode.disk.filesystem import DiskFileSystem
from storagenode.disk.marker import mark_root
from storagenode.disk.reading import recorded_digest
from storagenode.disk.store import DiskStore
from storagenode.protocol.errors import DiskSuspect, Gone, OutOfSpace
from storagenode.protocol.layout import Place
from tests.storagenode.photo_samples import (
    MTIME,
    VOLUME,
    bytes_of,
    digest_of,
    variant_of,
    version_of,
)
from tests.storagenode.store_under_test import put
from tests.storagenode.tombstones import PROOFS, proof_of, write_tombstone
from volumes.photo_path import PhotoTombstone, VersionTombstone

OF = version_of(7)
DELETED = [version_of(number) for number in range(10)]
INODES = 1_200


def mount(*arguments):
    """Run `mount`, as root."""
    subprocess.run(["mount", *arguments], check=True)


@pytest.fixture(name="small_disk")
def _small_disk(tmp_path):
    """Mount a small disk."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", f"size=4m,nr_inodes={INODES}", "tmpfs", str(folder))
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(name="small_store")
def _small_store(small_disk, node):
    mark_root(small_disk, node)
    file_system = DiskFileSystem(small_disk)
    store = DiskStore(file_system, PROOFS)
    store.create_volumes([VOLUME])
    for photo_version in DELETED:
        put(store, variant_of(photo_version), bytes_of(photo_version))
    yield store
    file_system.close_root()


def fill(folder):
    """Write until no byte is free."""
    with (folder / "ballast").open("wb", buffering=0) as ballast:
        for size in (65_536, 4_096, 1):
            with contextlib.suppress(OSError):
                while True:
                    ballast.write(b"x" * size)


def use_all_inodes(folder):
    """Create files until no inode is free."""
    with contextlib.suppress(OSError):
        for number in range(INODES):
            (folder / f"inode.{number}").touch()


def is_refused(store, photo_version):
    """Return True if no reader gets the photo."""
    try:
        store.raise_if_deleted(variant_of(photo_version).file)
    except Gone:
        return True
    return False


def test_a_tombstone_fits_on_a_full_disk(small_disk, small_store):
    """It is an empty file with its proof, and survives a restart."""
    fill(small_disk)
    assert small_store.space().free_bytes == 0
    for photo_version in DELETED:
        assert not is_refused(small_store, photo_version)
        tombstone = Place(VersionTombstone(photo_version))
        published = write_tombstone(small_store, tombstone)
        assert (published.bytes, published.digest) == (0, digest_of(b""))
        assert recorded_digest(small_store.file_system, tombstone.path) == proof_of(tombstone)
        assert (small_disk / tombstone.path).stat().st_mtime == MTIME
    assert small_store.condition().unwritten_tombstones == 0
    restarted = DiskStore(small_store.file_system, PROOFS)
    assert all(is_refused(restarted, photo_version) for photo_version in DELETED)


@pytest.mark.parametrize("of_photo", [False, True], ids=["version", "photo"])
def test_a_tombstone_without_an_inode_is_kept_in_memory(small_disk, small_store, of_photo):
    """It is written once the disk has an inode again."""
    file = PhotoTombstone(VOLUME, OF.photo) if of_photo else VersionTombstone(OF)
    tombstone = Place(file)
    assert not is_refused(small_store, OF)
    use_all_inodes(small_disk)
    with pytest.raises(OutOfSpace):
        write_tombstone(small_store, tombstone)
    assert is_refused(small_store, OF)
    assert small_store.condition().unwritten_tombstones == 1
    small_store.finish_deletes()
    assert small_store.condition().unwritten_tombstones == 1
    for number in range(100):
        (small_disk / f"inode.{number}").unlink(missing_ok=True)
    small_store.finish_deletes()
    assert small_store.condition().unwritten_tombstones == 0
    assert (small_disk / tombstone.path).stat().st_mtime == MTIME
    assert not (small_disk / variant_of(OF).path).exists()
    assert is_refused(DiskStore(small_store.file_system, PROOFS), OF)


def test_a_read_only_disk_refuses_deleted_photos(small_disk, small_store):
    """Every delete is remembered, also after the first failure."""
    mount("-o", "remount,ro", str(small_disk))
    with pytest.raises(OSError, match="Read-only") as raised:
        (small_disk / "x").touch()
    assert raised.value.errno == errno.EROFS
    for photo_version in DELETED:
        assert not is_refused(small_store, photo_version)
        with pytest.raises(DiskSuspect):
            write_tombstone(small_store, Place(VersionTombstone(photo_version)))
        assert is_refused(small_store, photo_version)
    assert small_store.condition().unwritten_tombstones == len(DELETED)
    assert small_store.condition().suspect_reason


def test_a_hint_that_is_not_stored_refuses_no_photo(small_disk, small_store):
    """The tombstone is for another mirror."""
    mount("-o", "remount,ro", str(small_disk))
    hint = Place(VersionTombstone(OF), variant_of(OF, hint_for="west-1").hint_for)
    with pytest.raises(DiskSuspect):
        write_tombstone(small_store, hint)
    assert not is_refused(small_store, OF)
