"""A cluster with WebP and AVIF makes both, also if the queue loses its jobs."""

import json

import pytest

from imageworker.pixels.formats import format_of
from tests.glassplate.live_cluster import jpeg
from tests.imageworker.queue_cluster import running_queue_cluster, wait_until

IMAGES = """
[images]
webp = true
avif = true
avif_edge_pixels_max = 150
"""
FIRST_PASS = {f"_{letter}.{ext}" for letter in "sqtmx" for ext in ("jpg", "webp")}
SECOND_PASS = {f"_{letter}.avif" for letter in "sqt"}


@pytest.fixture(name="cluster", scope="module")
def _cluster(tmp_path_factory):
    """Run a queue cluster of its own, because every photo here leaves a job."""
    with running_queue_cluster(tmp_path_factory.mktemp("formats"), more_config=IMAGES) as cluster:
        yield cluster


def has_both_passes(cluster, reference):
    """Return True if both mirrors have the same complete files of both passes."""
    east, west = cluster.files_of(reference).values()
    return east == west and east.keys() == FIRST_PASS | SECOND_PASS | {"_o.jpg", ".json"}


def test_a_photo_has_its_avif_though_its_worker_died_and_the_queue_was_flushed(cluster):
    """The photo is ready; the sweep finds the missing second pass in its info."""
    worker = cluster.start_worker(crash_at="after_put")
    reference = cluster.put(jpeg(1)).reference
    wait_until("the worker to die", lambda: worker.poll() is not None)
    (east, west) = cluster.files_of(reference).values()
    assert east.keys() == west.keys() == FIRST_PASS | {"_o.jpg", ".json"}
    info = json.loads(east[".json"])
    assert {f"_{each['size']}.{each['ext']}" for each in info["second_pass"]} == SECOND_PASS
    assert info["recipe"].startswith("3-")
    cluster.redis.flushall()
    cluster.start_worker()
    wait_until("the second pass", lambda: has_both_passes(cluster, reference))
    assert cluster.states([reference])[reference].state == "ready"


def test_the_urls_of_a_receipt_open_every_format_by_another_ending(cluster):
    """One permission opens every format of its size class."""
    cluster.start_worker()
    receipt = cluster.put(jpeg(2))
    wait_until("the second pass", lambda: has_both_passes(cluster, receipt.reference))
    with cluster.client() as client:
        for ext in ("jpg", "webp", "avif"):
            data = client.get(receipt.urls["t"].removesuffix("jpg") + ext)
            assert format_of(data).ext == ext
