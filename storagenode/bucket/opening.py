"""Opening of a node's bucket: connection, check of the marker, and a test write."""

import contextlib
from collections.abc import Iterator

import boto3
from botocore.config import Config

from permission_urls import TombstoneProofs
from storagenode.bucket.bucket import PARALLEL_CALLS_MAX, Bucket
from storagenode.bucket.errors import translate_errors
from storagenode.bucket.health import BucketHealth
from storagenode.bucket.marker import mark_bucket, prove_bucket, read_bucket_marker
from storagenode.bucket.store import BucketStore
from storagenode.disk.marker import NodeMarker
from volumes.cluster import Node

CONNECT_SECONDS = 2.0
# Maximum silence of the server. A large object can take longer in total.
RESPONSE_SECONDS = 10.0
TRIES_MAX = 4


@contextlib.contextmanager
def opened_bucket(
    node: Node, proofs: TombstoneProofs, *, threads: int
) -> Iterator[tuple[BucketStore, NodeMarker]]:
    """Open the store over the node's bucket, for use by `threads` threads.

    Raises:
        RootRefused: The prefix is not this node's.
        BucketUnavailable: The bucket is not usable. The message says why.
    """
    with contextlib.closing(connect(node, threads=threads)) as bucket:
        marker = read_bucket_marker(bucket, node)
        prove_bucket(bucket)
        bucket.abort_abandoned()
        health = BucketHealth(lambda: read_bucket_marker(bucket, node))
        yield BucketStore(bucket, health, proofs), marker


def marked_bucket(node: Node) -> NodeMarker:
    """Mark the node's empty prefix as its root, as `mark_bucket` does."""
    with contextlib.closing(connect(node, threads=1)) as bucket:
        return mark_bucket(bucket, node)


def connect(node: Node, *, threads: int) -> Bucket:
    """Return the node's bucket, with credentials from the usual places of boto3."""
    assert node.bucket is not None, "the node has no bucket"
    config = Config(
        signature_version="s3v4",
        connect_timeout=CONNECT_SECONDS,
        read_timeout=RESPONSE_SECONDS,
        max_pool_connections=threads + PARALLEL_CALLS_MAX,
        # Delays between tries double, with random jitter.
        retries={"mode": "standard", "total_max_attempts": TRIES_MAX},
        # Content-MD5 and the recorded SHA-256 protect the bytes, and every server supports them.
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
