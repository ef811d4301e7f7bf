"""Photos get their sizes exactly once, also after deaths of workers and losses of the queue."""

import signal

import pytest

from storagemaster.job_wire import REGENERATE_QUEUE, JobKind
from tests.glassplate.live_cluster import jpeg
from tests.imageworker.impatient_worker import CRASHES_ITS_DECODER, KILLS_ITS_WORKER
from tests.imageworker.queue_cluster import jobs_left, wait_until, waiting_jobs

CRASH_POINTS = ("job_taken", "fetched", "made", "before_put", "after_put", "before_job_done")


@pytest.fixture(name="cluster")
def _cluster(queue_cluster):
    yield queue_cluster
    queue_cluster.stop_workers()


def assert_made_once(cluster, references):
    """Check that both mirrors have the same files, including the info."""
    for reference in references:
        files = cluster.files_of(reference)
        east, west = files.values()
        assert east == west
        assert ".json" in east


def test_a_worker_killed_at_any_point_costs_no_photo_its_sizes(cluster, seeds):
    """Another worker finishes every photo whose worker was killed at a crash point."""
    for point in CRASH_POINTS:
        cluster.start_worker(crash_at=point)
    receipts = [cluster.put(jpeg(next(seeds))) for _ in range(3 * len(CRASH_POINTS))]
    wait_until("the workers to die", lambda: all(w.poll() is not None for w in cluster.workers))
    assert {worker.returncode for worker in cluster.workers} == {-signal.SIGKILL}
    cluster.start_worker()
    references = [receipt.reference for receipt in receipts]
    statuses = cluster.wait_until_settled(references)
    assert {status.state for status in statuses.values()} == {"ready"}
    assert_made_once(cluster, references)


def test_a_photo_that_crashes_its_decoder_fails_at_the_third_attempt(cluster, seeds):
    """The third attempt fails permanently, without delaying other photos."""
    poison = cluster.put(jpeg(next(seeds)) + CRASHES_ITS_DECODER)
    others = [cluster.put(jpeg(next(seeds))).reference for _ in range(3)]
    cluster.start_worker()
    assert {s.state for s in cluster.wait_until_settled(others).values()} == {"ready"}
    status = cluster.wait_until_settled([poison.reference])[poison.reference]
    assert status.state == "failed"
    assert status.reason == "the decoder crashed (signal 11)"
    for files in cluster.files_of(poison.reference).values():
        assert sorted(files) == [".fail", "_1.try", "_2.try", "_o.jpg"]


def test_a_photo_that_kills_its_worker_kills_three_of_them(cluster, seeds):
    """Deaths of workers count as attempts, although the queue is flushed after each."""
    # In a separate volume, because regenerating a volume would kill its workers.
    receipt = cluster.put(jpeg(next(seeds)) + KILLS_ITS_WORKER, volume=1)
    poison = receipt.reference
    for names in ({"_1.try"}, {"_1.try", "_2.try"}, {"_1.try", "_2.try", ".fail"}):
        worker = cluster.start_worker()
        wait_until("a worker to die", lambda worker=worker: worker.poll() is not None)
        wait_until(
            "the death to be recorded",
            lambda names=names: has_attempt_files(cluster, poison, names),
        )
        cluster.redis.flushall()
    assert cluster.states([poison])[poison].reason == "the worker that made its sizes died"
    # Enqueueing it again kills only one more worker.
    cluster.enqueue([receipt], queue_name=REGENERATE_QUEUE, kind=JobKind.AGAIN)
    worker = cluster.start_worker()
    wait_until("a worker to die", lambda: worker.poll() is not None)
    other = cluster.put(jpeg(next(seeds))).reference
    cluster.start_worker()
    assert cluster.wait_until_settled([other])[other].state == "ready"
    wait_until("the queue to be empty", lambda: jobs_left(cluster.redis) == 0)
    assert [worker.poll() for worker in cluster.workers].count(None) == 1


def test_a_death_while_the_mirrors_are_down_is_recorded_later(cluster, seeds):
    """A death while the mirrors are down is recorded when they are back."""
    receipt = cluster.put(jpeg(next(seeds)) + KILLS_ITS_WORKER, volume=1)
    worker = cluster.start_worker(heartbeat_ttl_seconds=600)
    wait_until("a worker to die", lambda: worker.poll() is not None)
    with cluster.live.without(*cluster.files_of(receipt.reference)):
        assert jobs_left(cluster.redis) == 1
        cluster.end_heartbeats()
        wait_until("the death to be seen", lambda: jobs_left(cluster.redis) == 0)
    wait_until(
        "the death to be recorded",
        lambda: has_attempt_files(cluster, receipt.reference, {"_1.try"}),
    )
    cluster.redis.flushall()
    with cluster.client() as client:
        client.delete(receipt.reference)


def has_attempt_files(cluster, reference, names):
    """Return True if every mirror has exactly these attempt files."""
    return all(
        {name for name in files if not name.startswith("_o")} == names
        for files in cluster.files_of(reference).values()
    )


def test_a_flushed_queue_is_filled_again_from_the_disks(cluster, seeds):
    """The sweep finds every photo without sizes after a flush of the queue."""
    references = [cluster.put(jpeg(next(seeds))).reference for _ in range(6)]
    wait_until("the jobs to be there", lambda: waiting_jobs(cluster.redis) >= len(references))
    cluster.redis.flushall()
    cluster.start_worker()
    assert {s.state for s in cluster.wait_until_settled(references).values()} == {"ready"}
    assert_made_once(cluster, references)


def test_an_unavailable_queue_rejects_no_upload_and_loses_no_photo(cluster, seeds):
    """Uploads succeed while Valkey is down, and all photos get their sizes afterwards."""
    worker = cluster.start_worker()
    first = cluster.put(jpeg(next(seeds))).reference
    cluster.wait_until_settled([first])
    cluster.valkey.stop()
    references = [cluster.put(jpeg(next(seeds))).reference for _ in range(4)]
    assert {s.state for s in cluster.states(references).values()} == {"pending"}
    assert {s.position for s in cluster.states(references).values()} == {None}
    cluster.valkey.start()
    assert {s.state for s in cluster.wait_until_settled(references).values()} == {"ready"}
    assert worker.poll() is None
    assert_made_once(cluster, references)


def test_two_jobs_of_one_photo_at_once_give_one_set_of_files(cluster, seeds):
    """Two concurrent jobs of one photo give one set of files."""
    for _ in range(2):
        cluster.start_worker()
    references = [cluster.put(jpeg(next(seeds))).reference for _ in range(2)]
    for _ in range(20):
        cluster.redis.flushall()
    assert {s.state for s in cluster.wait_until_settled(references).values()} == {"ready"}
    assert_made_once(cluster, references)
