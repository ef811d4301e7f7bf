"""Deleted and revoked photos disappear from every cache, also of an edge that was down."""

import time

import pytest

from tests.journey.running_cluster import EDGES, fetch, wait_until

# A worker of nginx can serve an open file for this long, as documented.
PURGE_SECONDS = 1.0


@pytest.fixture(name="warm_photos")
def _warm_photos(cluster, jpeg):
    """Return receipts of photos that every edge has cached in every size."""
    with cluster.client() as client:
        receipts = [client.put(jpeg(seed, width=300, height=200)) for seed in range(100, 108)]
        for receipt in receipts:
            client.wait_until_ready(receipt.reference, timeout_seconds=60)
    for receipt in receipts:
        warm(cluster, EDGES, receipt)
    return receipts


def warm(cluster, edges, receipt):
    """Make all edges cache all sizes."""
    for edge in edges:
        for url in receipt.urls.values():
            assert {fetch(cluster, edge, url)[0] for _ in range(2)} == {200}


def statuses(cluster, edges, receipt):
    """Return the statuses of all sizes from all edges."""
    return {fetch(cluster, edge, url)[0] for edge in edges for url in receipt.urls.values()}


def test_no_edge_serves_a_deleted_or_revoked_photo(cluster, warm_photos):
    """No edge serves a variant one second after `rm` or `revoke`; both are idempotent."""
    with cluster.client() as client:
        for number, receipt in enumerate(warm_photos):
            withdraw = client.delete if number % 2 else client.revoke
            for _ in range(2):
                assert set(withdraw(receipt.reference).purged) == set(EDGES)
    time.sleep(PURGE_SECONDS)
    for receipt in warm_photos:
        assert statuses(cluster, EDGES, receipt) == {410}


def test_an_edge_that_was_down_is_purged_when_it_returns(cluster, warm_photos):
    """The edge still has the photo on disk, and purges it after its start."""
    receipt = warm_photos[0]
    cluster.control("stop", "west")
    try:
        with cluster.client() as client:
            assert "west-nginx" in client.delete(receipt.reference).purge_pending
    finally:
        cluster.control("start", "west")
    wait_until(
        "the purge of west-nginx", lambda: statuses(cluster, ["west-nginx"], receipt) == {410}
    )
