"""The part of the store contract about erasures."""

import pytest

from storagenode.protocol.errors import InvalidSignature
from storagenode.protocol.layout import Place
from tests.storagenode.photo_samples import VOLUME, bytes_of, variant_of
from tests.storagenode.store_under_test import OF, OTHER_PHOTO, OTHER_VERSION, names_of, put
from tests.storagenode.tombstones import proof_of, write_tombstone
from volumes.cluster import NodeId
from volumes.photo_path import PhotoTombstone, VersionTombstone


class ErasingContract:
    """The promises about erased photos."""

    def test_an_erasure_leaves_the_tombstones_of_a_photo_alone(self, trial):
        """Live, as a hint, in the trash, and in the quarantine; another photo keeps everything."""
        for photo_version in (OF, OTHER_VERSION, OTHER_PHOTO):
            put(trial.store, variant_of(photo_version), bytes_of(photo_version))
            put(trial.store, variant_of(photo_version, hint_for="west-1"), bytes_of(photo_version))
            put(trial.store, variant_of(photo_version, "m"), bytes_of(photo_version))
            trial.store.quarantine(variant_of(photo_version, "m"))
        others = trial.store.find(OTHER_PHOTO.photo)
        place = Place(PhotoTombstone(VOLUME, OF.photo))
        hinted = Place(PhotoTombstone(VOLUME, OF.photo), NodeId("west-1"))
        for each in (place, hinted):
            write_tombstone(trial.store, each)
        with pytest.raises(InvalidSignature):
            trial.store.erase(place.file, proof=proof_of(Place(VersionTombstone(OF))))
        assert len(trial.store.find(OF.photo)) == 8
        erased = trial.store.erase(place.file, proof=proof_of(place))
        assert sorted({path.split("/")[0] for path in erased}) == [
            ".hints",
            ".quarantine",
            ".trash",
        ]
        assert trial.store.find(OF.photo) == sorted([place.path, hinted.path])
        assert trial.store.find(OTHER_PHOTO.photo) == others
        hints = {hint.place for hint in trial.store.list_hints(10)}
        assert hints == {hinted, variant_of(OTHER_PHOTO, hint_for="west-1")}
        assert trial.store.erase(place.file, proof=proof_of(place)) == []

    def test_an_erasure_of_a_version_keeps_the_others(self, trial):
        """Also a file that its tombstone has not moved to the trash."""
        for photo_version in (OF, OTHER_VERSION):
            put(trial.store, variant_of(photo_version), bytes_of(photo_version))
        place = Place(VersionTombstone(OF))
        assert trial.store.erase(place.file, proof=proof_of(place)) == [variant_of(OF).path]
        assert names_of(trial.store) == [f"{OF.photo}_{OTHER_VERSION.version}_o.jpg"]
