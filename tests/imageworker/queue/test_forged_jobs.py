"""Whoever can write to the queue can run nothing: no code, no callbacks, no requests."""

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
    """With one worker, which every forged job goes to."""
    worker = queue_cluster.start_worker()
    yield queue_cluster
    assert worker.poll() is None
    queue_cluster.stop_workers()


@pytest.fixture(name="trace")
def _trace(tmp_path):
    """A file that any forged job would make."""
    return tmp_path / "trace"


@pytest.fixture(name="listener")
def _listener():
    """A server that notes who asks it for anything."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", asked
    server.shutdown()
    server.server_close()


def lane(cluster, serializer=JSONSerializer):
    """The lane that a forger writes to."""
    return Queue(NEW_QUEUE, connection=cluster.redis, serializer=serializer)


def why_it_failed(cluster, job):
    """What the worker wrote of a job that it would not do."""

    def result():
        found = Job.fetch(job.id, cluster.redis, serializer=JSONSerializer)
        return found.latest_result() if found.get_status() == "failed" else None

    wait_until("the job to fail", lambda: result() is not None)
    return result().exc_string


def signed(cluster, path):
    """The arguments of a job as a storagemaster signs it."""
    return path, sign_job(cluster.live.keys, fields_to_sign(JobKind.SIZES, path))


def test_a_pickled_job_is_not_unpickled(cluster, trace):
    """Its payload is not JSON, and nothing else is read."""
    job = lane(cluster, PickleSerializer).enqueue("os.system", f"touch {trace}")
    assert "DeserializationError" in why_it_failed(cluster, job)
    assert not trace.exists()


@pytest.mark.parametrize("name", ["os.system", "subprocess.getoutput", "imageworker.app.os.system"])
def test_a_job_that_names_another_function_is_not_run(cluster, trace, name):
    """Names are looked up in a table, and nothing is imported."""
    job = lane(cluster).enqueue(name, f"touch {trace}")
    assert "JobRefused" in why_it_failed(cluster, job)
    assert not trace.exists()


@pytest.mark.parametrize("signature", ["", "a.b", "a.AAAAAAAAAAAAAAAAAAAAAAAA", 7, None, ["a"]])
def test_a_job_that_nobody_signed_is_not_run(cluster, signature):
    """Before any photo is asked for."""
    before = len(cluster.taken())
    job = lane(cluster).enqueue(JobKind.SIZES.value, PATH, signature)
    why = why_it_failed(cluster, job)
    assert any(word in why for word in ("NoPermission", "BadMac", "UnknownKey", "TypeError"))
    assert len(cluster.taken()) == before + 1


def test_a_signature_opens_no_other_path_and_no_other_job(cluster):
    """What is signed is the kind of the job with the path."""
    _, signature = signed(cluster, PATH)
    assert "BadMac" in why_it_failed(
        cluster, lane(cluster).enqueue(JobKind.SIZES.value, ELSEWHERE, signature)
    )
    assert "BadMac" in why_it_failed(
        cluster, lane(cluster).enqueue(JobKind.AGAIN.value, PATH, signature)
    )


def test_a_signed_job_runs_no_callbacks_and_asks_for_no_urls(cluster, seeds, trace, listener):
    """Whatever is written beside it, also when it is done well."""
    url, asked = listener
    hostile = {
        "on_success": Callback("os.system"),
        "on_failure": Callback("os.system"),
        "webhooks": [Webhook(url, "finished"), Webhook(url, "failed")],
        "result_ttl": 60,
    }
    missing = lane(cluster).enqueue(JobKind.SIZES.value, *signed(cluster, PATH), **hostile)
    assert "OriginalUnavailable" in why_it_failed(cluster, missing)
    receipt = cluster.put(jpeg(next(seeds)))
    cluster.wait_until_settled([receipt.reference])
    path = f"{receipt.volume}/{receipt.photo[-2:]}/{receipt.photo}_{receipt.version}_o.jpg"
    done = lane(cluster).enqueue(JobKind.SIZES.value, *signed(cluster, path), **hostile)
    wait_until("the job to be done", lambda: done.get_status() == "finished")
    assert done.return_value() == "already_done"
    assert asked == []
    assert not trace.exists()
