"""A volume with more objects than one answer holds is listed in parts, side by side, and whole."""

import contextlib

import pytest

from storagenode import bucket as bucket_module
from storagenode.bucket_health import BucketHealth
from storagenode.bucket_opening import connect, marked_bucket
from storagenode.bucket_store import BucketStore
from storagenode.layout import Place
from tests.storagenode.bucket_on_trial import node_over
from tests.storagenode.photo_samples import MTIME, VOLUME, variant_of, version_of
from tests.storagenode.store_on_trial import put
from volumes.photo_path import PhotoTombstone

# Of shards that begin with different letters.
PHOTOS = [version_of(32 * number + number % 3) for number in range(12)]
BURIED = PHOTOS[::4]


@pytest.fixture(name="server", params=["moto", "seaweed"])
def _server(request):
    return request.getfixturevalue(request.param)


def test_what_was_listed_in_parts_is_what_is_there(server, request, monkeypatch):
    """Names, digests of shards and tombstones are the same as in one answer."""
    node = node_over(server, prefix=request.node.name.replace("[", "-").replace("]", ""))
    marked_bucket(node)
    with contextlib.closing(connect(node, threads=4)) as bucket:
        store = BucketStore(bucket, BucketHealth(lambda: None))
        store.open_volume(VOLUME)
        for of in PHOTOS:
            put(store, variant_of(of), str(of).encode())
        for of in BURIED:
            store.bury(Place(PhotoTombstone(VOLUME, of.photo)), mtime_seconds=MTIME)
        at_once = everything(bucket)
        monkeypatch.setattr(bucket_module, "PAGE_OBJECTS", 5)
        assert everything(bucket) == at_once
        assert sorted(at_once["tombstones"]) == sorted(f"{of.photo}.gone" for of in BURIED)
        assert at_once["digests"].keys() == {of.shard for of in PHOTOS}


def everything(bucket):
    """What a store that remembers nothing says of the volume."""
    store = BucketStore(bucket, BucketHealth(lambda: None))
    return {"tombstones": store.tombstones(VOLUME), "digests": store.shard_digests(VOLUME)}
