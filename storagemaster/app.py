"""Composition root of a storagemaster: wires the write path, the repairs and the API."""

import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Container
from dataclasses import dataclass

import aiohttp
import redis

from permission_urls import KeySource, Purpose, ReadSigner
from runtime.clients import ClientLimits, Clients, allow_open_files, share_of_connections
from runtime.lag_free_timeout import LagFreeConnector
from runtime.tls.certificate import followed_certificate
from runtime.tls.machine_name import Role
from runtime.traffic import Traffic
from storagemaster.admission.authorization import Authorization
from storagemaster.api_parts import operator_api, regenerate_api, resumable_api, revokes
from storagemaster.audit.audit_log import PASS_SECONDS as AUDIT_PASS_SECONDS
from storagemaster.audit.audit_log import AuditLog
from storagemaster.audit.log_reader import LogReader
from storagemaster.background import repeating
from storagemaster.caches.info_cache import InfoCache
from storagemaster.caches.purge_sessions import PASS_SECONDS as SESSIONS_PASS_SECONDS
from storagemaster.caches.purge_sessions import PurgeSessions
from storagemaster.caches.purging import REPEAT_PASS_SECONDS, EdgePurger
from storagemaster.console.samples import Samples
from storagemaster.console.static import StaticFiles
from storagemaster.console.stream import STATUS_SECONDS, StatusFeed
from storagemaster.events.events import Events
from storagemaster.events.relay import RECONNECT_SECONDS as RELAY_RECONNECT_SECONDS
from storagemaster.events.relay import EventRelay
from storagemaster.events.webhooks import Webhooks, receivers_of
from storagemaster.handlers.api import Api
from storagemaster.handlers.audit_api import AuditApi
from storagemaster.handlers.console_api import ConsoleApi
from storagemaster.handlers.description_api import DescriptionApi
from storagemaster.handlers.known_api import KnownApi
from storagemaster.handlers.tiering_api import TieringApi
from storagemaster.jobs.abandoned_jobs import PASS_SECONDS as ABANDONED_PASS_SECONDS
from storagemaster.jobs.abandoned_jobs import AbandonedJobs
from storagemaster.jobs.attempts import Attempts
from storagemaster.jobs.bundles import Bundles
from storagemaster.jobs.sizes_queue import SizesQueue
from storagemaster.jobs.sweep import PASS_SECONDS as SWEEP_PASS_SECONDS
from storagemaster.jobs.sweep import TOUCHED_PASS_SECONDS, Sweep
from storagemaster.lifecycle.deletes import Deletes
from storagemaster.lifecycle.tombstone_delivery import TombstoneDelivery
from storagemaster.maps.following import PASS_SECONDS as MAP_PASS_SECONDS
from storagemaster.maps.following import MapFollowing
from storagemaster.maps.proposing import MapProposing
from storagemaster.maps.volume_states import PASS_SECONDS as STATES_PASS_SECONDS
from storagemaster.maps.volume_states import VolumeStates
from storagemaster.mirrors.fleet import POLL_SECONDS, Fleet
from storagemaster.mirrors.mirroring import Mirroring
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.node_clients import NodeClients
from storagemaster.mirrors.photo_files import PhotoReader
from storagemaster.mirrors.settling import Settling
from storagemaster.mirrors.strays import refuse_foreign_map
from storagemaster.mirrors.volume_owners import VolumeOwners
from storagemaster.moves.filling import PASS_SECONDS as FILLING_PASS_SECONDS
from storagemaster.moves.filling import Filling
from storagemaster.moves.move_rates import PASS_SECONDS as RATES_PASS_SECONDS
from storagemaster.moves.moves import PASS_SECONDS as MOVES_PASS_SECONDS
from storagemaster.moves.moves import Moves
from storagemaster.operations.certificates import Certificates
from storagemaster.operations.cluster_status import ClusterStatus
from storagemaster.operations.metrics import MasterMetrics
from storagemaster.operations.port_health import POLL_SECONDS as PORT_POLL_SECONDS
from storagemaster.operations.port_health import PortHealth, checked_ports
from storagemaster.operations.server_certificates import CHECK_SECONDS, ServerCertificates
from storagemaster.photos.batch_lookup import BatchLookup
from storagemaster.photos.photo_urls import PhotoUrls
from storagemaster.photos.photos import Photos
from storagemaster.photos.recent_listing import RecentListing
from storagemaster.photos.volume_listing import VolumeListing
from storagemaster.ports import client_port, worker_port
from storagemaster.queue_client import QueueServer, queue_client, queue_server
from storagemaster.repair.fence_lifting import PASS_SECONDS as FENCE_PASS_SECONDS
from storagemaster.repair.fence_lifting import FenceLifter
from storagemaster.repair.hinted_handoff import PASS_SECONDS as HINTS_PASS_SECONDS
from storagemaster.repair.hinted_handoff import HintedHandoff
from storagemaster.repair.reconcile import Reconciler
from storagemaster.repair.repairs import Repairs
from storagemaster.repair.settlement import Settlements
from storagemaster.tiering.tiering import Tiering
from storagemaster.uploads.keyed_photos import KeyedPhotos
from storagemaster.uploads.known_photos import KnownPhotos
from storagemaster.uploads.uploads import Uploads
from volumes.cluster import Cluster, Edge, Master, NodeId
from volumes.machines import certificate_files

QUEUE_RESPONSE_SECONDS = 2.0

Work = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class _Parts:
    """A storagemaster that is wired but not running."""

    api: Api
    mirrors: Mirrors
    following: MapFollowing
    events: Events
    purge_sessions: PurgeSessions
    audit: AuditLog
    polls: tuple[Work, ...]
    """Polls that run once before it serves, and repeatedly afterwards."""
    works: tuple[tuple[Work, float], ...]
    """Background passes, and the pause between two of them in seconds."""


@contextlib.asynccontextmanager
async def running_master(
    cluster: Cluster,
    master: Master,
    keys: KeySource,
    revoked_tokens: Container[str] = (),
    *,
    save_map: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[None]:
    """Run a storagemaster until the block exits. `save_map` stores each volume map in force.

    Raises:
        OSError: The port is in use.
        InvalidConfig: The mirrors of a volume are not the nodes that hold its photos.
    """
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(
            aiohttp.ClientSession(auto_decompress=False, connector=LagFreeConnector(limit=0))
        )
        certificate = await stack.enter_async_context(
            followed_certificate(certificate_files(cluster, Role.MASTER, master.id))
        )
        certificates = Certificates(cluster, master.id, certificate)
        cache = InfoCache(
            cluster.memcached,
            keys,
            certificate,
            confirmed_seconds=cluster.limits.cached_info_seconds,
        )
        stack.callback(cache.close)
        nodes = NodeClients(session, keys, certificate)
        nodes.follow(cluster)
        stack.callback(nodes.close)
        limits = ClientLimits(connections_max=share_of_connections(allow_open_files(), ports=1))
        clients = Clients(limits, Traffic(is_internal=False))
        parts = _wire(
            cluster, master, keys, revoked_tokens, nodes, session, cache, clients, certificates
        )
        parts.following.save = save_map
        # Runs after the last pass, and before the client session closes.
        stack.push_async_callback(parts.purge_sessions.end)
        stack.push_async_callback(parts.audit.close)
        stack.push_async_callback(parts.api.close)
        for poll in parts.polls:
            await poll()
        await refuse_foreign_map(parts.mirrors)
        await parts.purge_sessions.settle()
        servers = ServerCertificates(cluster, certificates)
        await stack.enter_async_context(repeating(servers.look, pause_seconds=CHECK_SECONDS))
        for work, pause_seconds in parts.works:
            await stack.enter_async_context(repeating(work, pause_seconds=pause_seconds))
        await stack.enter_async_context(client_port(parts.api, master, clients))
        if master.internal is not None:
            await stack.enter_async_context(
                worker_port(parts.api, master.internal, limits, certificates)
            )
        # Runs before the server stops, which waits for the event streams.
        stack.callback(parts.events.close)
        yield


def _wire(
    cluster: Cluster,
    master: Master,
    keys: KeySource,
    revoked_tokens: Container[str],
    nodes: NodeClients,
    session: aiohttp.ClientSession,
    cache: InfoCache,
    clients: Clients,
    certificates: Certificates,
) -> _Parts:
    ports = PortHealth(checked_ports(cluster), session, edges=cluster.edges.values())
    mirrors = _mirrors(cluster, master, nodes, ports)
    mirroring, reads = Mirroring(mirrors), PhotoReader(mirrors)
    server, connection = _connect_to_queue(cluster, master)
    queue, events = SizesQueue(connection, keys), Events(boot := secrets.token_hex(8))
    webhooks = Webhooks(receivers_of(cluster), session, keys, events)
    urls = PhotoUrls(cluster, ReadSigner(keys))
    purging = EdgePurger(edges := dict(cluster.edges), session)
    purge_sessions = PurgeSessions(edges, session, purging, master=master.id, boot=boot)
    following = _following(mirrors, keys, nodes, ports, edges, certificates)
    tombstones, photos = TombstoneDelivery(mirrors, purging), Photos(reads, urls, cache, queue)
    deletes = Deletes(mirrors, reads, mirroring, purging, tombstones, cache, events)
    bundles = Bundles(mirrors, mirroring, cache, events, queue)
    jobs = _abandoned_jobs(connection, keys, queue, Attempts(mirrors, reads, bundles))
    sweep = Sweep(mirrors, queue, settling := Settling(mirrors.fleet))
    audit = AuditLog(mirrors, master=master.id, boot=boot)
    reconcile = _reconciler(mirrors, tombstones, settling, audit)
    keyed_photos = KeyedPhotos(mirrors, secret=keys.ring(Purpose.PHOTO_ID).idempotency_secret)
    uploads = Uploads(mirrors, mirroring, urls, queue, events, keyed_photos)
    status = ClusterStatus(
        mirrors, queue, ports, jobs, reconcile, settling, audit, sweep, certificates, keys, clients
    )
    authorization = _authorization(cluster, master, keys, revoked_tokens)
    console, feed = _console_api(mirrors, authorization, events, status, master)
    api = Api(
        authorization=authorization,
        upload_bytes_max=cluster.limits.upload_bytes_max,
        uploads=uploads,
        photos=photos,
        batches=BatchLookup(mirrors, photos, urls, cache),
        listing=VolumeListing(mirrors),
        recent=RecentListing(mirrors),
        known=KnownApi(KnownPhotos(mirrors, keyed_photos), authorization),
        deletes=deletes,
        revokes=revokes(mirrors, reads, mirroring, photos, deletes, queue, keys),
        repairs=Repairs(mirrors, reconcile),
        bundles=bundles,
        regeneration=regenerate_api(mirrors, reads, mirroring, queue, keys),
        operators=operator_api(mirrors, uploads, photos, deletes, queue, keys, session, following),
        tiering=TieringApi(Tiering(mirrors)),
        resumable=resumable_api(mirrors, mirroring, uploads, keys, authorization, revoked_tokens),
        description=DescriptionApi(cluster, keys, status.map_digest),
        audit=AuditApi(audit, LogReader(mirrors)),
        events=events,
        metrics=MasterMetrics(events, webhooks, clients, audit, keys, map_digest=status.map_digest),
        status=status,
        console=console,
    )
    works: tuple[tuple[Work, float], ...] = (
        (mirrors.fleet.poll, POLL_SECONDS),
        (ports.poll, PORT_POLL_SECONDS),
        *_maps(mirrors, reconcile, following, keys, status),
        *_messages(EventRelay(server, keys, events, boot=boot), webhooks),
        *_jobs(queue, jobs),
        *_records(feed, audit),
        *_repairs(mirrors, purging, purge_sessions, tombstones, reconcile, sweep),
    )
    polls = (mirrors.fleet.poll, following.follow, ports.poll)
    return _Parts(api, mirrors, following, events, purge_sessions, audit, polls, works)


def _mirrors(cluster: Cluster, master: Master, nodes: NodeClients, ports: PortHealth) -> Mirrors:
    def is_up(other: str) -> bool:
        return ports.is_up(mirrors.cluster.masters[other].address)

    def uuid_of(node: NodeId) -> str:
        return mirrors.cluster.node(node).uuid

    owners = VolumeOwners(cluster.masters, own=master.id, is_up=is_up)
    fleet = Fleet(nodes.by_id, uuid_of)
    fleet.follow(cluster.nodes)
    mirrors = Mirrors(cluster, nodes.by_id, fleet, master.colo, owners)
    return mirrors


def _following(
    mirrors: Mirrors,
    keys: KeySource,
    nodes: NodeClients,
    ports: PortHealth,
    edges: dict[str, Edge],
    certificates: Certificates,
) -> MapFollowing:
    def use_map(cluster: Cluster) -> None:
        """Use the machines of a cluster from now on."""
        certificates.follow(cluster)
        ports.follow(checked_ports(cluster), cluster.edges.values())
        if mirrors.owners is not None:
            mirrors.owners.follow(cluster.masters)
        edges.clear()
        edges.update(cluster.edges)

    return MapFollowing(mirrors, keys, nodes.follow, use_map)


def _reconciler(
    mirrors: Mirrors, tombstones: TombstoneDelivery, settling: Settling, audit: AuditLog
) -> Reconciler:
    settlements = Settlements(mirrors, tombstones, record=audit.record)
    return Reconciler(mirrors, tombstones, settlements, settling=settling, now_seconds=time.time)


def _authorization(
    cluster: Cluster, master: Master, keys: KeySource, revoked_tokens: Container[str]
) -> Authorization:
    return Authorization(
        keys,
        master=master.id,
        revoked_tokens=revoked_tokens,
        applications=cluster.applications,
    )


def _console_api(
    mirrors: Mirrors,
    authorization: Authorization,
    events: Events,
    status: ClusterStatus,
    master: Master,
) -> tuple[ConsoleApi, StatusFeed]:
    samples = Samples(master=master.id)
    feed = StatusFeed(status, samples)
    cluster = mirrors.cluster
    static = StaticFiles(photo_url=cluster.public_url)
    return (
        ConsoleApi(authorization, static, events, feed, samples, cluster=cluster.name),
        feed,
    )


def _abandoned_jobs(
    connection: redis.Redis, keys: KeySource, queue: SizesQueue, attempts: Attempts
) -> AbandonedJobs:
    return AbandonedJobs(connection, keys, queue, attempts, now_seconds=time.time)


def _jobs(queue: SizesQueue, abandoned: AbandonedJobs) -> tuple[tuple[Work, float], ...]:
    return (
        (queue.flush_batch, 0.0),
        (queue.flush_again, 0.0),
        (abandoned.requeue_all, ABANDONED_PASS_SECONDS),
    )


def _messages(relay: EventRelay, webhooks: Webhooks) -> tuple[tuple[Work, float], ...]:
    return (
        (relay.run, RELAY_RECONNECT_SECONDS),
        (webhooks.send_all, 0.0),
    )


def _records(feed: StatusFeed, audit: AuditLog) -> tuple[tuple[Work, float], ...]:
    return (
        (feed.refresh, STATUS_SECONDS),
        (audit.store, AUDIT_PASS_SECONDS),
    )


def _repairs(
    mirrors: Mirrors,
    purging: EdgePurger,
    purge_sessions: PurgeSessions,
    tombstones: TombstoneDelivery,
    reconcile: Reconciler,
    sweep: Sweep,
) -> tuple[tuple[Work, float], ...]:
    """Return the passes that complete what a fault has left."""
    return (
        (purge_sessions.settle, SESSIONS_PASS_SECONDS),
        (purging.repeat_due, REPEAT_PASS_SECONDS),
        (FenceLifter(mirrors, tombstones).lift_fences, FENCE_PASS_SECONDS),
        (HintedHandoff(mirrors, purging, tombstones).deliver_all, HINTS_PASS_SECONDS),
        (reconcile.reconcile_next, reconcile.pause_seconds),
        (sweep.sweep_touched, TOUCHED_PASS_SECONDS),
        (sweep.sweep_all, SWEEP_PASS_SECONDS),
    )


def _maps(
    mirrors: Mirrors,
    reconcile: Reconciler,
    following: MapFollowing,
    keys: KeySource,
    status: ClusterStatus,
) -> tuple[tuple[Work, float], ...]:
    """Return the passes that follow the volume map, and that advance its volumes."""
    proposing = MapProposing(mirrors, following, keys)
    comparison = reconcile.comparison
    states = VolumeStates(mirrors, comparison.contents, proposing, status.edges_follow)
    return (
        (following.follow, MAP_PASS_SECONDS),
        (Filling(mirrors, reconcile).fill_all, FILLING_PASS_SECONDS),
        (Moves(mirrors, comparison, following, proposing).advance_all, MOVES_PASS_SECONDS),
        (states.advance, STATES_PASS_SECONDS),
        (status.move_rates.observe, RATES_PASS_SECONDS),
    )


def _connect_to_queue(cluster: Cluster, master: Master) -> tuple[QueueServer, redis.Redis]:
    server = queue_server(cluster, Role.MASTER, master.id)
    return server, queue_client(
        server,
        socket_timeout=QUEUE_RESPONSE_SECONDS,
        socket_connect_timeout=QUEUE_RESPONSE_SECONDS,
    )
