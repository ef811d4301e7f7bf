"""Erasures in a bucket that keeps versions: no byte of the photo stays readable."""

import boto3
import pytest

from storagenode.protocol.layout import Place
from tests.s3_servers import make_bucket
from tests.storagenode.bucket.bucket_under_test import BucketStoreUnderTest, node_over
from tests.storagenode.photo_samples import VOLUME, bytes_of, variant_of
from tests.storagenode.store_under_test import OF, OTHER_PHOTO, put
from tests.storagenode.tombstones import proof_of, write_tombstone
from volumes.photo_path import PhotoTombstone

BUCKET = "kept-versions"


class VersionedBucket(BucketStoreUnderTest):
    """A store over a bucket with versioning."""

    def another_store(self):
        """Return a store over the bucket."""
        store = self._open(node_over(self._endpoint, prefix="trial", bucket=BUCKET))
        store.create_volumes([VOLUME])
        return store


@pytest.fixture(name="s3", scope="module")
def _s3(moto):
    make_bucket(moto, BUCKET)
    client = boto3.client("s3", endpoint_url=moto, region_name="us-east-1")
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return client


def versions(s3, photo):
    """Return the keys with versions or delete markers of a photo, without tombstones."""
    page = s3.list_object_versions(Bucket=BUCKET)
    found = [each["Key"] for kind in ("Versions", "DeleteMarkers") for each in page.get(kind, [])]
    return [key for key in found if photo in key and not key.endswith(".gone")]


def test_an_erasure_removes_all_versions(moto, s3, clock):
    """Of the moved originals, and of a trash that was emptied; another photo keeps its own."""
    trial = VersionedBucket(moto, clock)
    store = trial.store
    for photo_version in (OF, OTHER_PHOTO):
        put(store, variant_of(photo_version), bytes_of("photo"))
    place = Place(PhotoTombstone(VOLUME, OF.photo))
    write_tombstone(store, place)
    clock.advance(40 * 86_400)
    assert store.empty_trash(retention_days=30) == 1
    assert store.find(OF.photo) == [place.path]
    others = versions(s3, OTHER_PHOTO.photo)
    assert len(versions(s3, OF.photo)) == 4
    assert len(store.erase(place.file, proof=proof_of(place))) == 4
    assert versions(s3, OF.photo) == []
    assert versions(s3, OTHER_PHOTO.photo) == others
    trial.close()
