"""Metrics of workers, and the alert without a worker."""

import urllib.request

import pytest
from prometheus_client import generate_latest

from glassplate.session.new_tokens import sign_new_token
from imageworker.queue.metrics import JobMetrics
from tests.glassplate.live_cluster import jpeg
from tests.imageworker.queue_cluster import wait_until


def sample(metrics, name, **labels):
    """Return one sample of a worker's metrics."""
    return metrics.registry.get_sample_value(f"glassplate_{name}", labels)


def test_a_job_is_counted_by_queue_and_outcome_and_timed():
    """A job that raises and a job of an unknown queue are also counted."""
    seconds = iter((0.0, 3.0, 10.0, 10.5, 20.0, 20.1))
    metrics = JobMetrics(clock=lambda: next(seconds))
    with metrics.job("new") as say:
        say("ready")
    with pytest.raises(ZeroDivisionError), metrics.job("new"):
        raise ZeroDivisionError
    with metrics.job("'; DROP") as say:
        say("gone")
    assert sample(metrics, "jobs_total", queue="new", outcome="ready") == 1
    assert sample(metrics, "jobs_total", queue="new", outcome="error") == 1
    assert sample(metrics, "jobs_total", queue="other", outcome="gone") == 1
    assert sample(metrics, "photo_processing_seconds_sum", queue="new") == 3.5
    assert b"glassplate_photo_processing_seconds_bucket" in generate_latest(metrics.registry)


def test_a_cluster_without_a_worker_reports_it(queue_cluster, seeds):
    """Status, alerts, and metrics report a cluster without a worker, until a worker starts."""
    queue_cluster.start_worker()
    with queue_cluster.client() as client:
        wait_until("a worker to live", lambda: client.status()["workers_alive"] == 1)
        assert client.status()["alerts"] == []
        queue_cluster.stop_workers()
        waiting = queue_cluster.put(jpeg(next(seeds))).reference
        wait_until("the alert", lambda: client.status()["alerts"] != [])
        assert "no worker is alive" in client.status()["alerts"][0]
    token = sign_new_token(queue_cluster.live.keys, ("status",))
    request = urllib.request.Request(
        f"{queue_cluster.live.masters[0]}/metrics", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request) as response:
        assert b"\nglassplate_workers_alive 0.0\n" in response.read()
    # Leave no waiting photo for the tests that count waiting jobs.
    queue_cluster.start_worker()
    queue_cluster.wait_until_settled([waiting])
    queue_cluster.stop_workers()


def test_a_node_serves_its_metrics_on_its_write_port(queue_cluster):
    """The write port of a node, which edges cannot reach, serves its metrics."""
    node = next(iter(queue_cluster.live.cluster.nodes.values()))
    with urllib.request.urlopen(f"http://{node.write}/metrics") as response:
        assert b"glassplate_node_free_bytes" in response.read()
