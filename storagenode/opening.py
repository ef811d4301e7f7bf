"""Opening of a node's store, a disk or a bucket, after checking that it is this node's."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from permission_urls import TombstoneProofs
from storagenode.disk.filesystem import DiskFileSystem
from storagenode.disk.marker import (
    NodeMarker,
    close_to_others,
    mark_root,
    prove_root,
    read_marker,
    root_lock,
)
from storagenode.disk.syncfs import Syncfs, can_sync_disk
from storagenode.store import Store
from volumes.cluster import Node


def mark_store(node: Node) -> NodeMarker:
    """Mark an empty directory, or an empty prefix of a bucket, as the root of a node.

    Raises:
        RootRefused: The root is another node's, or not empty.
        BucketUnavailable: The bucket is not usable. The message says why.
    """
    if node.bucket is None:
        return mark_root(Path(node.store), node)
    from storagenode.bucket.opening import marked_bucket

    return marked_bucket(node)


def opened_store(
    node: Node, proofs: TombstoneProofs, *, threads: int
) -> contextlib.AbstractContextManager[tuple[Store, NodeMarker]]:
    """Open the node's store, for use by `threads` threads at once.

    Raises:
        RootRefused: The root is not this node's, or cannot store photos.
        BucketUnavailable: The bucket is not usable. The message says why.
    """
    if node.bucket is None:
        return _opened_disk(node, proofs)
    # This import takes half a second, so nodes with a disk skip it.
    from storagenode.bucket.opening import opened_bucket

    return opened_bucket(node, proofs, threads=threads)


@contextlib.contextmanager
def _opened_disk(node: Node, proofs: TombstoneProofs) -> Iterator[tuple[Store, NodeMarker]]:
    # Only a node needs what verifies bytes, and not the command that marks a root.
    from storagenode.disk.store import DiskStore

    root = Path(node.store)
    marker = read_marker(root, node)
    with root_lock(root):
        close_to_others(root)
        prove_root(root)
        file_system = DiskFileSystem(root)
        try:
            may_sync_disk = can_sync_disk(root, Syncfs(node.syncfs))
            yield DiskStore(file_system, proofs, may_sync_disk=may_sync_disk), marker
        finally:
            file_system.close_root()
