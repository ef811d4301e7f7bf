"""An nginx edge counts its requests, and serves the counts at its purge port only."""

import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.docs.pages import read_page, table
from tests.proxy_config.edge_requests import READ_KEYS, new_photo_path, send_request, sign

REQUESTS = "glassplate_edge_requests_total"


SECONDS_MAX = 10


def samples_of(edge, *, requests):
    """Return the value of each sample, by name and labels, once all requests are counted."""
    deadline = time.monotonic() + SECONDS_MAX
    while True:
        response = send_request(edge.purge, "/metrics")
        assert response.status == 200
        samples = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(response.body.decode())
            for sample in family.samples
        }
        counted = sum(value for key, value in samples.items() if key[0] == REQUESTS)
        if counted >= requests:
            return samples
        assert time.monotonic() < deadline, f"{counted} of {requests} requests were counted"
        time.sleep(0.1)  # each worker adds its counts once a second


@pytest.fixture(name="edge", scope="module")
def _edge(nginx, cluster):
    """Run an nginx edge."""
    return nginx(cluster, "nginx", READ_KEYS)


def test_requests_are_counted_by_cache_and_code(edge):
    """Hits, misses, and refusals, with bytes and durations; a scrape is not counted."""
    url = sign(new_photo_path())
    bodies = [send_request(edge.address, url).body for _ in range(3)]
    assert send_request(edge.address, "/x").status == 403
    assert send_request(edge.address, "/metrics").status == 403
    samples = samples_of(edge, requests=5)
    assert samples[REQUESTS, ("cache", "miss"), ("code", "200")] == 1
    assert samples[REQUESTS, ("cache", "hit"), ("code", "200")] == 2
    assert samples[REQUESTS, ("cache", "none"), ("code", "403")] == 2
    sent = samples["glassplate_edge_sent_bytes_total", ("cache", "hit"), ("code", "200")]
    assert sent > sum(map(len, bodies[1:]))
    duration = "glassplate_edge_request_duration_seconds"
    assert samples[f"{duration}_count", ("cache", "hit")] == 2
    assert samples[f"{duration}_bucket", ("cache", "hit"), ("le", "+Inf")] == 2
    assert ("glassplate_edge_connections", ("state", "waiting")) in samples


def test_the_page_lists_every_metric_with_its_labels(edge):
    """docs/metrics.md has the metrics of an edge, and no other."""
    send_request(edge.address, "/x")
    found = {
        (key[0].removesuffix("_bucket"), *sorted(label for label, _ in key[1:] if label != "le"))
        for key in samples_of(edge, requests=1)
        if not key[0].endswith(("_count", "_sum"))
    }
    listed = set()
    for row in table(read_page("docs/metrics.md"), "## Edges"):
        name, _, labels = row["metric"].rstrip("}").partition("{")
        listed.add((name, *sorted(labels.split(","))))
    assert found == listed
