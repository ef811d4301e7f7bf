"""The part of the store contract about volumes that the map gives to other nodes."""

import pytest

from storagenode.protocol.errors import Conflict, NotAMirror
from storagenode.protocol.layout import Place
from tests.storagenode.photo_samples import OTHER_VOLUME, VOLUME, bytes_of, variant_of
from tests.storagenode.store_under_test import OF, OTHER_PHOTO, names_of, put
from tests.storagenode.tombstones import write_tombstone
from volumes.photo_path import PhotoTombstone

DATA = bytes_of("photo")


def hold(trial):
    """Make the store hold two volumes. The first has a photo, and is on other nodes by now."""
    trial.store.create_volumes([VOLUME, OTHER_VOLUME])
    put(trial.store, variant_of(OF), DATA)
    trial.store.take_only([OTHER_VOLUME])
    return trial.store


def digest(store):
    """Return the digest of the volume."""
    return store.volume_summary(VOLUME).digest


class DroppingContract:
    """The promises about a drop: its volume moves to the trash, and nothing else does."""

    def test_a_dropped_volume_is_in_the_trash_where_searches_look(self, trial):
        """Its marker is gone, also for the next process, and another drop does nothing."""
        store = hold(trial)
        write_tombstone(store, Place(PhotoTombstone(VOLUME, OTHER_PHOTO.photo)))
        found = digest(store)
        for _ in range(2):
            store.drop_volume(VOLUME, found)
        assert store.volumes == (OTHER_VOLUME,)
        with pytest.raises(NotAMirror):
            store.list_shard(VOLUME, OF.shard)
        (trashed,) = store.list_trash(VOLUME, OF.photo)
        assert (trashed.file, trial.read(trashed.path)) == (variant_of(OF).file, DATA)
        assert store.find(OF.photo) == [trashed.path]
        trial.restart()
        assert trial.store.volumes == (OTHER_VOLUME,)
        assert trial.store.find(OF.photo) == [trashed.path]

    def test_a_volume_of_the_map_is_never_dropped(self, trial):
        """A storagemaster with an older map can request it."""
        store = hold(trial)
        store.take_only([VOLUME, OTHER_VOLUME])
        with pytest.raises(Conflict, match="it stays"):
            store.drop_volume(VOLUME, digest(store))
        assert trial.read(variant_of(OF).path) == DATA

    def test_a_volume_that_has_changed_since_its_proof_stays(self, trial):
        """Other files could be the only copies."""
        store = hold(trial)
        found = digest(store)
        store.take_only([VOLUME])
        put(store, variant_of(OTHER_PHOTO), DATA)
        store.take_only([OTHER_VOLUME])
        with pytest.raises(Conflict, match="it stays"):
            store.drop_volume(VOLUME, found)
        assert VOLUME in store.volumes
        assert store.list_trash(VOLUME, OF.photo) == []
        assert trial.read(variant_of(OTHER_PHOTO).path) == DATA

    def test_a_dropped_volume_can_come_back_and_be_dropped_again_on_one_day(self, trial):
        """It comes back empty, and its new files join the former ones in the trash."""
        store = hold(trial)
        store.drop_volume(VOLUME, digest(store))
        store.create_volumes([VOLUME])
        assert names_of(store) == []
        put(store, variant_of(OTHER_PHOTO), DATA)
        store.take_only([OTHER_VOLUME])
        store.drop_volume(VOLUME, digest(store))
        for photo_version in (OF, OTHER_PHOTO):
            (trashed,) = store.list_trash(VOLUME, photo_version.photo)
            assert trial.read(trashed.path) == DATA
