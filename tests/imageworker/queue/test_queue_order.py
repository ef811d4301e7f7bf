"""Order of the queues, and the position of a pending photo."""

import pytest

from storagemaster.job_wire import NEW_QUEUE, QUEUES, REGENERATE_QUEUE, JobKind
from storagemaster.jobs.sizes_queue import job_id_of
from tests.glassplate.live_cluster import jpeg
from tests.imageworker.queue_cluster import jobs_left, original_of, wait_until, waiting_jobs
from volumes.photo_path import render_stem


@pytest.fixture(name="cluster")
def _cluster(queue_cluster):
    yield queue_cluster
    queue_cluster.stop_workers()


def test_a_full_regeneration_delays_an_upload_by_one_photo(cluster, seeds):
    """The worker finishes its current job before it takes the upload."""
    old = [cluster.put(jpeg(next(seeds))) for _ in range(12)]
    worker = cluster.start_worker()
    cluster.wait_until_settled([receipt.reference for receipt in old])
    wait_until("the jobs to be done", lambda: jobs_left(cluster.redis) == 0)
    begun = len(cluster.taken())
    cluster.enqueue(old, queue_name=REGENERATE_QUEUE, kind=JobKind.AGAIN)
    wait_until("the rebuild to begin", lambda: len(cluster.taken()) > begun)
    new = original_of(cluster.put(jpeg(next(seeds))))
    queue_name, path = f"rq:queue:{NEW_QUEUE}", job_path(new)
    wait_until(
        "the upload to be enqueued",
        lambda: cluster.redis.llen(queue_name) or path in cluster.taken(),
    )
    seen = len(cluster.taken())
    wait_until("the upload to be taken", lambda: path in cluster.taken())
    assert cluster.taken().index(path) <= seen + 1
    assert cluster.taken().index(path) < begun + len(old)
    wait_until("the jobs to be done", lambda: jobs_left(cluster.redis) == 0)
    assert worker.poll() is None


def job_path(original):
    """Return the photo path of a job."""
    return f"{render_stem(original.photo_version)}_o.{original.ext}"


def test_a_worker_takes_the_queues_in_their_order(cluster, seeds):
    """Interactive, new, retry, regenerate, and second pass jobs run in this order."""
    receipts = {}
    ready = [cluster.put(jpeg(next(seeds))) for _ in QUEUES]
    cluster.start_worker()
    cluster.wait_until_settled([receipt.reference for receipt in ready])
    wait_until("the jobs to be done", lambda: jobs_left(cluster.redis) == 0)
    cluster.stop_workers()
    for queue_name, receipt in zip(reversed(QUEUES), ready, strict=True):
        cluster.enqueue([receipt], queue_name=queue_name, kind=JobKind.AGAIN)
        receipts[queue_name] = receipt
    begun = len(cluster.taken())
    cluster.start_worker()
    expected = [job_path(original_of(receipts[queue_name])) for queue_name in QUEUES]
    wait_until("all to be taken", lambda: set(cluster.taken()[begun:]) >= set(expected))
    # The sweep can enqueue another photo meanwhile.
    assert [path for path in cluster.taken()[begun:] if path in expected] == expected


def test_a_pending_photo_knows_how_many_are_before_it(cluster, seeds):
    """The position of a pending photo starts at its place in the queue and ends at 0."""
    cluster.redis.flushall()
    references = [cluster.put(jpeg(next(seeds))).reference for _ in range(3)]
    wait_until("the jobs to be there", lambda: waiting_jobs(cluster.redis) == len(references))
    assert {s.position for s in cluster.states(references).values()} == {0, 1, 2}
    cluster.start_worker()
    statuses = cluster.wait_until_settled(references)
    assert {status.position for status in statuses.values()} == {None}


def test_a_job_that_a_dead_worker_took_is_enqueued_again(cluster, seeds):
    """A job that its worker took but never started is enqueued again."""
    receipt = cluster.put(jpeg(next(seeds)))
    wait_until("the job to be there", lambda: waiting_jobs(cluster.redis) == 1)
    assert cluster.redis.lpop(f"rq:queue:{NEW_QUEUE}").decode() == job_id_of(original_of(receipt))
    cluster.start_worker()
    statuses = cluster.wait_until_settled([receipt.reference])
    assert statuses[receipt.reference].state == "ready"
