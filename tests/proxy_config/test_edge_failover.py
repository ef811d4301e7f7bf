"""A node or a colo fails: clients get the photo from the other, or what is cached, or an error."""

import contextlib
import socket
import time

import pytest

from tests.proxy_config.edge_requests import ask, new_photo_path, sign
from tests.proxy_config.fake_node import Behavior, bytes_of

# Each case has a volume with two nodes of its own, so that none feels what another has broken.
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
    """Two nodes for each volume: the one near the edge, and its mirror."""
    return {volume: make_nodes(2) for volume in VOLUMES}


@pytest.fixture(name="edge", scope="module", params=["nginx", "varnish"])
def _edge(request, start_edge, make_cluster, pairs):
    """An edge whose cached photos are stale after a second."""
    ports = {str(volume): [node.port for node in pair] for volume, pair in pairs.items()}
    return start_edge(request.param, make_cluster(ports), revalidate_after_seconds=1)


@pytest.fixture(name="restored", autouse=True)
def _restored(pairs):
    """All nodes are well again after each test."""
    yield
    for pair in pairs.values():
        for node in pair:
            node.behavior = Behavior.WELL
            if not node.is_running:
                node.start()


@pytest.fixture(name="black_hole")
def _black_hole():
    """Makes a port take no more connections, and refuse none: black_hole(port)."""
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
    """Statuses and whether bytes were right, of photos nobody asked for before."""
    paths = [new_photo_path(volume=volume) for _ in range(count)]
    answers = [ask(edge.address, sign(path)) for path in paths]
    return [
        (answer.status, answer.body == bytes_of(path))
        for answer, path in zip(answers, paths, strict=True)
    ]


def wait_until(condition):
    """Waits for what happens behind the client's back."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_node_of_the_own_colo_is_asked_first(edge, pairs):
    """While all is well, no byte crosses between colos."""
    near, far = pairs[STOPPED]
    before = len(far.requests)
    assert fetch(edge, STOPPED) == [(200, True)] * 5
    assert len(far.requests) == before
    assert near.requests


def test_a_stopped_node_is_replaced_by_the_other_colo(edge, pairs):
    """Nobody notices that a whole colo is down."""
    pairs[STOPPED][0].stop()
    assert fetch(edge, STOPPED) == [(200, True)] * 5


def test_a_node_that_swallows_connections_is_replaced(edge, pairs, black_hole):
    """A node behind a dead link costs a moment, not an error."""
    near, _ = pairs[BLACK_HOLE]
    near.stop()
    black_hole(near.port)
    assert fetch(edge, BLACK_HOLE, count=3) == [(200, True)] * 3


def test_a_node_that_never_answers_is_replaced(edge, pairs):
    """A node that hangs with open connections is given up on in time."""
    pairs[STALLED][0].behavior = Behavior.STALLED
    assert fetch(edge, STALLED, count=1) == [(200, True)]


@pytest.mark.parametrize(
    ("volume", "behavior"),
    [(WRONG_BYTES, Behavior.WRONG_BYTES), (UNAVAILABLE, Behavior.UNAVAILABLE)],
)
def test_a_node_that_says_it_cannot_is_replaced(edge, pairs, volume, behavior):
    """502 (its bytes are wrong) and 503 (it has no disk) are not for the client."""
    pairs[volume][0].behavior = behavior
    assert fetch(edge, volume) == [(200, True)] * 5


def test_a_photo_that_only_the_mirror_has_is_found(edge, pairs):
    """A 404 of one node is not yet an answer."""
    path = new_photo_path(volume=ABSENT)
    pairs[ABSENT][0].absent.add(path)
    answer = ask(edge.address, sign(path))
    assert (answer.status, answer.body) == (200, bytes_of(path))


def test_a_node_that_lacks_a_photo_does_not_speak_for_one_that_cannot_be_asked(edge, pairs):
    """The other may have it: 502, and never 404, until somebody knows."""
    near, far = pairs[ABSENT]
    path = new_photo_path(volume=ABSENT)
    near.absent.add(path)
    far.stop()
    assert ask(edge.address, sign(path)).status in {502, 504}
    # Long enough for an edge that probes its nodes to have stopped asking that one.
    time.sleep(3.5)
    assert ask(edge.address, sign(path)).status in {502, 504}


def test_gone_is_an_answer(edge, pairs):
    """One tombstone is enough: the mirror is not asked for what is gone."""
    path = new_photo_path(volume=GONE)
    pairs[GONE][0].gone.add(path)
    assert ask(edge.address, sign(path)).status == 410
    assert pairs[GONE][1].asked_for(path) == 0


@pytest.mark.parametrize(("volume", "expiry"), [(BOTH_STOPPED, 0), (BOTH_STOPPED_TOO, 0xFFFFFFFF)])
def test_with_every_node_down_the_cached_photos_are_still_served(edge, pairs, volume, expiry):
    """A stale copy is as good as a fresh one; what was never cached is a plain 502."""
    path = new_photo_path(volume=volume)
    url = sign(path, expiry=expiry)
    assert ask(edge.address, url).status == 200
    time.sleep(2.1)
    for node in pairs[volume]:
        node.stop()
    for _ in range(3):
        answer = ask(edge.address, url)
        assert (answer.status, answer.body) == (200, bytes_of(path))
    unknown = ask(edge.address, sign(new_photo_path(volume=volume), expiry=expiry))
    assert (unknown.status, unknown.body) == (502, b"bad gateway\n")
    assert unknown.headers["cache-control"] == "no-store"


def test_what_is_stale_is_asked_for_by_its_etag(edge, pairs):
    """An old copy is confirmed, not fetched again."""
    near, _ = pairs[GONE]
    path = new_photo_path(volume=GONE)
    ask(edge.address, sign(path))
    time.sleep(2.1)
    assert ask(edge.address, sign(path)).body == bytes_of(path)
    wait_until(lambda: near.asked_for(path) == 2)
    asked = [headers for _, target, headers in near.requests if target == sign(path)]
    assert "If-None-Match" in asked[1]
