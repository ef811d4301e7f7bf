"""Failures of a node or a colo."""

import contextlib
import socket
import time

import pytest

from tests.proxy_config.edge_requests import new_photo_path, send_request, sign
from tests.proxy_config.fake_node import Behavior, bytes_of

# Each case uses a volume and two nodes of its own.
VOLUMES = range(1, 10)
(
    STOPPED,
    BLACK_HOLE,
    STALLED,
    WRONG_BYTES,
    UNAVAILABLE,
    ABSENT,
    GONE,
    BOTH_STOPPED,
    BOTH_STOPPED_TOO,
) = VOLUMES


@pytest.fixture(name="pairs", scope="module")
def _pairs(make_nodes):
    """Return two nodes per volume: the local one and its mirror."""
    return {volume: make_nodes(2) for volume in VOLUMES}


@pytest.fixture(name="edge", scope="module", params=["nginx", "varnish"])
def _edge(request, start_edge, make_cluster, pairs):
    """Run an edge whose cached photos are stale after a second."""
    ports = {str(volume): [node.port for node in pair] for volume, pair in pairs.items()}
    return start_edge(request.param, make_cluster(ports), revalidate_after_seconds=1)


@pytest.fixture(name="restored", autouse=True)
def _restored(pairs):
    """Restore all nodes after each test."""
    yield
    for pair in pairs.values():
        for node in pair:
            node.behavior = Behavior.WELL
            if not node.is_running:
                node.start()


@pytest.fixture(name="black_hole")
def _black_hole():
    """Make a port drop new connections silently: black_hole(port)."""
    with contextlib.ExitStack() as stack:

        def make(port):
            server = stack.enter_context(socket.socket())
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("127.0.0.1", port))
            server.listen(0)
            for _ in range(4):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(("127.0.0.1", port))

        yield make


def fetch(edge, volume, count=5):
    """Fetch uncached photos; return the statuses, and whether the bytes were right."""
    paths = [new_photo_path(volume=volume) for _ in range(count)]
    responses = [send_request(edge.address, sign(path)) for path in paths]
    return [
        (response.status, response.body == bytes_of(path))
        for response, path in zip(responses, paths, strict=True)
    ]


def wait_until(condition):
    """Wait for an asynchronous effect."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_node_of_the_own_colo_is_tried_first(edge, pairs):
    """Without failures, no request crosses colos."""
    near, far = pairs[STOPPED]
    before = len(far.requests)
    assert fetch(edge, STOPPED) == [(200, True)] * 5
    assert len(far.requests) == before
    assert near.requests


def test_a_stopped_node_is_replaced_by_the_other_colo(edge, pairs):
    """Clients see no error while a whole colo is down."""
    pairs[STOPPED][0].stop()
    assert fetch(edge, STOPPED) == [(200, True)] * 5


def test_a_node_that_drops_connections_is_replaced(edge, pairs, black_hole):
    """A node behind a dead link causes a short delay, not an error."""
    near, _ = pairs[BLACK_HOLE]
    near.stop()
    black_hole(near.port)
    assert fetch(edge, BLACK_HOLE, count=3) == [(200, True)] * 3


def test_a_node_that_never_responds_is_replaced(edge, pairs):
    """A node that never responds is abandoned after a timeout."""
    pairs[STALLED][0].behavior = Behavior.STALLED
    assert fetch(edge, STALLED, count=1) == [(200, True)]


@pytest.mark.parametrize(
    ("volume", "behavior"),
    [(WRONG_BYTES, Behavior.WRONG_BYTES), (UNAVAILABLE, Behavior.UNAVAILABLE)],
)
def test_a_node_that_returns_an_error_is_replaced(edge, pairs, volume, behavior):
    """A 502 (corrupt bytes) or 503 (no disk) of a node is not passed to the client."""
    pairs[volume][0].behavior = behavior
    assert fetch(edge, volume) == [(200, True)] * 5


def test_a_photo_that_only_the_mirror_has_is_found(edge, pairs):
    """After a 404 from one node, the edge tries the mirror."""
    path = new_photo_path(volume=ABSENT)
    pairs[ABSENT][0].absent.add(path)
    response = send_request(edge.address, sign(path))
    assert (response.status, response.body) == (200, bytes_of(path))


def test_a_404_is_not_conclusive_while_another_node_fails(edge, pairs):
    """If one node returns 404 and the other fails, the client gets 502, never 404."""
    near, far = pairs[ABSENT]
    path = new_photo_path(volume=ABSENT)
    near.absent.add(path)
    far.stop()
    assert send_request(edge.address, sign(path)).status in {502, 504}
    # Long enough for an edge with probes to skip that node.
    time.sleep(3.5)
    assert send_request(edge.address, sign(path)).status in {502, 504}


def test_gone_is_final(edge, pairs):
    """One tombstone suffices: the mirror is not requested."""
    path = new_photo_path(volume=GONE)
    pairs[GONE][0].gone.add(path)
    assert send_request(edge.address, sign(path)).status == 410
    assert pairs[GONE][1].request_count(path) == 0


@pytest.mark.parametrize(("volume", "expiry"), [(BOTH_STOPPED, 0), (BOTH_STOPPED_TOO, 0xFFFFFFFF)])
def test_with_every_node_down_the_cached_photos_are_still_served(edge, pairs, volume, expiry):
    """Cached copies are served while all nodes are down; any other photo is a 502."""
    path = new_photo_path(volume=volume)
    url = sign(path, expiry=expiry)
    assert send_request(edge.address, url).status == 200
    time.sleep(2.1)
    for node in pairs[volume]:
        node.stop()
    for _ in range(3):
        response = send_request(edge.address, url)
        assert (response.status, response.body) == (200, bytes_of(path))
    unknown = send_request(edge.address, sign(new_photo_path(volume=volume), expiry=expiry))
    assert (unknown.status, unknown.body) == (502, b"bad gateway\n")
    assert unknown.headers["cache-control"] == "no-store"


def test_a_stale_copy_is_revalidated_by_its_etag(edge, pairs):
    """A stale copy is revalidated by its ETag, not fetched again."""
    near, _ = pairs[GONE]
    path = new_photo_path(volume=GONE)
    send_request(edge.address, sign(path))
    time.sleep(2.1)
    assert send_request(edge.address, sign(path)).body == bytes_of(path)
    wait_until(lambda: near.request_count(path) == 2)
    received = [headers for _, target, headers in near.requests if target == sign(path)]
    assert "If-None-Match" in received[1]
