"""The composition root of a storagenode: it checks the store, then opens the two ports."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from permission_urls import InternalVerifier, KeySource, TombstoneProofs, Verifier
from runtime.clients import (
    ClientLimits,
    Clients,
    Permits,
    allow_open_files,
    permit_all,
    share_of_connections,
)
from runtime.http_server import serving
from runtime.lag_free_timeout import LagFreeConnector
from runtime.plain_server import PlainRunner
from runtime.tasks_beside import run_beside
from runtime.tls.certificate import Certificate, followed_certificate
from runtime.tls.machine_name import Role
from runtime.traffic import Traffic
from storagenode.client import NodeClient
from storagenode.disk.audit_files import AuditFiles
from storagenode.disk.map_files import MapFiles
from storagenode.disk.store import DiskStore
from storagenode.opening import opened_store
from storagenode.partials.partials import Partials
from storagenode.protocol.agreement import agreed_headers
from storagenode.read_port.fast_path import PHOTO_ROUTE, FastPathServer
from storagenode.read_port.read_api import ReadApi, malformed_request_response
from storagenode.store import Store
from storagenode.upkeep.fence import NEVER, TICK_SECONDS, Fence
from storagenode.upkeep.node_maps import NodeMaps, follow_map
from storagenode.upkeep.recent_photos import RecentPhotos
from storagenode.upkeep.scrub import Scrub
from storagenode.upkeep.upkeep import Upkeep
from storagenode.write_port.metrics import NodeMetrics
from storagenode.write_port.move_throttle import MoveThrottle
from storagenode.write_port.plain_writes import PLAIN_WRITES
from storagenode.write_port.pulling import Puller
from storagenode.write_port.receiving import Receiver
from storagenode.write_port.write_api import WriteApi
from volumes.address import Address, parse_address
from volumes.cluster import Cluster, Limits, Node, NodeId
from volumes.machines import certificate_files, permits_roles
from volumes.sizes import size_classes

# Enough threads for the fsyncs of many uploads to share a journal commit. More would only wait in
# the kernel. For a bucket, this limits the number of parallel uploads and reads.
WRITE_THREADS = 16
READ_THREADS = 8
# Comparisons list whole volumes, and neither uploads nor reads wait behind them.
COMPARE_THREADS = 4
# A monitor reads metrics. All other requests are signed as well.
WRITE_PORT_ROLES = (Role.MASTER, Role.NODE, Role.WORKER, Role.MONITOR)
# Glassplate's own headers are much shorter. The edges have the same limit.
LINE_BYTES_MAX = 8190
# Edges close idle connections earlier, so they never send on a connection that is closing.
KEEPALIVE_SECONDS = 75


@contextlib.asynccontextmanager
async def running_node(cluster: Cluster, node: Node, keys: KeySource) -> AsyncIterator[Store]:
    """Run the node until the block exits.

    Raises:
        RootRefused: The root belongs to another node, or cannot store photos.
        BucketUnavailable: The bucket is not usable.
        OSError: A port is in use.
    """
    async with contextlib.AsyncExitStack() as stack:
        certificate = await stack.enter_async_context(
            followed_certificate(certificate_files(cluster, Role.NODE, node.id))
        )
        threads = WRITE_THREADS + READ_THREADS + COMPARE_THREADS
        opened = opened_store(node, TombstoneProofs(keys), threads=threads)
        store, marker = stack.enter_context(opened)
        maps = NodeMaps(
            cluster, node.id, MapFiles(store) if isinstance(store, DiskStore) else None, keys
        )
        writers = stack.enter_context(ThreadPoolExecutor(WRITE_THREADS, "write"))
        readers = stack.enter_context(ThreadPoolExecutor(READ_THREADS, "read"))
        comparers = stack.enter_context(ThreadPoolExecutor(COMPARE_THREADS, "compare"))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(auto_decompress=False, connector=LagFreeConnector(limit=0))
        )
        recent = RecentPhotos(Path(node.store) if isinstance(store, DiskStore) else None)
        receiver = Receiver(store, writers, recent.record)
        throttle = MoveThrottle(cluster.limits.move_bytes_per_second)
        sources = _sources(session, keys, certificate)
        puller = Puller(store, receiver, sources, writers, throttle=throttle)
        partials = Partials(store, now_seconds=time.time) if isinstance(store, DiskStore) else None
        audit_files = AuditFiles(store) if isinstance(store, DiskStore) else None
        upkeep = _upkeep(store, cluster.limits, readers, writers, partials, audit_files)
        fence_seconds = NEVER if cluster.strict_deletes else cluster.limits.fence_seconds
        fence = follow_map(store, Fence((), falls_after_seconds=fence_seconds), maps)
        reads = ReadApi(
            store,
            Verifier(keys, size_classes(cluster.sizes)),
            fence,
            readers,
            now_seconds=time.time,
            health_headers=lambda: agreed_headers(maps.map_digest(), keys, cluster.tls),
        )
        clients = _clients(maps, certificate)
        read_server = _read_server(reads, clients["read"])
        api = WriteApi(
            store,
            marker,
            InternalVerifier(keys, receiver=node.id),
            puller,
            upkeep,
            fence,
            writers,
            comparers,
            partials=partials,
            audit_files=audit_files,
            recent=recent,
            maps=maps,
            abort_responses=read_server.abort_responses,
            metrics=_metrics(maps, clients, store, partials, upkeep),
            boot=secrets.token_hex(8),
            certificate=certificate,
            now_seconds=time.time,
        )
        await stack.enter_async_context(_write_port(api, node.write, clients["write"], certificate))
        await stack.enter_async_context(_read_port(read_server, node.read))
        if node.read_tls is not None:
            await stack.enter_async_context(_read_port(read_server, node.read_tls, certificate))
        await stack.enter_async_context(upkeep.running())
        await stack.enter_async_context(_ticking(fence))
        yield store


def _sources(
    session: aiohttp.ClientSession, keys: KeySource, certificate: Certificate | None
) -> Callable[[NodeId, str], NodeClient]:
    """Return a factory of clients of nodes that this one pulls from, by id and URL."""
    return lambda source, url: NodeClient(
        source,
        parse_address(url.removeprefix("https://").removeprefix("http://")),
        session,
        keys,
        certificate,
    )


def _clients(maps: NodeMaps, certificate: Certificate | None) -> dict[str, Clients]:
    """Return the clients of both ports. Reads without TLS need no certificate."""
    limits = ClientLimits(connections_max=share_of_connections(allow_open_files(), ports=2))
    edges = _permits(maps, certificate, Role.EDGE, permits_plain=True)
    machines = _permits(maps, certificate, *WRITE_PORT_ROLES)
    return {
        "read": Clients(limits, Traffic(default_route=PHOTO_ROUTE), permits=edges),
        "write": Clients(limits, permits=machines),
    }


def _permits(
    maps: NodeMaps, certificate: Certificate | None, *roles: Role, permits_plain: bool = False
) -> Permits:
    """Return the check of the clients of a port: machines of these roles, if they use TLS."""
    if certificate is None:
        return permit_all

    cluster = maps.cluster
    permits_machine = permits_roles(cluster, certificate, *roles)

    def permits(given: Mapping[str, Any] | None) -> bool:
        nonlocal cluster, permits_machine
        if given is None:
            return permits_plain
        if maps.cluster is not cluster:
            cluster = maps.cluster
            permits_machine = permits_roles(cluster, certificate, *roles)
        return permits_machine(given)

    return permits


def _metrics(
    maps: NodeMaps,
    clients: Mapping[str, Clients],
    store: Store,
    partials: Partials | None,
    upkeep: Upkeep,
) -> NodeMetrics:
    return NodeMetrics(clients, store, partials, upkeep, map_digest=maps.map_digest)


def _write_port(
    api: WriteApi, address: Address, clients: Clients, certificate: Certificate | None
) -> AbstractAsyncContextManager[None]:
    writes = api.plain_writes()
    runner = PlainRunner(
        api.application(),
        PLAIN_WRITES,
        writes.respond,
        malformed_request_response,
        clients,
        admit=writes.is_signed,
        idle_seconds=KEEPALIVE_SECONDS,
        access_log=None,
        auto_decompress=False,
    )
    return serving(runner, address.host, address.port, clients, certificate=certificate)


def _read_server(reads: ReadApi, clients: Clients) -> FastPathServer:
    return FastPathServer(
        reads.respond,
        reads.try_fast_path,
        malformed_request_response,
        clients,
        idle_seconds=KEEPALIVE_SECONDS,
        access_log=None,
        max_line_size=LINE_BYTES_MAX,
        max_field_size=LINE_BYTES_MAX,
    )


def _read_port(
    server: FastPathServer, address: Address, certificate: Certificate | None = None
) -> AbstractAsyncContextManager[None]:
    return serving(
        web.ServerRunner(server),
        address.host,
        address.port,
        server.clients,
        certificate=certificate,
    )


def _upkeep(
    store: Store,
    limits: Limits,
    readers: Executor,
    writers: Executor,
    partials: Partials | None,
    audit_files: AuditFiles | None,
) -> Upkeep:
    def remove_old_audit_files() -> int:
        if audit_files is None:
            return 0
        return audit_files.remove_older(now_seconds=time.time(), retention_days=limits.audit_days)

    return Upkeep(
        store,
        Scrub(
            store,
            readers,
            bytes_per_second=limits.scrub_bytes_per_second,
            now_seconds=time.time,
        ),
        writers,
        trash_days=limits.trash_days,
        remove_expired_partials=partials.remove_expired if partials else int,
        remove_old_audit_files=remove_old_audit_files,
    )


@contextlib.asynccontextmanager
async def _ticking(fence: Fence) -> AsyncIterator[None]:
    async def tick() -> None:
        while True:
            fence.tick()
            await asyncio.sleep(TICK_SECONDS)

    async with run_beside(tick()):
        yield
