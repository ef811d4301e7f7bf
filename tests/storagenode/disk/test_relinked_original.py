"""An original can be linked under another version alone, so that its sizes are made anew there."""

import pytest

from storagenode.protocol.errors import Corrupt, Gone
from storagenode.protocol.layout import Place
from tests.storagenode.disk.test_store import flip
from tests.storagenode.photo_samples import MTIME, bundle_of, bytes_of, variant_of, version_of
from tests.storagenode.store_contract import names_of, put
from volumes.photo_path import Info, VersionTombstone

OF, NEW = version_of(1), version_of(1, version=2)


@pytest.fixture(name="open_store")
def _open_store(store):
    """A store with a photo that has all its sizes."""
    put(store, variant_of(OF), bytes_of("photo"))
    store.publish_bundle(bundle_of(OF), mtime_seconds=MTIME)
    return store


def test_the_sizes_stay_behind(open_store):
    """The new version has its original and nothing else, however often it is asked for."""
    before = names_of(open_store, OF)
    for _ in range(2):
        made = open_store.relink(OF, NEW.version, original_only=True)
        assert made == (variant_of(NEW).path,)
    assert sorted(names_of(open_store, OF)) == sorted(
        [*before, variant_of(NEW).path.rpartition("/")[2]]
    )


def test_a_version_that_is_gone_does_not_come_back(open_store):
    """Neither as the old one nor as the new one."""
    open_store.write_tombstone(Place(VersionTombstone(NEW)), mtime_seconds=MTIME)
    with pytest.raises(Gone):
        open_store.relink(OF, NEW.version, original_only=True)


def test_what_has_lost_its_digest_is_not_relinked(open_store):
    """It may be corrupt, and under its new name it would be the only copy to last."""
    open_store.file_system.unlink(variant_of(OF).path)
    handle = open_store.file_system.create(variant_of(OF).path)
    open_store.file_system.close(handle)
    with pytest.raises(Corrupt):
        open_store.relink(OF, NEW.version, original_only=True)
    assert not open_store.file_system.exists(variant_of(NEW).path)


@pytest.mark.parametrize("size", ["o", "m"])
def test_what_is_damaged_is_not_relinked(open_store, root, size):
    """It is set aside, so that the other mirror's is there when it is tried again."""
    path = variant_of(OF, size).path
    flip(root / path)
    with pytest.raises(Corrupt):
        open_store.relink(OF, NEW.version)
    assert not open_store.file_system.exists(path)
    assert not open_store.file_system.exists(variant_of(NEW, size).path)
    assert not open_store.file_system.exists(Place(Info(NEW)).path)
