"""Faults of queue, cache, and input: lost jobs, corrupt cache entries, undecodable photos."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from pymemcache import Client as Memcached

from drill.cluster.drill_cluster import DrillCluster
from drill.faults.evidence import Evidence
from drill.history import Op, Outcome
from drill.load.recorded_requests import record_put
from drill.load.sample_uploads import make_originals, make_undecodable
from glassplate.errors import SizesFailed
from runtime.tasks_beside import run_beside
from runtime.tls.machine_name import Role
from storagemaster.queue_client import queue_client, queue_server
from volumes.cluster import Cluster
from volumes.machines import own_certificate

QUEUE_TIMEOUT_SECONDS = 5.0
FAIL_SECONDS_MAX = 90.0
CORRUPTED_MIN = 5


@dataclass(frozen=True, slots=True)
class QueueFlushed:
    """The queue loses all jobs while no worker takes any."""

    after_seconds: float = 2.0

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Send FLUSHALL once some jobs wait."""
        await asyncio.sleep(self.after_seconds)
        before, after = await asyncio.to_thread(_flush, drill_cluster.cluster)
        evidence.add(before > after, f"the queue had {before} keys, and has {after}")
        yield


@dataclass(frozen=True, slots=True)
class CacheCorrupts:
    """Memcached has the document of another photo, or garbage, under every key."""

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Replace all documents every 0.3 s until the block exits."""
        replaced = 0

        async def corrupt() -> None:
            nonlocal replaced
            while True:
                replaced += await asyncio.to_thread(_corrupt_entries, drill_cluster.cluster)
                await asyncio.sleep(0.3)

        async with run_beside(corrupt()):
            yield
        evidence.add(replaced >= CORRUPTED_MIN, f"{replaced} documents in memcached were replaced")


@dataclass(frozen=True, slots=True)
class UndecodableUploads:
    """Clients upload photos that no worker can decode."""

    photos: int = 3

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Upload the photos. After the block, each must have a failure record."""
        client = next(iter(drill_cluster.clients.items()))
        original = make_originals(0)[0]
        puts = [
            await record_put(
                drill_cluster,
                client,
                f"undecodable-{n}",
                make_undecodable(original, f"undecodable {n}"),
            )
            for n in range(self.photos)
        ]
        yield
        for put in puts:
            reason = ""
            try:
                await client[1].wait_until_ready(put.photo, FAIL_SECONDS_MAX)
            except SizesFailed as error:
                reason = error.reason
            evidence.add(reason, f"{put.photo} has no sizes: {reason}")


@dataclass(frozen=True, slots=True)
class LateDuplicates:
    """Uploads arrive a second time after their photos were deleted."""

    photos: int = 4

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Repeat some uploads at two storagemasters after the block."""
        yield
        first, *_, last = drill_cluster.clients.items()
        gone = [o for o in drill_cluster.history.operations if o.op is Op.DELETE and o.key]
        deleted = {o.key for o in gone if o.outcome is Outcome.OK}
        sent = 0
        for put in list(drill_cluster.history.operations):
            if put.op is Op.PUT and put.key in deleted and sent < self.photos:
                data = drill_cluster.sent.get(put.key)
                if data is not None:
                    deleted.discard(put.key)
                    for client in (first, last):
                        await record_put(drill_cluster, client, put.key, data, is_recorded=False)
                    sent += 1
        evidence.add(sent, f"{sent} uploads of deleted photos were repeated at two masters")


def _flush(cluster: Cluster) -> tuple[int, int]:
    server = queue_server(cluster, Role.MASTER, next(iter(cluster.masters)))
    queue = queue_client(server, socket_timeout=QUEUE_TIMEOUT_SECONDS)
    before = int(queue.dbsize())
    queue.flushall()
    after = int(queue.dbsize())
    queue.close()
    return before, after


def _corrupt_entries(cluster: Cluster) -> int:
    """Replace each document by another one, every third by garbage; return the number of keys."""
    address = cluster.memcached[0]
    own = own_certificate(cluster, Role.MASTER, next(iter(cluster.masters)))
    memcached = Memcached(
        (address.host, address.port),
        connect_timeout=1,
        timeout=1,
        tls_context=own.client if own else None,
    )
    try:
        listing = memcached.raw_command(b"lru_crawler metadump all", end_tokens=b"END\r\n")
        keys = [line[4:].split(b" ")[0] for line in listing.splitlines() if line[:4] == b"key="]
        values = [memcached.get(key) for key in keys]
        others = [*values[1:], *values[:1]]
        for number, (key, other) in enumerate(zip(keys, others, strict=True)):
            memcached.set(key, b"garbage" if number % 3 == 0 or other is None else other)
        return len(keys)
    finally:
        memcached.close()
