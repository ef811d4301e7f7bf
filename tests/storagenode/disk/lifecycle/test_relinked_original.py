"""Relinking of an original alone, so that its sizes are regenerated."""

import pytest

from storagenode.protocol.errors import Corrupt, Gone
from storagenode.protocol.layout import Place
from tests.storagenode.disk.test_store import flip
from tests.storagenode.photo_samples import MTIME, bundle_of, bytes_of, variant_of, version_of
from tests.storagenode.store_contract import names_of, put
from tests.storagenode.tombstones import write_tombstone
from volumes.photo_path import Info, VersionTombstone

OF, NEW = version_of(1), version_of(1, version=2)


@pytest.fixture(name="open_store")
def _open_store(store):
    """Return a store with a photo that has all its sizes."""
    put(store, variant_of(OF), bytes_of("photo"))
    store.publish_bundle(bundle_of(OF), mtime_seconds=MTIME)
    return store


def test_the_sizes_stay_behind(open_store):
    """The new version has only its original, also after repeated calls."""
    before = names_of(open_store, OF)
    for _ in range(2):
        made = open_store.relink(OF, NEW.version, original_only=True)
        assert made == (variant_of(NEW).path,)
    assert sorted(names_of(open_store, OF)) == sorted(
        [*before, variant_of(NEW).path.rpartition("/")[2]]
    )


def test_a_deleted_version_does_not_come_back(open_store):
    """Neither as the old version nor as the new one."""
    write_tombstone(open_store, Place(VersionTombstone(NEW)))
    with pytest.raises(Gone):
        open_store.relink(OF, NEW.version, original_only=True)


def test_a_file_without_a_digest_is_not_relinked(open_store):
    """It can be corrupt, and would become the only copy."""
    open_store.file_system.unlink(variant_of(OF).path)
    handle = open_store.file_system.create(variant_of(OF).path)
    open_store.file_system.close(handle)
    with pytest.raises(Corrupt):
        open_store.relink(OF, NEW.version, original_only=True)
    assert not open_store.file_system.exists(variant_of(NEW).path)


@pytest.mark.parametrize("size", ["o", "m"])
def test_a_corrupt_file_is_not_relinked(open_store, root, size):
    """It is quarantined, and the next try gets the copy of the other mirror."""
    path = variant_of(OF, size).path
    flip(root / path)
    with pytest.raises(Corrupt):
        open_store.relink(OF, NEW.version)
    assert not open_store.file_system.exists(path)
    assert not open_store.file_system.exists(variant_of(NEW, size).path)
    assert not open_store.file_system.exists(Place(Info(NEW)).path)
