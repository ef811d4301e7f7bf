"""The `.node` marker in a bucket, which makes a prefix the root of one node.

A bucket cannot be locked, and no operation relies on being the only process.
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
    """Make an empty prefix the root of a node. A marked prefix stays unchanged.

    Raises:
        RootRefused: The prefix is another node's, or has other objects.
        BucketUnavailable: The bucket is not usable.
    """
    if bucket.head(NODE_MARKER) is None:
        others = itertools.islice(bucket.objects(""), 3)
        if found := [each.path for each in others if each.path != _PROBE]:
            raise RootRefused(
                f"{bucket.location} has objects ({', '.join(found)}) but no {NODE_MARKER} marker; "
                "use a prefix without other objects"
            )
        with contextlib.suppress(ObjectExists):  # another process has marked it
            _put(bucket, NODE_MARKER, render_marker(new_marker(node)), only_if_new=True)
    return read_bucket_marker(bucket, node)


def read_bucket_marker(bucket: Bucket, node: Node) -> NodeMarker:
    """Return the bucket's marker after checking that it is this node's.

    Raises:
        RootRefused: The marker is missing, unreadable, or another node's.
        BucketUnavailable: The bucket is not usable.
    """
    data = bucket.read_whole(NODE_MARKER)
    where = f"{bucket.location}/{NODE_MARKER}"
    if data is None:
        raise RootRefused(
            f"{where} is missing. Check bucket and prefix in cluster.toml. If the prefix is "
            f"new and empty, mark it: glassplate node init {node.id}"
        )
    return parse_marker(data.decode("utf-8", "replace"), node, where=where)


def prove_bucket(bucket: Bucket) -> None:
    """Test with a write whether the server supports conditional puts.

    Raises:
        BucketUnavailable: The bucket is not writable.
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
