"""The `.node` marker in a bucket, which makes a prefix the root of one node; proven by writing.

A bucket cannot be locked. It need not be: nothing here relies on being alone.
"""

import contextlib
import hashlib
import io
import itertools

from storagenode.bucket.bucket import Bucket
from storagenode.bucket.errors import ObjectExists
from storagenode.disk.marker import NodeMarker, new_marker, parse_marker, render_marker
from storagenode.protocol.layout import NODE_MARKER
from storagenode.store import RootRefused
from volumes.cluster import Node

_PROBE = ".probe"


def mark_bucket(bucket: Bucket, node: Node) -> NodeMarker:
    """Make an empty prefix the root of a node; one that is marked already stays as it is.

    Raises:
        RootRefused: It is another node's, or has objects that are not a node's.
        BucketUnavailable: The bucket cannot be used.
    """
    if bucket.head(NODE_MARKER) is None:
        others = itertools.islice(bucket.objects(""), 3)
        if found := [each.path for each in others if each.path != _PROBE]:
            raise RootRefused(
                f"{bucket.location} has objects ({', '.join(found)}) but no {NODE_MARKER} marker: "
                "it is not empty, and not a node's. Give a prefix that nothing else uses."
            )
        with contextlib.suppress(ObjectExists):  # by another process, just now
            _put(bucket, NODE_MARKER, render_marker(new_marker(node)), only_if_new=True)
    return read_bucket_marker(bucket, node)


def read_bucket_marker(bucket: Bucket, node: Node) -> NodeMarker:
    """The bucket's marker, after checking that it is this node's.

    Raises:
        RootRefused: It is missing, unreadable, or another node's.
        BucketUnavailable: The bucket cannot be used.
    """
    data = bucket.read_whole(NODE_MARKER)
    where = f"{bucket.location}/{NODE_MARKER}"
    if data is None:
        raise RootRefused(
            f"{where} is missing. If the bucket or its prefix is misspelt in cluster.toml, correct "
            f"it; if it is new and empty, mark it first: glassplate node init {node.id}"
        )
    return parse_marker(data.decode("utf-8", "replace"), node, where=where)


def prove_bucket(bucket: Bucket) -> None:
    """Find out by writing whether the server keeps a name from being given twice.

    Raises:
        BucketUnavailable: The bucket cannot be written.
    """
    _put(bucket, _PROBE, "probe\n", only_if_new=False)
    try:
        _put(bucket, _PROBE, "probe\n", only_if_new=True)
    except ObjectExists:
        return
    bucket.puts_are_conditional = False


def _put(bucket: Bucket, path: str, text: str, *, only_if_new: bool) -> None:
    data = text.encode()
    digest = hashlib.sha256(data).hexdigest()
    bucket.put(path, io.BytesIO(data), digest=digest, mtime_seconds=0, only_if_new=only_if_new)
