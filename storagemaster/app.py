"""The composition root of a storagemaster: wires the write path, the repairs and the API."""

import contextlib
import secrets
import time
from collections.abc import AsyncIterator

import aiohttp
import redis
from aiohttp import web

from permission_urls import InternalSigner, KeyRing, ReadSigner
from storagemaster.api import Api, key_secret_of
from storagemaster.attempts import Attempts
from storagemaster.background import repeating
from storagemaster.bundles import Bundles
from storagemaster.cluster_status import ClusterStatus
from storagemaster.deletes import Deletes
from storagemaster.earlier_upload import EarlierUploads
from storagemaster.edge_health import POLL_SECONDS as EDGE_POLL_SECONDS
from storagemaster.edge_health import EdgeHealth
from storagemaster.event_relay import RECONNECT_SECONDS as RELAY_RECONNECT_SECONDS
from storagemaster.event_relay import EventRelay
from storagemaster.events import Events
from storagemaster.fleet import POLL_SECONDS, Fleet
from storagemaster.info_cache import InfoCache
from storagemaster.mirroring import Mirroring
from storagemaster.owed_work import PASS_SECONDS as OWED_PASS_SECONDS
from storagemaster.owed_work import OwedWork
from storagemaster.photo_files import PhotoReads
from storagemaster.photo_urls import PhotoUrls
from storagemaster.photos import Photos
from storagemaster.purging import Purging
from storagemaster.reconcile import Reconcile
from storagemaster.repairs import Repairs
from storagemaster.revokes import Revokes
from storagemaster.sizes_queue import SizesQueue
from storagemaster.sweep import PASS_SECONDS as SWEEP_PASS_SECONDS
from storagemaster.sweep import Sweep
from storagemaster.uploads import Uploads
from storagemaster.webhooks import PAUSE_SECONDS_MAX, Webhooks
from storagemaster.worker_deaths import PASS_SECONDS as DEATHS_PASS_SECONDS
from storagemaster.worker_deaths import WorkerDeaths
from storagenode.client import NodeClient
from volumes.cluster import Cluster, Master

QUEUE_ANSWER_SECONDS = 2.0
KEEPALIVE_SECONDS = 75


@contextlib.asynccontextmanager
async def running_master(cluster: Cluster, master: Master, keys: KeyRing) -> AsyncIterator[None]:
    """A storagemaster that serves for as long as the block lasts.

    Raises:
        OSError: Its port is taken.
    """
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(
            aiohttp.ClientSession(auto_decompress=False, connector=aiohttp.TCPConnector(limit=0))
        )
        signer = InternalSigner(keys)
        nodes = {
            node.id: NodeClient(node.write, session, signer) for node in cluster.nodes.values()
        }
        fleet = Fleet(nodes)
        mirroring = Mirroring(cluster, nodes, fleet)
        queue_connection = redis.Redis.from_url(
            cluster.queue_url,
            socket_timeout=QUEUE_ANSWER_SECONDS,
            socket_connect_timeout=QUEUE_ANSWER_SECONDS,
        )
        queue = SizesQueue(queue_connection, keys)
        boot = secrets.token_hex(8)
        events = Events(boot)
        relay = EventRelay(cluster.queue_url, keys, events, boot=boot)
        webhooks = Webhooks(cluster.webhook_urls, session, keys, events)
        cache = InfoCache(cluster.memcached)
        urls = PhotoUrls(cluster, ReadSigner(keys))
        reads = PhotoReads(cluster, nodes, fleet, master.colo)
        edge_health = EdgeHealth(cluster.edges, session)
        purging = Purging(cluster.edges, session)
        photos = Photos(reads, urls, cache, queue)
        deletes = Deletes(cluster, nodes, fleet, reads, mirroring, purging, cache, events)
        bundles = Bundles(cluster, nodes, fleet, mirroring, cache, events)
        deaths = WorkerDeaths(
            queue_connection,
            keys,
            queue,
            Attempts(nodes, reads, bundles),
            now_seconds=time.time,
        )
        reconcile = Reconcile(cluster, nodes, fleet, now_seconds=time.time)
        key_secret = key_secret_of(keys)
        api = Api(
            keys=keys,
            upload_bytes_max=cluster.limits.upload_bytes_max,
            uploads=Uploads(
                cluster,
                fleet,
                mirroring,
                EarlierUploads(cluster, nodes, fleet),
                urls,
                queue,
                key_secret=key_secret,
            ),
            photos=photos,
            deletes=deletes,
            revokes=Revokes(
                cluster, nodes, fleet, reads, photos, mirroring, deletes, key_secret=key_secret
            ),
            repairs=Repairs(cluster, reconcile),
            bundles=bundles,
            events=events,
            status=ClusterStatus(cluster, fleet, queue, edge_health, master=master.id),
        )
        await fleet.poll()
        await edge_health.poll()
        for work, pause_seconds in (
            (fleet.poll, POLL_SECONDS),
            (edge_health.poll, EDGE_POLL_SECONDS),
            (queue.hand_over, 0.0),
            (OwedWork(cluster, nodes, fleet, purging).hand_over_all, OWED_PASS_SECONDS),
            (relay.run, RELAY_RECONNECT_SECONDS),
            (webhooks.send_all, PAUSE_SECONDS_MAX if not cluster.webhook_urls else 0.0),
            (deaths.revive_all, DEATHS_PASS_SECONDS),
            (Sweep(cluster, nodes, fleet, queue).sweep_all, SWEEP_PASS_SECONDS),
            (reconcile.reconcile_next, reconcile.pause_seconds),
        ):
            await stack.enter_async_context(repeating(work, pause_seconds=pause_seconds))
        runner = web.AppRunner(
            api.application(),
            access_log=None,
            keepalive_timeout=KEEPALIVE_SECONDS,
            auto_decompress=False,
        )
        await runner.setup()
        stack.callback(events.close)
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(
            runner, master.address.host, master.address.port, reuse_address=True
        ).start()
        yield
