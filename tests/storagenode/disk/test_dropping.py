"""A volume that other nodes have moves to the trash, and nothing else of the disk does."""

import errno

import pytest

from storagenode.protocol.errors import Conflict, NotAMirror, OutOfSpace
from storagenode.protocol.layout import VOLUME_MARKER, summaries_path
from tests.storagenode.photo_samples import OTHER_VOLUME, VOLUME, bytes_of, variant_of, version_of
from tests.storagenode.store_under_test import put

OF, LATER = version_of(7), version_of(8)
DATA = bytes_of("photo")


@pytest.fixture(name="held")
def _held(store):
    """Return a store with two volumes. The first is on other nodes by now."""
    store.create_volumes([VOLUME, OTHER_VOLUME])
    put(store, variant_of(OF), DATA)
    store.take_only([OTHER_VOLUME])
    yield store
    # The root is for other tests, which have the volume.
    store.create_volumes([VOLUME])


def digest(store):
    """Return the digest of the volume."""
    return store.volume_summary(VOLUME).digest


def trashed(root):
    """Return the files in the trash, below their day."""
    return {
        str(path.relative_to(day)): path.read_bytes()
        for day in (root / ".trash").iterdir()
        for path in day.rglob("*")
        if path.is_file()
    }


def test_a_dropped_volume_is_in_the_trash_where_erasures_look(held, root):
    """With its paths below the day; its marker is gone, and another drop does nothing."""
    found = digest(held)
    for _ in range(2):
        held.drop_volume(VOLUME, found)
    assert trashed(root) == {variant_of(OF).path: DATA}
    assert held.volumes == (OTHER_VOLUME,)
    assert not (root / str(VOLUME)).exists()
    assert [each.file for each in held.list_trash(VOLUME, OF.photo)] == [variant_of(OF).file]
    with pytest.raises(NotAMirror):
        held.list_shard(VOLUME, OF.shard)


def test_a_volume_of_the_map_is_never_dropped(held, root):
    """A storagemaster with an older map can request it."""
    held.take_only([VOLUME, OTHER_VOLUME])
    with pytest.raises(Conflict, match="it stays"):
        held.drop_volume(VOLUME, digest(held))
    assert (root / variant_of(OF).path).read_bytes() == DATA


def test_a_volume_that_has_changed_since_its_proof_stays(held, root):
    """Other files could be the only copies."""
    found = digest(held)
    held.take_only([VOLUME])
    put(held, variant_of(LATER), DATA)
    held.take_only([OTHER_VOLUME])
    with pytest.raises(Conflict, match="it stays"):
        held.drop_volume(VOLUME, found)
    assert (root / str(VOLUME) / VOLUME_MARKER).exists()
    assert trashed(root) == {}


def test_a_dropped_volume_can_come_back_and_be_dropped_again_on_one_day(held, root):
    """Its new files join the former ones in the trash."""
    held.drop_volume(VOLUME, digest(held))
    held.create_volumes([VOLUME])
    put(held, variant_of(LATER), DATA)
    assert (root / variant_of(LATER).path).read_bytes() == DATA
    held.take_only([OTHER_VOLUME])
    held.drop_volume(VOLUME, digest(held))
    assert trashed(root) == dict.fromkeys((variant_of(OF).path, variant_of(LATER).path), DATA)


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
    assert trashed(root) == {variant_of(OF).path: DATA}
    assert held.volumes == (OTHER_VOLUME,)


def test_the_summaries_of_other_volumes_are_saved_after_a_drop(held, root):
    """The summaries of the dropped volume had changed, and have no place any longer."""
    held.drop_volume(VOLUME, digest(held))
    assert held.volume_summary(OTHER_VOLUME).photos == 0
    held.save_summaries()
    assert (root / summaries_path(OTHER_VOLUME)).exists()
    assert not (root / str(VOLUME)).exists()
