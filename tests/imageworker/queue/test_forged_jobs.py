"""A process that can write to the queue cannot make a worker run code, callbacks, or requests."""

import http.server
import threading

import pytest
from rq import Callback, Queue
from rq.job import Job
from rq.serializers import JSONSerializer, PickleSerializer
from rq.webhook import Webhook

from permission_urls import sign_job
from storagemaster.job_wire import NEW_QUEUE, JobKind, fields_to_sign
from tests.glassplate.live_cluster import jpeg
from tests.imageworker.queue_cluster import wait_until

PATH = "1/k7/01jd3x8m2c9qp4k7_3fz8qd_o.jpg"
ELSEWHERE = "2/k7/01jd3x8m2c9qp4k7_3fz8qd_o.jpg"


@pytest.fixture(name="cluster", scope="module")
def _cluster(queue_cluster):
    """Run a queue cluster with one worker, which takes every forged job."""
    worker = queue_cluster.start_worker()
    yield queue_cluster
    assert worker.poll() is None
    queue_cluster.stop_workers()


@pytest.fixture(name="trace")
def _trace(tmp_path):
    """Return a file that every forged job would create."""
    return tmp_path / "trace"


@pytest.fixture(name="listener")
def _listener():
    """Run a server that records its requests."""
    requests = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            """Discard the log line."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", requests
    server.shutdown()
    server.server_close()


def forged_queue(cluster, serializer=JSONSerializer):
    """Return the queue that the attacker writes to."""
    return Queue(NEW_QUEUE, connection=cluster.redis, serializer=serializer)


def failure_of(cluster, job):
    """Return the exception of a rejected job, as the worker recorded it."""

    def result():
        found = Job.fetch(job.id, cluster.redis, serializer=JSONSerializer)
        return found.latest_result() if found.get_status() == "failed" else None

    wait_until("the job to fail", lambda: result() is not None)
    return result().exc_string


def signed(cluster, path):
    """Return the arguments of a job with a storagemaster's signature."""
    return path, sign_job(cluster.live.keys, fields_to_sign(JobKind.SIZES, path))


def test_a_pickled_job_is_not_unpickled(cluster, trace):
    """A payload that is not JSON is rejected and never unpickled."""
    job = forged_queue(cluster, PickleSerializer).enqueue("os.system", f"touch {trace}")
    assert "DeserializationError" in failure_of(cluster, job)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("created_at", "yesterday"),
        ("status", "bogus"),
        ("retry_intervals", "["),
        ("retry_intervals", "5"),
        ("result_ttl", "long"),
    ],
)
def test_a_malformed_job_is_skipped(cluster, field, value):
    """The worker takes the next one, and does not die."""
    queue = forged_queue(cluster)
    malformed = queue.prepare_data("sizes", job_id=f"malformed-{field}-{value.isdigit()}")
    with cluster.redis.pipeline() as pipeline:
        queue.enqueue_many([malformed], pipeline=pipeline)
        pipeline.hset(Job.key_for(malformed.job_id), field, value)
        pipeline.execute()
    job = queue.enqueue("os.system", "true")
    assert "JobRefused" in failure_of(cluster, job)


@pytest.mark.parametrize("name", ["os.system", "subprocess.getoutput", "imageworker.app.os.system"])
def test_a_job_that_names_another_function_is_not_run(cluster, trace, name):
    """Only names in the table run; nothing is imported."""
    job = forged_queue(cluster).enqueue(name, f"touch {trace}")
    assert "JobRefused" in failure_of(cluster, job)
    assert not trace.exists()


@pytest.mark.parametrize("signature", ["", "a.b", "a.AAAAAAAAAAAAAAAAAAAAAAAA", 7, None, ["a"]])
def test_an_unsigned_job_is_not_run(cluster, signature):
    """A job without a valid signature is rejected before any request for its photo."""
    before = len(cluster.taken())
    job = forged_queue(cluster).enqueue(JobKind.SIZES.value, PATH, signature)
    failure = failure_of(cluster, job)
    assert any(word in failure for word in ("NoPermission", "BadMac", "UnknownKey", "TypeError"))
    assert len(cluster.taken()) == before + 1


def test_a_signature_opens_no_other_path_and_no_other_job(cluster):
    """A signature is valid only for its path and its kind of job."""
    _, signature = signed(cluster, PATH)
    assert "BadMac" in failure_of(
        cluster, forged_queue(cluster).enqueue(JobKind.SIZES.value, ELSEWHERE, signature)
    )
    assert "BadMac" in failure_of(
        cluster, forged_queue(cluster).enqueue(JobKind.AGAIN.value, PATH, signature)
    )


def test_a_signed_job_runs_no_callbacks_and_requests_no_urls(cluster, seeds, trace, listener):
    """A signed job runs none of the callbacks and webhooks in its record, also on success."""
    url, requests = listener
    hostile = {
        "on_success": Callback("os.system"),
        "on_failure": Callback("os.system"),
        "webhooks": [Webhook(url, "finished"), Webhook(url, "failed")],
        "result_ttl": 60,
    }
    missing = forged_queue(cluster).enqueue(JobKind.SIZES.value, *signed(cluster, PATH), **hostile)
    assert "OriginalUnavailable" in failure_of(cluster, missing)
    receipt = cluster.put(jpeg(next(seeds)))
    cluster.wait_until_settled([receipt.reference])
    path = f"{receipt.volume}/{receipt.photo[-2:]}/{receipt.photo}_{receipt.version}_o.jpg"
    done = forged_queue(cluster).enqueue(JobKind.SIZES.value, *signed(cluster, path), **hostile)
    wait_until("the job to be done", lambda: done.get_status() == "finished")
    assert done.return_value() == "already_done"
    assert requests == []
    assert not trace.exists()
