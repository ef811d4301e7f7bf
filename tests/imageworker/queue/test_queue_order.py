"""Jobs are done in the order of their lanes, and people see how far theirs is."""

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


def test_a_rebuild_of_everything_keeps_an_upload_waiting_for_one_photo(cluster, seeds):
    """The worker ends what it is at, and then takes the upload."""
    old = [cluster.put(jpeg(next(seeds))) for _ in range(12)]
    worker = cluster.start_worker()
    cluster.wait_until_settled([receipt.reference for receipt in old])
    wait_until("the jobs to be done", lambda: jobs_left(cluster.redis) == 0)
    begun = len(cluster.taken())
    cluster.ask(old, queue_name=REGENERATE_QUEUE, kind=JobKind.AGAIN)
    wait_until("the rebuild to begin", lambda: len(cluster.taken()) > begun)
    new = original_of(cluster.put(jpeg(next(seeds))))
    lane, path = f"rq:queue:{NEW_QUEUE}", job_path(new)
    wait_until(
        "the upload to be asked for",
        lambda: cluster.redis.llen(lane) or path in cluster.taken(),
    )
    seen = len(cluster.taken())
    wait_until("the upload to be taken", lambda: path in cluster.taken())
    assert cluster.taken().index(path) <= seen + 1
    assert cluster.taken().index(path) < begun + len(old)
    wait_until("the jobs to be done", lambda: jobs_left(cluster.redis) == 0)
    assert worker.poll() is None


def job_path(original):
    """The photo path in a job."""
    return f"{render_stem(original.photo_version)}_o.{original.ext}"


def test_a_worker_takes_the_lanes_in_their_order(cluster, seeds):
    """Interactive, new, retry, rebuild and the second pass, whatever came first."""
    receipts = {}
    ready = [cluster.put(jpeg(next(seeds))) for _ in QUEUES]
    cluster.start_worker()
    cluster.wait_until_settled([receipt.reference for receipt in ready])
    wait_until("the jobs to be done", lambda: jobs_left(cluster.redis) == 0)
    cluster.stop_workers()
    for lane, receipt in zip(reversed(QUEUES), ready, strict=True):
        cluster.ask([receipt], queue_name=lane, kind=JobKind.AGAIN)
        receipts[lane] = receipt
    begun = len(cluster.taken())
    cluster.start_worker()
    asked = [job_path(original_of(receipts[lane])) for lane in QUEUES]
    wait_until("all to be taken", lambda: set(cluster.taken()[begun:]) >= set(asked))
    # The sweep may ask for another photo meanwhile.
    assert [path for path in cluster.taken()[begun:] if path in asked] == asked


def test_a_pending_photo_knows_how_many_are_before_it(cluster, seeds):
    """From none, for the one that is next, to none again when it is ready."""
    cluster.redis.flushall()
    references = [cluster.put(jpeg(next(seeds))).reference for _ in range(3)]
    wait_until("the jobs to be there", lambda: waiting_jobs(cluster.redis) == len(references))
    assert {s.position for s in cluster.states(references).values()} == {0, 1, 2}
    cluster.start_worker()
    statuses = cluster.wait_until_settled(references)
    assert {status.position for status in statuses.values()} == {None}


def test_a_job_taken_off_its_lane_by_a_worker_that_died_at_once_is_asked_for_again(cluster, seeds):
    """It is on no lane and nobody has begun it, though RQ says that it waits."""
    receipt = cluster.put(jpeg(next(seeds)))
    wait_until("the job to be there", lambda: waiting_jobs(cluster.redis) == 1)
    assert cluster.redis.lpop(f"rq:queue:{NEW_QUEUE}").decode() == job_id_of(original_of(receipt))
    cluster.start_worker()
    statuses = cluster.wait_until_settled([receipt.reference])
    assert statuses[receipt.reference].state == "ready"
