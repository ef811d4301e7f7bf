"""A fenced node serves no photo: whatever the size, the request, and the connection."""

import contextlib
import http.client

import pytest

from storagenode.upkeep import fence
from tests.storagenode.photo_samples import bytes_of, variant_of, version_of
from tests.storagenode.served_site import lift_fences

KIB = 1024
# From memory on the fast path, from memory, from a thread, and streamed.
SIZES = {"fast": 200 * KIB, "buffered": 2048 * KIB, "streamed": 9000 * KIB}
REQUESTS = {
    "plain": {},
    "of an edge": {"X-Forwarded-For": "192.0.2.1", "Accept": "*/*"},
    "closing": {"Connection": "close"},
    "of a range": {"Range": "bytes=0-9"},
    "conditional": {"If-None-Match": '"another"'},
    "with an unusual header": {"Unusual": "it"},
}


@pytest.fixture(name="urls", scope="module")
def _urls(node):
    """Return the URL of a photo of each size, read once so that it is in memory."""
    urls = {}
    for number, (name, size) in enumerate(SIZES.items(), 700):
        place = variant_of(version_of(number), "o")
        node.put(place, bytes_of(name, size=size))
        urls[name] = node.url(place.file)
        # A machine that stalls meanwhile has fenced the node.
        node.run(lift_fences(node.client))
        assert node.read(urls[name]).status == 200
    return urls


@pytest.fixture(name="stalled")
def _stalled(node, monkeypatch):
    """Count every moment as a stall, so that the fence rises at each read."""
    monkeypatch.setattr(fence, "STALL_SECONDS", -1.0)
    yield
    monkeypatch.undo()
    node.run(lift_fences(node.client))


@pytest.fixture(name="connection")
def _connection(node):
    """Return a connection that is kept, as an edge keeps it."""
    address = node.node.read
    with contextlib.closing(http.client.HTTPConnection(address.host, address.port)) as kept:
        yield kept


@pytest.mark.parametrize("request_name", REQUESTS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.usefixtures("stalled")
def test_a_fenced_node_serves_nothing(urls, connection, size, request_name):
    """The response is 503 on every path of a read."""
    for method in ("GET", "HEAD", "GET"):
        connection.request(method, urls[size], headers=REQUESTS[request_name])
        response = connection.getresponse()
        response.read()
        assert response.status == 503


def test_the_same_reads_succeed_without_the_fence(urls, connection):
    """The test of fenced reads would pass with URLs that nothing opens."""
    for size in SIZES:
        for headers in REQUESTS.values():
            connection.request("GET", urls[size], headers=headers)
            response = connection.getresponse()
            response.read()
            assert response.status in {200, 206}
