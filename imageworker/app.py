"""The composition root of an image worker: an RQ worker whose jobs come from a list of one."""

import asyncio
import contextlib
import dataclasses
import secrets
import socket
from collections.abc import Callable, Iterator

import aiohttp
import redis
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from imageworker.allowed_jobs import allowing
from imageworker.child import SizesMaker
from imageworker.jobs import SizesJob
from imageworker.recipe import DEFAULT_RECIPE
from permission_urls import InternalSigner, KeyRing
from storagemaster.client import MasterClient
from storagemaster.sizes_queue import JOB_SECONDS_MAX, LANES, SIZES_FUNCTION
from storagenode.client import NodeClient
from volumes.cluster import Cluster, Colo

# RQ would end a job in the middle of anything; we end it first, where it can be cleaned up.
OWN_SECONDS_MAX = JOB_SECONDS_MAX - 10
# How soon jobs of a dead worker are looked for.
MAINTENANCE_SECONDS = 30
QUEUE_CONNECT_SECONDS = 5


@contextlib.contextmanager
def sizes_workers(
    cluster: Cluster, keys: KeyRing, *, colo: Colo
) -> Iterator[Callable[[], SimpleWorker]]:
    """What makes workers, each to be run once by its `work()`, one after the other.

    Photos are decoded in limited children of this process.
    """
    with SizesMaker() as maker, asyncio.Runner() as runner:
        session = runner.run(_open_session())
        signer = InternalSigner(keys)
        job = SizesJob(
            cluster,
            keys,
            {n.id: NodeClient(n.write, session, signer) for n in cluster.nodes.values()},
            MasterClient(
                sorted(cluster.masters.values(), key=lambda master: master.colo != colo),
                session,
                signer,
            ),
            maker,
            colo=colo,
            recipe=dataclasses.replace(DEFAULT_RECIPE, sizes=cluster.sizes),
        )

        def make_sizes(path: str, signature: str) -> str:
            return runner.run(asyncio.wait_for(job.run(path, signature), OWN_SECONDS_MAX))

        connection = redis.Redis.from_url(
            cluster.queue_url, socket_connect_timeout=QUEUE_CONNECT_SECONDS
        )

        def new_worker() -> SimpleWorker:
            return SimpleWorker(
                [Queue(lane, connection=connection, serializer=JSONSerializer) for lane in LANES],
                name=f"{colo}-{socket.gethostname()}-{secrets.token_hex(4)}",
                connection=connection,
                serializer=JSONSerializer,
                job_class=allowing({SIZES_FUNCTION: make_sizes}),
                maintenance_interval=MAINTENANCE_SECONDS,
            )

        try:
            yield new_worker
        finally:
            runner.run(session.close())


async def _open_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(auto_decompress=False)
