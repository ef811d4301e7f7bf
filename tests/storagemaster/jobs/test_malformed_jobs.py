"""One malformed hash in the queue server stops neither the status nor the queue."""

import logging

import pytest
import redis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from storagemaster.job_wire import NEW_QUEUE, WORKERS_KEY
from storagemaster.jobs.sizes_queue import SizesQueue, job_id_of
from storagemaster.readable_job import ReadableJob
from tests.storagemaster.jobs.test_sizes_queue import enqueue, original, waiting
from tests.storagemaster.small_cluster import HOST, KEYS

MALFORMED = {
    "created_at": b"yesterday",
    "enqueued_at": b"\xff",
    "started_at": b"0",
    "status": b"bogus",
    "retry_intervals": b"[",
    "result_ttl": b"long",
    "dependency_ids": b"{",
    "origin": b"\xff",
    "data": None,
}


@pytest.fixture(name="connection")
def _connection(valkey):
    with redis.Redis(port=valkey.port) as connection:
        yield connection


async def damage(connection, field):
    """Enqueue two jobs, damage a field of the first, and return the first one's original."""
    queue = SizesQueue(connection, KEYS)
    await enqueue(queue, original(1), original(2))
    key = Job.key_for(job_id_of(original(1)))
    if MALFORMED[field] is None:
        connection.hdel(key, field)
    else:
        connection.hset(key, field, MALFORMED[field])
    return queue


@pytest.mark.parametrize("field", MALFORMED)
async def test_a_malformed_job_does_not_stop_the_status(
    cluster_with, connection, valkey, field, caplog
):
    """Status and metrics respond, and the log names the job."""
    cluster = await cluster_with(queue_url=f"redis://{HOST}:{valkey.port}/0")
    await damage(connection, field)
    with caplog.at_level(logging.WARNING):
        status = await cluster.master.request("GET", "/status")
    assert status.status == 200
    assert status.document["queues"][NEW_QUEUE] == 2
    assert (await cluster.master.request("GET", "/metrics")).status == 200
    if MALFORMED[field] is not None:
        assert job_id_of(original(1)) in caplog.text


@pytest.mark.parametrize("field", MALFORMED)
async def test_a_malformed_job_is_replaced_after_a_worker_skipped_it(connection, field):
    """Its photo would otherwise never get sizes."""
    queue = await damage(connection, field)
    assert await queue.job_state(original(1)) in {"", "queued"}
    waiting_in = Queue(NEW_QUEUE, connection=connection, serializer=JSONSerializer)
    taken = Queue.dequeue_any(
        [waiting_in], None, connection, job_class=ReadableJob, serializer=JSONSerializer
    )
    assert taken[0].id == job_id_of(original(2))
    await enqueue(queue, original(1))
    job = Job.fetch(job_id_of(original(1)), connection, serializer=JSONSerializer)
    assert job.get_status() == "queued"
    assert waiting(connection) == {NEW_QUEUE: [job.id]}


@pytest.mark.parametrize("kind", ["a string at the key of a job", "ids that are not UTF-8"])
async def test_other_rubbish_does_not_stop_the_status(cluster_with, connection, valkey, kind):
    """Also where RQ expects text, or a hash."""
    cluster = await cluster_with(queue_url=f"redis://{HOST}:{valkey.port}/0")
    queue = Queue(NEW_QUEUE, connection=connection)
    if kind == "ids that are not UTF-8":
        connection.rpush(queue.key, b"\xff\xfe")
        connection.sadd(WORKERS_KEY, b"\xff\xfe")
    else:
        connection.rpush(queue.key, "rubbish")
        connection.set(Job.key_for("rubbish"), "rubbish")
    status = await cluster.master.request("GET", "/status")
    assert (status.status, status.document["queues"][NEW_QUEUE]) == (200, 1)
    assert status.document["oldest_job_seconds"] == 0.0
    assert (await cluster.master.request("GET", "/metrics")).status == 200
