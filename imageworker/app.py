"""Composition root of an image worker."""

import asyncio
import contextlib
import contextvars
import secrets
import socket
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType

import aiohttp
from rq import Queue, SimpleWorker, get_current_job, worker_registration
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer
from rq.utils import now

from imageworker.configured_recipe import recipe_of
from imageworker.queue.allowed_jobs import allowed_job_class
from imageworker.queue.heartbeat import Heartbeat
from imageworker.queue.jobs import SizesJob
from imageworker.queue.metrics import JobMetrics
from imageworker.sandbox.child import SizesMaker
from permission_urls import InternalSigner, KeySource
from runtime.lag_free_timeout import LagFreeConnector
from runtime.request_scope import RequestScope, request_scope
from runtime.tls.certificate import Certificate
from runtime.tls.machine_name import Role
from storagemaster.client import MasterClient
from storagemaster.job_wire import JOB_SECONDS_MAX, QUEUES, RETRY_QUEUE, JobKind, parse_meta
from storagemaster.queue_client import queue_client, queue_server
from storagenode.client import NodeClient
from volumes.cluster import Cluster, Colo
from volumes.machines import own_certificate
from volumes.map_digest import FollowedDigest

# The worker cancels a job before RQ's timeout, which would interrupt it at any point.
CANCEL_JOB_SECONDS = JOB_SECONDS_MAX - 10
# Interval between removals of old failures.
MAINTENANCE_SECONDS = 30
QUEUE_CONNECT_SECONDS = 5
HEARTBEAT_RESPONSE_SECONDS = 3


class SizesWorker(SimpleWorker):
    """RQ worker for sizes jobs. The storagemasters requeue the jobs of dead workers, not RQ."""

    stop_requested = False
    """True after a stop signal. RQ loses the signal if the queue server is unavailable then."""

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Record the signal, and stop as RQ does."""
        self.stop_requested = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]  # RQ has no types here

    def clean_registries(self) -> None:
        """Remove old failures, and workers that no longer exist."""
        for queue in self.queues:
            FailedJobRegistry(queue=queue).cleanup()
            worker_registration.clean_worker_registry(queue)
        self.last_cleaned_at = now()  # type: ignore[assignment]  # RQ says None, and means later


Follow = Callable[[], Cluster]
"""Returns the cluster by the map in force."""


@contextlib.contextmanager
def sizes_workers(
    follow: Follow, keys: KeySource, *, colo: Colo, metrics: JobMetrics | None = None
) -> Iterator[Callable[[], SizesWorker]]:
    """Yield a factory of workers. Run one at a time, and call `work()` of each only once.

    All workers share the child processes that decode photos.
    """
    cluster = follow()
    with contextlib.ExitStack() as stack:
        maker = stack.enter_context(SizesMaker())
        runner = stack.enter_context(asyncio.Runner())
        session = runner.run(_open_session())
        stack.callback(lambda: runner.run(session.close()))
        certificate = own_certificate(cluster, Role.WORKER, colo)
        make_job = partial(
            _sizes_job, keys=keys, session=session, certificate=certificate, maker=maker, colo=colo
        )
        jobs = _FollowedJob(follow, make_job)

        def run(kind: JobKind, path: str, signature: str) -> str:
            current = get_current_job()
            scope = RequestScope(parse_meta(current.meta) if current else "")
            queue_name = current.origin if current else ""
            if certificate is not None:
                certificate.check()
            with request_scope(scope), job_metrics.job(queue_name) as set_outcome:
                work = jobs.now().run(path, signature, kind=kind)
                timed = asyncio.wait_for(work, CANCEL_JOB_SECONDS)
                # A runner has a context of its own, without the scope of this job.
                outcome = runner.run(timed, context=contextvars.copy_context())
                set_outcome(outcome)
            return outcome

        server = queue_server(cluster, Role.WORKER, colo)
        connection = queue_client(server, socket_connect_timeout=QUEUE_CONNECT_SECONDS)

        job_metrics = metrics or JobMetrics()
        heartbeat = Heartbeat(
            queue_client(
                server,
                socket_timeout=HEARTBEAT_RESPONSE_SECONDS,
                socket_connect_timeout=QUEUE_CONNECT_SECONDS,
            ),
            map_digest=FollowedDigest(follow).now,
        )
        stack.enter_context(heartbeat.running())

        def new_worker() -> SizesWorker:
            name = f"{colo}-{socket.gethostname()}-{secrets.token_hex(4)}"
            heartbeat.register(name)
            return SizesWorker(
                [
                    Queue(queue_name, connection=connection, serializer=JSONSerializer)
                    for queue_name in QUEUES
                ],
                name=name,
                connection=connection,
                serializer=JSONSerializer,
                job_class=allowed_job_class(
                    {kind.value: partial(run, kind) for kind in JobKind},
                    retry_queue_name=RETRY_QUEUE,
                ),
                maintenance_interval=MAINTENANCE_SECONDS,
            )

        yield new_worker


class _FollowedJob:
    """The job, which changes with the map of the cluster."""

    def __init__(self, follow: Callable[[], Cluster], make: Callable[[Cluster], SizesJob]) -> None:
        self._follow = follow
        self._make = make
        self._cluster = follow()
        self._job = make(self._cluster)

    def now(self) -> SizesJob:
        """Return the job by the map in force."""
        if (cluster := self._follow()) is not self._cluster:
            self._cluster, self._job = cluster, self._make(cluster)
        return self._job


def _sizes_job(
    cluster: Cluster,
    keys: KeySource,
    session: aiohttp.ClientSession,
    certificate: Certificate | None,
    maker: SizesMaker,
    *,
    colo: Colo,
) -> SizesJob:
    nearest_first = sorted(cluster.masters.values(), key=lambda master: master.colo != colo)
    return SizesJob(
        cluster,
        keys,
        {
            n.id: NodeClient(n.id, n.write, session, keys, certificate)
            for n in cluster.nodes.values()
        },
        MasterClient(nearest_first, session, InternalSigner(keys), certificate),
        maker,
        colo=colo,
        recipe=recipe_of(cluster),
    )


async def _open_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(auto_decompress=False, connector=LagFreeConnector())
