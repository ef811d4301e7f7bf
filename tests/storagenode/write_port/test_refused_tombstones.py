"""A tombstone that a node cannot store is obeyed from memory."""

import pytest

from storagenode.protocol.errors import DiskSuspect
from storagenode.protocol.layout import Place
from tests.storagenode.photo_samples import MTIME, bytes_of, variant_of
from volumes.photo_path import VersionTombstone

DATA = bytes_of("photo")


def test_a_tombstone_that_is_not_stored_is_reported_and_obeyed(served, photo_version, monkeypatch):
    """The node refuses the photo, and its status and metrics count the tombstone."""
    place = variant_of(photo_version)
    served.put(place, DATA)
    tombstone = Place(VersionTombstone(photo_version))
    assert served.read(served.url(place.file)).status == 200
    with monkeypatch.context() as patch:
        patch.setattr(served.store.health, "suspect_reason", "an fsync failed")
        with pytest.raises(DiskSuspect):
            served.run(served.client.write_tombstone(tombstone, mtime_seconds=MTIME))
        assert served.read(served.url(place.file)).status == 410
        assert served.run(served.client.status()).unwritten_tombstones == 1
        assert served.store.condition().unwritten_tombstones == 1
    served.store.finish_deletes()
    assert served.run(served.client.status()).unwritten_tombstones == 0
    assert served.read(served.url(place.file)).status == 410
