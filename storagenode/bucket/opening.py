"""Opening a bucket: connected by boto3, found to be this node's, and proven by writing."""

import contextlib
from collections.abc import Iterator

import boto3
from botocore.config import Config

from storagenode.bucket.bucket import PARALLEL_CALLS_MAX, Bucket
from storagenode.bucket.errors import translate_errors
from storagenode.bucket.health import BucketHealth
from storagenode.bucket.marker import mark_bucket, prove_bucket, read_bucket_marker
from storagenode.bucket.store import BucketStore
from storagenode.disk.marker import NodeMarker
from volumes.cluster import Node

CONNECT_SECONDS = 2.0
# Of silence; a large object may take longer in all.
ANSWER_SECONDS = 10.0
TRIES_MAX = 4


@contextlib.contextmanager
def opened_bucket(node: Node, *, threads: int) -> Iterator[tuple[BucketStore, NodeMarker]]:
    """The store over the node's bucket, for so many threads.

    Raises:
        RootRefused: It is not this node's.
        BucketUnavailable: It cannot be used; the message says why.
    """
    with contextlib.closing(connect(node, threads=threads)) as bucket:
        marker = read_bucket_marker(bucket, node)
        prove_bucket(bucket)
        bucket.abort_abandoned()
        health = BucketHealth(lambda: read_bucket_marker(bucket, node))
        yield BucketStore(bucket, health), marker


def marked_bucket(node: Node) -> NodeMarker:
    """Mark the node's empty prefix as its root; as `bucket_marker.mark_bucket`."""
    with contextlib.closing(connect(node, threads=1)) as bucket:
        return mark_bucket(bucket, node)


def connect(node: Node, *, threads: int) -> Bucket:
    """The node's bucket. Credentials are those that boto3 finds in its usual places."""
    assert node.bucket is not None, "a disk is not connected to"
    config = Config(
        signature_version="s3v4",
        connect_timeout=CONNECT_SECONDS,
        read_timeout=ANSWER_SECONDS,
        max_pool_connections=threads + PARALLEL_CALLS_MAX,
        # Between tries it waits twice as long each time, by chance a part of that.
        retries={"mode": "standard", "total_max_attempts": TRIES_MAX},
        # Content-MD5 and our own SHA-256 do as much, and are known to every server.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path" if node.endpoint else "auto"},
    )
    with translate_errors(str(node.bucket)):
        client = boto3.Session().client(
            "s3",
            endpoint_url=node.endpoint or None,
            region_name=node.region or None,
            config=config,
        )
    return Bucket(node.bucket, client)
