"""A drop of a volume on a disk that is full or slow."""

import errno

import pytest

from storagenode.protocol.errors import NotAMirror, OutOfSpace
from storagenode.protocol.layout import Place, summaries_path
from tests.storagenode.photo_samples import (
    MTIME,
    OTHER_VOLUME,
    VOLUME,
    bytes_of,
    digest_of,
    variant_of,
    version_of,
)
from tests.storagenode.store_under_test import put
from tests.storagenode.tombstones import write_tombstone
from volumes.photo_path import PhotoTombstone

OF, LATER = version_of(7), version_of(8)
DATA = bytes_of("photo")


@pytest.fixture(name="held")
def _held(store):
    """Return a store with two volumes. The first is on other nodes by now."""
    store.create_volumes([VOLUME, OTHER_VOLUME])
    put(store, variant_of(OF), DATA)
    store.take_only([OTHER_VOLUME])
    return store


def digest(store):
    """Return the digest of the volume."""
    return store.volume_summary(VOLUME).digest


def test_a_volume_that_the_disk_cannot_move_stays_until_it_can(held, root, monkeypatch):
    """A full disk has no room for the names. What is not held would miss deletes."""

    def fail(*_):
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patched:
        patched.setattr(type(held.file_system), "rename", fail)
        with pytest.raises(OutOfSpace):
            held.drop_volume(VOLUME, digest(held))
    assert VOLUME in held.volumes
    held.drop_volume(VOLUME, digest(held))
    assert [each.file for each in held.list_trash(VOLUME, OF.photo)] == [variant_of(OF).file]
    assert held.volumes == (OTHER_VOLUME,)
    assert not (root / str(VOLUME)).exists()


def test_a_photo_deleted_during_the_drop_is_not_left_on_the_disk(held, root, monkeypatch):
    """Its tombstone moves to the trash as well, and the delete moves its files."""
    rename = type(held.file_system).rename
    left = [Place(PhotoTombstone(VOLUME, OF.photo))]

    def delete_first(file_system, path, target):
        while left:
            write_tombstone(held, left.pop())
        rename(file_system, path, target)

    with monkeypatch.context() as patched:
        patched.setattr(type(held.file_system), "rename", delete_first)
        held.drop_volume(VOLUME, digest(held))
    assert held.volumes == (OTHER_VOLUME,)
    assert not (root / str(VOLUME)).exists()


def test_the_summaries_of_other_volumes_are_saved_after_a_drop(held, root):
    """The summaries of the dropped volume had changed, and have no place any longer."""
    put(held, variant_of(version_of(1, volume=OTHER_VOLUME)), DATA)
    held.drop_volume(VOLUME, digest(held))
    assert held.volume_summary(OTHER_VOLUME).photos == 1
    held.save_summaries()
    assert (root / summaries_path(OTHER_VOLUME)).exists()
    assert not (root / str(VOLUME)).exists()


def test_a_file_whose_fsync_ends_after_the_drop_of_its_volume_counts_as_refused(held):
    """No mirror has it, so that the storagemaster must store it elsewhere."""
    held.take_only([VOLUME, OTHER_VOLUME])
    with held.staging(bytes_expected=len(DATA)) as file:
        file.write(DATA)
        seal = file.seal

        def seal_slowly(**options):
            held.take_only([OTHER_VOLUME])
            held.drop_volume(VOLUME, digest(held))
            seal(**options)

        file.seal = seal_slowly
        with pytest.raises(NotAMirror):
            held.publish(file, variant_of(LATER), mtime_seconds=MTIME, digest=digest_of(DATA))
