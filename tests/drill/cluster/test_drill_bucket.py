"""The bucket of a drill cluster, and direct reads of its objects."""

import contextlib
import os
import tempfile
from pathlib import Path

import pytest

from drill.cluster.drill_bucket import COLD, PAIR, add_bucket, move_to_buckets
from drill.cluster.faulty_s3_proxy import is_photo_read, running_faulty_s3_proxy
from drill.cluster.seaweedfs import make_bucket, s3_client, seaweedfs
from drill.cluster.stores import RawBucket, RawDisk
from glassplate.local.plan import LocalPorts, render_local_cluster
from tests.storagenode.photo_samples import variant_of, version_of
from volumes.bucket_location import BucketLocation
from volumes.config.cluster_config import parse_cluster

PHOTO = variant_of(version_of(1)).path


def test_the_bucket_is_the_third_mirror_of_every_volume():
    """The bucket's node is added to every volume; services and edges are unchanged."""
    before = render_local_cluster(LocalPorts(21_000))
    without = parse_cluster(before)
    cluster = parse_cluster(add_bucket(before, {COLD: "http://127.0.0.1:1"}))
    assert cluster.nodes.keys() - without.nodes.keys() == {COLD}
    assert cluster.nodes[COLD].bucket == BucketLocation("photos", COLD)
    for number, volume in without.volumes.items():
        assert cluster.volumes[number].mirrors == (*volume.mirrors, COLD)
    assert (cluster.masters, cluster.edges) == (without.masters, without.edges)


def test_two_buckets_are_the_only_mirrors_of_every_volume():
    """Each is in one colo. The nodes with disks stay, and mirror nothing."""
    before = render_local_cluster(LocalPorts(21_000))
    without = parse_cluster(before)
    endpoints = {node: f"http://127.0.0.1:{port}" for port, node in enumerate(PAIR, 1)}
    cluster = parse_cluster(move_to_buckets(before, endpoints))
    assert cluster.nodes.keys() - without.nodes.keys() == set(PAIR)
    assert {volume.mirrors for volume in cluster.volumes.values()} == {PAIR}
    assert [cluster.nodes[node].colo for node in PAIR] == ["east", "west"]
    assert {cluster.nodes[node].endpoint for node in PAIR} == set(endpoints.values())


@pytest.fixture(name="url", scope="module")
def _url():
    with tempfile.TemporaryDirectory() as folder, seaweedfs(Path(folder)) as url:
        make_bucket(url, "photos")
        yield url


def test_a_bucket_is_read_like_a_disk(url, tmp_path):
    """Both stores return photo files with digests, leftovers, and the quarantined count."""
    files = {
        PHOTO: b"photo",
        f".hints/east-1/{PHOTO}": b"hint",
        ".quarantine/1-x": b"bad",
        ".node": b"marker",
        "42/.volume": b"marker",
    }
    with contextlib.closing(s3_client(url)) as client:
        for path, data in files.items():
            metadata = {"sha256": f"digest of {path}"}
            client.put_object(Bucket="photos", Key=f"n/{path}", Body=data, Metadata=metadata)
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(data)
            os.setxattr(tmp_path / path, "user.sha256", metadata["sha256"].encode())
        client.create_multipart_upload(Bucket="photos", Key="n/unfinished")
        bucket = RawBucket(client, BucketLocation("photos", "n"))
        for store in (RawDisk(tmp_path), bucket):
            assert list(store.photo_files()) == [(PHOTO, b"photo", f"digest of {PHOTO}")]
            assert f".hints/east-1/{PHOTO}" in set(store.leftovers())
            assert store.quarantined() == 1
        assert "unfinished" in set(bucket.leftovers())


def test_a_fault_hits_its_share_of_the_matching_requests(url):
    """The proxy counts the requests that a fault hits, and forwards all others unchanged."""
    with contextlib.closing(s3_client(url)) as client:
        client.put_object(Bucket="photos", Key="share.jpg", Body=b"photo")
    with running_faulty_s3_proxy(url) as proxy, contextlib.closing(s3_client(proxy.url)) as client:
        with proxy.failing(flip=True, applies=is_photo_read) as fault:
            bodies = [client.get_object(Bucket="photos", Key="share.jpg")["Body"].read()]
            client.list_buckets()
        assert (bodies, fault.injected_count) == ([b"qhoto"], 1)
        with proxy.failing(flip=True, applies=is_photo_read, share=0.0) as fault:
            assert client.get_object(Bucket="photos", Key="share.jpg")["Body"].read() == b"photo"
        assert fault.injected_count == 0
