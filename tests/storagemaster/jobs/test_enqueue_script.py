"""Jobs of the script, as RQ's own programs and classes see them in a real Valkey."""

import subprocess
import sys
from pathlib import Path

import pytest
import redis
from rq import Queue, Retry, SimpleWorker
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry, ScheduledJobRegistry
from rq.serializers import JSONSerializer

from storagemaster.job_wire import JOB_SECONDS_MAX, NEW_QUEUE, RETRY_QUEUE, JobKind
from storagemaster.jobs.enqueue_script import (
    FAILURE_SECONDS,
    RESULT_SECONDS,
    RETRY_INTERVALS_SECONDS,
    EnqueueScript,
    NewJob,
)

META = {"request_id": "0" * 32}
JOBS = [NewJob(f"sizes-{number}", (f"1/ab/{number}", "a.signature"), META) for number in range(3)]
IDS = [job.id for job in JOBS]
RQ = Path(sys.executable).with_name("rq")


@pytest.fixture(name="connection")
def _connection(valkey):
    """Return a connection to an empty Valkey."""
    with redis.Redis(port=valkey.port) as connection:
        yield connection


@pytest.fixture(name="script")
def _script(connection):
    """Return the script of a storagemaster."""
    return EnqueueScript(connection)


def queue_of(connection, name=NEW_QUEUE):
    """Return a queue as RQ opens it."""
    return Queue(name, connection=connection, serializer=JSONSerializer)


class Worker(SimpleWorker):
    """RQ's worker, with the function of the jobs."""

    class job_class(Job):  # noqa: N801  # RQ's name
        """A job that runs, or fails on request."""

        fails = False
        func = property(lambda self: self.run)

        def run(self, path, signature):
            """Return the path."""
            assert signature == "a.signature"
            if self.fails:
                raise ValueError(path)
            return path


def work(connection, *, fails):
    """Run all waiting jobs in a worker of RQ."""
    Worker.job_class.fails = fails
    Worker([queue_of(connection)], connection=connection, serializer=JSONSerializer).work(
        burst=True
    )


def test_a_job_has_the_fields_of_one_that_rq_enqueues(script, connection):
    """Only its description is shorter, and its data is not compressed."""
    script.put(NEW_QUEUE, JobKind.SIZES, JOBS[:1])
    ours = connection.hgetall(Job.key_for(IDS[0]))
    connection.flushall()
    enqueued = queue_of(connection).enqueue(
        "make_sizes",
        args=JOBS[0].arguments,
        job_id=IDS[0],
        meta=META,
        job_timeout=JOB_SECONDS_MAX,
        result_ttl=RESULT_SECONDS,
        failure_ttl=FAILURE_SECONDS,
        retry=Retry(max=len(RETRY_INTERVALS_SECONDS), interval=RETRY_INTERVALS_SECONDS),
    )
    theirs = connection.hgetall(enqueued.key)
    differ = {name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)}
    assert differ == {b"created_at", b"enqueued_at", b"data", b"description"}


def test_rq_reads_jobs_and_queues(script, connection):
    """Ids, counts, arguments, times, and the list of queues."""
    script.put(NEW_QUEUE, JobKind.SIZES, JOBS)
    queue = queue_of(connection)
    assert (queue.job_ids, queue.count) == (IDS, 3)
    assert Queue.all(connection, serializer=JSONSerializer) == [queue]
    job = queue.fetch_job(IDS[1])
    assert (job.func_name, tuple(job.args)) == ("make_sizes", JOBS[1].arguments)
    assert job.description == "make_sizes 1/ab/1"
    assert job.get_status() == JobStatus.QUEUED
    assert job.created_at == job.enqueued_at
    assert (job.timeout, job.retries_left) == (JOB_SECONDS_MAX, len(RETRY_INTERVALS_SECONDS))


def test_rq_info_counts_the_jobs(script, valkey):
    """The program prints each queue with its length."""
    script.put(NEW_QUEUE, JobKind.SIZES, JOBS)
    script.put(RETRY_QUEUE, JobKind.AGAIN, [NewJob("other", ("1/ab/9", "a.b"), {})])
    arguments = [RQ, "info", "--url", f"redis://127.0.0.1:{valkey.port}/0", "--raw"]
    printed = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=60)
    assert f"queue {NEW_QUEUE} 3" in printed.stdout
    assert f"queue {RETRY_QUEUE} 1" in printed.stdout


def test_rq_runs_the_jobs(script, connection):
    """A job that succeeded leaves nothing."""
    script.put(NEW_QUEUE, JobKind.SIZES, JOBS)
    work(connection, fails=False)
    assert connection.keys("*sizes-*") == []
    assert queue_of(connection).count == 0


def test_rq_schedules_the_retry_of_a_job_that_failed(script, connection):
    """A job that waits for its retry is kept when it is enqueued again."""
    script.put(NEW_QUEUE, JobKind.SIZES, JOBS)
    work(connection, fails=True)
    scheduled = ScheduledJobRegistry(NEW_QUEUE, connection, serializer=JSONSerializer)
    assert sorted(scheduled.get_job_ids()) == IDS
    assert script.put(NEW_QUEUE, JobKind.SIZES, JOBS) == []
    assert queue_of(connection).count == 0


def test_rq_requeues_a_job_that_failed_for_good(script, connection):
    """`rq requeue` does the same; the job then waits like a new one."""
    script.put(NEW_QUEUE, JobKind.SIZES, JOBS[:2])
    for job_id in IDS[:2]:
        connection.hset(Job.key_for(job_id), "retries_left", 0)
    work(connection, fails=True)
    failed = FailedJobRegistry(NEW_QUEUE, connection, serializer=JSONSerializer)
    assert sorted(failed.get_job_ids()) == IDS[:2]
    assert sorted(map(bytes.decode, script.put(NEW_QUEUE, JobKind.SIZES, JOBS))) == IDS[:2]
    failed.requeue(IDS[0])
    assert queue_of(connection).job_ids == [IDS[2], IDS[0]]
    assert script.put(NEW_QUEUE, JobKind.SIZES, [JOBS[2], JOBS[0]]) == []


def test_rq_removes_jobs(script, connection):
    """A removed job is enqueued again."""
    script.put(NEW_QUEUE, JobKind.SIZES, JOBS)
    queue_of(connection).fetch_job(IDS[1]).delete()
    assert script.put(NEW_QUEUE, JobKind.SIZES, JOBS) == []
    assert queue_of(connection).job_ids == [IDS[0], IDS[2], IDS[1]]
    queue_of(connection).empty()
    assert connection.keys("rq:job:*") == []


def test_a_restarted_valkey_gets_the_script_again(script, connection):
    """After a failover, the server also does not have the script."""
    script.put(NEW_QUEUE, JobKind.SIZES, JOBS[:1])
    connection.script_flush()
    script.put(NEW_QUEUE, JobKind.SIZES, JOBS)
    assert queue_of(connection).job_ids == IDS
