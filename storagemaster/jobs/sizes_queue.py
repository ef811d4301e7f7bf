"""Asking for sizes: jobs for RQ, named by a string, because the write path knows no image code.

The queue is a hint and the disk is the truth: a job that is lost here is asked for again by the
sweep. So asking never waits, never fails an upload, and goes to Valkey in batches.
"""

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import redis
from redis.client import Pipeline
from rq import Queue, Retry
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job, JobStatus
from rq.queue import EnqueueData
from rq.serializers import JSONSerializer

from permission_urls import KeyRing, sign_job
from runtime.crashpoint import crashpoint
from storagemaster.job_wire import JOB_SECONDS_MAX, NEW_QUEUE, QUEUES, JobKind, fields_to_sign
from volumes.photo_path import Variant, render_path

log = logging.getLogger(__name__)

# A done job leaves nothing behind; a failed one a day, for a person to look at.
RESULT_SECONDS = 0
FAILURE_SECONDS = 24 * 3600
RETRY_INTERVALS_SECONDS = [2, 10]
WAITING_MAX = 100_000
BATCH_MAX = 200
BATCH_WAIT_SECONDS = 0.05
RECONNECT_SECONDS = 1.0
# Far longer than a worker needs from taking a job off its lane to saying that it runs.
PICKUP_SECONDS = 1.0
# How far down a lane a job is looked for; nobody is helped by a larger number.
POSITION_MAX = 10_000

_ENDED = {JobStatus.FAILED, JobStatus.FINISHED, JobStatus.STOPPED, JobStatus.CANCELED}


@dataclass(frozen=True, slots=True)
class _Ask:
    queue_name: str
    kind: JobKind
    original: Variant


class QueueUnavailable(Exception):
    """The queue cannot be asked now."""


class SizesQueue:
    """Hands jobs to RQ, in a thread; what does not fit or is refused is left to the sweep."""

    def __init__(self, connection: redis.Redis, keys: KeyRing) -> None:
        self._connection = connection
        self._keys = keys
        self._waiting: asyncio.Queue[_Ask] = asyncio.Queue(WAITING_MAX)
        self.is_reachable = True

    def enqueue(
        self, original: Variant, *, queue_name: str = NEW_QUEUE, kind: JobKind = JobKind.SIZES
    ) -> None:
        """Have the sizes of an original made, some time soon."""
        with contextlib.suppress(asyncio.QueueFull):
            self._waiting.put_nowait(_Ask(queue_name, kind, original))

    async def enqueue_now(self, original: Variant, *, queue_name: str, kind: JobKind) -> None:
        """Have the sizes of an original made; returns when the job is in the queue.

        Raises:
            QueueUnavailable: It is not, and nothing will ask again.
        """
        try:
            await asyncio.to_thread(self._enqueue, [_Ask(queue_name, kind, original)])
        except (redis.RedisError, NoSuchJobError) as error:
            raise QueueUnavailable(str(error)) from error

    async def depths(self) -> dict[str, int] | None:
        """Jobs that wait, by lane; None if the queue cannot be asked."""
        try:
            return await asyncio.to_thread(self._depths)
        except redis.RedisError:
            return None

    def _depths(self) -> dict[str, int]:
        return {queue_name: self._queue(queue_name).count for queue_name in QUEUES}

    async def oldest_job_seconds(self, now_seconds: float) -> float | None:
        """How long the oldest waiting job has waited, 0 if none does; None if that is not known."""
        try:
            return await asyncio.to_thread(self._oldest_seconds, now_seconds)
        except redis.RedisError:
            return None

    def _oldest_seconds(self, now_seconds: float) -> float:
        ages = [0.0]
        for queue_name in QUEUES:
            for job_id in self._queue(queue_name).get_job_ids(0, 1):
                with contextlib.suppress(NoSuchJobError):
                    job = Job.fetch(job_id, self._connection, serializer=JSONSerializer)
                    if job.enqueued_at is not None:
                        ages.append(now_seconds - job.enqueued_at.timestamp())
        return max(ages)

    async def position(self, original: Variant) -> int | None:
        """How many jobs are before a photo's in its lane; None if that is not known."""
        try:
            return await asyncio.to_thread(self._position, job_id_of(original))
        except redis.RedisError:
            return None

    def _position(self, job_id: str) -> int | None:
        with self._connection.pipeline(transaction=False) as pipeline:
            for queue_name in QUEUES:
                pipeline.lpos(self._queue(queue_name).key, job_id, maxlen=POSITION_MAX)
            found: list[int | None] = pipeline.execute()
        return next((position for position in found if position is not None), None)

    async def job_state(self, original: Variant, kind: JobKind = JobKind.SIZES) -> str | None:
        """RQ's word for the state of a photo's job, "" if there is none; None if not known."""
        try:
            return await asyncio.to_thread(self._job_state, job_id_of(original, kind))
        except redis.RedisError:
            return None

    def _job_state(self, job_id: str) -> str:
        try:
            job = Job.fetch(job_id, self._connection, serializer=JSONSerializer)
        except NoSuchJobError:
            return ""
        return str(job.get_status(refresh=False).value)

    async def flush_batch(self) -> None:
        """Wait for jobs, and give a batch of them to RQ."""
        batch = [await self._waiting.get()]
        # A batch is much cheaper than as many jobs, and nobody sees sizes come this much later.
        await asyncio.sleep(BATCH_WAIT_SECONDS)
        while len(batch) < BATCH_MAX and not self._waiting.empty():
            batch.append(self._waiting.get_nowait())
        try:
            crashpoint("before_enqueue")
            await asyncio.to_thread(partial(self._enqueue, batch))
            crashpoint("after_enqueue")
            self.is_reachable = True
        except redis.RedisError as error:
            if self.is_reachable:
                log.warning("the queue is away, the sweep will ask again: %s", error)
            self.is_reachable = False
            await asyncio.sleep(RECONNECT_SECONDS)

    def _enqueue(self, batch: list[_Ask]) -> None:
        """What the queue does not know goes to it in one piece, and the rest one by one.

        Each piece is a transaction that is begun anew if another storagemaster, or a worker, has
        changed one of its jobs meanwhile: a job that runs must not be made to wait again, or the
        death of its worker is not seen.
        """
        asks = {job_id_of(ask.original, ask.kind): ask for ask in batch}
        known: set[str] = set()

        def put_unknown(pipeline: Pipeline) -> None:
            known.clear()
            known.update(self._known(asks))
            pipeline.multi()
            self._put([ask for job_id, ask in asks.items() if job_id not in known], pipeline)

        self._connection.transaction(put_unknown, *map(Job.key_for, asks))
        for job_id in known:
            # Who changes the job between two of these steps has seen to it as well.
            with contextlib.suppress(NoSuchJobError, InvalidJobOperation):
                self._replace_what_is_over(job_id, asks[job_id])

    def _known(self, job_ids: Iterable[str]) -> Iterable[str]:
        """Those of which the queue has a job, in whatever state."""
        ids = list(job_ids)
        with self._connection.pipeline(transaction=False) as pipeline:
            for job_id in ids:
                pipeline.exists(Job.key_for(job_id))
            return list(itertools.compress(ids, pipeline.execute()))

    def _replace_what_is_over(self, job_id: str, ask: _Ask) -> None:
        """Waiting or running already is once enough; a job that has ended is in the way."""

        def replace(pipeline: Pipeline) -> None:
            job = Job.fetch(job_id, self._connection, serializer=JSONSerializer)
            is_off_its_queue = self._is_off_its_queue(job)
            if is_off_its_queue:
                # A worker that has just taken it says so meanwhile, which voids the transaction.
                time.sleep(PICKUP_SECONDS)
            pipeline.multi()
            if is_off_its_queue or job.get_status(refresh=False) in _ENDED:
                job.delete(pipeline=pipeline)
                self._put([ask], pipeline)

        self._connection.transaction(replace, Job.key_for(job_id))

    def _is_off_its_queue(self, job: Job) -> bool:
        """Whether a worker took a job, and has not said so: it is about to, or it died."""
        return (
            job.get_status(refresh=False) == JobStatus.QUEUED
            and self._connection.lpos(self._queue(job.origin).key, job.id) is None
        )

    def _put(self, asks: Iterable[_Ask], pipeline: Pipeline) -> None:
        by_queue: dict[str, list[EnqueueData]] = {}
        for ask in asks:
            by_queue.setdefault(ask.queue_name, []).append(self._job(ask))
        for lane, jobs in by_queue.items():
            self._queue(lane).enqueue_many(jobs, pipeline=pipeline)

    def _job(self, ask: _Ask) -> EnqueueData:
        path = render_path(ask.original)
        return Queue.prepare_data(
            ask.kind.value,
            args=(path, sign_job(self._keys, fields_to_sign(ask.kind, path))),
            job_id=job_id_of(ask.original, ask.kind),
            timeout=JOB_SECONDS_MAX,
            result_ttl=RESULT_SECONDS,
            failure_ttl=FAILURE_SECONDS,
            retry=Retry(max=len(RETRY_INTERVALS_SECONDS), interval=RETRY_INTERVALS_SECONDS),
        )

    def _queue(self, queue_name: str) -> Queue:
        return Queue(queue_name, connection=self._connection, serializer=JSONSerializer)


def job_id_of(original: Variant, kind: JobKind = JobKind.SIZES) -> str:
    """The one id that the job of a photo version has, whoever asks for it, and however often."""
    prefix = "second" if kind is JobKind.SECOND_PASS else "sizes"
    return f"{prefix}-{original.photo_version.photo}-{original.photo_version.version}"
