"""Tombstones of many volumes in one request, and their fences."""

import pytest

from storagenode.protocol.errors import BadRequest
from storagenode.protocol.files import volume_digest
from storagenode.protocol.layout import Place
from storagenode.transport import volume_requests
from storagenode.upkeep import fence
from tests.storagenode.photo_samples import MTIME, OTHER_VOLUME, VOLUME, version_of
from volumes.photo_path import PhotoTombstone, shard_of

EMPTY_VOLUME = 44


@pytest.fixture(name="tombstone")
def _tombstone(served):
    tombstone = PhotoTombstone(VOLUME, version_of(701).photo)
    served.store.create_volumes([EMPTY_VOLUME])
    served.run(served.client.write_tombstone(Place(tombstone), mtime_seconds=MTIME))
    return tombstone


def test_one_digest_of_each_volume_is_of_its_shards(served, tombstone, monkeypatch):
    """Volumes without tombstones have an empty one, and volumes of other nodes none.

    The listing continues when time is short, and after as many volumes as a request can have.
    """
    shards = served.store.tombstone_digests(VOLUME)
    assert shard_of(tombstone.photo) in shards
    volumes = [VOLUME, OTHER_VOLUME, EMPTY_VOLUME]
    digests = {VOLUME: volume_digest(shards), EMPTY_VOLUME: ""}
    progress = []

    async def on_progress():
        progress.append(1)

    client = served.client
    assert served.run(client.tombstone_digests(volumes, on_progress=on_progress)) == digests
    assert progress == []
    monkeypatch.setattr("storagenode.write_port.repair_api.ROWS_SECONDS", -1)
    assert served.run(client.tombstone_digests(volumes, on_progress=on_progress)) == digests
    assert progress == [1]
    monkeypatch.setattr(volume_requests, "VOLUMES_PER_REQUEST_MAX", 1)
    assert served.run(client.tombstone_digests(volumes, on_progress=on_progress)) == digests
    assert progress == [1, 1, 1]
    assert served.run(client.tombstone_shards(volumes)) == {VOLUME: shards, EMPTY_VOLUME: {}}


def test_names_are_listed_by_volume_and_shard(served, tombstone):
    """Other shards are left out, and an invalid shard or volume is refused."""
    shard = shard_of(tombstone.photo)
    shards = {VOLUME: [shard], OTHER_VOLUME: [shard], EMPTY_VOLUME: [shard]}
    names = served.run(served.client.tombstone_names(shards))
    assert f"{tombstone.photo}.gone" in names[VOLUME]
    assert names.keys() == {VOLUME, EMPTY_VOLUME}
    assert served.run(served.client.tombstone_names({VOLUME: []})) == {VOLUME: set()}
    for invalid in ({VOLUME: ["../"]}, {"0": [shard]}, {VOLUME: 3}):
        with pytest.raises(BadRequest):
            served.run(served.client.tombstone_names(invalid))


def test_fences_are_lifted_only_with_their_serial(served, monkeypatch):
    """Also when there are more volumes than a request can have."""
    with monkeypatch.context() as stalled:
        stalled.setattr(fence, "STALL_SECONDS", -1.0)
        before = served.run(served.client.status())
    assert VOLUME in before.fenced
    served.run(served.client.lift_fences("another", before.fenced))
    assert served.run(served.client.status()).fenced == before.fenced
    monkeypatch.setattr(volume_requests, "VOLUMES_PER_REQUEST_MAX", 1)
    served.run(served.client.lift_fences(before.fence_serial, before.fenced))
    assert served.run(served.client.status()).fenced == ()
