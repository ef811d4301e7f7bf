"""A colo stops: all photos are served, uploads succeed, and hints are delivered afterwards."""

import itertools

import pytest

from glassplate.errors import ClusterError
from tests.journey.running_cluster import EDGES, fetch, wait_until


@pytest.fixture(name="dark_east", scope="module")
def _dark_east(cluster, shared_photo):
    del shared_photo
    cluster.control("stop", "east")
    yield cluster
    cluster.control("start", "east")


@pytest.fixture(name="degraded", scope="module")
def _degraded(dark_east, jpeg):
    """Return photos uploaded while a colo was down, with their bytes."""
    photos = [jpeg(seed) for seed in range(10, 16)]
    with dark_east.client() as client:
        return [(data, client.put(data)) for data in photos]


def test_photos_from_before_are_served_by_the_other_colo(dark_east, shared_photo):
    """Every size opens through the edge of the other colo."""
    data, receipt, _ = shared_photo
    for letter, url in receipt.urls.items():
        code, _, body = fetch(dark_east, "west-nginx", url)
        assert code == 200, letter
    assert body == data


def test_uploads_succeed_and_are_reported_as_degraded(dark_east, degraded):
    """Two nodes of the live colo store the photo, and the receipt lists the pending mirrors."""
    for data, receipt in degraded:
        assert receipt.durability == "degraded"
        assert {copy.colo for copy in receipt.copies} == {"west"}
        assert [node.partition("-")[0] for node in receipt.pending_mirrors] == ["east"]
        assert fetch(dark_east, "west-nginx", receipt.urls["o"])[2] == data


def test_a_strict_upload_is_rejected(dark_east, jpeg):
    """`Durability: strict` gives two colos or 503."""
    with dark_east.client() as client, pytest.raises(ClusterError):
        client.put(jpeg(20), durability="strict")


def test_sizes_are_made_with_one_colo(dark_east, degraded):
    """Workers of the live colo make the sizes."""
    with dark_east.client() as client:
        for _, receipt in degraded:
            status = client.wait_until_ready(receipt.reference, timeout_seconds=60)
            assert status.state == "ready"


def test_hints_are_delivered_and_the_mirrors_are_equal(cluster, degraded):
    """When the status is well again, both mirrors have the same files, with all sizes."""
    cluster.control("start", "east")
    waited = cluster.cli("status", "--wait", "--timeout", "60")
    assert waited.returncode == 0, waited.stderr
    for _, receipt in degraded:
        reference = receipt.reference
        found = cluster.files_of(reference)
        assert len(found) == 2
        assert all(a == b for a, b in itertools.pairwise(found.values()))
        for edge in EDGES:
            wait_until(
                f"{edge} to serve {reference}",
                lambda edge=edge, url=receipt.urls["m"]: fetch(cluster, edge, url)[0] == 200,
            )
