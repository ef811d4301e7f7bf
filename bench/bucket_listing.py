"""Time to list a volume of many objects in S3, for lifting a fence and for comparing mirrors.

    python -m bench.bucket_listing [OBJECTS]

SeaweedFS serves the bucket. Lifting a fence needs the tombstones: one listing of the volume's
names. Comparing mirrors needs digests, which a listing does not have. The node requests each once.
"""

import contextlib
import hashlib
import io
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from drill.cluster.seaweedfs import CREDENTIALS, REGION, make_bucket, seaweedfs
from permission_urls import TombstoneProofs, generate_keys
from storagenode.bucket.opening import marked_bucket, opened_bucket
from storagenode.bucket.store import BucketStore
from volumes.address import Address
from volumes.cluster import Colo, Node, NodeId
from volumes.photo_id import mint_photo_id, mint_version
from volumes.photo_path import PhotoVersion, Variant, VolumeId, render_path

OBJECTS = 20_000
AT_ONCE = 8
VOLUME = VolumeId(1)
PHOTO_BYTES = 1000
PROOFS = TombstoneProofs(generate_keys(os.urandom))


def main() -> None:
    """Fill a bucket, and print the duration of each kind of listing."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else OBJECTS
    os.environ.update(CREDENTIALS)
    with tempfile.TemporaryDirectory() as folder, seaweedfs(Path(folder)) as url:
        make_bucket(url, "photos")
        node = _node(url)
        marked_bucket(node)
        with _store(node) as store:
            print(f"put {count} objects: {_seconds(partial(_fill, store, count)):.1f} s")
        with _store(node) as store:
            took = _seconds(partial(store.tombstone_digests, VOLUME))
            print(f"tombstones, for a fence: {took:.2f} s")
        for when in ("the first time", "after a restart"):
            with _store(node) as store:
                took = _seconds(partial(store.shard_digests, VOLUME))
                print(f"digests of all shards, {when}: {took:.2f} s")
        with _store(node) as store:
            store.shard_digests(VOLUME)
            again = _seconds(partial(store.shard_digests, VOLUME))
            print(f"digests of all shards, unchanged: {again:.3f} s")


def _fill(store: BucketStore, count: int) -> None:
    rng = random.Random(1)  # the same bucket in every run
    data = rng.randbytes(PHOTO_BYTES)
    digest = hashlib.sha256(data).hexdigest()

    def put(path: str) -> None:
        store.bucket.put(path, io.BytesIO(data), digest=digest, mtime_seconds=0, only_if_new=False)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        for _ in threads.map(put, _paths(rng, count)):
            pass


def _paths(rng: random.Random, count: int) -> Iterator[str]:
    for number in range(count):
        photo_version = PhotoVersion(
            VOLUME,
            mint_photo_id(now_milliseconds=number, random_bits=rng.getrandbits),
            mint_version(rng.getrandbits),
        )
        yield render_path(Variant(photo_version, "o", "jpg"))


@contextlib.contextmanager
def _store(node: Node) -> Iterator[BucketStore]:
    """Open a store with empty caches, as a node that has just started."""
    with opened_bucket(node, PROOFS, threads=AT_ONCE) as (store, _):
        store.create_volumes([VOLUME])
        yield store


def _node(url: str) -> Node:
    unused = Address("127.0.0.1", 1)
    return Node(
        id=NodeId("cold-1"),
        colo=Colo("cold"),
        read=unused,
        write=unused,
        store="s3://photos/cold-1",
        endpoint=url,
        region=REGION,
    )


def _seconds(work: Callable[[], Any]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


if __name__ == "__main__":
    main()
