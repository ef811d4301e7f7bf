"""Stores over a bucket, for the tests of the store contract."""

import contextlib
import itertools

from storagenode.bucket.health import BucketHealth
from storagenode.bucket.marker import mark_bucket, prove_bucket
from storagenode.bucket.opening import connect
from storagenode.bucket.store import BucketStore
from tests.storagenode.photo_samples import VOLUME
from tests.storagenode.tombstones import PROOFS
from volumes.address import Address
from volumes.cluster import Node

_numbers = itertools.count()


class BucketStoreUnderTest:
    """A `StoreUnderTest` over prefixes of a bucket, with minimal delays."""

    def __init__(self, endpoint, clock, *, has_conditional_puts=True) -> None:
        self._endpoint, self._clock = endpoint, clock
        self._has_conditional_puts = has_conditional_puts
        self._stack = contextlib.ExitStack()
        self._nodes = {}
        self.store = self.another_store()

    def another_store(self):
        """Return a store over another prefix."""
        store = self._open(node_over(self._endpoint, prefix=f"trial-{next(_numbers)}"))
        store.create_volumes([VOLUME])
        return store

    def restart(self):
        """Open a new store over the same prefix."""
        self.store = self._open(self._nodes[self.store.bucket.location.prefix])

    def read(self, path):
        """Read through the store."""
        with contextlib.closing(self.store.open(path)) as file:
            return file.read()

    def mtime_of(self, path):
        """Return the time in the metadata."""
        return float(self.store.bucket.head(path).mtime_seconds)

    def unfinished(self):
        """Return spooled files and incomplete multipart uploads."""
        pages = self.store.bucket._client.get_paginator("list_multipart_uploads")
        bucket = self.store.bucket.location.bucket
        pages = pages.paginate(Bucket=bucket)
        uploads = [each["Key"] for page in pages for each in page.get("Uploads", [])]
        return uploads + [str(file) for file in self.store.begun]

    def close(self):
        """Close all connections."""
        self._stack.close()

    def _open(self, node):
        self._nodes[node.bucket.prefix] = node
        bucket = self._stack.enter_context(contextlib.closing(connect(node, threads=4)))
        mark_bucket(bucket, node)
        prove_bucket(bucket)
        assert bucket.puts_are_conditional
        bucket.puts_are_conditional = self._has_conditional_puts
        return WatchedBucketStore(
            bucket, BucketHealth(lambda: None), PROOFS, now_seconds=self._clock
        )


class WatchedBucketStore(BucketStore):
    """A store that records which staged files are open."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.begun = []

    @contextlib.contextmanager
    def staging(self, *, bytes_expected):
        """Record the file while it is staged."""
        with super().staging(bytes_expected=bytes_expected) as file:
            self.begun.append(file)
            try:
                yield file
            finally:
                self.begun.remove(file)


def node_over(endpoint, *, prefix, bucket="photos"):
    """Return a node that stores its files there."""
    return Node(
        id="cold-1",
        colo="cold",
        read=Address("127.0.0.1", 1),
        write=Address("127.0.0.1", 2),
        store=f"s3://{bucket}/{prefix}",
        endpoint=endpoint,
        region="us-east-1",
    )
