"""Asking for sizes: jobs for RQ, named by a string, because the write path knows no image code.

The queue is a hint and the disk is the truth: a job that is lost here is asked for again by the
sweep. So asking never waits, never fails an upload, and goes to Valkey in batches.
"""

import asyncio
import contextlib
import logging
from functools import partial

import redis
from rq import Queue, Retry
from rq.exceptions import DuplicateJobError, NoSuchJobError
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from permission_urls import KeyRing, sign_job
from volumes.photo_path import Variant, render_path

log = logging.getLogger(__name__)

NEW_LANE = "new"
RETRY_LANE = "retry"
LANES = (NEW_LANE, RETRY_LANE)

# What the job is called; a worker has a list of such names, and imports nothing.
SIZES_FUNCTION = "make_sizes"
JOB_SECONDS_MAX = 90
# A done job leaves nothing behind; a failed one a day, for a person to look at.
RESULT_SECONDS = 0
FAILURE_SECONDS = 24 * 3600
RETRY_INTERVALS_SECONDS = [2, 10]
WAITING_MAX = 100_000
BATCH_MAX = 200
RECONNECT_SECONDS = 1.0

_ENDED = {JobStatus.FAILED, JobStatus.FINISHED, JobStatus.STOPPED, JobStatus.CANCELED}


class SizesQueue:
    """Hands jobs to RQ, in a thread; what does not fit or is refused is left to the sweep."""

    def __init__(self, connection: redis.Redis, keys: KeyRing) -> None:
        self._connection = connection
        self._keys = keys
        self._waiting: asyncio.Queue[tuple[str, Variant]] = asyncio.Queue(WAITING_MAX)
        self.is_reachable = True

    def ask_for_sizes(self, original: Variant, *, lane: str = NEW_LANE) -> None:
        """Have the sizes of an original made, some time soon."""
        with contextlib.suppress(asyncio.QueueFull):
            self._waiting.put_nowait((lane, original))

    async def depths(self) -> dict[str, int] | None:
        """Jobs that wait, by lane; None if the queue cannot be asked."""
        try:
            return await asyncio.to_thread(self._depths)
        except redis.RedisError:
            return None

    def _depths(self) -> dict[str, int]:
        return {lane: self._lane(lane).count for lane in LANES}

    async def hand_over(self) -> None:
        """Wait for jobs, and give a batch of them to RQ."""
        batch = [await self._waiting.get()]
        while len(batch) < BATCH_MAX and not self._waiting.empty():
            batch.append(self._waiting.get_nowait())
        try:
            await asyncio.to_thread(partial(self._enqueue, batch))
            self.is_reachable = True
        except (redis.RedisError, NoSuchJobError) as error:
            if self.is_reachable:
                log.warning("the queue is away, the sweep will ask again: %s", error)
            self.is_reachable = False
            await asyncio.sleep(RECONNECT_SECONDS)

    def _enqueue(self, batch: list[tuple[str, Variant]]) -> None:
        for lane, original in batch:
            try:
                self._enqueue_once(lane, original)
            except DuplicateJobError:
                # Waiting or running already is once enough; one that has ended is in the way.
                job = Job.fetch(job_id_of(original), self._connection, serializer=JSONSerializer)
                if job.get_status() in _ENDED:
                    job.delete()
                    self._enqueue_once(lane, original)

    def _enqueue_once(self, lane: str, original: Variant) -> None:
        path = render_path(original)
        self._lane(lane).enqueue_call(
            SIZES_FUNCTION,
            args=(path, sign_job(self._keys, {"job": "sizes", "path": path})),
            job_id=job_id_of(original),
            unique=True,
            timeout=JOB_SECONDS_MAX,
            result_ttl=RESULT_SECONDS,
            failure_ttl=FAILURE_SECONDS,
            retry=Retry(max=len(RETRY_INTERVALS_SECONDS), interval=RETRY_INTERVALS_SECONDS),
        )

    def _lane(self, lane: str) -> Queue:
        return Queue(lane, connection=self._connection, serializer=JSONSerializer)


def job_id_of(original: Variant) -> str:
    """The one id that a photo version's job has, whoever asks for it."""
    return f"sizes-{original.of.photo}-{original.of.version}"
