"""Lifting of a node's fence while the bucket that mirrors it is unreachable."""

import pytest

from storagenode.protocol.layout import Place
from tests.storagenode.photo_samples import MTIME
from tests.tiering_cluster import DISKS
from volumes.photo_path import PhotoTombstone


@pytest.fixture(name="impatient", autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)


def test_tombstones_of_the_other_disk_do_not_wait_for_the_bucket(cluster, photo_version, s3):
    """They are delivered, but the fence stays: the bucket may have more tombstones."""
    east, west = DISKS
    tombstone = Place(PhotoTombstone(photo_version.volume, photo_version.photo))
    cluster.run(cluster.stop(east))
    cluster.run(cluster.clients[west].write_tombstone(tombstone, mtime_seconds=MTIME))
    cluster.run(cluster.start_fenced(east))
    cluster.run(cluster.master.fleet.poll())
    assert cluster.sizes_on(east, photo_version)
    with s3.failing(hang_up=True):
        assert cluster.run(cluster.master.fence_lifter.lift_fences()) == 0
        assert cluster.sizes_on(east, photo_version) == ""
        assert cluster.run(cluster.clients[east].status()).fenced
    cluster.poll_until_bucket_answers()
    assert cluster.run(cluster.master.fence_lifter.lift_fences()) == 1
    assert not cluster.run(cluster.clients[east].status()).fenced
