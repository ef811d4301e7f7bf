"""Edges try every node: a photo is served if any node has it, and absent only if all say so.

Every state of the local node is combined with every state of the remote one, for each kind of edge.
"""

import time

import pytest

from tests.proxy_config.edge_requests import new_photo_path, send_request, sign
from tests.proxy_config.fake_node import Behavior, bytes_of

HAS, LACKS, DOWN, FENCED, WRONG_BYTES = STATES = (
    *("has it", "lacks it", "is down", "is fenced", "has wrong bytes"),
)
BEHAVIORS = {FENCED: Behavior.UNAVAILABLE, WRONG_BYTES: Behavior.WRONG_BYTES}
# Longer than the probe interval of Varnish.
RECOVERY_SECONDS_MAX = 20
PROBES_SECONDS = 3.5
# Statuses of an edge that cannot determine whether the photo exists.
UNKNOWN = {502, 503, 504}
COMBINATIONS = [(near, far) for near in STATES for far in STATES]


@pytest.fixture(name="numbers", scope="module")
def _numbers():
    """One volume per combination."""
    return {combination: volume for volume, combination in enumerate(COMBINATIONS, 1)}


@pytest.fixture(name="pairs", scope="module")
def _pairs(make_nodes):
    return {combination: make_nodes(2) for combination in COMBINATIONS}


@pytest.fixture(name="edge", scope="module", params=["nginx", "varnish"])
def _edge(request, start_edge, make_cluster, numbers, pairs):
    ports = {str(numbers[at]): [node.port for node in pairs[at]] for at in COMBINATIONS}
    return start_edge(request.param, make_cluster(ports), revalidate_after_seconds=1)


def bring_into(node, state, path):
    """Put a node into a state for one photo."""
    node.behavior = BEHAVIORS.get(state, Behavior.WELL)
    if state == LACKS:
        node.absent.add(path)
    if state == DOWN and node.is_running:
        node.stop()


def restore(pair):
    """Restore all nodes, with every photo."""
    for node in pair:
        node.behavior = Behavior.WELL
        node.absent.clear()
        node.answers_probes = True
        if not node.is_running:
            node.start()


def wanted(near, far):
    """Return the correct statuses."""
    if HAS in {near, far}:
        return {200}
    return {404} if near == far == LACKS else UNKNOWN


@pytest.mark.parametrize(("near", "far"), COMBINATIONS)
def test_a_photo_is_found_if_any_node_has_it(edge, numbers, pairs, near, far):
    """The first request and repeated requests give the correct status."""
    pair = pairs[near, far]
    try:
        for _ in range(3):
            path = new_photo_path(volume=numbers[near, far])
            for node, state in zip(pair, (near, far), strict=True):
                bring_into(node, state, path)
            for _ in range(2):
                response = send_request(edge.address, sign(path))
                assert response.status in wanted(near, far)
                assert response.status != 200 or response.body == bytes_of(path)
    finally:
        restore(pair)


@pytest.mark.parametrize("broken", [DOWN, FENCED, WRONG_BYTES])
def test_a_recovered_node_is_tried_before_a_404(edge, numbers, pairs, broken):
    """A node that was skipped after a failure is still tried before a 404."""
    pair = pairs[broken, LACKS]
    near, far = pair
    try:
        path = new_photo_path(volume=numbers[broken, LACKS])
        bring_into(near, broken, path)
        bring_into(far, LACKS, path)
        assert send_request(edge.address, sign(path)).status in UNKNOWN
        near.behavior = Behavior.WELL
        if not near.is_running:
            near.start()
        deadline = time.monotonic() + RECOVERY_SECONDS_MAX
        while (response := send_request(edge.address, sign(path))).status != 200:
            # Until the edge's copy of the failed response has expired.
            assert response.status in UNKNOWN
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert response.body == bytes_of(path)
    finally:
        restore(pair)


@pytest.mark.parametrize(("near", "far"), [(HAS, HAS), (HAS, LACKS), (LACKS, HAS), (LACKS, LACKS)])
def test_nodes_that_fail_probes_are_tried_before_an_error(edge, numbers, pairs, near, far):
    """Nodes that fail their probes are tried before a request fails."""
    pair = pairs[near, far]
    try:
        for node in pair:
            node.answers_probes = False
        # Long enough for an edge with probes to skip the nodes.
        time.sleep(PROBES_SECONDS)
        path = new_photo_path(volume=numbers[near, far])
        for node, state in zip(pair, (near, far), strict=True):
            bring_into(node, state, path)
        assert send_request(edge.address, sign(path)).status in wanted(near, far)
    finally:
        restore(pair)


@pytest.mark.parametrize(("near", "far"), [(LACKS, LACKS), (LACKS, DOWN), (DOWN, LACKS)])
def test_a_cached_copy_outlives_its_absence_on_the_nodes(edge, numbers, pairs, near, far):
    """A stale copy is served if no node has the photo; only a tombstone removes it."""
    pair = pairs[near, far]
    path = new_photo_path(volume=numbers[near, far])
    try:
        assert send_request(edge.address, sign(path)).status == 200
        time.sleep(2.1)
        for node, state in zip(pair, (near, far), strict=True):
            bring_into(node, state, path)
        # Long enough for the background requests to finish.
        for _ in range(30):
            response = send_request(edge.address, sign(path))
            assert (response.status, response.body) == (200, bytes_of(path))
        pair[0].gone.add(path)
        pair[0].absent.discard(path)
        if not pair[0].is_running:
            pair[0].start()
        deadline = time.monotonic() + RECOVERY_SECONDS_MAX
        while send_request(edge.address, sign(path)).status != 410:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        restore(pair)
