"""Whoever has a photo, clients get it; that it is absent is only believed of all nodes together.

Every state of the near node with every state of the far one, through an edge of each kind.
"""

import time

import pytest

from tests.proxy_config.edge_requests import ask, new_photo_path, sign
from tests.proxy_config.fake_node import Behavior, bytes_of

HAS, LACKS, DOWN, FENCED, WRONG_BYTES = STATES = (
    *("has it", "lacks it", "is down", "is fenced", "has wrong bytes"),
)
BEHAVIORS = {FENCED: Behavior.UNAVAILABLE, WRONG_BYTES: Behavior.WRONG_BYTES}
# As long as a probe of Varnish's needs to find a node that came back, and more.
RECOVERY_SECONDS_MAX = 20
PROBES_SECONDS = 3.5
# What an edge says that could not find out.
UNKNOWN = {502, 503, 504}
COMBINATIONS = [(near, far) for near in STATES for far in STATES]


@pytest.fixture(name="numbers", scope="module")
def _numbers():
    """A volume for each combination, so that none feels what another has broken."""
    return {combination: volume for volume, combination in enumerate(COMBINATIONS, 1)}


@pytest.fixture(name="pairs", scope="module")
def _pairs(make_nodes):
    return {combination: make_nodes(2) for combination in COMBINATIONS}


@pytest.fixture(name="edge", scope="module", params=["nginx", "varnish"])
def _edge(request, start_edge, make_cluster, numbers, pairs):
    ports = {str(numbers[at]): [node.port for node in pairs[at]] for at in COMBINATIONS}
    return start_edge(request.param, make_cluster(ports), revalidate_after_seconds=1)


def bring_into(node, state, path):
    """Have a node be in a state, as far as this photo goes."""
    node.behavior = BEHAVIORS.get(state, Behavior.WELL)
    if state == LACKS:
        node.absent.add(path)
    if state == DOWN and node.is_running:
        node.stop()


def restore(pair):
    """All is well again, and every node has every photo."""
    for node in pair:
        node.behavior = Behavior.WELL
        node.absent.clear()
        node.answers_probes = True
        if not node.is_running:
            node.start()


def wanted(near, far):
    """The statuses that are right."""
    if HAS in {near, far}:
        return {200}
    return {404} if near == far == LACKS else UNKNOWN


@pytest.mark.parametrize(("near", "far"), COMBINATIONS)
def test_a_photo_is_found_if_anyone_has_it_and_absent_if_all_say_so(
    edge, numbers, pairs, near, far
):
    """At the first request, and at those by which the edge knows who fails."""
    pair = pairs[near, far]
    try:
        for _ in range(3):
            path = new_photo_path(volume=numbers[near, far])
            for node, state in zip(pair, (near, far), strict=True):
                bring_into(node, state, path)
            for _ in range(2):
                answer = ask(edge.address, sign(path))
                assert answer.status in wanted(near, far)
                assert answer.status != 200 or answer.body == bytes_of(path)
    finally:
        restore(pair)


@pytest.mark.parametrize("broken", [DOWN, FENCED, WRONG_BYTES])
def test_a_node_that_failed_and_is_well_again_is_asked_for_what_it_alone_has(
    edge, numbers, pairs, broken
):
    """That a node was left alone for a while is no reason to say that a photo is absent."""
    pair = pairs[broken, LACKS]
    near, far = pair
    try:
        path = new_photo_path(volume=numbers[broken, LACKS])
        bring_into(near, broken, path)
        bring_into(far, LACKS, path)
        assert ask(edge.address, sign(path)).status in UNKNOWN
        near.behavior = Behavior.WELL
        if not near.is_running:
            near.start()
        deadline = time.monotonic() + RECOVERY_SECONDS_MAX
        while (answer := ask(edge.address, sign(path))).status != 200:
            # Only as long as the edge still has what it was answered by the node that failed.
            assert answer.status in UNKNOWN
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert answer.body == bytes_of(path)
    finally:
        restore(pair)


@pytest.mark.parametrize(("near", "far"), [(HAS, HAS), (HAS, LACKS), (LACKS, HAS), (LACKS, LACKS)])
def test_nodes_too_busy_for_probes_are_asked_before_a_request_fails(
    edge, numbers, pairs, near, far
):
    """A probe that went wrong is no reason to refuse what a node would send."""
    pair = pairs[near, far]
    try:
        for node in pair:
            node.answers_probes = False
        # Long enough for an edge that probes its nodes to have given them up.
        time.sleep(PROBES_SECONDS)
        path = new_photo_path(volume=numbers[near, far])
        for node, state in zip(pair, (near, far), strict=True):
            bring_into(node, state, path)
        assert ask(edge.address, sign(path)).status in wanted(near, far)
    finally:
        restore(pair)


@pytest.mark.parametrize(("near", "far"), [(LACKS, LACKS), (LACKS, DOWN), (DOWN, LACKS)])
def test_what_is_cached_outlives_its_absence(edge, numbers, pairs, near, far):
    """Only a tombstone deletes: a copy that is stale is served while nobody has another."""
    pair = pairs[near, far]
    path = new_photo_path(volume=numbers[near, far])
    try:
        assert ask(edge.address, sign(path)).status == 200
        time.sleep(2.1)
        for node, state in zip(pair, (near, far), strict=True):
            bring_into(node, state, path)
        # Enough for what is asked behind the first ones' backs to have been answered.
        for _ in range(30):
            answer = ask(edge.address, sign(path))
            assert (answer.status, answer.body) == (200, bytes_of(path))
        pair[0].gone.add(path)
        pair[0].absent.discard(path)
        if not pair[0].is_running:
            pair[0].start()
        deadline = time.monotonic() + RECOVERY_SECONDS_MAX
        while ask(edge.address, sign(path)).status != 410:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        restore(pair)
